# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the machine that runs Ansible must have, and the rules that compare it with what is there.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import sysconfig
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem

# README, galaxy.yml, meta/runtime.yml and meta/ee-requirements.txt repeat these; a test compares them.
CORE = ">=2.19.0,<2.22.0"
COLLECTIONS: Mapping[str, str] = {
    "community.crypto": ">=3.0.0,<4.0.0",
    "community.general": ">=11.0.0,<14.0.0",
    "community.postgresql": ">=4.0.0,<5.0.0",
}
# Filters and actions of the controller import these, in the Python that runs Ansible.
PACKAGES: Mapping[str, str] = {"bcrypt": ">=4.0", "cryptography": ">=42.0"}
# Modules that run on localhost import these; an inventory may give localhost another Python.
MODULE_PACKAGES: Mapping[str, str] = {"cryptography": ">=3.3"}


class Python(t.TypedDict):
    """What matters of one Python."""

    executable: str
    prefix: str
    managed: bool
    packages: dict[str, str | None]


def look_at_python(names: Iterable[str]) -> Python:
    """The Python that runs this, and the versions of those packages that it can import."""
    managed = Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists() and sys.prefix == sys.base_prefix
    return {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "managed": managed,
        "packages": {name: _package_version(name) for name in names},
    }


def _package_version(name: str) -> str | None:
    """A package's version, empty if it does not tell, or None if it cannot be imported."""
    try:
        importlib.import_module(name)
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    except Exception:  # A library that was built for another Python may raise anything.
        return None


def find_problems(
    core: str, collections: Mapping[str, str | None], own: Python, modules: Python | str
) -> list[Problem]:
    """Everything that the controller lacks; `modules` is the Python of modules, or why they cannot run."""
    return [
        *check_core(core),
        *check_collections(collections),
        *check_packages(own, PACKAGES, "which runs Ansible"),
        *_check_modules(own, modules),
    ]


def check_core(version: str) -> Iterator[Problem]:
    """The running ansible-core against the range that is supported."""
    if not within(version, CORE):
        yield Problem(
            "ansible-core",
            f'is "{version}", which this collection does not support.',
            pip_command("python3 -m pip", {"ansible-core": CORE}),
        )


def check_collections(found: Mapping[str, str | None]) -> Iterator[Problem]:
    """The collections whose modules the roles use."""
    if lacking := _lacking(found, COLLECTIONS):
        wanted = " ".join(f'"{name}:{COLLECTIONS[name]}"' for name in lacking)
        remedy = f"ansible-galaxy collection install {wanted}"
        yield Problem("collections", f"{_tell(lacking, COLLECTIONS, 'is not installed')}.", remedy)


def check_packages(python: Python, wanted: Mapping[str, str], role: str) -> Iterator[Problem]:
    """The packages of one Python."""
    if lacking := _lacking(python["packages"], wanted):
        if python["managed"]:
            remedy = " ".join(["apt-get install", *(f"python3-{name}" for name in lacking)])
        else:
            remedy = pip_command(f"{python['executable']} -m pip", {name: wanted[name] for name in lacking})
        problem = f"{_tell(lacking, wanted, 'cannot be imported')}, by {python['executable']}, {role}."
        yield Problem("Python packages", problem, remedy)


def pip_command(pip: str, packages: Mapping[str, str]) -> str:
    """What installs packages with their versions."""
    return " ".join([f"{pip} install", *(f'"{name}{versions}"' for name, versions in packages.items())])


def _lacking(found: Mapping[str, str | None], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What is not there, with None, or there in another version, with that one."""
    versions = {name: found.get(name) for name in wanted}
    return {name: have for name, have in versions.items() if have is None or not within(have, wanted[name])}


def _tell(lacking: Mapping[str, str | None], wanted: Mapping[str, str], absent: str) -> str:
    return ", ".join(
        f"{name} {absent}" if have is None else f'{name} is "{have}", but {wanted[name]} is needed'
        for name, have in lacking.items()
    )


def _check_modules(own: Python, modules: Python | str) -> Iterator[Problem]:
    if isinstance(modules, str):
        remedy = "correct ansible_python_interpreter of localhost in the inventory, or leave localhost out of it."
        yield Problem("localhost", f"cannot run a module: {modules}", remedy)
    elif modules["prefix"] != own["prefix"]:
        yield from check_packages(modules, MODULE_PACKAGES, "which runs modules on localhost")


def within(version: str, wanted: str) -> bool:
    """Whether a version is in a range such as ``>=2.19.0,<2.22.0``; one that does not tell is."""
    numbers = _numbers(version)
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", wanted)
    return not numbers or all((numbers >= _numbers(bound)) == (operator == ">=") for operator, bound in bounds)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
