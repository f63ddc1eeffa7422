# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a secrets file: which entries are missing, and the text that has them. Private to this collection.

The text is edited, never dumped anew: what nobody asked to change keeps its bytes, comments and tags.
"""

from __future__ import annotations

import base64
import re
import secrets
import string
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

try:
    import yaml
except ImportError:
    # Only the controller runs this, and ansible-core brings PyYAML there.
    pass

PASSWORD_ALPHABET = string.ascii_letters + string.digits
DEFAULT_LENGTH = 32
MIN_LENGTH = 16
MAX_LENGTH = 1024
NAME_PATTERN = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
# YAML's line breaks besides "\n", and what must be escaped: such a value cannot be a literal block.
NOT_IN_BLOCK = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029]")

_STR_TAG = "tag:yaml.org,2002:str"
_NULL_TAG = "tag:yaml.org,2002:null"


class SecretsError(Exception):
    """A file or a request that cannot be honoured; the text never holds a value."""


@dataclass(frozen=True)
class Entry:
    """One secret that the file must have."""

    name: str
    kind: str = "password"
    length: int = DEFAULT_LENGTH
    value: str = ""
    comment: str = ""

    def __post_init__(self) -> None:
        if not NAME_PATTERN.match(self.name) or yaml.safe_load(self.name) != self.name:
            raise SecretsError(f"entries: {self.name!r} is not a variable name; use letters, digits and underscores")
        if not MIN_LENGTH <= self.length <= MAX_LENGTH:
            raise SecretsError(f"entries: length of {self.name} is {self.length}; use {MIN_LENGTH} to {MAX_LENGTH}")

    def new_value(self) -> str:
        """A fresh secret, or the given value of a literal."""
        if self.kind == "password":
            return "".join(secrets.choice(PASSWORD_ALPHABET) for _unused in range(self.length))
        if self.kind == "base64":
            return base64.b64encode(secrets.token_bytes(self.length)).decode("ascii")
        if self.kind == "base64url":
            return base64.urlsafe_b64encode(secrets.token_bytes(self.length)).decode("ascii")
        if self.kind == "hex":
            return secrets.token_hex(self.length)
        if not self.value:
            raise SecretsError(f"entries: {self.name} is not in the file yet, so its `value` must not be empty")
        return self.value


@dataclass(frozen=True)
class Change:
    """What happens to one entry. `label` is all that may be shown of it."""

    entry: Entry
    rotated: bool

    @property
    def label(self) -> str:
        source = "given" if self.entry.kind == "literal" else "generated"
        sign = "~" if self.rotated else "+"
        return f"{sign} {self.entry.name}: ({source})"


def plan(text: str, entries: Sequence[Entry], rotate: Iterable[str] = ()) -> list[Change]:
    """The entries that `text` lacks or that are to be renewed, in the order of `entries`."""
    names = [entry.name for entry in entries]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise SecretsError(f"entries: named more than once: {', '.join(doubled)}")
    unknown = sorted(set(rotate) - set(names))
    if unknown:
        raise SecretsError(f"rotate: not described in `entries`: {', '.join(unknown)}")
    values = _values(_compose(text))
    changes = []
    for entry in entries:
        node = values.get(entry.name)
        if node is None or _is_empty(node):
            changes.append(Change(entry, rotated=False))
        elif entry.name in rotate and not _is_same_literal(entry, node):
            changes.append(Change(entry, rotated=True))
    return changes


def apply(text: str, changes: Sequence[Change]) -> str:
    """`text` with the changes made; everything else keeps its bytes."""
    return write_values(text, {change.entry: change.entry.new_value() for change in changes})


def write_values(text: str, values: Mapping[Entry, str]) -> str:
    """`text` with these values, replaced where the entry stands or appended."""
    present = _values(_compose(text))
    result = text
    for entry, value in values.items():
        if entry.name in present:
            result = _replace(result, entry.name, value)
    result = _append(result, {entry: value for entry, value in values.items() if entry.name not in present})
    _verify(text, result, {entry.name: value for entry, value in values.items()})
    return result


def _compose(text: str) -> t.Any:
    """The root mapping's node, or None for a file without content."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"line {mark.line + 1}" if mark else "an unknown line"
        # Without the cause: the parser's own words may quote a value.
        raise SecretsError(f"is not valid YAML at {where}; correct that line") from None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise SecretsError(f"has a character that YAML does not allow at line {line}; remove it") from None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _NULL_TAG and not root.value):
        return None
    if not isinstance(root, yaml.MappingNode):
        raise SecretsError("must be a mapping of names to values; its top level is something else")
    if root.flow_style and root.value:
        raise SecretsError("must have its top level in block style, one `name: value` a line, not in braces")
    return root


def _values(root: t.Any) -> dict[str, t.Any]:
    """Value nodes by name."""
    values: dict[str, t.Any] = {}
    for key, value in root.value if root else ():
        if not isinstance(key, yaml.ScalarNode) or key.tag != _STR_TAG:
            continue
        if key.value in values:
            raise SecretsError(f"has a name twice, the second at line {key.start_mark.line + 1}; remove one")
        values[key.value] = value
    return values


def _is_empty(node: t.Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and (node.tag == _NULL_TAG or (node.tag == _STR_TAG and node.value == ""))


def _is_same_literal(entry: Entry, node: t.Any) -> bool:
    if entry.kind != "literal":
        return False
    return isinstance(node, yaml.ScalarNode) and node.tag == _STR_TAG and bool(node.value == entry.value)


def _replace(text: str, name: str, value: str) -> str:
    root = _compose(text)
    node = _values(root)[name]
    if not isinstance(node, yaml.ScalarNode):
        raise SecretsError(f"has a list or mapping under {name}, which cannot be replaced by a text")
    start = node.start_mark.index
    # The mark of a block scalar lies behind the blank lines that follow it.
    end = start + len(text[start : node.end_mark.index].rstrip())
    behind = text[end:].partition("\n")[0].strip()
    scalar = _scalar(value, root.start_mark.column, may_be_block=not behind)
    gap = " " if text[:start].endswith(":") else ""
    return _end_line(text[:start] + gap + scalar + text[end:])


def _append(text: str, values: Mapping[Entry, str]) -> str:
    if not values:
        return text
    root = _compose(text)
    if root is None:
        return _end_line(text if text.strip() else "---\n") + _entries_text(values, 0)
    if root.flow_style:
        # An empty mapping, `{}`, makes room.
        before, behind = text[: root.start_mark.index], text[root.end_mark.index :].lstrip("\n")
        return _end_line(before) + _entries_text(values, 0) + behind
    before, behind = text[: root.end_mark.index], text[root.end_mark.index :]
    return _end_line(before) + _entries_text(values, root.start_mark.column) + behind


def _entries_text(values: Mapping[Entry, str], column: int) -> str:
    indent = " " * column
    lines = []
    for entry, value in values.items():
        lines += [f"{indent}# {line}".rstrip() for line in entry.comment.splitlines()]
        lines.append(f"{indent}{entry.name}: {_scalar(value, column)}")
    return "\n".join(lines) + "\n"


def _scalar(value: str, column: int, may_be_block: bool = True) -> str:
    """`value` as YAML: a literal block where it has lines and allows it, else in double quotes."""
    body = value.removesuffix("\n")
    lines = body.split("\n")
    fits = len(lines) > 1 and lines[0].strip() == lines[0] != "" and lines[-1].strip() != ""
    if may_be_block and fits and not NOT_IN_BLOCK.search(value):
        indent = " " * (column + 2)
        header = "|" if value.endswith("\n") else "|-"
        return "\n".join([header] + [indent + line if line else "" for line in lines])
    quoted: str = yaml.safe_dump(value, default_style='"', width=2**31, allow_unicode=False)
    return quoted.rstrip("\n")


def _end_line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _verify(before: str, after: str, written: Mapping[str, str]) -> None:
    """The edit did what was asked and nothing else; a layout it cannot edit is refused, not damaged."""
    try:
        old, new = _compose(before), _compose(after)
        found = _values(new)
        good = all(
            isinstance(found.get(name), yaml.ScalarNode) and found[name].tag == _STR_TAG and found[name].value == value
            for name, value in written.items()
        )
        good = good and _others(old, written) == _others(new, written)
    except SecretsError:
        good = False
    if not good:
        raise SecretsError(
            "is laid out in a way that cannot be edited without loss; end it with a newline,"
            " write one `name: value` a line, and remove anchors and document ends"
        )


def _others(root: t.Any, written: Mapping[str, str]) -> list[t.Any]:
    pairs = root.value if root else []
    return [
        (_shape(key), _shape(value))
        for key, value in pairs
        if not (isinstance(key, yaml.ScalarNode) and key.tag == _STR_TAG and key.value in written)
    ]


def _shape(node: t.Any, above: tuple[int, ...] = ()) -> t.Any:
    """A node's content without its place in the text."""
    if id(node) in above:
        return "recursive"
    if isinstance(node, yaml.ScalarNode):
        return (node.tag, node.value)
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        return (node.tag, [_shape(item, above) for item in node.value])
    return (node.tag, [(_shape(key, above), _shape(value, above)) for key, value in node.value])
