# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each role: one list of variables in defaults, spec and README; no variable of another role."""

from __future__ import annotations

import re
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "defaults").is_dir())
CONDITIONS = ("when", "that", "until", "changed_when", "failed_when")
ENVIRONMENT = Environment(extensions=["jinja2.ext.do"], autoescape=True)
# Ansible doubles the backslashes of a template before Jinja sees them; the bare parser here warns of them.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def strings(value: t.Any, condition: bool = False) -> Iterator[str]:
    """Every string of a task file; bare conditions in the braces that Ansible adds."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, condition=key in CONDITIONS)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, condition)
    elif isinstance(value, str):
        yield f"{{{{ {value} }}}}" if condition else value


def variables(template: str) -> set[str]:
    """The variables that a template reads; names of filters and tests are none."""
    tree = ENVIRONMENT.parse(template)
    return {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load"}


def texts(role: str) -> Iterator[tuple[Path, str]]:
    """The templates of a role: those in its task files and those in its templates folder."""
    for folder in ("tasks", "handlers"):
        for path in sorted((ROOT / "roles" / role / folder).glob("**/*.yml")):
            yield from ((path, text) for text in strings(load(path)))
    for path in sorted((ROOT / "roles" / role / "templates").glob("**/*.j2")):
        yield path, path.read_text(encoding="utf-8")


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_the_options_of_the_spec(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml")
    spec = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    public = {name for name in defaults if not name.startswith("__")}
    required = {name for name, option in spec["options"].items() if option.get("required")}
    assert public == set(spec["options"]) - (required - public)


@pytest.mark.parametrize("role", ROLES)
def test_spec_options_are_strict(role: str) -> None:
    def check(name: str, option: dict[str, t.Any]) -> None:
        assert "type" in option, f"{name} has no type"
        assert "description" in option, f"{name} has no description"
        assert option["type"] != "list" or "elements" in option, f"{name} has no elements"
        for key, sub_option in (option.get("options") or {}).items():
            check(f"{name}.{key}", sub_option)

    for spec in load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"].values():
        for name, option in (spec.get("options") or {}).items():
            check(name, option)


@pytest.mark.parametrize("role", ROLES)
def test_meta_has_no_dependencies(role: str) -> None:
    meta = load(ROOT / "roles" / role / "meta" / "main.yml")
    assert meta["dependencies"] == []
    assert meta["galaxy_info"]["license"] == "GPL-3.0-or-later"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "platform"])
def test_tasks_and_templates_read_own_variables_only(role: str) -> None:
    others = tuple(f"{prefix}{name}_" for name in ROLES if name != role for prefix in ("", "__"))
    foreign = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts(role)
        for name in variables(text)
        if name.startswith(others) or name in ("groups", "hostvars")
    }
    assert not foreign


@pytest.mark.parametrize("role", [role for role in ROLES if role != "platform"])
def test_defaults_map_the_contract_and_stand_alone(role: str) -> None:
    contract = load(ROOT / "roles" / "platform" / "defaults" / "main.yml")
    for text in strings(load(ROOT / "roles" / role / "defaults" / "main.yml")):
        tree = ENVIRONMENT.parse(text)
        read = {name for name in variables(text) if name.startswith("platform_")}
        defaulted = {
            item.node.name
            for item in tree.find_all(nodes.Filter)
            if item.name == "default" and isinstance(item.node, nodes.Name)
        }
        assert read <= defaulted, f"without default(): {read - defaulted}"
        assert read <= set(contract), f"not in the contract: {read - set(contract)}"


@pytest.mark.parametrize("role", ROLES)
def test_registered_names_are_internal(role: str) -> None:
    found = [
        name
        for folder in ("tasks", "handlers")
        for path in (ROOT / "roles" / role / folder).glob("**/*.yml")
        for name in re.findall(r"^\s+register: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert [name for name in found if not name.startswith(f"__{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_readme_is_generated(role: str) -> None:
    tool = [sys.executable, str(ROOT / "tools" / "role_readme.py"), "--check", role]
    answer = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"run tools/role_readme.py\n{answer.stdout}{answer.stderr}"


def switches(role: str) -> set[str]:
    """The variables of a role that are true or false."""
    options = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    return {name for name, option in options.items() if option["type"] == "bool"}


def bare_names(template: str, names: set[str]) -> set[str]:
    """Those of the names that a template reads without the filter `bool`."""
    tree = ENVIRONMENT.parse(template)
    converted = {id(found.node) for found in tree.find_all(nodes.Filter) if found.name == "bool"}
    loaded = (name for name in tree.find_all(nodes.Name) if name.ctx == "load" and id(name) not in converted)
    return {name.name for name in loaded} & names


@pytest.mark.parametrize("role", ROLES)
def test_switches_given_on_the_command_line_are_understood(role: str) -> None:
    """`--extra-vars name=false` is a text, which a bare condition refuses or a template takes for true."""
    names = switches(role)
    found = [(path.name, name) for path, text in texts(role) for name in bare_names(text, names)]
    for folder in ("defaults", "vars"):
        for path in (ROOT / "roles" / role / folder).glob("*.yml"):
            found += [(path.name, name) for text in strings(load(path)) for name in bare_names(text, names)]
    assert not found
