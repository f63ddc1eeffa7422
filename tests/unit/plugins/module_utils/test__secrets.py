# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text editing behind the secrets file, for any content that a file may have."""

from __future__ import annotations

import base64
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._secrets import (
    PASSWORD_ALPHABET,
    Entry,
    SecretsError,
    apply,
    plan,
    write_values,
)

NAMES = st.from_regex(r"platform_[a-z0-9_]{1,12}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)
SCALARS = st.one_of(TEXTS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
EXISTING = st.dictionaries(st.one_of(NAMES, TEXTS), VALUES, max_size=6)


def dump(content: dict[str, t.Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, default_flow_style=False, explicit_start=True, allow_unicode=True)


def is_missing(value: t.Any) -> bool:
    return value is None or value == ""


@settings(deadline=None)
@given(EXISTING, st.lists(NAMES, unique=True, max_size=5))
def test_what_the_file_has_stays(content: dict[str, t.Any], names: list[str]) -> None:
    text = dump(content)
    # Read back: the dumper itself changes a few characters.
    content = yaml.safe_load(text)
    entries = [Entry(name) for name in names]
    changes = plan(text, entries)
    after = apply(text, changes)
    loaded = yaml.safe_load(after) or {}
    created = [change.entry.name for change in changes]
    assert created == [name for name in names if is_missing(content.get(name))]
    assert {name: value for name, value in loaded.items() if name not in created} == {
        name: value for name, value in content.items() if name not in created
    }
    assert [name for name in loaded if name in content] == list(content)
    if content and not any(name in content for name in created):
        assert after.startswith(text)
    assert plan(after, entries) == []
    assert apply(after, []) == after


@settings(deadline=None)
@given(EXISTING, st.dictionaries(NAMES, TEXTS.filter(bool), min_size=1, max_size=4))
def test_any_value_is_read_back(content: dict[str, t.Any], values: dict[str, str]) -> None:
    content = {name: value for name, value in content.items() if not isinstance(value, (list, dict))}
    entries = {Entry(name, kind="literal", value=value): value for name, value in values.items()}
    before = dump(content)
    content = yaml.safe_load(before)
    text = write_values(before, entries)
    assert yaml.safe_load(text) == {**content, **values}
    assert DataLoader().load(text) == {**content, **values}


@settings(deadline=None)
@given(st.lists(st.text("ab \t-:#|>'\"{}", max_size=8), min_size=2, max_size=6), st.booleans())
def test_lines_are_read_back(lines: list[str], end: bool) -> None:
    value = "\n".join(lines) + ("\n" if end else "")
    if not value:
        return
    text = write_values("---\na: 1\n", {Entry("key", kind="literal", value=value): value})
    assert yaml.safe_load(text) == {"a": 1, "key": value}
    assert text.startswith("---\na: 1\n")


KINDS: list[tuple[str, int, t.Callable[[str], bool]]] = [
    ("password", 40, lambda value: len(value) == 40 and set(value) <= set(PASSWORD_ALPHABET)),
    ("base64", 32, lambda value: len(base64.b64decode(value, validate=True)) == 32),
    ("base64url", 32, lambda value: len(base64.b64decode(value, altchars=b"-_", validate=True)) == 32),
    ("hex", 16, lambda value: len(bytes.fromhex(value)) == 16),
]


@pytest.mark.parametrize(("kind", "length", "is_right"), KINDS)
def test_a_new_value_has_the_shape_of_its_kind(kind: str, length: int, is_right: t.Callable[[str], bool]) -> None:
    entry = Entry("key", kind=kind, length=length)
    assert is_right(entry.new_value())
    assert entry.new_value() != entry.new_value()


# text before, values, text after
LAYOUTS: list[tuple[str, dict[str, str], str]] = [
    ("", {"key": "v"}, '---\nkey: "v"\n'),
    ("---\n", {"key": "v"}, '---\nkey: "v"\n'),
    ("---\n# nothing yet\n", {"key": "v"}, '---\n# nothing yet\nkey: "v"\n'),
    ("--- {}\n", {"key": "v"}, '--- \nkey: "v"\n'),
    ("---\n{}\n", {"key": "v"}, '---\nkey: "v"\n'),
    ("a: 1", {"key": "v"}, 'a: 1\nkey: "v"\n'),
    ("a: 1\n# end", {"key": "v"}, 'a: 1\n# end\nkey: "v"\n'),
    ("  a: 1\n", {"key": "v"}, '  a: 1\n  key: "v"\n'),
    ("a: 1\n...\n", {"key": "v"}, 'a: 1\nkey: "v"\n...\n'),
    ("key:\n", {"key": "v"}, 'key: "v"\n'),
    ("key:   # why\nb: 1\n", {"key": "v"}, 'key: "v"   # why\nb: 1\n'),
    ('key: ""  # why\nb: 1\n', {"key": "v"}, 'key: "v"  # why\nb: 1\n'),
    ("key: old\nb: 1\n", {"key": "v"}, 'key: "v"\nb: 1\n'),
    ("key: |\n  old\n  old\n\n# b\nb: 1\n", {"key": "v"}, 'key: "v"\n\n# b\nb: 1\n'),
    ("key: old\nb: 1\n", {"key": "x\ny\n"}, "key: |\n  x\n  y\nb: 1\n"),
    ("key: old # why\n", {"key": "x\ny\n"}, 'key: "x\\ny\\n" # why\n'),
    ("key: old", {"key": "x\ny"}, "key: |-\n  x\n  y\n"),
    (
        "a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3638\n",
        {"key": "v"},
        'a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3638\nkey: "v"\n',
    ),
    ("key: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3638\nb: 1\n", {"key": "v"}, 'key: "v"\nb: 1\n'),
]


@pytest.mark.parametrize(("before", "values", "after"), LAYOUTS)
def test_layout(before: str, values: dict[str, str], after: str) -> None:
    assert write_values(before, {Entry(name): value for name, value in values.items()}) == after


def test_a_comment_stands_above_its_entry() -> None:
    text = write_values("  a: 1\n", {Entry("key", comment="First.\n\nSecond."): "v"})
    assert text == '  a: 1\n  # First.\n  #\n  # Second.\n  key: "v"\n'


# text, entries, rotate, part of the message
REFUSED: list[tuple[str, list[Entry], list[str], str]] = [
    ("a: [hidden", [Entry("key")], [], "not valid YAML at line 1"),
    ("a: 1\nb: 'hidden\nc: 2\n", [Entry("key")], [], "not valid YAML at line"),
    ("a: 1\nb: \x07hidden\n", [Entry("key")], [], "does not allow at line 2"),
    ("- hidden\n", [Entry("key")], [], "must be a mapping"),
    ("hidden\n", [Entry("key")], [], "must be a mapping"),
    ("{a: hidden}\n", [Entry("key")], [], "block style"),
    ("a: 1\na: hidden\n", [Entry("key")], [], "twice, the second at line 2"),
    ("a: 1\n--- \nb: hidden\n", [Entry("key")], [], "not valid YAML at line 2"),
    ("a: 1\n", [Entry("key"), Entry("key")], [], "more than once: key"),
    ("a: 1\n", [Entry("key")], ["other"], "rotate: not described in `entries`: other"),
    ("key: [hidden]\n", [Entry("key")], ["key"], "list or mapping under key"),
    ("key: &x hidden\nb: *x\n", [Entry("key")], ["key"], "cannot be edited without loss"),
    ("a: |\n  hidden", [Entry("key")], [], "end it with a newline"),
    ("a: 1\n", [Entry("key", kind="literal")], [], "`value` must not be empty"),
]


@pytest.mark.parametrize(("text", "entries", "rotate", "message"), REFUSED)
def test_refused_without_a_value_in_the_message(
    text: str, entries: list[Entry], rotate: list[str], message: str
) -> None:
    with pytest.raises(SecretsError, match=message) as caught:
        apply(text, plan(text, entries, rotate))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"name": "a-b"}, {"name": ""}, {"name": "yes"}, {"name": "a", "length": 15}])
def test_bad_entry(arguments: dict[str, t.Any]) -> None:
    with pytest.raises(SecretsError, match="entries: "):
        Entry(**arguments)


def test_rotation_touches_one_entry_only() -> None:
    text = "# head\na: one # why\nkey: two\nc: three\n"
    changes = plan(text, [Entry("a"), Entry("key"), Entry("c")], ["key"])
    assert [change.label for change in changes] == ["~ key: (generated)"]
    after = apply(text, changes).splitlines()
    assert after[:2] + after[3:] == ["# head", "a: one # why", "c: three"]
    assert after[2] != "key: two"


def test_rotating_a_literal_to_itself_is_no_change() -> None:
    assert plan("key: same\n", [Entry("key", kind="literal", value="same")], ["key"]) == []
    assert len(plan("key: other\n", [Entry("key", kind="literal", value="same")], ["key"])) == 1


def test_recursive_content_is_kept() -> None:
    text = "a: &x\n  - *x\n  - {b: *x}\n"
    assert write_values(text, {Entry("key"): "v"}) == text + 'key: "v"\n'
