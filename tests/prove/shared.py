# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the proofs share: a lab of their own, its secrets, and ways into its hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import installed  # noqa: E402
from lab import (  # noqa: E402
    CACHE,
    DOMAIN,
    LOCAL_AUTHORITIES,
    Lab,
    Stages,
    changed_tasks,
    image_name,
    lab,
    lab_playbook,
    playbook,
    prepare,
    read_secrets,
    task_name,
    tool_environment,
    venv_directory,
)

__all__ = [
    "CACHE",
    "DOMAIN",
    "LOCAL_AUTHORITIES",
    "ROOT",
    "Lab",
    "Stages",
    "changed_tasks",
    "image_name",
    "installed",
    "lab",
    "playbook",
    "prepare",
    "read_secrets",
    "task_name",
    "tool_environment",
]

PUBLIC = {"platform_ca_certificate"}


def new_client(authority_file: str | Path) -> requests.Session:
    """Return a client that trusts this authority, whatever REQUESTS_CA_BUNDLE and its like say."""
    session = requests.Session()
    session.verify, session.trust_env = str(authority_file), False
    return session


def secret_texts(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return every text that gives a secret away, with the name of that secret."""
    texts: dict[str, str] = {}
    for name, value in secrets.items():
        if name in PUBLIC:
            continue
        # Each line of a key alone would do.
        for line in value.splitlines():
            if line and not line.startswith("-----"):
                texts |= dict.fromkeys((line, quote(line, safe=""), json.dumps(line)[1:-1]), name)
    return texts


def leaks(text: str, texts: Mapping[str, str]) -> list[str]:
    """Return where a text holds a secret: the line's number, the secret's name, and the line without the value."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for secret, name in texts.items():
            if secret in line:
                found.append(f"line {number}: {name}: {line.replace(secret, '(the secret)').strip()[:300]}")
    return found


@contextmanager
def own_lab(name: str, keep: bool = False, prepared: bool = False) -> Iterator[Lab]:
    """Give a fresh lab with bare hosts and an inventory without secrets, and remove it afterwards."""
    the_lab = lab(name)
    if not prepared:
        prepare(Stages(), [the_lab.release])
    destroy(the_lab)
    try:
        create(the_lab)
        yield the_lab
    finally:
        if not keep:
            destroy(the_lab)


def create(the_lab: Lab) -> None:
    """Start the hosts of a lab."""
    the_lab.write()
    lab_playbook(the_lab, "create")


def fresh_hosts(the_lab: Lab) -> None:
    """Put bare hosts in the place of a lab's hosts; its inventory and secrets stay."""
    lab_playbook(the_lab, "destroy")
    lab_playbook(the_lab, "create")


def destroy(the_lab: Lab) -> None:
    """Remove the hosts and the inventory of a lab, where there are any."""
    lab_playbook(the_lab, "destroy")
    shutil.rmtree(the_lab.directory.parent, ignore_errors=True)


def playbook_command(the_lab: Lab, path: str, *arguments: str) -> list[str]:
    """Return the command line of a playbook on a lab."""
    program = str(venv_directory() / "bin" / "ansible-playbook")
    return [program, str(ROOT / path), "-i", str(the_lab.source), "-i", str(the_lab.directory), *arguments]


def inside(container: str, *command: str, data: str | None = None, user: str = "root", check: bool = True) -> str:
    """Run a command in a host and return what it printed; secrets go in by `data`, its standard input."""
    result = subprocess.run(
        ["docker", "exec", "-i", "-u", user, container, *command],
        input=data or "",
        capture_output=True,
        text=True,
        check=False,
    )
    if check and result.returncode != 0:
        raise RuntimeError(
            f"{command[0]} in {container} ended with {result.returncode}: {result.stderr.strip()[-2000:]}"
        )
    return result.stdout


def containers(the_lab: Lab, unit: str) -> list[str]:
    """Return the lab's containers in which a unit runs."""
    return [
        the_lab.container(host)
        for host in the_lab.hosts
        if inside(the_lab.container(host), "systemctl", "is-active", unit, check=False).strip() == "active"
    ]


def address(container: str) -> str:
    """Return a container's address."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return subprocess.check_output(["docker", "inspect", "--format", form, container], text=True).split()[0]


def resolve(name: str, target: str) -> None:
    """Let this process find a name at an address, whatever this machine's resolver says."""
    original = socket.getaddrinfo

    def lookup(host: Any, *arguments: Any, **options: Any) -> Any:
        return original(target if host == name else host, *arguments, **options)

    socket.getaddrinfo = lookup


def authority(the_lab: Lab, secrets: Mapping[str, str]) -> str:
    """Write the authority's certificate to a file and return its path."""
    path = the_lab.logs / "ca.crt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(secrets["platform_ca_certificate"])
    return str(path)


def processes(root: int) -> set[int]:
    """Return a process and all its descendants; Ansible's workers leave its process group."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return set(found)


def kill_tree(root: int) -> None:
    """Send SIGKILL to a process and all its descendants, none of which gets away meanwhile."""
    stopped: set[int] = set()
    while born := processes(root) - stopped:
        send(born, signal.SIGSTOP)
        stopped |= born
    send(stopped, signal.SIGKILL)


def send(pids: set[int], number: signal.Signals) -> None:
    """Send a signal to processes; some may have ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def finish(proof: str, begin: float, passed: bool, **figures: object) -> int:
    """Print one line of figures and return the exit code."""
    print(
        json.dumps({"proof": proof, "passed": passed, "seconds": round(time.monotonic() - begin), **figures}),
        flush=True,
    )
    return 0 if passed else 1
