# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Promotion and its gates, on a registry in memory and on answers that a server could give."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowResponse
from ansible_collections.mlops.tracking.plugins.modules import mlflow_promotion, mlflow_promotion_gates

CONNECTION = {"mlflow_url": "https://mlflow.test", "mlflow_token": "hidden-token"}
MISSING = MlflowApiError(404, "RESOURCE_DOES_NOT_EXIST", "no such thing")
TAKEN = MlflowApiError(400, "RESOURCE_ALREADY_EXISTS", "is there")
DENIED = MlflowApiError(403, "PERMISSION_DENIED", "Only governance moves aliases")
LOCK = "m.promotion-lock"
# What versions keep of the past.
TRAIL = {
    "5": json.dumps({"action": "turned away", "alias": "champion"}),
    "6": "no event",
    "7": json.dumps({"action": "promoted", "alias": "champion"}),
}


class Registry:
    """Models, aliases and tags as the server keeps them; `broken` raises for a method and path."""

    def __init__(self, aliases: dict[str, str], broken: dict[str, Exception] | None = None, lock: str = "") -> None:
        self.aliases = dict(aliases)
        self.broken = broken or {}
        self.lock = lock
        self.writes: list[str] = []
        self.events: list[dict[str, t.Any]] = []
        # A user who moves the champion between the promotion's look and its turn.
        self.meddler: dict[str, str] = {}

    def request(self, method: str, path: str, json: t.Any = None, query: t.Any = None) -> MlflowResponse:
        key = f"{method} {path.rpartition('mlflow/')[2]}"
        if key in self.broken:
            raise self.broken[key]
        if method != "GET":
            self.writes.append(key)
        name = "on_" + key.lower().replace("registered-models/", "model_").replace("model-versions/", "version_")
        handler = getattr(self, name.replace(" ", "_").replace("/", "_").replace("-", "_"))
        return MlflowResponse(200, handler(json or query), b"")

    def on_get_users_current(self, _asked: t.Any) -> t.Any:
        return {"user": {"username": "grace"}}

    def on_get_model_get(self, asked: t.Any) -> t.Any:
        if asked["name"] == LOCK:
            if not self.lock:
                raise MISSING
            return {"registered_model": {"description": self.lock}}
        aliases = [{"alias": alias, "version": version} for alias, version in self.aliases.items()]
        return {"registered_model": {"aliases": aliases}}

    def on_get_version_get(self, asked: t.Any) -> t.Any:
        if int(asked["version"]) > 9:
            raise MISSING
        tags = [{"key": "artifact_sha256", "value": "abc"}]
        if asked["version"] in TRAIL:
            tags.append({"key": "promotion.20260101T000000.000000Z", "value": TRAIL[asked["version"]]})
        return {"model_version": {"run_id": "r", "tags": tags}}

    def on_get_runs_get(self, _asked: t.Any) -> t.Any:
        return {"run": {"info": {"status": "FINISHED"}, "data": {"tags": [{"key": "mlflow.user", "value": "ada"}]}}}

    def on_post_model_create(self, asked: t.Any) -> t.Any:
        if self.lock:
            raise TAKEN
        self.lock = asked["description"]
        self.aliases.update(self.meddler)
        return {}

    def on_delete_model_delete(self, _asked: t.Any) -> t.Any:
        self.lock = ""
        return {}

    def on_post_version_set_tag(self, asked: t.Any) -> t.Any:
        assert asked["key"].startswith("promotion.20")
        self.events.append({"on": asked["version"], **json.loads(asked["value"])})
        return {}

    def on_post_model_alias(self, asked: t.Any) -> t.Any:
        self.aliases[asked["alias"]] = asked["version"]
        return {}


def promote(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, registry: Registry, check: bool = False, **options: t.Any
) -> dict[str, t.Any]:
    monkeypatch.setattr(_mlflow_module, "from_module", lambda _module: registry)
    given = {**CONNECTION, "name": "m", "reason": "because", **options}
    result: dict[str, t.Any] = run_module(mlflow_promotion.main, given, check=check)
    assert "hidden" not in result.get("msg", "")
    return result


# aliases, options, aliases afterwards, aliases that moved in order
SWITCHES: list[tuple[dict[str, str], dict[str, t.Any], dict[str, str], list[str]]] = [
    ({}, {"version": "1", "expected_version": ""}, {"champion": "1"}, ["champion"]),
    ({"champion": "1"}, {"version": "1"}, {"champion": "1"}, []),
    (
        {"champion": "1"},
        {"version": "2", "expected_version": "1"},
        {"champion": "2", "previous": "1"},
        ["previous", "champion"],
    ),
    (
        {"champion": "2", "previous": "1"},
        {"state": "rolled_back"},
        {"champion": "1", "previous": "2"},
        ["previous", "champion"],
    ),
    (
        {"champion": "8", "previous": "2"},
        {"state": "rolled_back", "version": "7"},
        {"champion": "7", "previous": "8"},
        ["previous", "champion"],
    ),
    ({"champion": "2", "previous": "2"}, {"version": "3"}, {"champion": "3", "previous": "2"}, ["champion"]),
    (
        {"live": "1"},
        {"version": "2", "alias": "live", "previous_alias": "before"},
        {"live": "2", "before": "1"},
        ["before", "live"],
    ),
]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("aliases", "options", "after", "moved"), SWITCHES)
def test_switch(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    aliases: dict[str, str],
    options: dict[str, t.Any],
    after: dict[str, str],
    moved: list[str],
    check: bool,
) -> None:
    registry = Registry(aliases)
    result = promote(monkeypatch, run_module, registry, check, **options)
    assert (result["changes"], result["changed"]) == (moved, bool(moved))
    assert (registry.aliases, registry.lock) == (aliases if check else after, "")
    if check or not moved:
        assert registry.writes == []
    else:
        moves = ["POST registered-models/alias"] * len(moved)
        assert registry.writes == [
            "POST registered-models/create",
            "POST model-versions/set-tag",
            *moves,
            "DELETE registered-models/delete",
        ]
        assert (result["event"]["by"], result["event"]["to"]) == ("grace", result["version"])


# registry, options, part of the message, what the trail says
FAILURES: list[tuple[Registry, dict[str, t.Any], str, list[str]]] = [
    (Registry({}), {}, "version is needed to promote", []),
    (Registry({}), {"version": "10"}, "there is no version 10", []),
    (Registry({}), {"state": "rolled_back"}, "there is no previous version", []),
    *(
        (Registry({"champion": "8"}), {"state": "rolled_back", "version": version}, "never made champion", [])
        for version in ("4", "5", "6")
    ),
    (
        Registry({"live": "8"}),
        {"state": "rolled_back", "version": "7", "alias": "live"},
        "never made live",
        [],
    ),
    (Registry({"champion": "3"}), {"version": "4", "expected_version": "2"}, "somebody moved it", ["turned away"]),
    (Registry({}, lock="ada moves champion"), {"version": "4"}, "under way .ada moves champion.", ["turned away"]),
    (Registry({}, {"POST registered-models/create": TAKEN}), {"version": "4"}, "it has just ended", ["turned away"]),
    (Registry({}, {"POST registered-models/create": DENIED}), {"version": "4"}, "Only governance", []),
    (Registry({}, {"POST registered-models/alias": DENIED}), {"version": "4"}, "Only governance", ["promoted"]),
    (Registry({}, {"GET registered-models/get": MISSING}), {"version": "4"}, "there is no such model", []),
]


@pytest.mark.parametrize(("registry", "options", "message", "trail"), FAILURES)
def test_a_failure_moves_nothing_and_lets_go_of_the_lock(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    registry: Registry,
    options: dict[str, t.Any],
    message: str,
    trail: list[str],
) -> None:
    fresh = Registry(registry.aliases, registry.broken, registry.lock)
    result = promote(monkeypatch, run_module, fresh, **options)
    assert result["failed"] is True
    assert re.search(message, result["msg"]), result["msg"]
    assert (fresh.aliases, fresh.lock) == (registry.aliases, registry.lock)
    assert [event["action"] for event in fresh.events] == trail


def test_a_dry_run_that_is_turned_away_writes_nothing(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    registry = Registry({"champion": "3"})
    assert promote(monkeypatch, run_module, registry, True, version="4", expected_version="2")["failed"] is True
    assert registry.writes == []


def test_the_champion_is_looked_at_again_in_its_turn(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    registry = Registry({"champion": "1"})
    registry.meddler = {"champion": "7"}
    result = promote(monkeypatch, run_module, registry, version="2", expected_version="1")
    assert "version 7 where version 1 was expected" in result["msg"]
    assert (registry.aliases, registry.lock) == ({"champion": "7"}, "")


def test_somebody_else_who_made_it_the_champion_is_no_change(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any
) -> None:
    registry = Registry({"champion": "1"})
    registry.meddler = {"champion": "2"}
    assert promote(monkeypatch, run_module, registry, version="2")["changed"] is False
    assert registry.events == []


def test_a_champion_that_moves_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    class Meddled(Registry):
        def on_post_model_alias(self, asked: t.Any) -> t.Any:
            self.aliases[asked["alias"]] = "9"
            return {}

    result = promote(monkeypatch, run_module, Meddled({}), version="2")
    assert "somebody moved champion at the same time" in result["msg"]


HELPER_OK: list[t.Any] = [{"digest": "abc", "files": 2}, {"signature": True, "example": True, "predicted": "list"}]
GREEN = ["source run", "files", "signature", "prediction"]

# options, answers of the helper, gates by name, red ones
GATES: list[tuple[dict[str, t.Any], list[t.Any], list[str], list[str]]] = [
    ({}, HELPER_OK, GREEN, []),
    ({"predict": False}, HELPER_OK[:1], ["source run", "files"], []),
    ({"predict": False, "digest_tag": ""}, [], ["source run"], []),
    ({"digest_tag": "", "run_finished": False}, HELPER_OK, ["signature", "prediction"], []),
    ({"alias": "champion", "version": None}, HELPER_OK, GREEN, []),
    ({"digest": "xyz"}, HELPER_OK[:1], ["source run", "files"], ["files"]),
    ({}, [{"error": "HTTP 500"}], ["source run", "files"], ["files"]),
    ({}, [HELPER_OK[0], {"error": "RuntimeError: no"}], ["source run", "files", "prediction"], ["prediction"]),
    ({}, [HELPER_OK[0], (-9, "", "Killed")], ["source run", "files", "prediction"], ["prediction"]),
    ({"approval": True}, HELPER_OK, ["source run", "approval", *GREEN[1:]], ["approval"]),
    ({"metrics": [{"name": "f1"}]}, HELPER_OK, ["source run", "metric f1", *GREEN[1:]], ["metric f1"]),
]


def helper(
    monkeypatch: pytest.MonkeyPatch, answers: list[t.Any], network: bool
) -> list[tuple[list[str], dict[str, str]]]:
    asked: list[tuple[list[str], dict[str, str]]] = []

    def run_command(_self: AnsibleModule, command: list[str], **options: t.Any) -> tuple[int, str, str]:
        if command[-1] == "true":
            return (0 if network else 1), "", ""
        asked.append((command, options["environ_update"]))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (0, json.dumps(answer), "noise")

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    return asked


@pytest.mark.parametrize(("options", "answers", "names", "red"), GATES)
def test_gates(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    options: dict[str, t.Any],
    answers: list[t.Any],
    names: list[str],
    red: list[str],
) -> None:
    asked = helper(monkeypatch, list(answers), network=True)
    monkeypatch.setattr(mlflow_promotion_gates, "from_module", lambda _module: Registry({"champion": "3"}))
    given = {**CONNECTION, "name": "m", "version": "4", **options}
    result = run_module(mlflow_promotion_gates.main, {key: value for key, value in given.items() if value is not None})
    assert [gate["name"] for gate in result["gates"]] == names
    assert [gate["name"] for gate in result["gates"] if not gate["ok"]] == red
    assert bool(result.get("failed")) is bool(red)
    assert (result["changed"], result["aliases"], result["promoter"]) == (False, {"champion": "3"}, "grace")
    assert len(asked) == len(answers)


@pytest.mark.parametrize("network", [True, False])
def test_the_models_process_gets_no_credentials(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, network: bool
) -> None:
    asked = helper(monkeypatch, list(HELPER_OK), network)
    monkeypatch.setattr(mlflow_promotion_gates, "from_module", lambda _module: Registry({}))
    result = run_module(mlflow_promotion_gates.main, {**CONNECTION, "name": "m", "version": "4"})
    assert result["network_closed"] is network
    (download, with_credentials), (predict, without) = asked
    assert with_credentials["MLFLOW_TRACKING_TOKEN"] == "hidden-token"
    assert "hidden" not in str(download)
    assert (without, predict[:2]) == ({}, ["env", "-i"])
    assert "hidden" not in str(predict)
    assert ("unshare" in predict) is network
    assert not Path(download[-1]).exists()


def test_the_approver_is_asked_for_by_the_server(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    class Eve(Registry):
        def on_get_users_current(self, _asked: t.Any) -> t.Any:
            return {"user": {"username": "eve"}}

    helper(monkeypatch, list(HELPER_OK), network=True)
    monkeypatch.setattr(mlflow_promotion_gates, "from_module", lambda _module: Registry({}))
    monkeypatch.setattr(mlflow_promotion_gates, "MlflowClient", lambda *_args, **_options: Eve({}))
    options = {**CONNECTION, "name": "m", "version": "4", "approval": True, "approver_token": "hidden-too"}
    result = run_module(mlflow_promotion_gates.main, options)
    assert (result.get("failed"), result["approver"]) == (None, "eve")


# registry, options, answers of the helper, part of the message
STOPPED: list[tuple[Registry, dict[str, t.Any], list[t.Any], str]] = [
    (Registry({}, {"GET registered-models/get": MISSING}), {"version": "1"}, [], "there is no such model"),
    (Registry({}), {"version": "10"}, [], "there is no version 10"),
    (Registry({}), {"alias": "champion"}, [], "there is no version with alias champion"),
    (Registry({}, {"GET runs/get": DENIED}), {"version": "1"}, [], "HTTP 403"),
    (
        Registry({}),
        {"version": "1"},
        [FileNotFoundError(2, "No such file or directory")],
        "python python3 cannot be run",
    ),
    (Registry({}), {}, [], "one of the following is required"),
]


@pytest.mark.parametrize(("registry", "options", "answers", "message"), STOPPED)
def test_gates_that_cannot_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    registry: Registry,
    options: dict[str, t.Any],
    answers: list[t.Any],
    message: str,
) -> None:
    helper(monkeypatch, list(answers), network=True)
    monkeypatch.setattr(mlflow_promotion_gates, "from_module", lambda _module: registry)
    result = run_module(mlflow_promotion_gates.main, {**CONNECTION, "name": "m", **options})
    assert result["failed"] is True
    assert message in result["msg"]
