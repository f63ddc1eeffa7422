# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Teams, as a reviewed file lists them, as rights that MLflow knows. Private to this collection.

Pure: no Ansible, no network. What a spec can say of a list of teams, such as its types and choices, the argument spec
of the role says; here are the rules between values.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_gates import LOCK_SUFFIX

ROLE_PREFIX = "team-"
GOVERNANCE_ROLE = "governance"
GOVERNANCE_DESCRIPTION = "Promotes and rolls back models"
# Whoever moves an alias must be able to look at what it moves to.
GOVERNANCE_GRANTS = (
    ("registered_model", "MANAGE"),
    ("prompt", "MANAGE"),
    ("experiment", "READ"),
)
DEFAULT_PERMISSION = "EDIT"
EVERYTHING = "*"

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")

Team = Mapping[str, t.Any]
Json = dict[str, t.Any]


class TeamError(ValueError):
    """A list of teams that cannot be meant as it is written."""


class Fault(t.NamedTuple):
    """What is wrong with a list of teams: where below the list, what, and the way out."""

    path: str
    problem: str
    remedy: str


def team_rights(teams: Sequence[Team], governance_users: Iterable[str] = ()) -> Json:
    """What must exist for the teams: C(experiments), C(models) and C(roles), in a fixed order."""
    check_teams(teams)
    present = [team for team in teams if _is_present(team)]
    roles = [_role(team) for team in sorted(teams, key=lambda team: str(team["name"]))]
    return {
        "experiments": _names(present, "experiments"),
        "models": _names(present, "models"),
        "roles": [_governance(governance_users), *roles],
    }


def team_group_roles(teams: Sequence[Team], governance_groups: Sequence[str] = ()) -> dict[str, list[str]]:
    """Which roles the members of each group of the identity provider have."""
    check_teams(teams)
    roles: dict[str, set[str]] = {}
    for team in teams:
        if _is_present(team):
            for group in team.get("groups") or []:
                roles.setdefault(str(group), set()).add(role_name(team))
    for group in governance_groups:
        roles.setdefault(str(group), set()).add(GOVERNANCE_ROLE)
    return {group: sorted(names) for group, names in sorted(roles.items())}


def team_service_accounts(teams: Sequence[Team], secrets: Mapping[str, str]) -> list[Json]:
    """The service accounts that teams name: C(name), C(secret), and the C(groups) of all their teams."""
    check_teams(teams)
    groups: dict[str, set[str]] = {}
    for team in teams:
        for name in (team.get("service_accounts") or []) if _is_present(team) else []:
            groups.setdefault(str(name), set()).update(map(str, team.get("groups") or []))
    missing = sorted(set(groups) - set(secrets))
    if missing:
        raise TeamError(f"platform_service_account_secrets has no {', '.join(missing)}; add a secret for each name")
    return [{"name": name, "secret": secrets[name], "groups": sorted(groups[name])} for name in sorted(groups)]


def unlisted_team_roles(roles: Sequence[Mapping[str, t.Any]], teams: Sequence[Team]) -> list[Mapping[str, t.Any]]:
    """Those of a server's roles that were made for a team which the list does not name any more."""
    check_teams(teams)
    listed = {role_name(team) for team in teams}
    return [role for role in roles if role["name"].startswith(ROLE_PREFIX) and role["name"] not in listed]


def role_name(team: Team) -> str:
    """The name of a team's role."""
    return f"{ROLE_PREFIX}{team['name']}"


def check_teams(teams: Sequence[Team]) -> None:
    """Refuse what would silently give other rights than a reader expects."""
    faults = "; ".join(f"teams{fault.path}: {fault.problem} {fault.remedy}" for fault in team_faults(teams))
    if faults:
        raise TeamError(faults)


def team_faults(teams: Sequence[Team]) -> Iterator[Fault]:
    """All that is wrong with a list of teams."""
    names: set[str] = set()
    for index, team in enumerate(teams):
        path = f"[{index}]"
        if not _is_named(team):
            yield Fault(path, "has no name.", "write a mapping, such as {name: pricing, groups: [pricing]}.")
            continue
        name = str(team["name"])
        if not _NAME.match(name):
            yield Fault(f"{path}.name", f'is "{name}".', "use a-z, 0-9 and inner . _ -, 64 characters at most.")
        elif name in names:
            yield Fault(f"{path}.name", f'is "{name}", which another team has.', "keep one entry of each name.")
        names.add(name)
        for kind in ("experiments", "models"):
            yield from _resource_faults(f"{path}.{kind}", team.get(kind) or [], kind)


def _resource_faults(path: str, resources: Sequence[Mapping[str, t.Any]], kind: str) -> Iterator[Fault]:
    names: set[str] = set()
    for index, item in enumerate(resources):
        where = f"{path}[{index}].name"
        if not _is_named(item):
            yield Fault(where, "is missing.", "write a mapping, such as {name: pricing, permission: EDIT}.")
            continue
        name = str(item["name"])
        if name in names:
            yield Fault(where, f'is "{name}", which is listed above.', "keep one entry of each name.")
        names.add(name)
        if not name.strip():
            yield Fault(where, "is empty.", "name one, or write * for all.")
        elif EVERYTHING in name and name != EVERYTHING:
            yield Fault(where, f'is "{name}"; MLflow has no prefixes.', "write whole names, or * for all.")
        elif kind == "models":
            yield from _model_name_faults(where, name)


def _model_name_faults(where: str, name: str) -> Iterator[Fault]:
    if "/" in name or ":" in name:
        yield Fault(where, f'is "{name}", which MLflow refuses for a model.', "use a name without / and :.")
    elif name.endswith(LOCK_SUFFIX):
        yield Fault(where, f'is "{name}", the lock of a promotion.', f"use a name that does not end in {LOCK_SUFFIX}.")


def _is_named(item: object) -> bool:
    return isinstance(item, Mapping) and "name" in item


def _is_present(team: Team) -> bool:
    return bool(team.get("state", "present") == "present")


def _names(teams: Iterable[Team], kind: str) -> list[str]:
    names = {str(item["name"]) for team in teams for item in team.get(kind) or []}
    return sorted(names - {EVERYTHING})


def _governance(users: Iterable[str]) -> Json:
    grants = [
        {"resource_type": resource_type, "resource_pattern": EVERYTHING, "permission": permission}
        for resource_type, permission in GOVERNANCE_GRANTS
    ]
    return {
        "name": GOVERNANCE_ROLE,
        "description": GOVERNANCE_DESCRIPTION,
        "grants": grants,
        "users": sorted({str(name) for name in users}),
        "state": "present",
    }


def _role(team: Team) -> Json:
    experiments = [_experiment_grant(item) for item in team.get("experiments") or []]
    models = [
        {"resource_type": "registered_model", "resource_pattern": str(item["name"]), "permission": _permission(item)}
        for item in team.get("models") or []
    ]
    return {
        "name": role_name(team),
        "description": f"Team {team['name']}",
        "grants": sorted(experiments + models, key=lambda grant: sorted(grant.items())),
        "users": sorted({str(name) for name in team.get("users") or []}),
        "state": team.get("state", "present"),
    }


def _experiment_grant(item: Mapping[str, t.Any]) -> Json:
    grant = {"resource_type": "experiment", "permission": _permission(item)}
    name = str(item["name"])
    return grant if name == EVERYTHING else {**grant, "experiment_name": name}


def _permission(item: Mapping[str, t.Any]) -> str:
    return str(item.get("permission", DEFAULT_PERMISSION))
