# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of keys and passwords, on answers that the helper in MLflow's Python could give."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_secrets import INPUT_VARIABLE
from ansible_collections.mlops.tracking.plugins.modules import mlflow_keys, mlflow_passwords

URI = "postgresql+psycopg2://owner:hidden-pw@db.test/mlflow"
COMMON = {"python": "/opt/mlflow/bin/python", "database_uri": URI}
KEYS = {**COMMON, "gateway_key": "hidden-gateway-key", "webhook_key": "hidden-webhook-key"}
PASSWORDS = {**COMMON, "passwords": {"admin": "hidden-admin-pw", "ada": "hidden-ada-pw"}}

Command = tuple[list[str], dict[str, str], str]


@pytest.fixture(name="commands")
def fixture_commands() -> list[Command]:
    return []


def give(monkeypatch: pytest.MonkeyPatch, answers: list[t.Any], commands: list[Command]) -> None:
    left = list(answers)

    def run_command(
        _self: AnsibleModule, command: list[str], data: str, environ_update: dict[str, str], handle_exceptions: bool
    ) -> tuple[int, str, str]:
        commands.append((command, environ_update, data))
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (0, json.dumps(answer), "noise")

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)


def found(gateway: list[tuple[int, str | None]], webhooks: list[str | None]) -> dict[str, t.Any]:
    return {
        "gateway": [
            {"id": f"s{number}", "name": f"api{number}", "version": version, "key": key}
            for number, (version, key) in enumerate(gateway)
        ],
        "webhooks": [{"id": f"w{number}", "name": f"hook{number}", "key": key} for number, key in enumerate(webhooks)],
    }


GOOD = found([(2, "current")], ["current"])
OLD = found([(1, "default"), (2, "current")], ["current"])
NEW = found([(2, "current"), (2, "current")], ["current"])
HOOK = found([], ["previous", None])
ROTATED = {"state": "rotated"}

# options, check mode, answers, (changed, pending, gateway, webhooks, unreadable), actions
CASES: list[tuple[dict[str, str], bool, list[t.Any], tuple[t.Any, ...], list[str]]] = [
    ({}, False, [GOOD], (False, False, [], [], []), ["read_keys"]),
    ({}, False, [OLD], (False, True, [], [], []), ["read_keys"]),
    ({}, False, [HOOK], (False, True, [], [], ["hook1"]), ["read_keys"]),
    (ROTATED, False, [GOOD], (False, False, [], [], []), ["read_keys"]),
    (ROTATED, True, [OLD], (True, True, ["api0 (s0)"], [], []), ["read_keys"]),
    (ROTATED, False, [OLD, {}, NEW], (True, False, ["api0 (s0)"], [], []), ["read_keys", "rotate_keys", "read_keys"]),
    (
        ROTATED,
        False,
        [HOOK, {}, found([], ["current", None])],
        (True, False, [], ["hook0 (w0)"], ["hook1"]),
        ["read_keys", "rotate_keys", "read_keys"],
    ),
]


@pytest.mark.parametrize(("options", "check", "answers", "expected", "actions"), CASES)
def test_keys(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    commands: list[Command],
    options: dict[str, str],
    check: bool,
    answers: list[t.Any],
    expected: tuple[t.Any, ...],
    actions: list[str],
) -> None:
    give(monkeypatch, answers, commands)
    result = run_module(mlflow_keys.main, {**KEYS, **options}, check=check)
    names = ("changed", "pending", "rotated_gateway_secrets", "rotated_webhooks")
    assert (*(result[name] for name in names), [each["name"] for each in result["unreadable_webhooks"]]) == expected
    assert (result["diff"]["before"] != result["diff"]["after"]) is result["changed"]
    assert [command[3] for command, _environment, _text in commands] == actions
    for command, environment, text in commands:
        assert "hidden" not in " ".join(command) + text
        assert json.loads(environment[INPUT_VARIABLE])["keys"]["gateway_key"] == "hidden-gateway-key"
        compile(text, "helper", "exec")
    assert "hidden" not in json.dumps({**result, "invocation": None})


def test_what_is_asked_of_a_rotation(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, commands: list[Command]
) -> None:
    give(monkeypatch, [OLD, {}, NEW], commands)
    run_module(mlflow_keys.main, {**KEYS, **ROTATED})
    given = json.loads(commands[1][1][INPUT_VARIABLE])
    assert (given["steps"], given["webhooks"]) == ([{"key": "default", "version": 1}], False)


# main, options, answer, part of the message
FAILURES: list[tuple[t.Any, dict[str, t.Any], t.Any, str]] = [
    (mlflow_keys.main, KEYS, found([(1, None)], []), "Keys of MLflow: gateway secret api0 (s0) is wrapped with a key"),
    (mlflow_keys.main, KEYS, {"error": "no connection, hidden-pw"}, "Keys of MLflow: no connection, ********"),
    (mlflow_keys.main, KEYS, (1, "", "Traceback\nImportError: x"), "ended with 1: ImportError: x"),
    (mlflow_keys.main, KEYS, FileNotFoundError(2, "No such file"), "cannot be run: No such file"),
    (mlflow_passwords.main, PASSWORDS, {"error": "no table"}, "Passwords of MLflow: no table"),
    (mlflow_passwords.main, PASSWORDS, FileNotFoundError(2, "No such file"), "cannot be run: No such file"),
    (mlflow_passwords.main, {**PASSWORDS, "passwords": {"a": "short"}}, {}, "MLflow takes 12 or more"),
]


@pytest.mark.parametrize(("main", "options", "answer", "message"), FAILURES)
def test_failures(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    commands: list[Command],
    main: t.Any,
    options: dict[str, t.Any],
    answer: t.Any,
    message: str,
) -> None:
    give(monkeypatch, [answer], commands)
    result = run_module(main, options)
    assert result["failed"]
    assert message in result["msg"]


# check mode, whose password differs, actions
WRITTEN: list[tuple[bool, list[str], list[str]]] = [
    (False, [], ["read_passwords"]),
    (True, ["ada"], ["read_passwords"]),
    (False, ["ada"], ["read_passwords", "write_passwords"]),
    (False, ["ada", "admin"], ["read_passwords", "write_passwords"]),
]


@pytest.mark.parametrize(("check", "differing", "actions"), WRITTEN)
def test_passwords(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    commands: list[Command],
    check: bool,
    differing: list[str],
    actions: list[str],
) -> None:
    give(monkeypatch, [{"differing": differing}, {}], commands)
    result = run_module(mlflow_passwords.main, PASSWORDS, check=check)
    assert (result["changed"], result["users"]) == (bool(differing), differing)
    assert list(result["diff"]["after"]) == differing
    assert [command[3] for command, _environment, _text in commands] == actions
    if len(actions) == 2:
        assert sorted(json.loads(commands[1][1][INPUT_VARIABLE])["passwords"]) == differing
    assert "hidden" not in json.dumps({**result, "invocation": None})
