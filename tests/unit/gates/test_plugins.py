# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each plugin: documented, with an example, and found by ansible-doc."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COLLECTION = "mlops.tracking"
DOCUMENTED = {"modules": "module", "filter": "filter", "lookup": "lookup", "test": "test"}
PLUGINS = sorted(
    path for folder in DOCUMENTED for path in (ROOT / "plugins" / folder).glob("*.py") if path.name != "__init__.py"
)
KINDS = sorted({DOCUMENTED[path.parent.name] for path in PLUGINS})


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def constants(path: Path) -> dict[str, str]:
    """The string constants of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        target.id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def documents(path: Path) -> list[dict[str, str]]:
    """The documentation of a plugin file: its own, or that of its sidecars."""
    own = constants(path)
    if "DOCUMENTATION" in own:
        return [own]
    names = [name for name in exported(path) if (path.parent / f"{name}.yml").exists()]
    sidecars = [path.parent / f"{name}.yml" for name in names]
    return [yaml.safe_load(sidecar.read_text(encoding="utf-8")) for sidecar in sidecars]


def exported(path: Path) -> list[str]:
    """Names in the dictionaries of a filter file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    return [str(key.value) for key in keys if isinstance(key, ast.Constant)]


@pytest.mark.parametrize("path", PLUGINS, ids=name_of)
def test_plugin_has_documentation_and_example(path: Path) -> None:
    found = documents(path)
    assert found
    for document in found:
        assert document.get("DOCUMENTATION")
        assert document.get("EXAMPLES")
        assert document.get("RETURN")


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "action").glob("*.py")), ids=name_of)
def test_action_has_a_module_that_documents_it(path: Path) -> None:
    assert (ROOT / "plugins" / "modules" / path.name).exists()


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("*/*.py")), ids=name_of)
def test_source_has_its_licence(path: Path) -> None:
    head = path.read_text(encoding="utf-8")[:600]
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in head
    assert "# Copyright: (c) " in head


def ansible_doc(kind: str) -> dict[str, object]:
    command = [str(Path(sys.executable).parent / "ansible-doc"), "-t", kind, "--list", "--json", COLLECTION]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    listed: dict[str, object] = json.loads(answer.stdout)
    return listed


@pytest.mark.parametrize("kind", KINDS)
def test_ansible_doc_lists_every_plugin(kind: str) -> None:
    listed = ansible_doc(kind)
    for path in PLUGINS:
        if DOCUMENTED[path.parent.name] == kind and "DOCUMENTATION" in constants(path):
            assert listed.get(f"{COLLECTION}.{path.stem}") not in (None, "UNDOCUMENTED")


def test_ansible_doc_lists_every_role() -> None:
    roles = {path.parents[1].name for path in ROOT.glob("roles/*/meta/argument_specs.yml")}
    assert {f"{COLLECTION}.{role}" for role in roles} <= set(ansible_doc("role"))
