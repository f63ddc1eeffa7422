# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the argument specs of the roles say about a variable, in words that never show a secret.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.validation import check_type_bool, check_type_float, check_type_int

Option = Mapping[str, t.Any]

_SECRET_NAME = re.compile(r"(password|passphrase|secret|token|credentials|(^|_)key)s?$")
_INDEX = re.compile(r"\[\d+\]$")
_URL_WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_LONGEST_SHOWN = 80
HIDDEN = "a secret that is not shown"

_WORDS = {
    "str": "a string",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the way out of it."""

    variable: str
    problem: str
    remedy: str
    hosts: tuple[str, ...] = ()


def is_secret(name: str, option: Option | None = None) -> bool:
    """Whether the value of this option must never be shown."""
    if option and option.get("no_log") is not None:
        return bool(option["no_log"])
    return bool(_SECRET_NAME.search(_INDEX.sub("", name).rsplit(".", 1)[-1]))


def show(name: str, value: object, option: Option | None = None) -> str:
    """The value as an error message may print it."""
    if is_secret(name, option):
        return HIDDEN
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    if _URL_WITH_PASSWORD.search(text) or "PRIVATE KEY" in text:
        return HIDDEN
    text = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return f'"{text}"'


def options_of(specs: Mapping[str, t.Any]) -> dict[str, Option]:
    """All options of all entry points of one role's argument specs."""
    options: dict[str, Option] = {}
    for entry_point in specs.values():
        options.update((entry_point or {}).get("options") or {})
    return options


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that the writer most likely meant."""
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def unknown_variables(names: Iterable[str], roles: Mapping[str, Mapping[str, Option]]) -> Iterator[Problem]:
    """Variables that carry the prefix of a role and that no role knows."""
    known = {option for options in roles.values() for option in options}
    prefixes = tuple(f"{role}_" for role in roles)
    for name in sorted(set(names) - known):
        if not name.startswith(prefixes):
            continue
        meant = nearest(name, known)
        remedy = f"did you mean {meant}?" if meant else "remove it, or rename it if it is your own."
        yield Problem(name, "is not a variable of any role.", remedy)


def check(name: str, value: object, option: Option) -> list[Problem]:
    """What the option's spec has against this value, sub-options included."""
    return list(_check_value(name, value, option)) or list(_check_relations(name, value, option))


def coerce(value: t.Any, option: Option) -> t.Any:
    """A sound value as the type of its option, as far as rules count with it."""
    if value is None:
        return None
    if option.get("type") == "int":
        return check_type_int(value)
    options = option.get("options") or {}
    if isinstance(value, Mapping):
        return {key: coerce(item, options.get(key, {})) for key, item in value.items()}
    return value


def _check_value(name: str, value: object, option: Option) -> Iterator[Problem]:
    if value is None:
        if option.get("default") is not None or option.get("required"):
            yield Problem(name, "is empty (null).", "remove the line, or give it a value.")
        return
    problem = _wrong_type(name, value, option) or _wrong_choice(name, value, option)
    if problem:
        yield problem
        return
    yield from _check_port(name, value, option)
    if isinstance(value, (list, tuple)):
        yield from _check_elements(name, value, option)
    elif isinstance(value, Mapping) and option.get("options"):
        yield from _check_sub_options(name, value, option)


def _is_type(value: object, kind: str) -> bool:
    if kind in ("str", "path"):
        return isinstance(value, (str, int, float)) and not isinstance(value, bool)
    if kind == "list":
        return isinstance(value, (list, tuple))
    if kind == "dict":
        return isinstance(value, Mapping)
    if kind == "bool":
        return _converts(check_type_bool, value)
    if isinstance(value, bool):
        return False
    return _converts(check_type_int if kind == "int" else check_type_float, value)


def _converts(converter: t.Callable[[t.Any], object], value: object) -> bool:
    try:
        converter(value)
    except (TypeError, ValueError, ArithmeticError):
        return False
    return True


def _wrong_type(name: str, value: object, option: Option) -> Problem | None:
    kind = option.get("type", "str")
    if kind not in _WORDS or _is_type(value, kind):
        return None
    shown = show(name, value, option)
    wrong = "is not of the right type" if shown == HIDDEN else f"is {shown}"
    return Problem(name, f"{wrong}.", f"write {_WORDS[kind]}.")


def _wrong_choice(name: str, value: object, option: Option) -> Problem | None:
    choices = option.get("choices")
    values = value if isinstance(value, (list, tuple)) else [value]
    wrong = [item for item in values if choices and str(item) not in map(str, choices)]
    if not wrong or not choices:
        return None
    allowed = ", ".join(map(str, choices))
    meant = nearest(str(wrong[0]), map(str, choices))
    hint = f" (did you mean {meant}?)" if meant and not is_secret(name, option) else ""
    return Problem(name, f"is {show(name, wrong[0], option)}.", f"choose one of: {allowed}{hint}.")


def _check_port(name: str, value: object, option: Option) -> Iterator[Problem]:
    if not (name.endswith("_port") and option.get("type") == "int"):
        return
    if not 1 <= check_type_int(value) <= 65535:
        yield Problem(name, f"is {show(name, value)}.", "write a port from 1 to 65535.")


def _check_elements(name: str, values: Iterable[object], option: Option) -> Iterator[Problem]:
    element = {"type": option.get("elements", "str"), "options": option.get("options")}
    if option.get("no_log") is not None:
        element["no_log"] = option["no_log"]
    for index, value in enumerate(values):
        yield from _check_value(f"{name}[{index}]", value, element)


def _check_sub_options(name: str, value: Mapping[t.Any, t.Any], option: Option) -> Iterator[Problem]:
    sub_options: Mapping[str, Option] = option["options"]
    for key, item in value.items():
        path = f"{name}.{key}"
        if key in sub_options:
            yield from _check_value(path, item, sub_options[key])
            continue
        meant = nearest(str(key), sub_options)
        remedy = f"did you mean {meant}?" if meant else f"known are: {', '.join(sub_options)}."
        yield Problem(path, "is not a known setting.", remedy)
    for key, sub_option in sub_options.items():
        if sub_option.get("required") and key not in value:
            yield Problem(f"{name}.{key}", "is missing.", f"add it: {_first_line(sub_option)}")


def _check_relations(name: str, value: object, option: Option) -> Iterator[Problem]:
    """Rules between sub-options (required_if and its kin), which Ansible knows how to check."""
    if value is None or not option.get("options"):
        return
    result = ArgumentSpecValidator({name: dict(option)}).validate({name: value})
    for error in result.errors.errors:
        # The messages of the relations name sub-options; only required_if adds the value of one.
        kind = type(error).__name__
        names_only = kind.startswith(("Required", "MutuallyExclusive"))
        text = str(error) if names_only else "its parts do not fit together"
        yield Problem(name, f"{text}.", "compare it with the README of the role.")


def _first_line(option: Option) -> str:
    description = option.get("description") or "it is required."
    return str(description if isinstance(description, str) else description[0])
