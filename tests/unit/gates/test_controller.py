# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller must have is one list, which every file repeats, and which is what the plugins import."""

from __future__ import annotations

import ast
import re
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.mlops.tracking.plugins.module_utils import _controller as rules

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "plugins"
OWN = "ansible_collections.mlops.tracking.plugins."
# What ansible-core itself needs, in any version of it.
CORE_NEEDS = {"jinja2", "packaging", "yaml"}
ON_THE_CONTROLLER = sorted(
    path
    for folder in PLUGINS.iterdir()
    if folder.name not in ("modules", "module_utils")
    for path in folder.glob("*.py")
)
TASKS = sorted(
    [*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path: Path, seen: set[Path] | None = None) -> set[str]:
    """The first names of what a plugin imports, itself or through what it imports of this collection."""
    seen = set() if seen is None else seen
    seen.add(path)
    found: set[str] = set()
    for name in imports(path):
        if name.startswith(OWN):
            folder, module = name.removeprefix(OWN).split(".")[:2]
            inner = PLUGINS / folder / f"{module}.py"
            found |= set() if inner in seen else imported(inner, seen)
        else:
            found.add(name.split(".")[0])
    return found


def packages(path: Path) -> set[str]:
    """The packages that a plugin needs besides Ansible and Python."""
    return imported(path) - set(sys.stdlib_module_names) - {"ansible", "ansible_collections"}


@pytest.mark.parametrize("path", ON_THE_CONTROLLER, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_of_the_controller_imports_what_preflight_asks_for(path: Path) -> None:
    assert packages(path) <= {*rules.PACKAGES, *CORE_NEEDS}


@pytest.mark.parametrize("path", ON_THE_CONTROLLER, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_of_the_controller_copies_no_values_of_ansible(path: Path) -> None:
    # A deep copy of what a template gives copies Ansible's loaders of plugins, which ansible-core 2.21 deprecates.
    assert "copy" not in imported(path)


def test_preflight_asks_for_nothing_that_no_plugin_imports() -> None:
    assert set().union(*map(packages, ON_THE_CONTROLLER)) - CORE_NEEDS == set(rules.PACKAGES)


def delegated(node: t.Any, inherited: bool = False) -> Iterator[str]:
    """The names of modules of this collection in tasks that run on the controller."""
    for item in node if isinstance(node, list) else []:
        place = item.get("delegate_to", item.get("hosts"))
        here = inherited if place is None else place == "localhost"
        for section in ("block", "rescue", "always", "tasks", "pre_tasks"):
            yield from delegated(item.get(section), here)
        yield from (name for name in item if here and name.startswith(("mlops.", "community.")))


def test_modules_on_localhost_import_what_preflight_asks_of_its_python() -> None:
    names = {name for path in TASKS for name in delegated(yaml.safe_load(path.read_text(encoding="utf-8")))}
    own = [PLUGINS / "modules" / f"{name.split('.')[-1]}.py" for name in names if name.startswith("mlops.")]
    # MLflow is imported by another process, in the Python that `promote_python` names.
    assert set().union(*map(packages, own)) <= {*rules.MODULE_PACKAGES, "mlflow"}
    # Of other collections: those of community.crypto import cryptography, the others nothing.
    others = {name for name in names if name.startswith("community.")}
    assert {name.rpartition(".")[0] for name in others} - {"community.crypto"} <= {"community.general"}
    assert {name for name in others if name.startswith("community.general.")} <= {"community.general.archive"}


def test_the_roles_use_the_collections_that_preflight_asks_for() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in TASKS)
    used = set(re.findall(r"\b((?:community|ansible)\.[a-z_]+)\.[a-z_]+:", text)) - {"ansible.builtin"}
    assert used == set(rules.COLLECTIONS)


def test_galaxy_and_runtime_repeat_the_list() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"] == rules.COLLECTIONS
    assert yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"] == rules.CORE


def test_execution_environments_get_the_packages() -> None:
    lines = (ROOT / "meta" / "ee-requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"{n}{v}" for n, v in rules.PACKAGES.items()]


def test_the_readme_says_what_installs_them() -> None:
    assert f"{rules.pip_command('pip', {'ansible': '', **rules.PACKAGES})}" in (ROOT / "README.md").read_text()
