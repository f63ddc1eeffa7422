# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the helper that need no MLflow; tests/identity/test_app_keys.py has the others, on PostgreSQL."""

from __future__ import annotations

import io
import json
import sys
import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_secrets
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_secrets import (
    GatewaySecret,
    SecretsError,
    Step,
    plan_steps,
)

CURRENT, PREVIOUS, DEFAULT = "current", "previous", "default"

# stored (version, key), version of the current key, steps
PLANS: list[tuple[list[tuple[int, str]], int, list[tuple[str, int]]]] = [
    ([], 2, []),
    ([(2, CURRENT)], 2, []),
    ([(1, DEFAULT), (1, DEFAULT)], 2, [(DEFAULT, 1)]),
    ([(1, DEFAULT), (2, CURRENT)], 2, [(DEFAULT, 1)]),
    ([(2, PREVIOUS)], 3, [(PREVIOUS, 2)]),
    ([(2, PREVIOUS)], 4, [(PREVIOUS, 2), (CURRENT, 3)]),
    # A run that was broken off after its first step.
    ([(3, CURRENT)], 4, [(CURRENT, 3)]),
    # The newest first: a step must not meet what an earlier one has wrapped.
    ([(1, DEFAULT), (2, PREVIOUS)], 3, [(PREVIOUS, 2), (DEFAULT, 1), (CURRENT, 2)]),
    ([(1, CURRENT)], 1, []),
]


def stored(pairs: list[tuple[int, t.Any]]) -> list[GatewaySecret]:
    return [GatewaySecret(f"s-{number}", f"name{number}", *pair) for number, pair in enumerate(pairs)]


@pytest.mark.parametrize(("pairs", "version", "steps"), PLANS)
def test_steps(pairs: list[tuple[int, str]], version: int, steps: list[tuple[str, int]]) -> None:
    assert plan_steps(stored(pairs), version) == [Step(*step) for step in steps]


@pytest.mark.parametrize(("pairs", "version", "_steps"), PLANS)
def test_steps_end_with_everything_under_the_current_key(
    pairs: list[tuple[int, str]], version: int, _steps: list[t.Any]
) -> None:
    """As MLflow's command does it: all of a version or, where one does not open, nothing."""
    state = list(pairs)
    for step in plan_steps(stored(pairs), version):
        assert {key for found, key in state if found == step.version} <= {step.key}
        state = [(found + 1, CURRENT) if found == step.version else (found, key) for found, key in state]
    assert set(state) <= {(version, CURRENT)}


# stored (version, key), version of the current key, words
REFUSED: list[tuple[list[tuple[int, str | None]], int, str]] = [
    ([(1, DEFAULT), (1, None)], 2, r"gateway secret name1 \(s-1\) is wrapped with a key that is neither"),
    ([(2, None)], 2, "Bring the former secrets file back"),
    ([(2, PREVIOUS)], 2, "set gateway_key_version to 3"),
    ([(2, DEFAULT), (2, CURRENT)], 2, r"name0 \(s-0\) is wrapped with another key of the same version 2"),
    ([(5, CURRENT)], 2, "set gateway_key_version to 5"),
    ([(1, DEFAULT), (1, PREVIOUS)], 2, "have the same version 1 and different keys"),
]


@pytest.mark.parametrize(("pairs", "version", "words"), REFUSED)
def test_what_no_step_can_do_is_refused(pairs: list[tuple[int, str | None]], version: int, words: str) -> None:
    with pytest.raises(SecretsError, match=words):
        plan_steps(stored(pairs), version)


# action, what it is given, answer
ANSWERS: list[tuple[str, dict[str, t.Any], dict[str, t.Any]]] = [
    ("read_passwords", {"database_uri": "good", "passwords": {"a": "b"}}, {"differing": ["a"]}),
    ("read_passwords", {"database_uri": "bad", "passwords": {}}, {"error": "bad uri"}),
    ("read_passwords", {"database_uri": "broken", "passwords": {}}, {"error": "RuntimeError: no table"}),
]


@pytest.mark.parametrize(("action", "given", "expected"), ANSWERS)
def test_answer(
    monkeypatch: pytest.MonkeyPatch, action: str, given: dict[str, t.Any], expected: dict[str, t.Any]
) -> None:
    def read_passwords(uri: str, passwords: dict[str, str]) -> dict[str, t.Any]:
        if uri == "bad":
            raise SecretsError("bad uri")
        if uri == "broken":
            raise RuntimeError("no table [SQL: SELECT] (Background on this error at: https://sqlalche.me)")
        return {"differing": sorted(passwords)}

    monkeypatch.setattr(_mlflow_secrets, "read_passwords", read_passwords)
    monkeypatch.setattr(sys, "argv", ["-", action])
    monkeypatch.setenv(_mlflow_secrets.INPUT_VARIABLE, json.dumps(given))
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    _mlflow_secrets.main()
    assert json.loads(output.getvalue()) == expected


def test_a_rotation_does_only_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[t.Any] = []
    monkeypatch.setattr(_mlflow_secrets, "rotate_gateway", lambda _keys, steps: done.append(steps))
    monkeypatch.setattr(_mlflow_secrets, "rotate_webhooks", lambda keys: done.append(keys.webhook_key))
    monkeypatch.setattr(_mlflow_secrets, "read_keys", lambda keys: {"gateway": [], "webhooks": [keys.webhook_key]})
    monkeypatch.setattr(_mlflow_secrets, "write_passwords", lambda uri, passwords: done.append((uri, passwords)))
    names = ("database_uri", "gateway_key", "gateway_previous_key", "webhook_key", "webhook_previous_key")
    keys = {name: name for name in names} | {"gateway_key_version": 2}
    assert _mlflow_secrets.run("read_keys", {"keys": keys}) == {"gateway": [], "webhooks": ["webhook_key"]}
    step = {"key": "default", "version": 1}
    assert _mlflow_secrets.run("rotate_keys", {"keys": keys, "steps": [step], "webhooks": False}) == {}
    assert _mlflow_secrets.run("rotate_keys", {"keys": keys, "steps": [], "webhooks": True}) == {}
    assert _mlflow_secrets.run("write_passwords", {"database_uri": "uri", "passwords": {"a": "b"}}) == {}
    assert done == [[Step("default", 1)], "webhook_key", ("uri", {"a": "b"})]


def test_without_mlflow_the_answer_names_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SecretsError, match="name the interpreter"):
        _mlflow_secrets._stand_in("mlflow")
