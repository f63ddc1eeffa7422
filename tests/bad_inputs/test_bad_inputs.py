# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every bad input against the real playbook on a real host (BAD_INPUTS_INVENTORY: its inventories, with commas)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from material import Case, fill, leaves, load_cases, make_files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TIERS = ("postgres", "minio", "mlflow", "nginx_tls")
BIN = Path(sys.executable).parent
SECRET = re.compile(r"(password|_key)$")
Inventory = dict[str, t.Any]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=300, check=False)


def inventory_arguments() -> list[str]:
    """Return the arguments that name the lab's inventories."""
    sources = os.environ["BAD_INPUTS_INVENTORY"].split(",")
    return [argument for source in sources for argument in ("-i", str(Path(source).resolve()))]


@pytest.fixture(scope="module", name="inventory")
def _inventory() -> Inventory:
    if not os.environ.get("BAD_INPUTS_INVENTORY"):
        pytest.fail("set BAD_INPUTS_INVENTORY to the inventory of a running lab host")
    answer = run("ansible-inventory", *inventory_arguments(), "--list")
    assert answer.returncode == 0, answer.stderr
    return t.cast(Inventory, json.loads(answer.stdout))


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    make_files(directory)
    return directory


def write_inventory(base: Inventory, case: Case, path: Path) -> Path:
    """The lab's inventory in one file, with the groups of the case."""
    hostvars = base["_meta"]["hostvars"]
    lab = next(host for tier in TIERS for host in base.get(tier, {}).get("hosts", []))
    alike = {**hostvars[lab], "ansible_host": hostvars[lab].get("ansible_host", lab)}
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
    hosts = dict(hostvars)
    groups = {tier: base.get(tier, {}).get("hosts", []) for tier in TIERS}
    for group, members in case.groups.items():
        groups[group] = [lab if name == "lab" else name for name in members]
        for name in groups[group]:
            hosts.setdefault(name, alike if name == "twin" else {**hostvars[lab], **nowhere})
    children: dict[str, t.Any] = {group: {"hosts": dict.fromkeys(members)} for group, members in groups.items()}
    if case.cycle:
        children["postgres"]["children"] = {"minio": {}}
        children["minio"]["children"] = {"postgres": {}}
    content = {"all": {"hosts": hosts, "children": children}}
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(name="foreign_service")
def _foreign_service(request: pytest.FixtureRequest, inventory: Inventory) -> Iterator[None]:
    """A service that is not ours on the port of the case."""
    case: Case = request.getfixturevalue("case")
    if not case.listen:
        yield
        return
    lab = inventory["minio"]["hosts"][0]
    adhoc = ["ansible", lab, *inventory_arguments(), "--become", "-m", "ansible.builtin.command", "-a"]
    unit = "bad-input.service"
    start = run(*adhoc, f"systemd-run --unit={unit} python3 -m http.server {case.listen}")
    assert start.returncode == 0, start.stdout
    # The unit is started before its socket listens.
    run(*adhoc, "sleep 1")
    yield
    run(*adhoc, f"systemctl stop {unit}")


@pytest.mark.usefixtures("foreign_service")
@pytest.mark.parametrize("case", [case for case in load_cases() if not case.needs_no_host], ids=lambda case: case.name)
def test_bad_input_is_refused(case: Case, inventory: Inventory, files: Path, tmp_path: Path) -> None:
    overrides = fill(case.vars, files)
    extra = tmp_path / "vars.json"
    extra.write_text(json.dumps(overrides), encoding="utf-8")
    hosts = write_inventory(inventory, case, tmp_path / "hosts.json")

    answer = run("ansible-playbook", "-vvv", "-i", str(hosts), "-e", f"@{extra}", "playbooks/preflight.yml")

    output = answer.stdout + answer.stderr
    assert answer.returncode != 0, output
    for text in case.expects:
        assert text in output
    assert set(re.findall(r"changed=(\d+)", answer.stdout)) == {"0"}
    everything = [*inventory["_meta"]["hostvars"].values(), overrides]
    values = {name: value for part in everything for name, value in part.items()}
    for name, value in values.items():
        if name.startswith("platform_") and SECRET.search(name):
            assert not [leaf for leaf in leaves(value) if leaf in output], name
