# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions before a promotion, as tables."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_gates as gates
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_gates import Gate, Thresholds

RUN: dict[str, t.Any] = {
    "info": {"status": "FINISHED", "user_id": ""},
    "data": {
        "tags": [{"key": "team", "value": "a"}, {"key": "data", "value": "x"}, {"key": "mlflow.user", "value": "ada"}],
        "metrics": [{"key": "rmse", "value": 50}],
    },
}


@pytest.mark.parametrize(
    ("run", "finished", "expected"),
    [
        (RUN, True, [Gate("source run", True, "FINISHED")]),
        ({"info": {"status": "FAILED"}}, True, [Gate("source run", False, "FAILED")]),
        (None, True, [Gate("source run", False, "there is no source run")]),
        (None, False, []),
    ],
)
def test_source_run(run: t.Any, finished: bool, expected: list[Gate]) -> None:
    assert list(gates.version_gates({}, run, Thresholds({}, [], finished))) == expected


def test_tags_of_the_version_win_over_those_of_its_run() -> None:
    wanted = Thresholds({"team": "b", "data": ""}, [{"name": "rmse", "maximum": 60.0}], False)
    found = list(gates.version_gates({"team": "b"}, RUN, wanted))
    assert [(gate.name, gate.ok, gate.detail) for gate in found] == [
        ("tag data", True, "x"),
        ("tag team", True, "b"),
        ("metric rmse", True, "50"),
    ]


@pytest.mark.parametrize(
    ("wanted", "found", "ok", "detail"),
    [
        ("", "x", True, "x"),
        (None, "x", True, "x"),
        ("x", "x", True, "x"),
        (2026, "2026", True, "2026"),
        ("y", "x", False, "is x, y is wanted"),
        ("", None, False, "is missing"),
        ("", "", False, "is missing"),
    ],
)
def test_tag(wanted: t.Any, found: str | None, ok: bool, detail: str) -> None:
    assert gates.tag_gate("k", wanted, found) == Gate("tag k", ok, detail)


@pytest.mark.parametrize(
    ("bounds", "value", "ok", "detail"),
    [
        ({}, 1, True, "1"),
        ({"minimum": 1.0, "maximum": 1.0}, 1, True, "1"),
        ({"minimum": 2.0}, 1, False, "is 1, at least 2 is wanted"),
        ({"maximum": 0.5}, 1, False, "is 1, at most 0.5 is wanted"),
        ({"maximum": 0.5}, None, False, "is missing"),
        ({"maximum": 0.5}, "many", False, "is missing"),
        ({"maximum": 0.5}, "NaN", False, "is nan, at most 0.5 is wanted"),
        ({"minimum": 0.5}, "NaN", False, "is nan, at least 0.5 is wanted"),
        ({"maximum": 0.5}, "Infinity", False, "is inf, at most 0.5 is wanted"),
    ],
)
def test_metric(bounds: dict[str, float], value: t.Any, ok: bool, detail: str) -> None:
    assert gates.metric_gate({"name": "m", **bounds}, value) == Gate("metric m", ok, detail)


@pytest.mark.parametrize(
    ("recorded", "ok", "detail"),
    [("abc", True, "abc"), (None, False, "the tag sum is missing"), ("xyz", False, "somebody changed them")],
)
def test_digest(recorded: str | None, ok: bool, detail: str) -> None:
    gate = gates.digest_gate(recorded, "sum", "abc")
    assert gate.ok is ok
    assert detail in gate.detail


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"error": "ValueError: x"}, [("prediction", False)]),
        ({"signature": True, "example": True, "predicted": "ndarray"}, [("signature", True), ("prediction", True)]),
        ({"signature": False, "example": True, "predicted": "list"}, [("signature", False), ("prediction", True)]),
        ({"signature": True, "example": False, "predicted": ""}, [("signature", True), ("prediction", False)]),
    ],
)
def test_model(check: dict[str, t.Any], expected: list[tuple[str, bool]]) -> None:
    assert [(gate.name, gate.ok) for gate in gates.model_gates(check)] == expected


@pytest.mark.parametrize(
    ("approver", "ok", "detail"),
    [
        ("eve", True, "eve"),
        (None, False, "is missing"),
        ("", False, "is missing"),
        ("grace", False, "grace promotes and cannot approve as well"),
        ("ada", False, "ada made the model"),
    ],
)
def test_approval(approver: str | None, ok: bool, detail: str) -> None:
    gate = gates.approval_gate(approver, "grace", ["ada"])
    assert gate.ok is ok
    assert detail in gate.detail


def test_authors() -> None:
    assert gates.authors_of({"user_id": "bob"}, RUN) == ["ada", "bob"]
    assert gates.authors_of({}, None) == []


def test_sentence() -> None:
    assert gates.sentence([Gate("a", True, "x")]) == "1 gates are green"
    assert gates.sentence([Gate("a", True, "x"), Gate("b", False, "is bad")]) == "1 of 2 gates are red: b is bad"


@pytest.mark.parametrize(
    ("state", "version", "current", "previous", "expected"),
    [
        ("promoted", "4", "3", None, ("4", "")),
        ("promoted", None, "3", "2", ("", "version is needed to promote")),
        ("rolled_back", None, "3", "2", ("2", "")),
        ("rolled_back", "1", "3", "2", ("1", "")),
        ("rolled_back", None, "3", None, ("", "there is no previous version to roll back to; name one")),
        (
            "rolled_back",
            None,
            "3",
            "3",
            ("", "the previous version is the current one, as a promotion was broken off; name a version"),
        ),
    ],
)
def test_target(
    state: str, version: str | None, current: str | None, previous: str | None, expected: tuple[str, str]
) -> None:
    assert gates.target_version(state, version, current, previous) == expected


def test_an_event_keeps_what_is_known() -> None:
    assert gates.event_key("20260101T000000Z") == "promotion.20260101T000000Z"
    assert json.loads(gates.event_value(by="Ada", ticket=None, reason='say "é"')) == {"by": "Ada", "reason": 'say "é"'}
