# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action against the table of bad inputs, without a host."""

from __future__ import annotations

import typing as t
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from material import (
    Case,
    fill,
    good_contract,
    leaves,
    load_cases,
    make_files,
)

from ansible_collections.mlops.tracking.plugins.action import preflight
from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring

ROOT = Path(__file__).resolve().parents[4]
TIERS = ("postgres", "minio", "mlflow", "nginx_tls")
CASES = load_cases()
PROBE = {
    "address": "192.0.2.10",
    "clock_lead": [-0.4, 0.1],
    "distribution": "debian",
    "distribution_name": "Debian GNU/Linux 13 (trixie)",
    "distribution_version": "13",
    "free_mb": {"/": 50000},
    "listeners": [],
    "machine_id": "0" * 32,
    "memory_mb": 8000,
    "unresolved": [],
}


class HostVars(dict[str, dict[str, t.Any]]):
    """The part of Ansible's hostvars that the action uses."""

    def raw_get(self, host: str) -> dict[str, t.Any]:
        return self[host]


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("files")
    make_files(directory)
    return directory


def trusted(value: t.Any) -> t.Any:
    """As if the value came from an inventory."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.fixture(scope="module", name="loader")
def _loader() -> DataLoader:
    loader = DataLoader()  # It keeps what it has parsed.
    loader.set_basedir(str(ROOT))
    return loader


def make_action(monkeypatch: pytest.MonkeyPatch, loader: DataLoader) -> preflight.ActionModule:
    task = Mock(args={"probe_variable": "seen"}, async_val=0, check_mode=False, diff=False, environment=[])
    action = preflight.ActionModule(
        task, Mock(), Mock(check_mode=False), loader, Templar(loader=loader, variables={}), None
    )
    monkeypatch.setattr(action, "_display", Mock())
    return action


def task_vars(case: Case, contract: dict[str, t.Any], files: Path, sources: list[str]) -> dict[str, t.Any]:
    groups = {tier: ["lab"] for tier in TIERS} | case.groups
    hosts = list(dict.fromkeys(host for members in groups.values() for host in members))
    groups["all"] = hosts
    hostvars = HostVars()
    for host in hosts:
        probe = {**PROBE, "unresolved": ["twin"] if "twin" in hosts else []}
        if case.listen:
            listener = {"port": case.listen, "processes": ["python3"], "units": [], "user": "root"}
            probe["listeners"] = [listener]
        probe.update(case.probe)
        if host.startswith("absent"):
            probe = {"unreachable": True}
        hostvars[host] = {
            **contract,
            # Its own expression is a filter of this collection, whose loader a test has not.
            "platform_exporter_hosts": _monitoring.exporter_hosts(groups),
            **trusted(fill(case.vars, files)),
            "groups": groups,
            "group_names": [name for name in groups if host in groups[name]],
            "inventory_dir": "/inventory",
            "inventory_hostname": host,
            "ansible_facts": {"distribution_major_version": "13", "memtotal_mb": 8000},
            "seen": probe,
        }
    return {"groups": groups, "hostvars": hostvars, "ansible_inventory_sources": sources}


@pytest.fixture(name="refuse")
def _refuse(
    monkeypatch: pytest.MonkeyPatch, loader: DataLoader, files: Path, tmp_path: Path
) -> t.Callable[[Case], tuple[str, dict[str, t.Any]]]:
    """The report about a case, empty if nothing was found, and the variables of its hosts."""

    def refuse(case: Case) -> tuple[str, dict[str, t.Any]]:
        action = make_action(monkeypatch, loader)
        source = tmp_path / "hosts.yml"
        if case.cycle:
            source.write_text("all: {children: {postgres: {children: {minio: {children: {postgres: }}}}}}")
        options, _defaults = action._read_roles()
        contract = good_contract(options["platform"], files)
        variables = task_vars(case, contract, files, [str(source)] if case.cycle else [])
        try:
            action.run(None, variables)
        except AnsibleActionFail:
            return action._display.display.call_args.args[0], variables
        return "", variables

    return refuse


def test_a_good_inventory_passes(refuse: t.Callable[[Case], tuple[str, t.Any]]) -> None:
    assert refuse(Case(name="good", expects=[]))[0] == ""


def test_a_provided_wildcard_certificate_passes(refuse: t.Callable[[Case], tuple[str, t.Any]]) -> None:
    variables = {
        "platform_public_certificate_source": "provided",
        "pki_public_certificate_file": "%public.crt",
        "pki_public_key_file": "%public.key",
    }
    assert refuse(Case(name="good", expects=[], vars=variables))[0] == ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_refused(case: Case, refuse: t.Callable[[Case], tuple[str, dict[str, t.Any]]]) -> None:
    report, variables = refuse(case)
    assert report.startswith("Preflight found ")
    for text in case.expects:
        assert text in report
    assert report.count("Way out: ") == int(report.split()[2])
    for contract in variables["hostvars"].values():
        for name, value in contract.items():
            if name.endswith(("_password", "_key")):
                assert not [leaf for leaf in leaves(value) if leaf in report], name


def test_the_table_is_long_enough() -> None:
    on_hosts = [case for case in CASES if not case.needs_no_host]
    assert len(on_hosts) >= 32
    assert len({case.name for case in CASES}) == len(CASES)


def test_locked_versions_are_read_from_file_names(tmp_path: Path) -> None:
    for name in ("requirements-3.9.0.txt", "requirements-3.17.2.txt", "requirements-3.17.2.in"):
        (tmp_path / name).touch()
    assert preflight.locked_versions(tmp_path) == ["3.9.0", "3.17.2"]
