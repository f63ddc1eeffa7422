# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what the module systemd_in_force decides; that units really restart is shown on hosts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.modules import systemd_in_force
from ansible_collections.mlops.tracking.plugins.modules.systemd_in_force import modified, started, younger

RunModule = Callable[..., dict[str, Any]]

# What `systemctl show` prints, and when the unit began to start.
TEST_STARTED: list[tuple[str, float | None]] = [
    ("ActiveState=active\nInactiveExitTimestamp=Thu 1970-01-01 00:01:40.250000 UTC\n", 100.25),
    ("InactiveExitTimestamp=Tue 2026-11-24 00:00:00.000000 UTC\nActiveState=active\n", 1795478400.0),
    ("ActiveState=inactive\nInactiveExitTimestamp=\n", None),
    ("ActiveState=failed\nInactiveExitTimestamp=Thu 1970-01-01 00:01:40.250000 UTC\n", None),
    ("", None),
]


def aged(path: Path, moment: float, link: bool = False) -> str:
    if not link:
        path.write_text("")
    os.utime(path, (moment, moment), follow_symlinks=not link)
    return str(path)


@pytest.mark.parametrize(("properties", "expected"), TEST_STARTED)
def test_started(properties: str, expected: float | None) -> None:
    assert started(properties) == expected


def test_younger_names_what_changed_since(tmp_path: Path) -> None:
    old, same, new = (aged(tmp_path / name, moment) for name, moment in (("old", 10), ("same", 20), ("new", 30)))
    assert younger([old, same, new, str(tmp_path / "none")], 20) == [new]


@pytest.mark.parametrize(("target", "link", "expected"), [(10, 30, 30), (30, 10, 30)])
def test_both_ends_of_a_link_count(tmp_path: Path, target: float, link: float, expected: float) -> None:
    (tmp_path / "link").symlink_to(aged(tmp_path / "target", target))
    assert modified(aged(tmp_path / "link", link, link=True)) == expected


@pytest.fixture(name="calls")
def fixture_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    calls: list[tuple[str, ...]] = []
    begun = datetime.fromtimestamp(time.time() - 60, UTC)

    def systemctl(_module: object, *arguments: str) -> str:
        calls.append(arguments)
        return f"ActiveState=active\nInactiveExitTimestamp={begun:%a %Y-%m-%d %H:%M:%S.%f} UTC\n"

    monkeypatch.setattr(systemd_in_force, "systemctl", systemctl)
    return calls


@pytest.mark.parametrize("check", [False, True])
def test_stale_unit_alone_is_restarted(
    run_module: RunModule, calls: list[tuple[str, ...]], tmp_path: Path, check: bool
) -> None:
    old, new = aged(tmp_path / "old", time.time() - 3600), aged(tmp_path / "new", time.time())
    units = [{"name": "a.service", "files": [old]}, {"name": "b.service", "files": [old, new]}]
    result = run_module(systemd_in_force.main, {"units": units}, check)
    assert (result["changed"], result["restarted"]) == (True, {"b.service": [new]})
    actions = [call for call in calls if call[0] != "show"]
    assert actions == ([] if check else [("daemon-reload",), ("restart", "b.service")])


def test_what_was_read_at_a_reload_is_in_force(
    run_module: RunModule, calls: list[tuple[str, ...]], tmp_path: Path
) -> None:
    file, marker = aged(tmp_path / "file", time.time() - 20), aged(tmp_path / "marker", time.time() - 10)
    unit = {"name": "a.service", "files": [file], "loaded_marker": marker}
    assert not run_module(systemd_in_force.main, {"units": [unit]})["changed"]
    aged(tmp_path / "file", time.time())
    assert run_module(systemd_in_force.main, {"units": [unit]})["changed"]
    assert calls[-1] == ("restart", "a.service")
