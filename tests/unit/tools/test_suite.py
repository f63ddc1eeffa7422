# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` must not forget."""

from __future__ import annotations

import suite

ROOT = suite.ROOT


def names(command: str) -> list[str]:
    return [step.name for lane in suite.lanes(command) for step in lane]


def test_every_scenario_is_run() -> None:
    scenarios = {f"molecule {path.parent.name}" for path in ROOT.glob("molecule/*/molecule.yml")}
    assert scenarios <= set(names("test"))


def test_every_role_that_changes_a_host_has_a_scenario() -> None:
    roles = {path.name for path in ROOT.glob("roles/*") if path.is_dir()} - {"platform"}
    assert roles == {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")} - {"single", "prod"}


def test_what_is_kept_for_a_proof_is_removed() -> None:
    for lane in suite.lanes("test"):
        kept = [step.name.removeprefix("molecule ") for step in lane if "never" in step.command]
        assert kept == [step.name.removeprefix("remove ") for step in lane if step.name.startswith("remove ")]


def test_names_of_steps_are_unique_as_they_name_logs() -> None:
    for command in ("check", "test", "prove"):
        assert len(set(names(command))) == len(names(command))
