# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Teams, as a reviewed file lists them, as rights that MLflow knows. Private to this collection.

Pure: no Ansible, no network.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

ROLE_PREFIX = "team-"
GOVERNANCE_ROLE = "governance"
GOVERNANCE_DESCRIPTION = "Promotes and rolls back models"
# Whoever moves an alias must be able to look at what it moves to.
GOVERNANCE_GRANTS = (
    ("registered_model", "MANAGE"),
    ("prompt", "MANAGE"),
    ("experiment", "READ"),
)
MODEL_PERMISSIONS = EXPERIMENT_PERMISSIONS = ("READ", "USE", "EDIT", "MANAGE", "DENY")
TEAM_KEYS = {"name", "state", "groups", "users", "service_accounts", "experiments", "models"}
RESOURCE_KEYS = {"name", "permission"}
DEFAULT_PERMISSION = "EDIT"
EVERYTHING = "*"

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?\Z")

Team = Mapping[str, t.Any]
Json = dict[str, t.Any]


class TeamError(ValueError):
    """A list of teams that cannot be meant as it is written."""


def team_rights(teams: Sequence[Team]) -> Json:
    """What must exist for the teams: C(experiments), C(models) and C(roles), in a fixed order."""
    check_teams(teams)
    present = [team for team in teams if _is_present(team)]
    return {
        "experiments": _names(present, "experiments"),
        "models": _names(present, "models"),
        "roles": [_governance(), *(_role(team) for team in sorted(teams, key=lambda team: str(team["name"])))],
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


def role_name(team: Team) -> str:
    """The name of a team's role."""
    return f"{ROLE_PREFIX}{team['name']}"


def check_teams(teams: Sequence[Team]) -> None:
    """Refuse what would silently give other rights than a reader expects."""
    names: set[str] = set()
    for team in teams:
        if not isinstance(team, Mapping) or not isinstance(team.get("name"), str):
            raise TeamError("each team needs a name, such as {name: pricing, groups: [pricing]}")
        name = team["name"]
        _check_keys(f"team {name}", team, TEAM_KEYS)
        if not _NAME.match(name):
            raise TeamError(f"team {name}: use lower-case letters, digits and inner . _ - for the name")
        if name in names:
            raise TeamError(f"team {name} is listed twice; keep one entry")
        names.add(name)
        if team.get("state", "present") not in ("present", "absent"):
            raise TeamError(f"team {name}: state is {team['state']}; use present or absent")
        _check_resources(name, "experiments", team.get("experiments") or [], EXPERIMENT_PERMISSIONS)
        _check_resources(name, "models", team.get("models") or [], MODEL_PERMISSIONS)


def _check_keys(what: str, found: Mapping[str, t.Any], known: Iterable[str]) -> None:
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise TeamError(f"{what}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _check_resources(team: str, kind: str, resources: Sequence[Mapping[str, t.Any]], known: Sequence[str]) -> None:
    names: set[str] = set()
    for item in resources:
        if not isinstance(item, Mapping) or not item.get("name"):
            raise TeamError(f"team {team}: each of {kind} needs a name, such as {{name: pricing, permission: EDIT}}")
        name = str(item["name"])
        _check_keys(f"team {team}: {kind} {name}", item, RESOURCE_KEYS)
        if EVERYTHING in name and name != EVERYTHING:
            raise TeamError(f"team {team}: {kind} {name}: MLflow knows whole names and * for all, no prefixes")
        permission = item.get("permission", DEFAULT_PERMISSION)
        if permission not in known:
            raise TeamError(f"team {team}: {kind} {name}: permission is {permission}; use one of {', '.join(known)}")
        if name in names:
            raise TeamError(f"team {team}: {kind} {name} is listed twice; keep one entry")
        names.add(name)


def _is_present(team: Team) -> bool:
    return bool(team.get("state", "present") == "present")


def _names(teams: Iterable[Team], kind: str) -> list[str]:
    names = {str(item["name"]) for team in teams for item in team.get(kind) or []}
    return sorted(names - {EVERYTHING})


def _governance() -> Json:
    grants = [
        {"resource_type": resource_type, "resource_pattern": EVERYTHING, "permission": permission}
        for resource_type, permission in GOVERNANCE_GRANTS
    ]
    return {
        "name": GOVERNANCE_ROLE,
        "description": GOVERNANCE_DESCRIPTION,
        "grants": grants,
        "users": None,
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
