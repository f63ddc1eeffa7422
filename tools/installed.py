# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install it into an empty folder and use it from another one, as its users do.

Run it with the Python of the environment that holds ansible-core and the collections that this one depends on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from sanity import export

BIN = Path(sys.executable).parent
COLLECTION = "mlops.tracking"
PLAYBOOKS = ("site", "preflight", "secrets", "doctor")

# What may lie around in a checkout and must not reach anybody else.
PRIVATE = (
    ".git/config",
    ".lab/demo/inventory/group_vars/all/secrets.yml",
    ".venv/pyvenv.cfg",
    "inventories/prod/group_vars/all/secrets.yml",
    "plugins/filter/__pycache__/jdbc_uri.pyc",
)
UNWANTED = re.compile(r"(^|/)(\.[^/]+|__pycache__|molecule|tests|tools|secrets\.yml|[^/]*\.tar\.gz)(/|$)")
WANTED = ("LICENSE", "README.md", "meta/runtime.yml", "playbooks/site.yml", "playbooks/secrets.yml")


class Problem(Exception):
    """The built collection is not what its users need; the message says what is missing."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mlops-tracking-installed-") as directory:
        try:
            check(Path(directory))
        except Problem as problem:
            print(f"failed: {problem}", flush=True)
            return 1
    return 0


def check(directory: Path) -> None:
    ansible = Ansible(directory)
    archive = build(ansible, directory / "source")
    ansible.run(
        "ansible-galaxy", "collection", "install", "--offline", archive, "--collections-path", ansible.collections
    )
    root = ansible.collections / "ansible_collections" / "mlops" / "tracking"
    say(f"installed into an empty folder: {archive.name}")
    for kind, folder in (("module", "modules"), ("filter", "filter")):
        names = sorted(path.stem for path in (root / "plugins" / folder).glob("*.py") if path.stem != "__init__")
        check_plugins(ansible, kind, names)
    roles = sorted(path.name for path in (root / "roles").iterdir())
    check_roles(ansible, roles)
    check_playbooks(ansible, root, roles)


class Ansible:
    """Runs Ansible's programs from an empty folder; they see the installed collection, and not the clone."""

    def __init__(self, directory: Path) -> None:
        self.collections = directory / "collections"
        self.folder = directory / "elsewhere"
        self.folder.mkdir()
        (self.folder / "ansible.cfg").write_text("[defaults]\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        kept.pop("PYTHONPATH", None)
        self.environment = {
            **kept,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }

    def run(self, program: str, *arguments: str | Path, folder: Path | None = None) -> str:
        """Return what the program wrote, or raise Problem with it."""
        command = [str(BIN / program), *map(str, arguments)]
        result = subprocess.run(
            command, cwd=folder or self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise Problem(f"{shlex.join([program, *command[1:]])}\n{result.stdout[-3000:]}{result.stderr[-3000:]}")
        return result.stdout


def say(text: str) -> None:
    print(f"ok: {text}", flush=True)


def build(ansible: Ansible, source: Path) -> Path:
    """Return the archive made from a copy of the checkout in which private files lie around."""
    export(source)
    for name in PRIVATE:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("private\n")
    output = source.with_name("built")
    ansible.run("ansible-galaxy", "collection", "build", "--output-path", output, folder=source)
    (archive,) = output.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile()]
    # The playbook that makes the secrets has none.
    unwanted = [name for name in names if UNWANTED.search(name) and name != "playbooks/secrets.yml"]
    missing = [name for name in WANTED if name not in names]
    if unwanted or missing:
        raise Problem(f"the archive holds {unwanted or 'nothing unwanted'} and lacks {missing or 'nothing'}")
    say(f"built: {len(names)} files, none of them private or for tests")
    return archive


def check_plugins(ansible: Ansible, kind: str, names: Sequence[str]) -> None:
    """Each plugin shows its description, an example and, if it returns anything, what."""
    full = [f"{COLLECTION}.{name}" for name in names]
    shown = json.loads(ansible.run("ansible-doc", "--json", "--type", kind, *full))
    lacking = [
        name
        for name in full
        if not (entry := shown.get(name))
        or not all((entry["doc"].get("description"), entry["examples"], entry["return"]))
    ]
    require(full, lacking, f"ansible-doc shows {len(full)} {kind} plugins")


def check_roles(ansible: Ansible, roles: Sequence[str]) -> None:
    """Each role shows its main entry point, and every entry point says what it does, as does every option."""
    full = [f"{COLLECTION}.{name}" for name in roles]
    shown = json.loads(ansible.run("ansible-doc", "--json", "--type", "role", *full))
    lacking = [name for name in full if "main" not in shown.get(name, {}).get("entry_points", {})]
    points = {
        f"{name} {point}": spec for name, role in shown.items() for point, spec in role.get("entry_points", {}).items()
    }
    for name, spec in points.items():
        if not spec.get("short_description") or not spec.get("description"):
            lacking.append(name)
        lacking += [
            f"{name} {option}" for option, entry in spec.get("options", {}).items() if not entry.get("description")
        ]
    require(full, lacking, f"ansible-doc shows {len(points)} entry points of {len(full)} roles")


def require(names: Sequence[str], lacking: Iterable[str], text: str) -> None:
    if missing := ", ".join(sorted(lacking)):
        raise Problem(f"ansible-doc lacks the documentation of {missing}")
    if not names:
        raise Problem("nothing was installed that ansible-doc could show")
    say(text)


def check_playbooks(ansible: Ansible, root: Path, roles: Sequence[str]) -> None:
    """The playbooks and roles are found by their full names, from any folder."""
    for inventory in ("single", "prod"):
        for name in PLAYBOOKS:
            arguments = (f"{COLLECTION}.{name}", "--inventory", root / "inventories" / inventory)
            ansible.run("ansible-playbook", *arguments, "--syntax-check")
            if not re.search(r"TAGS: \[", ansible.run("ansible-playbook", *arguments, "--list-tasks")):
                raise Problem(f"ansible-playbook {COLLECTION}.{name} lists no tasks for inventories/{inventory}")
    say(f"by full name on both inventories: {', '.join(PLAYBOOKS)}")
    own = ansible.folder / "own.yml"
    own.write_text(json.dumps([{"hosts": "localhost", "roles": [f"{COLLECTION}.{role}" for role in roles]}]))
    ansible.run("ansible-playbook", own, "--syntax-check")
    say("somebody's own playbook finds each role")


if __name__ == "__main__":
    sys.exit(main())
