# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of rights and the registry against a running platform."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import Grant
from ansible_collections.mlops.tracking.plugins.modules import (
    mlflow_experiment,
    mlflow_model_alias,
    mlflow_registered_model,
    mlflow_role,
    mlflow_user,
)

if t.TYPE_CHECKING:
    from conftest import Platform

Run = Callable[..., dict[str, t.Any]]
SECRET, OTHER_SECRET = "first-secret-of-the-user", "second-secret-of-the-user"
ONCE = [True, True, False, False]


# How long other workers of the server go by the users and rights that they remember, and a little more.
REMEMBERED_SECONDS = 6


def converge(run: Run, module: t.Any, options: dict[str, t.Any]) -> list[bool]:
    """Whether check mode, the run, the second run and check mode again say that something changes."""
    answers = [run(module, options, check=check) for check in (True, False, False, True)]
    assert [answer["msg"] for answer in answers if answer.get("failed")] == []
    return [bool(answer["changed"]) for answer in answers]


def register(platform: Platform, name: str) -> str:
    """A version whose source is a folder of a run."""

    def post(path: str, body: dict[str, t.Any]) -> t.Any:
        return platform.client().request("POST", f"/api/2.0/mlflow/{path}", json=body).json

    run = post("runs/create", {"experiment_id": "0"})["run"]["info"]
    body = {"name": name, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    return str(post("model-versions/create", body)["model_version"]["version"])


def test_experiment(run: Run, platform: Platform, mark: str) -> None:
    options: dict[str, t.Any] = {"name": f"{mark} team's/ex pé", "tags": {"team": "a", "year": 2026}}
    assert converge(run, mlflow_experiment, options) == ONCE
    made = run(mlflow_experiment, options)["experiment_id"]
    changed = {**options, "tags": {"team": "b"}}
    assert converge(run, mlflow_experiment, changed) == ONCE
    assert converge(run, mlflow_experiment, {**changed, "purge_tags": True}) == ONCE
    found = platform.client().request("GET", "/api/2.0/mlflow/experiments/get", query={"experiment_id": made}).json
    assert found["experiment"]["tags"] == [{"key": "team", "value": "b"}]
    assert converge(run, mlflow_experiment, {"name": options["name"], "state": "absent"}) == ONCE
    assert run(mlflow_experiment, options, check=True)["diff"]["before"]["experiment"] == "deleted"
    assert converge(run, mlflow_experiment, options) == ONCE
    assert run(mlflow_experiment, options)["experiment_id"] == made
    refused = run(mlflow_experiment, {"name": options["name"], "artifact_location": "s3://elsewhere"})
    assert "can only be chosen when an experiment is made" in refused["msg"]


def test_registered_model(run: Run, platform: Platform, mark: str) -> None:
    options: dict[str, t.Any] = {"name": f"{mark} model's name", "description": "one", "tags": {"team": "a"}}
    assert converge(run, mlflow_registered_model, options) == ONCE
    changed = {**options, "description": "two", "tags": {"team": "b", "more": "x"}}
    assert run(mlflow_registered_model, changed, check=True)["changes"] == ["description", "tags"]
    assert converge(run, mlflow_registered_model, changed) == ONCE
    assert converge(run, mlflow_registered_model, {**options, "purge_tags": True}) == ONCE
    register(platform, options["name"])
    gone = {"name": options["name"], "state": "absent"}
    for check in (True, False):
        assert "it has versions; set force to true" in run(mlflow_registered_model, gone, check=check)["msg"]
    assert converge(run, mlflow_registered_model, {**gone, "force": True}) == ONCE


def test_alias(run: Run, platform: Platform, mark: str) -> None:
    aliased = f"aliased-{mark}"
    run(mlflow_registered_model, {"name": aliased})
    first, second = register(platform, aliased), register(platform, aliased)
    options = {"name": aliased, "alias": "candidate", "version": first}
    assert converge(run, mlflow_model_alias, {**options, "expected_version": ""}) == ONCE
    moved = run(mlflow_model_alias, {**options, "version": second, "expected_version": first})
    assert (moved["previous_version"], moved["version"]) == (first, second)
    assert "somebody moved it" in run(mlflow_model_alias, {**options, "expected_version": ""})["msg"]
    assert "there is no version 99" in run(mlflow_model_alias, {**options, "version": "99"})["msg"]
    gone = {"name": aliased, "alias": "candidate", "state": "absent"}
    assert converge(run, mlflow_model_alias, gone) == ONCE
    assert "there is no such model" in run(mlflow_model_alias, {**options, "name": f"nowhere-{mark}"})["msg"]


def test_user(run: Run, platform: Platform, mark: str) -> None:
    options = {"name": f"user-{mark}", "password": SECRET}
    assert converge(run, mlflow_user, options) == ONCE
    changed = {**options, "password": OTHER_SECRET}
    assert run(mlflow_user, changed)["changed"] is False
    assert converge(run, mlflow_user, {**changed, "update_password": "always"}) == ONCE
    assert platform.status(options["name"], "GET", "users/current", password=SECRET) == 401
    assert converge(run, mlflow_user, {"name": options["name"], "admin": True}) == ONCE
    assert run(mlflow_user, changed)["changed"] is False
    assert converge(run, mlflow_user, {"name": options["name"], "admin": False}) == ONCE
    assert converge(run, mlflow_user, {"name": options["name"], "state": "absent"}) == ONCE
    assert "password is needed" in run(mlflow_user, {"name": f"nobody-{mark}"})["msg"]
    assert "cannot delete their own account" in run(mlflow_user, {"name": "admin", "state": "absent"})["msg"]


def test_a_role_gives_and_takes_rights(run: Run, platform: Platform, mark: str) -> None:
    name, team, own_name = f"ada-{mark}", f"role-{mark}", f"of the team {mark}"
    own = run(mlflow_experiment, {"name": own_name})["experiment_id"]
    other = run(mlflow_experiment, {"name": f"of others {mark}"})["experiment_id"]
    run(mlflow_user, {"name": name, "password": SECRET})
    grant = {"resource_type": "experiment", "experiment_name": own_name, "permission": "EDIT"}
    role: dict[str, t.Any] = {"name": team, "description": "The team", "grants": [grant], "users": [name]}

    def get(experiment_id: str) -> int:
        query = {"experiment_id": experiment_id}
        return platform.status(name, "GET", "experiments/get", query=query, password=SECRET)

    def run_in(experiment_id: str) -> int:
        body = {"experiment_id": experiment_id}
        return platform.status(name, "POST", "runs/create", body, password=SECRET)

    def settled(options: dict[str, t.Any]) -> list[bool]:
        answers = converge(run, mlflow_role, options)
        time.sleep(REMEMBERED_SECONDS)
        return answers

    assert (get(own), run_in(own), get(other)) == (403, 403, 403)
    assert settled(role) == ONCE
    assert (get(own), run_in(own), get(other)) == (200, 200, 403)
    assert settled({**role, "grants": [{**grant, "permission": "READ"}]}) == ONCE
    assert (get(own), run_in(own)) == (200, 403)

    # A right that somebody adds by hand is seen, and taken away only when that is asked for.
    found = platform.api().role(team, "default")
    assert found
    platform.api().add_grant(found.role_id, Grant("experiment", "*", "MANAGE"))
    time.sleep(REMEMBERED_SECONDS)
    assert get(other) == 200
    role["grants"] = [{**grant, "permission": "READ"}]
    left = run(mlflow_role, role)
    assert (left["changed"], left["extra_grants"]) == (False, ["MANAGE on experiment *"])
    assert settled({**role, "purge": True}) == ONCE
    assert get(other) == 403

    assert settled({**role, "users": [], "purge": True}) == ONCE
    assert get(own) == 403
    assert converge(run, mlflow_role, {"name": team, "state": "absent"}) == ONCE


# options, part of the message
REFUSED: list[tuple[dict[str, t.Any], str]] = [
    (
        {"grants": [{"resource_type": "experiment", "experiment_name": "no such", "permission": "READ"}]},
        "make it first",
    ),
    ({"users": ["nobody-at-all"]}, "nobody-at-all"),
    ({"workspace": " "}, "workspace"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_a_refused_role(run: Run, mark: str, options: dict[str, t.Any], message: str) -> None:
    result = run(mlflow_role, {"name": f"refused {mark} {message}", **options})
    assert result["failed"] is True
    assert message in result["msg"]


def test_every_module_names_a_wrong_password(run: Run) -> None:
    cases = [
        (mlflow_experiment, {}),
        (mlflow_registered_model, {}),
        (mlflow_role, {}),
        (mlflow_user, {"password": SECRET}),
        (mlflow_model_alias, {"alias": "a", "version": "1"}),
    ]
    for module, options in cases:
        result = run(module, {"name": "x", **options}, mlflow_password="wrong-password")
        assert result["failed"] is True
        assert "HTTP 401" in result["msg"]
