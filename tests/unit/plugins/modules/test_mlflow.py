# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two MLflow modules on answers that a server or an interpreter could give."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowResponse
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_schema import URI_VARIABLE
from ansible_collections.mlops.tracking.plugins.modules import mlflow_info, mlflow_schema

URI = "postgresql+psycopg2://owner:hidden-pw@db.test/mlflow"
SCHEMA_OPTIONS = {"python": "/opt/mlflow/bin/python", "database_uri": URI}


def schema(revision: str | None, known: bool = True) -> dict[str, t.Any]:
    return {
        "component": "tracking",
        "database_revision": revision,
        "code_revision": "head",
        "mlflow_version": "3.17.2",
        "known": known,
    }


def same(revision: str | None, known: bool = True) -> dict[str, t.Any]:
    return {"before": schema(revision, known), "after": schema(revision, known)}


MIGRATED_OLD = {"before": schema("old"), "after": schema("head")}
MIGRATED_NEW = {"before": schema(None), "after": schema("head")}

# options, check mode, answers of the helper, (changed, before, after, up_to_date), actions asked
SCHEMAS: list[tuple[dict[str, t.Any], bool, list[t.Any], tuple[bool, str | None, str | None, bool], list[str]]] = [
    ({}, False, [same("head")], (False, "head", "head", True), ["read"]),
    ({}, False, [same("old")], (False, "old", "old", False), ["read"]),
    ({}, False, [same(None)], (False, None, None, False), ["read"]),
    ({"state": "migrated"}, False, [same("head")], (False, "head", "head", True), ["migrate"]),
    ({"state": "migrated"}, False, [MIGRATED_OLD], (True, "old", "head", True), ["migrate"]),
    ({"state": "migrated"}, False, [MIGRATED_NEW], (True, None, "head", True), ["migrate"]),
    ({"state": "migrated"}, True, [same("old")], (True, "old", "head", True), ["read"]),
    ({"state": "migrated"}, True, [same("head")], (False, "head", "head", True), ["read"]),
    ({"state": "migrated", "component": "auth"}, True, [same(None)], (True, None, "head", True), ["read"]),
]


@pytest.fixture(name="commands")
def fixture_commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str], str]]:
    return []


def give(monkeypatch: pytest.MonkeyPatch, answers: list[t.Any], commands: list[t.Any]) -> None:
    def run_command(
        _self: AnsibleModule, command: list[str], data: str, environ_update: dict[str, str], handle_exceptions: bool
    ) -> tuple[int, str, str]:
        commands.append((command, environ_update, data))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (0, json.dumps(answer) + "\n", "noise")

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)


@pytest.mark.parametrize(("options", "check", "answers", "expected", "actions"), SCHEMAS)
def test_schema(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    commands: list[t.Any],
    options: dict[str, t.Any],
    check: bool,
    answers: list[t.Any],
    expected: tuple[t.Any, ...],
    actions: list[str],
) -> None:
    give(monkeypatch, list(answers), commands)
    result = run_module(mlflow_schema.main, {**SCHEMA_OPTIONS, **options}, check=check)
    assert tuple(result[key] for key in ("changed", "before", "after", "up_to_date")) == expected
    assert (result["diff"]["before"] != result["diff"]["after"]) is result["changed"]
    assert result["initialised"] is (result["before"] is not None)
    assert [command[3] for command, dummy, dummy in commands] == actions
    for command, environment, script in commands:
        assert command[:3] == ["/opt/mlflow/bin/python", "-I", "-"]
        assert "hidden-pw" not in " ".join(command) + script
        assert environment[URI_VARIABLE] == URI
        compile(script, "helper", "exec")


# answer of the helper, part of the message
SCHEMA_FAILURES: list[tuple[t.Any, str]] = [
    (same("future", known=False), "revision future, which the installed MLflow 3.17.2"),
    ({"error": "no connection"}, r"Schema of MLflow \(tracking\): no connection"),
    ((1, "", "Traceback\nModuleNotFoundError: mlflow hidden-pw"), "ended with 1: ModuleNotFoundError: mlflow"),
    ((-9, "", ""), "ended with -9: no output"),
    (FileNotFoundError(2, "No such file or directory"), "python /opt/mlflow/bin/python cannot be run"),
]


@pytest.mark.parametrize(("answer", "message"), SCHEMA_FAILURES)
def test_schema_failure(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, commands: list[t.Any], answer: t.Any, message: str
) -> None:
    give(monkeypatch, [answer], commands)
    result = run_module(mlflow_schema.main, SCHEMA_OPTIONS)
    assert result["failed"] is True
    assert re.search(message, result["msg"])
    assert "hidden-pw" not in str(result)


class FakeServer:
    """Answers by path; an exception is raised."""

    def __init__(self, answers: dict[str, t.Any]) -> None:
        self.answers = answers
        self.queries: list[dict[str, t.Any]] = []

    def request(self, method: str, path: str, query: t.Any = None) -> MlflowResponse:
        assert method == "GET"
        answer = self.answers[path]
        if isinstance(answer, list):
            self.queries.append(dict(query))
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return MlflowResponse(200, None, answer)
        return MlflowResponse(200, answer, b"")


BASE: dict[str, t.Any] = {"/version": b"3.17.2\n", "/health": b"OK"}
INFO = "/api/3.0/mlflow/server-info"
EXPERIMENTS = "/api/2.0/mlflow/experiments/search"
MODELS = "/api/2.0/mlflow/registered-models/search"
TWO_PAGES = [{"experiments": [{}, {}], "next_page_token": "t"}, {"experiments": [{}]}]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("info", "expected"), [({"store_type": "SqlStore"}, {"store_type": "SqlStore"}), (MlflowApiError(404, "N", ""), {})]
)
def test_info(monkeypatch: pytest.MonkeyPatch, run_module: t.Any, info: t.Any, expected: t.Any, check: bool) -> None:
    monkeypatch.setattr(mlflow_info, "from_module", lambda _module: FakeServer({**BASE, INFO: info}))
    result = run_module(mlflow_info.main, {"mlflow_url": "https://mlflow.test"}, check=check)
    assert result["changed"] is False
    assert (result["version"], result["health"], result["server_info"]) == ("3.17.2", "OK", expected)
    assert "counts" not in result


def test_counts_go_through_all_pages(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    server = FakeServer({**BASE, INFO: {}, EXPERIMENTS: list(TWO_PAGES), MODELS: [{}]})
    monkeypatch.setattr(mlflow_info, "from_module", lambda _module: server)
    result = run_module(mlflow_info.main, {"mlflow_url": "https://mlflow.test", "counts": True})
    assert result["counts"] == {"experiments": 3, "registered_models": 0}
    assert [query.get("page_token") for query in server.queries] == [None, "t", None]


# answers, part of the message
INFO_FAILURES: list[tuple[dict[str, t.Any], str]] = [
    ({"/version": MlflowApiError(0, "NO_ANSWER", "refused")}, "MLflow at https://mlflow.test: NO_ANSWER: refused"),
    ({**BASE, INFO: MlflowApiError(500, "INTERNAL_ERROR", "x")}, "HTTP 500 INTERNAL_ERROR: x"),
    ({**BASE, INFO: {}, EXPERIMENTS: MlflowApiError(401, "Unauthorized", "log in")}, "HTTP 401 Unauthorized: log in"),
]


@pytest.mark.parametrize(("answers", "message"), INFO_FAILURES)
def test_info_failure(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, answers: dict[str, t.Any], message: str
) -> None:
    monkeypatch.setattr(mlflow_info, "from_module", lambda _module: FakeServer(answers))
    result = run_module(mlflow_info.main, {"mlflow_url": "https://mlflow.test", "counts": True})
    assert result["failed"] is True
    assert message in result["msg"]


# options, part of the message
BAD_OPTIONS: list[tuple[dict[str, t.Any], str]] = [
    ({"mlflow_url": "mlflow.test"}, "absolute URL"),
    ({"mlflow_url": "http://mlflow.test", "mlflow_token": "hidden-pw"}, "must be https://"),
    ({"mlflow_url": "https://mlflow.test", "mlflow_username": "a"}, "required together"),
    (
        {"mlflow_url": "https://x.test", "mlflow_username": "a", "mlflow_password": "b", "mlflow_token": "hidden-pw"},
        "mutually exclusive",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options(run_module: t.Any, options: dict[str, t.Any], message: str) -> None:
    result = run_module(mlflow_info.main, options)
    assert result["failed"] is True
    assert message in result["msg"]
    assert "hidden-pw" not in result["msg"]
