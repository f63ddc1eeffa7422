# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's two modules: options, check mode, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._endpoint_probe import ANSWERED, Endpoint, Outcome
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_smoke import Step
from ansible_collections.mlops.tracking.plugins.modules import endpoint_probe, mlflow_smoke_test

RunModule = Callable[..., dict[str, Any]]
SERVER = {"mlflow_url": "https://mlflow.test", "mlflow_username": "admin", "mlflow_password": "hidden-pw"}
PROBE = {"check": "it answers", "host": "app1", "port": 9000, "hint": "journalctl"}
ANSWER = Outcome(ANSWERED, "HTTP 200", status=200, tls_version="TLSv1.3", days_left=90)


def give_steps(monkeypatch: pytest.MonkeyPatch, steps: list[Step]) -> list[Any]:
    made: list[Any] = []

    class Test:
        def __init__(self, *arguments: Any) -> None:
            made.extend(arguments)

        def run(self) -> list[Step]:
            return steps

    monkeypatch.setattr(mlflow_smoke_test, "SmokeTest", Test)
    return made


def test_smoke_test_passes(run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    made = give_steps(monkeypatch, [Step("log metrics", True, 4, "20 points")])
    result = run_module(mlflow_smoke_test.main, {**SERVER, "artifact_bytes": 10})
    assert not result["changed"]
    assert result["steps"] == [{"name": "log metrics", "ok": True, "milliseconds": 4, "detail": "20 points"}]
    assert result["experiment"].startswith("mlops-tracking-doctor-")
    assert made[1] == result["experiment"]
    assert len(made[2]) == 10


def test_smoke_test_fails(run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    give_steps(monkeypatch, [Step("log metrics", False, 4, "HTTP 500")])
    result = run_module(mlflow_smoke_test.main, SERVER)
    assert result["failed"]
    assert result["msg"] == "1 of 1 steps failed: log metrics: HTTP 500"
    assert "hidden-pw" not in str(result)


def test_smoke_test_sends_nothing_in_check_mode(run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    made = give_steps(monkeypatch, [])
    result = run_module(mlflow_smoke_test.main, SERVER, check=True)
    assert made == []
    assert {step["ok"] for step in result["steps"]} == {None}


def test_smoke_test_refuses_an_empty_artifact(run_module: RunModule) -> None:
    result = run_module(mlflow_smoke_test.main, {**SERVER, "artifact_bytes": 0})
    assert result["msg"] == "artifact_bytes is 0; it must be 1 or more."


def give_outcome(monkeypatch: pytest.MonkeyPatch, outcome: Outcome | Exception) -> list[Endpoint]:
    asked: list[Endpoint] = []

    def probe(endpoint: Endpoint) -> Outcome:
        asked.append(endpoint)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(endpoint_probe, "probe", probe)
    return asked


def test_probe_passes(run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = give_outcome(monkeypatch, ANSWER)
    result = run_module(endpoint_probe.main, PROBE)
    assert asked == [Endpoint(host="app1", port=9000)]
    assert (result["check"], result["ok"], result["hint"]) == ("it answers", True, "journalctl")
    assert (result["status"], result["days_left"]) == (200, 90)


FAILING: list[tuple[str, dict[str, Any], Outcome | Exception]] = [
    ("another status", {"status": [401]}, ANSWER),
    ("an answer where a refusal is expected", {"expect": "refusal"}, ANSWER),
    ("too few days", {"minimum_days": 91}, ANSWER),
    ("no such file of authorities", {"ca_path": "/nowhere"}, FileNotFoundError("/nowhere")),
]


@pytest.mark.parametrize(("name", "options", "outcome"), FAILING, ids=[case[0] for case in FAILING])
def test_probe_fails(
    run_module: RunModule,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
    outcome: Outcome | Exception,
) -> None:
    give_outcome(monkeypatch, outcome)
    result = run_module(endpoint_probe.main, {**PROBE, **options})
    assert result["failed"]
    assert result["ok"] is False
    assert result["detail"] in result["msg"]


def test_probe_asks_nobody_in_check_mode(run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = give_outcome(monkeypatch, ANSWER)
    result = run_module(endpoint_probe.main, PROBE, check=True)
    assert asked == []
    assert (result["ok"], result["detail"]) == (None, "would ask https://app1:9000/")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"password": "hidden-pw", "tls": False}, "password would be sent in plain text"),
    ({"host": None, "port": None, "unix_socket": "/run/s"}, "set tls to false"),
    ({"client_certificate": "/c"}, "required together"),
    ({"host": None, "port": None}, "one of the following is required"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_probe_refuses(run_module: RunModule, options: dict[str, Any], message: str) -> None:
    given = {name: value for name, value in {**PROBE, **options}.items() if value is not None}
    assert message in run_module(endpoint_probe.main, given)["msg"]
