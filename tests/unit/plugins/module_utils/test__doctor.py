# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._doctor import failures, rows, state_rows, table

PROBE = {"check": "MinIO answers", "ok": True, "detail": "HTTP 200", "hint": "journalctl -u minio"}
STEP = {"name": "log metrics", "ok": True, "milliseconds": 4, "detail": "20 points"}

TEST_ROWS: list[tuple[str, dict[str, Any], list[tuple[str, bool | None, str]]]] = [
    ("one probe", PROBE, [("MinIO answers", True, "HTTP 200")]),
    (
        "a loop",
        {"results": [PROBE, {**PROBE, "ok": False}]},
        [("MinIO answers", True, "HTTP 200"), ("MinIO answers", False, "HTTP 200")],
    ),
    ("an empty loop", {"results": [], "skipped": True}, []),
    ("skipped", {"skipped": True, "changed": False}, []),
    ("a planned probe", {**PROBE, "ok": None}, [("MinIO answers", None, "HTTP 200")]),
    ("a run", {"steps": [STEP]}, [("run: log metrics", True, "20 points, 4 ms")]),
    ("a failed run", {"steps": [{**STEP, "ok": False, "detail": "no"}]}, [("run: log metrics", False, "no")]),
    ("a module that broke", {"msg": "MODULE FAILURE"}, [("the check itself", False, "MODULE FAILURE")]),
]


@pytest.mark.parametrize(("name", "result", "expected"), TEST_ROWS, ids=[case[0] for case in TEST_ROWS])
def test_rows(name: str, result: dict[str, Any], expected: list[tuple[str, bool | None, str]]) -> None:
    found = rows([result], "app1")
    assert [(row["check"], row["ok"], row["detail"]) for row in found] == expected
    assert {row["host"] for row in found} <= {"app1"}


TEST_STATES: list[tuple[Any, str, bool, str]] = [
    ("running", "running", True, "running"),
    ("stopped", "running", False, "stopped; expected running"),
    ({"name": "nginx.service", "state": "running"}, "running", True, "running"),
    ([{"version": "17.6-0+deb13u1"}], "17", True, "17.6-0+deb13u1"),
    ([{"version": "170.1"}], "17", False, "170.1; expected 17"),
    ("3.17.2", "3.17.2", True, "3.17.2"),
    ("3.17.20", "3.17.2", False, "3.17.20; expected 3.17.2"),
    ("1.26.3", "", True, "1.26.3"),
    ("", "", False, "not found"),
    ([], "17", False, "not found; expected 17"),
]


@pytest.mark.parametrize(("seen", "wanted", "ok", "detail"), TEST_STATES)
def test_state_rows(seen: Any, wanted: str, ok: bool, detail: str) -> None:
    row = {"check": "unit x", "host": "app1", "ok": ok, "detail": detail, "hint": "status x"}
    assert state_rows({"x": seen}, {"x": wanted}, "app1", "unit", "status {name}") == [row]


def test_what_is_not_there_fails() -> None:
    assert [row["ok"] for row in state_rows({}, {"nginx.service": "running"}, "app1", "unit")] == [False]


@pytest.mark.parametrize(("wanted", "detail"), [("running", "would expect running"), ("", "would tell it")])
def test_planned_states(wanted: str, detail: str) -> None:
    (row,) = state_rows({}, {"x": wanted}, "app1", "unit", planned=True)
    assert (row["ok"], row["detail"]) == (None, detail)


GOOD = {"check": "MinIO answers", "host": "app1", "ok": True, "detail": "HTTP 200", "hint": "journalctl -u minio"}
BAD = {"check": "units", "host": "database1", "ok": False, "detail": "two\nlines", "hint": "systemctl"}


def test_table_is_aligned_and_names_what_to_look_at() -> None:
    assert table([GOOD, BAD]).splitlines() == [
        "check          host       result  detail",
        "-------------  ---------  ------  ---------",
        "MinIO answers  app1       PASS    HTTP 200",
        "units          database1  FAIL    two lines",
        "",
        "1 passed, 1 failed:",
        "- units (database1): two lines -> look at: systemctl",
    ]


def test_table_of_planned_checks() -> None:
    lines = table([{**GOOD, "ok": None}]).splitlines()
    assert "PLAN" in lines[2]
    assert lines[-1] == "0 passed, 0 failed, 1 not run in check mode"


def test_table_of_nothing() -> None:
    assert table([]).splitlines()[-1] == "0 passed, 0 failed"


def test_failures_without_a_hint() -> None:
    assert failures([GOOD, {**BAD, "hint": ""}]) == ["- units (database1): two lines"]
