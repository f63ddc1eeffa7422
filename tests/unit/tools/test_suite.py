# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make test` must not forget."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import suite

ROOT = suite.ROOT


def names(command: str) -> list[str]:
    return [step.name for phase in suite.phases(command) for group in phase for step in group]


def test_every_scenario_is_run() -> None:
    scenarios = {f"molecule {path.parent.name}" for path in ROOT.glob("molecule/*/molecule.yml")}
    assert scenarios - set(names("test")) == {
        f"molecule {scenario}" for scenario in ("bookworm", *suite.SHOWN_TOGETHER)
    }
    assert scenarios - set(names("prove")) == {"molecule single", "molecule log_shipping"}


def test_a_scenario_with_tests_of_its_own_is_in_the_short_form() -> None:
    for path in ROOT.glob("tests/testinfra/test_*.py"):
        found = re.search(r"^SCENARIOS = (\{.*?\})", path.read_text(), re.MULTILINE | re.DOTALL)
        if found:
            assert {f"molecule {scenario}" for scenario in ast.literal_eval(found[1])} & set(names("test")), path.name


def test_only_roles_of_the_shipped_inventories_go_without_a_second_run_of_their_own() -> None:
    steps = [step for phase in suite.phases("test") for group in phase for step in group]
    commands = {step.private_hosts: " ".join(step.command) for step in steps if step.name.startswith("molecule ")}
    once = {scenario for scenario, said in commands.items() if "converge" in said and "idempotence" not in said}
    # Their inventories name no log search.
    assert once == set(suite.ROLES) - {"log_shipping"} == set(suite.ROLES)


def test_every_role_that_changes_a_host_has_a_scenario() -> None:
    roles = {path.name for path in ROOT.glob("roles/*") if path.is_dir()} - {"platform"}
    assert roles == {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")} - {"single", "prod", "bookworm"}


def test_what_is_kept_for_a_proof_is_removed_after_it() -> None:
    steps = [step for phase in suite.phases("test") for group in phase for step in group]
    kept = {step.private_hosts for step in steps if re.search("--destroy never|idempotence", " ".join(step.command))}
    for scenario in kept:
        own = [step.name for step in steps if step.private_hosts == scenario]
        assert own[0] == f"molecule {scenario}"
        assert own[-1] == f"remove {scenario}"
    assert {f"remove {scenario}" for scenario in kept} == {name for name in names("test") if "remove" in name}


def test_what_measures_times_has_the_machine_to_itself() -> None:
    *_before, last = suite.phases("test")
    assert len(last) == 1
    assert "proof worker kill" in [step.name for step in last[0]]


def test_names_of_steps_are_unique_as_they_name_logs() -> None:
    for command in ("check", "test", "prove"):
        assert len(set(names(command))) == len(names(command))


def test_the_end_of_the_output_says_why_a_step_failed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    (tmp_path / "molecule-x.log").write_text('ok: [a]\nfatal: [a]: FAILED! => {"msg": "no"}\nlater\n')
    (tmp_path / "y.log").write_text("\n".join(str(number) for number in range(100)))
    assert suite.reasons("molecule x") == ['fatal: [a]: FAILED! => {"msg": "no"}']
    assert suite.reasons("y") == [str(number) for number in range(88, 100)]
