# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preflight's look at the controller by effect: Ansible runs it, on a Python that lacks packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.action import preflight_controller as action
from ansible_collections.mlops.tracking.plugins.module_utils import _controller as rules

ROOT = Path(__file__).resolve().parents[4]
# Hides packages from a Python that runs with it.
HIDE = "import sys; sys.modules.update(dict.fromkeys({names!r}))\n"


def run(playbook: str, folder: Path, hidden: tuple[str, ...], inventory: Path) -> subprocess.CompletedProcess[str]:
    """Run a playbook with a Python from which these packages are hidden."""
    folder.joinpath("sitecustomize.py").write_text(HIDE.format(names=hidden))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / playbook), "-i", str(inventory)]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONPATH": str(folder),
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.parametrize("playbook", ["playbooks/preflight.yml", "site.yml", "playbooks/secrets.yml"])
def test_a_playbook_refuses_a_controller_before_it_looks_at_a_host(playbook: str, tmp_path: Path) -> None:
    result = run(playbook, tmp_path, tuple(rules.PACKAGES), ROOT / "inventories" / "prod")
    assert result.returncode != 0
    assert result.stdout.count("TASK [") == 1
    assert "Preflight found 1 problem; no host was changed." in result.stdout + result.stderr
    command = rules.pip_command(f"{sys.executable} -m pip", rules.PACKAGES)
    assert f"Way out: {command}\n" in result.stdout + result.stderr


def test_the_python_of_localhost_is_looked_at_too(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    # An environment without any package.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    bare = tmp_path / "bare" / "bin" / "python"
    localhost = {"ansible_connection": "local", "ansible_python_interpreter": str(bare)}
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"localhost": localhost}}}))
    result = run("playbooks/preflight.yml", tmp_path, (), inventory)
    assert f"cryptography cannot be imported, by {bare}, which runs modules on localhost" in result.stdout
    assert result.stdout.count("TASK [") == 1


def test_the_reason_why_no_module_runs_is_one_line(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    localhost = {"ansible_connection": "local", "ansible_python_interpreter": "/no/such/python"}
    inventory.write_text(json.dumps({"mlflow": {"hosts": {"localhost": localhost}}}))
    result = run("playbooks/preflight.yml", tmp_path, (), inventory)
    assert "1. localhost: cannot run a module: " in result.stdout
    assert "Way out: correct ansible_python_interpreter of localhost" in result.stdout


def test_installed_collections() -> None:
    found = action.installed_collections([*rules.COLLECTIONS, "mlops.tracking", "community.no_such_collection"])
    assert found.pop("community.no_such_collection") is None
    # A clone has no manifest.
    assert found.pop("mlops.tracking") == ""
    assert not list(rules.check_collections(found))
