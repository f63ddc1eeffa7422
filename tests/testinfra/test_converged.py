# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible says of a converged lab: nothing to change, and everything works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shared import ROOT, Lab, leaks, read_secrets, secret_texts, tool_environment

SCENARIOS = {"single", "prod"}


def playbook(the_lab: Lab, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the checkout on the lab under test."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(ROOT / path)]
    command += ["-i", str(the_lab.source), "-i", str(the_lab.directory), *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        # Written as YAML, the results that -vvv adds would take longer than the tasks.
        env=tool_environment() | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def changed(output: str) -> list[str]:
    """Return the hosts of the recap on which something changed or failed."""
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", output, re.MULTILINE)
    assert recap, output[-2000:]
    return [host for host, *counts in recap if any(int(count) for count in counts)]


@pytest.mark.skipif(bool(os.environ.get("SHORT")), reason="single shows it in the short form")
def test_a_dry_run_at_full_verbosity_changes_nothing_and_prints_no_secret(the_lab: Lab) -> None:
    """`--check --diff -vvv` on converged hosts."""
    result = playbook(the_lab, "site.yml", "--check", "--diff", "-vvv")
    assert result.returncode == 0, result.stdout[-4000:]
    assert changed(result.stdout) == [], [line for line in result.stdout.splitlines() if line.startswith("changed:")]
    assert leaks(result.stdout, secret_texts(read_secrets(the_lab))) == []


def test_the_doctor_finds_nothing(the_lab: Lab) -> None:
    """The end-to-end proof, as an operator runs it."""
    result = playbook(the_lab, "playbooks/doctor.yml")
    assert result.returncode == 0, result.stdout[-8000:]
    assert re.search(r"\d+ passed, 0 failed", result.stdout), result.stdout[-8000:]
