# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are tested, and what a test knows of them besides the host itself.

The hosts are those of a lab: Molecule's, or the one that the variable LAB names (`LAB=demo pytest tests/testinfra`).
A file tests the hosts of the group in its variable GROUP, or else of the group that its name says; a file that names
no group tests every host. A file with SCENARIOS is for the labs of these scenarios alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "prove")]

from lab_hosts import ASK, Ask, host_name, inventory, tested_lab  # noqa: E402
from shared import Lab, read_secrets, secret_texts  # noqa: E402

# Reads the password and the statement, so that neither is an argument.
DATABASE_CLIENT = """
import json, sys
import psycopg2
settings, statement = json.load(sys.stdin)
try:
    connection = psycopg2.connect(**settings)
    cursor = connection.cursor()
    cursor.execute(statement)
    connection.commit()
    print("ok", cursor.fetchone()[0] if cursor.description else "")
except psycopg2.Error as error:
    print(error.pgcode or error)
"""


def pytest_configure(config: pytest.Config) -> None:
    """Test every host of the lab, by its container."""
    if config.option.hosts is None:
        config.option.hosts = ",".join(f"docker://{tested_lab().container(name)}" for name in tested_lab().hosts)


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Leave out the scenarios and hosts that a file is not about."""
    away = []
    for item in items:
        if tested_lab().scenario not in getattr(item.module, "SCENARIOS", {tested_lab().scenario}):
            away.append(item)
            continue
        group = getattr(item.module, "GROUP", item.path.stem.removeprefix("test_"))
        host = item.callspec.params.get("_testinfra_host") if hasattr(item, "callspec") else None
        if host and group in inventory() and host_name(host) not in inventory()[group]["hosts"]:
            away.append(item)
    config.hook.pytest_deselected(items=away)
    items[:] = [item for item in items if item not in away]


@pytest.fixture(name="the_lab", scope="session")
def lab_under_test() -> Lab:
    """Return the lab under test."""
    return tested_lab()


@pytest.fixture(name="groups")
def groups_of_host(host: Any) -> set[str]:
    """Return the groups that the host is in."""
    return {name for name, group in inventory().items() if host_name(host) in group.get("hosts", [])}


@pytest.fixture(name="variables")
def variables_of_host(host: Any) -> dict[str, Any]:
    """Return what the inventory says of the host."""
    variables: dict[str, Any] = inventory()["_meta"]["hostvars"][host_name(host)]
    return variables


@pytest.fixture(name="secrets", scope="session")
def secrets_of_lab() -> dict[str, str]:
    """Return the secrets of the lab's inventory."""
    return read_secrets(tested_lab())


@pytest.fixture(name="secret_lines", scope="session")
def secrets_to_look_for(secrets: dict[str, str]) -> str:
    """Return every text that gives a secret away, behind the secret's name, one a line."""
    return "".join(f"{name} {text}\n" for text, name in secret_texts(secrets).items())


@pytest.fixture(name="feed")
def command_with_input(host: Any) -> Callable[..., str]:
    """Return a function that runs a command on the host with a standard input, which no argument list shows."""

    def feed(data: str, *command: str, user: str = "root") -> str:
        result = subprocess.run(
            ["docker", "exec", "-i", "-u", user, host.backend.name, *command],
            input=data, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout

    return feed


@pytest.fixture(name="units")
def units_of_ours(host: Any) -> list[str]:
    """Return the units of which a file on this host is ours, whole or as a drop-in."""
    found = host.run("grep -rl 'Ansible managed' /etc/systemd/system").stdout.split()
    names = {Path(path) for path in found}
    return sorted({path.parent.name.removesuffix(".d") if path.suffix == ".conf" else path.name for path in names})


@pytest.fixture(name="journal")
def journal_of_unit(host: Any) -> Callable[[str], str]:
    """Return a function that explains what happened to a unit."""
    return lambda unit: f"{unit}:\n{host.run(f'journalctl --no-pager -n 15 -u {unit}').stdout}"


@pytest.fixture(name="ask")
def ask_prometheus(feed: Callable[..., str], secrets: dict[str, str]) -> Ask:
    """Return a function that asks Prometheus, or what listens on another port, for some paths."""

    def ask(*paths: str, port: int = 9090, login: str | None = None) -> list[tuple[int, Any]]:
        if login is None:
            login = f"monitoring:{secrets['platform_monitoring_password']}"
        answers = feed("\n".join([str(port), login, *paths]), "python3", "-c", ASK).splitlines()
        return [
            (status, json.loads(text) if text.startswith("{") else text) for status, text in map(json.loads, answers)
        ]

    return ask


@pytest.fixture(name="execute")
def statement_of_a_client(feed: Callable[..., str]) -> Callable[..., str]:
    """Return a function that runs a statement over a connection of its own.

    It returns `ok` with the first value, the SQLSTATE of a refusal, or why there was no connection.
    """

    def execute(statement: str, **settings: str) -> str:
        return feed(json.dumps([settings, statement]), "python3", "-c", DATABASE_CLIENT).strip()

    return execute
