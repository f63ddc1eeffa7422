# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Teams as rights, and lists of teams that are refused."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.filter import team_group_roles, team_rights
from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams

rights = team_rights.FilterModule().filters()["team_rights"]
group_roles = team_group_roles.FilterModule().filters()["team_group_roles"]

PRICING: dict[str, t.Any] = {
    "name": "pricing",
    "groups": ["pricing", "analysts"],
    "users": ["bob", "ada"],
    "service_accounts": ["ci-pricing"],
    "experiments": [{"name": "pricing/daily"}, {"name": "shared", "permission": "READ"}],
    "models": [{"name": "price", "permission": "MANAGE"}, {"name": "*", "permission": "READ"}],
}
FRAUD: dict[str, t.Any] = {
    "name": "fraud",
    "groups": ["fraud", "analysts"],
    "experiments": [{"name": "shared"}, {"name": "*", "permission": "READ"}],
}
GONE: dict[str, t.Any] = {
    "name": "gone",
    "state": "absent",
    "groups": ["gone"],
    "experiments": [{"name": "old"}],
    "models": [{"name": "old"}],
}
TEAMS = [PRICING, FRAUD, GONE]


def test_rights() -> None:
    found = rights(TEAMS)
    assert found["experiments"] == ["pricing/daily", "shared"]
    assert found["models"] == ["price"]
    governance, fraud, gone, pricing = found["roles"]
    assert (governance["name"], governance["users"]) == ("governance", None)
    assert {(grant["resource_type"], grant["permission"]) for grant in governance["grants"]} == {
        ("registered_model", "MANAGE"),
        ("prompt", "MANAGE"),
        ("experiment", "READ"),
    }
    assert pricing == {
        "name": "team-pricing",
        "description": "Team pricing",
        "grants": [
            {"resource_type": "experiment", "experiment_name": "pricing/daily", "permission": "EDIT"},
            {"resource_type": "experiment", "experiment_name": "shared", "permission": "READ"},
            {"resource_type": "registered_model", "resource_pattern": "price", "permission": "MANAGE"},
            {"resource_type": "registered_model", "resource_pattern": "*", "permission": "READ"},
        ],
        "users": ["ada", "bob"],
        "state": "present",
    }
    assert fraud["grants"] == [
        {"resource_type": "experiment", "experiment_name": "shared", "permission": "EDIT"},
        {"resource_type": "experiment", "permission": "READ"},
    ]
    assert (gone["name"], gone["state"]) == ("team-gone", "absent")


def test_no_team_still_has_governance() -> None:
    assert [role["name"] for role in rights([])["roles"]] == ["governance"]
    assert group_roles([]) == {}


def test_group_roles() -> None:
    assert group_roles(TEAMS, ["governance", "fraud"]) == {
        "analysts": ["team-fraud", "team-pricing"],
        "fraud": ["governance", "team-fraud"],
        "governance": ["governance"],
        "pricing": ["team-pricing"],
    }


def test_the_order_of_a_list_has_no_meaning() -> None:
    for seed in range(20):
        shuffled = random.Random(seed).sample(TEAMS, len(TEAMS))
        assert rights(shuffled) == rights(TEAMS)
        assert group_roles(shuffled, ["g"]) == group_roles(TEAMS, ["g"])


# teams, part of the message
WRONG: list[tuple[t.Any, str]] = [
    (["pricing"], "each team needs a name"),
    ([{"groups": []}], "each team needs a name"),
    ([{"name": "Pricing"}], "use lower-case letters"),
    ([{"name": "p"}, {"name": "p"}], "team p is listed twice"),
    ([{"name": "p", "group": ["x"]}], "team p: unknown group; known are experiments, groups"),
    ([{"name": "p", "state": "gone"}], "state is gone; use present or absent"),
    ([{"name": "p", "experiments": ["daily"]}], "each of experiments needs a name"),
    ([{"name": "p", "models": [{"name": "price-*"}]}], "whole names and \\* for all, no prefixes"),
    ([{"name": "p", "models": [{"name": "m", "permission": "WRITE"}]}], "permission is WRITE; use one of READ"),
    ([{"name": "p", "models": [{"name": "m"}, {"name": "m"}]}], "models m is listed twice"),
    ([{"name": "p", "models": [{"name": "m", "alias": "x"}]}], "models m: unknown alias"),
    (None, "NoneType"),
]


@pytest.mark.parametrize(("teams", "message"), WRONG)
def test_wrong_list(teams: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"team_rights: .*{message}"):
        rights(teams)
    with pytest.raises(AnsibleFilterError, match=f"team_group_roles: .*{message}"):
        group_roles(teams)


def test_the_names_of_roles_are_none_of_mlflows_own() -> None:
    assert _mlflow_teams.role_name(PRICING) == "team-pricing"
