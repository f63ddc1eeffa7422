# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change between an MLflow object as it is and as it is wanted. Private to this collection.

Pure: no Ansible, no network. In a wanted state, None means "leave as it is".
"""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PERMISSIONS = ("READ", "USE", "EDIT", "MANAGE", "DENY")
WORKSPACE_PERMISSIONS = ("USE", "MANAGE")
# Types whose grants may name one resource; grants on all others are for everything ("*").
NAMED_TYPES = (
    "experiment",
    "registered_model",
    "prompt",
    "scorer",
    "gateway_secret",
    "gateway_endpoint",
    "gateway_model_definition",
    "mcp_server",
)
WILDCARD_TYPES = (
    "workspace",
    "run",
    "trace",
    "assessment",
    "logged_model",
    "review_queue",
    "registered_model_version",
    "prompt_version",
    "scorer_version",
    "mcp_server_version",
)
RESERVED_ROLE_PREFIX = "__user_"
# MLflow writes tags of this prefix itself.
RESERVED_TAG_PREFIX = "mlflow."
PASSWORD_DIFFERS = "(differs)"
PASSWORD_AS_GIVEN = "(as given)"
MINIMUM_PASSWORD = 12


class PlanError(Exception):
    """A wanted state that cannot be reached."""


@dataclass(frozen=True)
class Change:
    """One property that changes."""

    key: str
    before: t.Any
    after: t.Any


@dataclass(frozen=True)
class Experiment:
    """An experiment; a deleted one keeps its name and can be restored."""

    experiment_id: str
    deleted: bool = False
    artifact_location: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model; `aliases` maps names to versions, `latest_versions` has one for each stage in use."""

    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    latest_versions: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Grant:
    """A right on one resource, or on all of a type ("*")."""

    resource_type: str
    resource_pattern: str
    permission: str

    @property
    def key(self) -> tuple[str, str]:
        """What a role can have one grant for."""
        return self.resource_type, self.resource_pattern

    def __str__(self) -> str:
        return f"{self.permission} on {self.resource_type} {self.resource_pattern}"


@dataclass(frozen=True)
class Role:
    """A role as it is; `grants` maps each to the server's number for it."""

    role_id: int
    description: str = ""
    grants: Mapping[Grant, int] = field(default_factory=dict)
    users: frozenset[str] = frozenset()


@dataclass(frozen=True)
class WantedRole:
    """A role as it is wanted; with `purge`, it has nothing else."""

    description: str | None
    grants: tuple[Grant, ...]
    users: frozenset[str] | None = None
    purge: bool = False


@dataclass(frozen=True)
class RolePlan:
    """The steps from a role to the wanted one, and what the role has beside it."""

    add: tuple[Grant, ...] = ()
    update: tuple[tuple[int, Grant], ...] = ()
    remove: tuple[tuple[int, Grant], ...] = ()
    assign: tuple[str, ...] = ()
    unassign: tuple[str, ...] = ()
    extra_grants: tuple[Grant, ...] = ()
    extra_users: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


def text_tags(tags: Mapping[t.Any, t.Any] | None) -> dict[str, str] | None:
    """Tags as MLflow keeps them."""
    return None if tags is None else {str(key): str(value) for key, value in tags.items()}


def plan_tags(
    current: Mapping[str, str], wanted: Mapping[str, str] | None, purge: bool
) -> dict[str, tuple[str | None, str | None]]:
    """Tags that change, each with its value before and after; None stands for no tag."""
    if wanted is None:
        return {}
    reserved = sorted(key for key in wanted if key.startswith(RESERVED_TAG_PREFIX))
    if reserved:
        raise PlanError(f"tags: {', '.join(reserved)}: names that begin with {RESERVED_TAG_PREFIX} are MLflow's own")
    changes: dict[str, tuple[str | None, str | None]] = {
        key: (current.get(key), value) for key, value in sorted(wanted.items()) if current.get(key) != value
    }
    if purge:
        extra = (key for key in sorted(current) if key not in wanted and not key.startswith(RESERVED_TAG_PREFIX))
        changes.update({key: (current[key], None) for key in extra})
    return changes


def tag_changes(tags: Mapping[str, tuple[str | None, str | None]]) -> list[Change]:
    """What `plan_tags` found, as one change or none."""
    if not tags:
        return []
    before = {key: value for key, (value, dummy) in tags.items()}
    return [Change("tags", before, {key: value for key, (dummy, value) in tags.items()})]


def check_artifact_location(current: Experiment | None, wanted: str | None) -> None:
    """An experiment's place for artifacts is chosen when it is made."""
    if current and wanted and wanted.rstrip("/") != current.artifact_location.rstrip("/"):
        raise PlanError(
            f"artifact_location is {current.artifact_location} and can only be chosen when an experiment is made; "
            "leave it out, or choose another name"
        )


def check_grant(grant: Grant) -> None:
    """Upstream's own limits, told before anything is sent."""
    if grant.resource_type in WILDCARD_TYPES and grant.resource_pattern != "*":
        raise PlanError(f"grants on {grant.resource_type} are for all ('*'), not for {grant.resource_pattern}")
    if grant.resource_type == "workspace" and grant.permission not in WORKSPACE_PERMISSIONS:
        raise PlanError(f"a grant on workspace is USE or MANAGE, not {grant.permission}")


def check_grants(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants in order, each resource once."""
    unique = sorted(set(grants))
    for grant in unique:
        check_grant(grant)
    for first, second in itertools.pairwise(unique):
        if first.key == second.key:
            raise PlanError(f"grants: {first} and {second} contradict each other; keep one")
    return tuple(unique)


def plan_role(current: Role | None, wanted: WantedRole) -> RolePlan:
    """What to do, in sorted order; a missing role starts with nothing."""
    base = current or Role(role_id=0)
    have = {grant.key: (grant_id, grant) for grant, grant_id in base.grants.items()}
    wanted_keys = {grant.key for grant in wanted.grants}
    extra = tuple(sorted(grant for grant in base.grants if grant.key not in wanted_keys))
    users = base.users if wanted.users is None else wanted.users
    extra_users = tuple(sorted(base.users - users))
    plan = RolePlan(
        add=tuple(grant for grant in wanted.grants if grant.key not in have),
        update=tuple(
            (have[grant.key][0], grant)
            for grant in wanted.grants
            if grant.key in have and have[grant.key][1].permission != grant.permission
        ),
        remove=tuple((base.grants[grant], grant) for grant in extra) if wanted.purge else (),
        assign=tuple(sorted(users - base.users)),
        unassign=extra_users if wanted.purge else (),
        extra_grants=extra,
        extra_users=extra_users,
    )
    return RolePlan(**{**vars(plan), "changes": _role_changes(current, wanted, plan)})


def _role_changes(current: Role | None, wanted: WantedRole, plan: RolePlan) -> tuple[Change, ...]:
    base = current or Role(role_id=0)
    changes = [] if current else [Change("role", "absent", "present")]
    if wanted.description is not None and wanted.description != base.description:
        changes.append(Change("description", base.description, wanted.description))
    replaced = {grant.key for dummy, grant in plan.update + plan.remove}
    if plan.add or replaced:
        kept = {grant for grant in base.grants if grant.key not in replaced}
        after = kept | set(plan.add) | {grant for dummy, grant in plan.update}
        changes.append(Change("grants", texts(base.grants), texts(after)))
    if plan.assign or plan.unassign:
        users = (base.users | set(plan.assign)) - set(plan.unassign)
        changes.append(Change("users", sorted(base.users), sorted(users)))
    return tuple(changes)


def removal(current: Role) -> list[Change]:
    """What goes with a role."""
    changes = [Change("role", "present", "absent")]
    if current.grants:
        changes.append(Change("grants", texts(current.grants), []))
    if current.users:
        changes.append(Change("users", sorted(current.users), []))
    return changes


def texts(grants: Iterable[Grant]) -> list[str]:
    """Grants as a reader knows them, in order."""
    return [str(grant) for grant in sorted(grants)]


def check_role_name(name: str) -> None:
    """Names that upstream keeps for the grants of single users."""
    if name.startswith(RESERVED_ROLE_PREFIX):
        raise PlanError(f"role names that begin with {RESERVED_ROLE_PREFIX} are MLflow's own; choose another")


def plan_user(
    current_admin: bool | None, admin: bool | None, has_password: bool, password_matches: bool | None
) -> list[Change]:
    """Changes of a user; `current_admin` is None for a missing one, `password_matches` where nobody asked."""
    changes = []
    if current_admin is None:
        if not has_password:
            raise PlanError("the user does not exist, so password is needed to make it")
        changes.append(Change("user", "absent", "present"))
    elif password_matches is False:
        changes.append(Change("password", PASSWORD_DIFFERS, PASSWORD_AS_GIVEN))
    if admin is not None and admin != bool(current_admin):
        changes.append(Change("admin", bool(current_admin), admin))
    return changes


def check_password(password: str | None) -> None:
    """Upstream's own limit, told before anything is sent."""
    if password is not None and len(password) < MINIMUM_PASSWORD:
        raise PlanError(f"password has {len(password)} characters; MLflow takes {MINIMUM_PASSWORD} or more")


def plan_alias(current: str | None, state: str, version: str | None, expected: str | None) -> Change | None:
    """The switch of an alias; `expected` is the version that it must still point at, "" for none."""
    wanted = version if state == "present" else None
    if wanted == current:
        return None
    if expected is not None and expected != (current or ""):
        was = f"version {current}" if current else "no version"
        must = f"version {expected}" if expected else "no version"
        raise PlanError(f"it points at {was} where {must} was expected; somebody moved it, so nothing was changed")
    return Change("version", current, wanted)
