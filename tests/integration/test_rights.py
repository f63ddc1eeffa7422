# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rights of the lab's teams (tools/lab.py names them): who sees what, and what becomes of changes by hand."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import Grant, texts

if t.TYPE_CHECKING:
    from conftest import Platform

PLAYBOOK = "tests/integration/mlflow_part.yml"


class Ended(t.NamedTuple):
    """How a playbook ended."""

    changed: int
    # On one line, as Ansible wraps what it warns of.
    text: str


def converge(platform: Platform, *options: str) -> Ended:
    ended = platform.playbook(PLAYBOOK, "--diff", "--extra-vars=part=rights", *options)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    changed = re.search(r"changed=(\d+)", output)
    assert changed
    return Ended(int(changed[1]), re.sub(r"\s+", " ", output))


@pytest.fixture(name="ids", scope="module")
def fixture_ids(platform: Platform) -> dict[str, str]:
    """The experiments of the teams."""
    found = {name: platform.api().experiment(name) for name in ("pricing/daily", "fraud")}
    return {name: experiment.experiment_id for name, experiment in found.items() if experiment}


# user, experiment, read, write
SEEN: list[tuple[str, str, int, int]] = [
    ("ada", "pricing/daily", 200, 200),
    ("ada", "fraud", 403, 403),
    ("bob", "pricing/daily", 200, 403),
    ("bob", "fraud", 200, 200),
    ("grace", "fraud", 200, 403),
]


@pytest.mark.parametrize(("user", "experiment", "read", "write"), SEEN)
def test_who_reads_and_writes_an_experiment_by_its_id(
    platform: Platform, ids: dict[str, str], user: str, experiment: str, read: int, write: int
) -> None:
    body = {"experiment_id": ids[experiment], "key": "seen-by", "value": user}
    assert platform.status(user, "GET", "experiments/get", query={"experiment_id": ids[experiment]}) == read
    assert platform.status(user, "POST", "experiments/set-experiment-tag", body) == write


@pytest.mark.parametrize(("user", "names"), [("ada", ["pricing/daily"]), ("bob", ["fraud", "pricing/daily"])])
def test_a_search_does_not_tell_names_of_others(platform: Platform, user: str, names: list[str]) -> None:
    query = {"max_results": 1000}
    found = platform.client(user).request("GET", "/api/2.0/mlflow/experiments/search", query=query).json
    # Besides, users see what they made themselves, in other tests.
    seen = {item["name"] for item in found.get("experiments", [])} & {"Default", "fraud", "pricing/daily"}
    assert sorted(seen) == names


def test_runs_of_another_team_are_not_found(platform: Platform, ids: dict[str, str]) -> None:
    made = platform.client("bob").request("POST", "/api/2.0/mlflow/runs/create", json={"experiment_id": ids["fraud"]})
    run_id = made.json["run"]["info"]["run_id"]
    assert platform.status("ada", "GET", "runs/get", query={"run_id": run_id}) == 403
    body = {"experiment_ids": list(ids.values())}
    found = platform.client("ada").request("POST", "/api/2.0/mlflow/runs/search", json=body).json
    assert run_id not in [run["info"]["run_id"] for run in found.get("runs", [])]


@pytest.mark.parametrize(("user", "answer"), [("ada", 200), ("bob", 403), ("grace", 200)])
def test_who_reads_a_model(platform: Platform, user: str, answer: int) -> None:
    assert platform.status(user, "GET", "registered-models/get", query={"name": "price"}) == answer


def grants(platform: Platform, role: str) -> list[str]:
    found = platform.api().role(role, "default")
    return texts(found.grants) if found else ["no such role"]


def change_by_hand(platform: Platform) -> None:
    """A right changed, one added, and a role left of a team that nobody lists."""
    api = platform.api()
    fraud, pricing = api.role("team-fraud", "default"), api.role("team-pricing", "default")
    assert fraud
    assert pricing
    api.update_grant(next(number for grant, number in fraud.grants.items() if grant.permission == "READ"), "MANAGE")
    api.add_grant(pricing.role_id, Grant("experiment", "*", "READ"))
    old = api.create_role("team-old", "default", "")
    api.add_grant(old, Grant("registered_model", "price", "EDIT"))
    api.assign_role(old, "bob")


def test_changes_by_hand_are_shown_put_back_and_taken_away_when_asked(platform: Platform, ids: dict[str, str]) -> None:
    before = {role: grants(platform, role) for role in ("team-fraud", "team-pricing")}
    change_by_hand(platform)
    changed = grants(platform, "team-fraud")
    assert changed != before["team-fraud"]
    assert platform.status_becomes(200, "ada", "GET", "experiments/get", query={"experiment_id": ids["fraud"]})

    dry = converge(platform, "--check")
    assert dry.changed == 1
    assert re.search(rf"- MANAGE on experiment {ids['pricing/daily']} .*\+ - READ on", dry.text), dry.text
    assert "Role team-pricing: it also has READ on experiment *; purge=true takes that away" in dry.text
    assert "The role team-old was made for a team that mlflow_teams no longer names" in dry.text
    assert "EDIT on registered_model price; its users are bob." in dry.text
    assert grants(platform, "team-fraud") == changed

    assert converge(platform).changed == 1
    assert grants(platform, "team-fraud") == before["team-fraud"]
    assert grants(platform, "team-old") == ["EDIT on registered_model price"]

    assert converge(platform, "--extra-vars", "mlflow_rights_purge=true").changed == 2
    assert grants(platform, "team-pricing") == before["team-pricing"]
    assert grants(platform, "team-old") == ["no such role"]
    assert platform.status_becomes(403, "ada", "GET", "experiments/get", query={"experiment_id": ids["fraud"]})
