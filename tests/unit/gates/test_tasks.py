# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each task: checked certificates, no hidden errors, honest `changed`, validated templates."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TASK_FILES = sorted(path for folder in ("tasks", "handlers") for path in ROOT.glob(f"roles/*/{folder}/**/*.yml"))
TEMPLATE_FILES = sorted(ROOT.glob("roles/*/templates/**/*.j2"))
YAML_FILES = sorted(
    path for folder in ("roles", "playbooks", "molecule", "inventories") for path in (ROOT / folder).glob("**/*.yml")
)
COMMANDS = re.compile(r"(ansible\.builtin\.)?(command|shell|raw|script)$")
TEMPLATES = re.compile(r"(ansible\.builtin\.)?template$")
FORBIDDEN = {
    "ignore_errors": re.compile(r"ignore_errors"),
    "validate_certs": re.compile(r"validate_certs:\s*(false|no|off)", re.IGNORECASE),
    "noqa": re.compile("no" + "qa"),
    "injected fact": re.compile(r"\bansible_(distribution|memtotal_mb|processor_vcpus|hostname|fqdn)\b"),
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tasks(path: Path) -> Iterator[tuple[dict[str, t.Any], str]]:
    """Every task of a file with its own text, from the comment above it to its last line."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    yield from _tasks_below(yaml.compose(text), lines)


def _tasks_below(node: yaml.Node | None, lines: list[str]) -> Iterator[tuple[dict[str, t.Any], str]]:
    if not isinstance(node, yaml.SequenceNode):
        return
    for item in node.value:
        keys = {key.value: value for key, value in item.value}
        for section in ("block", "rescue", "always"):
            yield from _tasks_below(keys.get(section), lines)
        first, last = item.start_mark.line, item.end_mark.line
        while first > 0 and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        # What follows the last value up to the next task belongs to that one.
        while lines[last - 1].lstrip().startswith("#") or not lines[last - 1].strip():
            last -= 1
        yield keys, "\n".join(lines[first:last])


@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden_words_are_absent(what: str) -> None:
    pattern = FORBIDDEN[what]
    assert [name_of(path) for path in YAML_FILES if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_python_has_no_lint_exceptions() -> None:
    pattern = FORBIDDEN["noqa"]
    sources = [path for folder in ("plugins", "tools") for path in (ROOT / folder).glob("**/*.py")]
    assert [name_of(path) for path in sources if pattern.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("path", TASK_FILES, ids=name_of)
def test_commands_say_when_they_change_something(path: Path) -> None:
    for keys, text in tasks(path):
        if any(COMMANDS.match(key) for key in keys):
            assert re.search(r"^\s+(changed_when|creates|removes): ", text, re.MULTILINE), text


@pytest.mark.parametrize("path", TASK_FILES, ids=name_of)
def test_templates_are_validated(path: Path) -> None:
    for keys, text in tasks(path):
        if any(TEMPLATES.match(key) for key in keys):
            assert re.search(r"^\s+validate:|#.*\bcheck", text, re.MULTILINE | re.IGNORECASE), text


@pytest.mark.parametrize("path", TASK_FILES, ids=name_of)
def test_tasks_have_unique_names(path: Path) -> None:
    names = [keys["name"].value for keys, _text in tasks(path) if "name" in keys]
    assert len(names) == len(list(tasks(path)))
    assert len(names) == len(set(names))


def is_part(path: Path) -> bool:
    """Whether another template includes or imports this one."""
    others = [other for other in TEMPLATE_FILES if other != path]
    pattern = re.compile(rf"{{%-? *(include|import|from) .*{re.escape(path.name)}")
    return any(pattern.search(other.read_text(encoding="utf-8")) for other in others)


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=name_of)
def test_templates_say_that_ansible_manages_them(path: Path) -> None:
    if is_part(path):
        return
    assert re.search(r"\{\{ ansible_managed \| comment", path.read_text(encoding="utf-8"))
