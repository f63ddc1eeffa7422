# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change between a Keycloak user as it is and as it is wanted. Private to this collection.

Pure: no Ansible, no network. In a wanted state, None means "leave as it is".
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The module's option, and Keycloak's name for it.
PROPERTIES = {
    "email": "email",
    "email_verified": "emailVerified",
    "first_name": "firstName",
    "last_name": "lastName",
    "enabled": "enabled",
}


class PlanError(Exception):
    """A wanted state that cannot be reached."""


@dataclass(frozen=True)
class Plan:
    """What to write, which groups to enter and to leave, and the difference to show."""

    representation: dict[str, t.Any]
    join: tuple[str, ...]
    leave: tuple[str, ...]
    before: dict[str, t.Any]
    after: dict[str, t.Any]

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return self.before != self.after


def wanted_properties(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The properties that the module's options ask for, by Keycloak's names."""
    return {name: options[option] for option, name in PROPERTIES.items() if options.get(option) is not None}


def plan_user(
    current: Mapping[str, t.Any] | None,
    current_groups: Iterable[str],
    options: Mapping[str, t.Any],
) -> Plan:
    """The way from a user as Keycloak describes it (None without one) to what the options describe."""
    wanted = wanted_properties(options)
    have = set(current_groups)
    join, leave = _memberships(have, options.get("groups"), bool(options.get("purge_groups")))
    changed = {name: value for name, value in wanted.items() if current is None or current.get(name) != value}
    before = {name: current.get(name) for name in changed} if current else {}
    after = dict(changed)
    if join or leave:
        before["groups"] = sorted(have)
        after["groups"] = sorted((have | {*join}) - {*leave})
    if current is None:
        before, after = {}, {"username": options["username"], **after}
    # Keycloak takes what is left out of a representation for something to be removed.
    representation = {**(current or {"username": options["username"], "enabled": True}), **wanted}
    return Plan(representation if changed or current is None else {}, join, leave, before, after)


def _memberships(have: set[str], wanted: Iterable[str] | None, purge: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if wanted is None:
        return (), ()
    return tuple(sorted({*wanted} - have)), tuple(sorted(have - {*wanted})) if purge else ()


def group_ids(found: Iterable[Mapping[str, t.Any]], names: Iterable[str]) -> dict[str, str]:
    """The ids of top-level groups by name; a name without a group is an error."""
    ids = {str(group["name"]): str(group["id"]) for group in found}
    missing = sorted({*names} - set(ids))
    if missing:
        raise PlanError(f"there is no group {', '.join(missing)} in the realm; create it first")
    return ids
