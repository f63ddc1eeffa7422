# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Teams as rights, and lists of teams that are refused."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.filter import (
    team_group_roles,
    team_rights,
    team_roles_unlisted,
    team_service_accounts,
)
from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams

rights = team_rights.FilterModule().filters()["team_rights"]
group_roles = team_group_roles.FilterModule().filters()["team_group_roles"]
accounts = team_service_accounts.FilterModule().filters()["team_service_accounts"]
unlisted = team_roles_unlisted.FilterModule().filters()["team_roles_unlisted"]

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
    found = rights(TEAMS, ["grace", "ada", "ada"])
    assert found["experiments"] == ["pricing/daily", "shared"]
    assert found["models"] == ["price"]
    governance, fraud, gone, pricing = found["roles"]
    assert (governance["name"], governance["users"]) == ("governance", ["ada", "grace"])
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


def test_roles_of_teams_that_are_no_longer_listed() -> None:
    names = ["governance", "team-fraud", "team-gone", "team-old", "by-hand"]
    assert unlisted([{"name": name, "grants": []} for name in names], TEAMS) == [{"name": "team-old", "grants": []}]
    assert unlisted([], TEAMS) == []


def test_service_accounts_are_in_the_groups_of_all_their_teams() -> None:
    teams = [
        {"name": "b", "groups": ["b"], "service_accounts": ["nightly", "b-only"]},
        {"name": "a", "groups": ["a", "x"], "service_accounts": ["nightly"]},
        {"name": "old", "groups": ["old"], "service_accounts": ["gone"], "state": "absent"},
        {"name": "none"},
    ]
    assert accounts(teams, {"nightly": "n", "b-only": "o", "unused": "u"}) == [
        {"name": "b-only", "secret": "o", "groups": ["b"]},
        {"name": "nightly", "secret": "n", "groups": ["a", "b", "x"]},
    ]
    with pytest.raises(AnsibleFilterError, match="platform_service_account_secrets has no b-only, nightly"):
        accounts(teams, {})


# teams, what is said
WRONG: list[tuple[t.Any, str]] = [
    (["pricing"], r"teams\[0\]: has no name"),
    ([{"groups": []}], r"teams\[0\]: has no name"),
    ([{"name": "Pricing"}], r'teams\[0\].name: is "Pricing". use a-z'),
    ([{"name": "p"}, {"name": "p"}], r'teams\[1\].name: is "p", which another team has'),
    ([{"name": "p", "experiments": ["daily"]}], r"teams\[0\].experiments\[0\].name: is missing"),
    ([{"name": "p", "experiments": [{"name": " "}]}], r"teams\[0\].experiments\[0\].name: is empty"),
    ([{"name": "p", "models": [{"name": "m-*"}]}], r'teams\[0\].models\[0\].name: is "m-\*"; MLflow has no prefixes'),
    ([{"name": "p", "models": [{"name": "m"}, {"name": "m"}]}], r"teams\[0\].models\[1\].name: .* listed above"),
    ([{"name": "p", "models": [{"name": "a/b"}]}], "which MLflow refuses for a model"),
    ([{"name": "p", "models": [{"name": "m.promotion-lock"}]}], "the lock of a promotion"),
    (None, "NoneType"),
]


@pytest.mark.parametrize(("teams", "message"), WRONG)
def test_wrong_list(teams: t.Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"team_rights: .*{message}"):
        rights(teams)
    with pytest.raises(AnsibleFilterError, match=f"team_group_roles: .*{message}"):
        group_roles(teams)
    with pytest.raises(AnsibleFilterError, match=f"team_roles_unlisted: .*{message}"):
        unlisted([], teams)
    with pytest.raises(AnsibleFilterError, match=f"team_service_accounts: .*{message}"):
        accounts(teams, {})


def test_all_faults_are_told_at_once() -> None:
    teams = [{"name": "P"}, {"name": "q", "models": [{"name": "a:b"}]}]
    with pytest.raises(AnsibleFilterError, match=r"teams\[0\].name.*teams\[1\].models"):
        rights(teams)


def test_the_names_of_roles_are_none_of_mlflows_own() -> None:
    assert _mlflow_teams.role_name(PRICING) == "team-pricing"
