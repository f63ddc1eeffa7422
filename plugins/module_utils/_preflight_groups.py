# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about inventory groups, which are the topology of the platform.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem, nearest

Groups = Mapping[str, Sequence[str]]
Children = dict[str, list[str]]

TIERS = ("postgres", "minio", "keycloak", "mlflow", "nginx_tls", "audit", "monitoring")
# Tiers that later releases spread over several hosts.
SINGLE_HOST_TIERS = {
    "postgres": "the cluster of several database hosts is not supported yet",
    "minio": "distributed object storage is not supported yet",
    "audit": "one host keeps the chain of the audit",
    "monitoring": "each would send every alert",
}
# Tiers that a platform may do without.
OPTIONAL_TIERS = ("audit", "monitoring")
_NOT_TIERS = ("all", "ungrouped")


def platform_hosts(groups: Groups) -> list[str]:
    """The hosts of all tiers, each once; other hosts of the inventory are none of our business."""
    return list(dict.fromkeys(host for tier in TIERS for host in groups.get(tier, ())))


def not_needed(contract: Mapping[str, t.Any]) -> set[str]:
    """Tiers that MLflow does without, because another database or store takes their place."""
    tiers = set()
    if contract.get("mlflow_backend_store_uri"):
        tiers.add("postgres")
    destination = str(contract.get("mlflow_artifact_destination", "s3://"))
    endpoint = contract.get("mlflow_s3_endpoint_url")
    if not destination.startswith("s3://") or endpoint != contract.get("platform_minio_url"):
        tiers.add("minio")
    return tiers


def check_groups(groups: Groups, contracts: Sequence[Mapping[str, t.Any]] = ()) -> Iterator[Problem]:
    """Each tier has a host, and no more than this release can serve."""
    optional = {*OPTIONAL_TIERS} | {tier for contract in contracts for tier in not_needed(contract)}
    if not any(contract.get("platform_auth") == "oidc" for contract in contracts):
        optional.add("keycloak")
    if not groups.get("all"):
        yield Problem(
            "inventory",
            "has no host, or Ansible could not read it.",
            "see the warnings at the top of the output, and name an inventory with -i.",
        )
        return
    for tier in TIERS:
        hosts = groups.get(tier, ())
        if not hosts and tier not in optional:
            yield _empty(tier, groups)
        elif len(hosts) > 1 and tier in SINGLE_HOST_TIERS:
            yield Problem(
                f"group {tier}",
                f"has {len(hosts)} hosts ({', '.join(hosts)}); {SINGLE_HOST_TIERS[tier]}.",
                f"leave one host in {tier}.",
            )


def _empty(tier: str, groups: Groups) -> Problem:
    others = [name for name in groups if groups[name] and name not in (*TIERS, *_NOT_TIERS)]
    meant = nearest(tier, others)
    hint = f"; or rename the group {meant} to it" if meant else ""
    remedy = f"name at least one host under {tier} in the inventory{hint}"
    if tier == "keycloak":
        return Problem(f"group {tier}", "has no host, but platform_auth is oidc.", f"{remedy}; or choose basic.")
    return Problem(f"group {tier}", "has no host.", f"{remedy}.")


def check_cycles(sources: Mapping[str, Children]) -> Iterator[Problem]:
    """No group is its own descendant; Ansible drops the whole source with no more than a warning."""
    for source, children in sources.items():
        cycle = find_cycle(children)
        if cycle:
            yield Problem(
                f"group {cycle[0]}",
                f"contains itself ({' > '.join(cycle)}) in {source}, so Ansible ignored that file.",
                f"remove {cycle[-1]} from the children of {cycle[-2]}.",
            )


def find_cycle(children: Children) -> list[str]:
    """The first chain of groups that ends where it begins, or nothing."""
    finished: set[str] = set()

    def walk(group: str, path: list[str]) -> list[str]:
        if group in path:
            return [*path[path.index(group) :], group]
        if group in finished:
            return []
        for child in children.get(group, ()):
            cycle = walk(child, [*path, group])
            if cycle:
                return cycle
        finished.add(group)
        return []

    for group in children:
        cycle = walk(group, [])
        if cycle:
            return cycle
    return []


def children_in_yaml(data: object) -> Children:
    """Which groups contain which, in a YAML inventory."""
    children: Children = {}

    def visit(groups: object) -> None:
        for name, group in groups.items() if isinstance(groups, Mapping) else ():
            below = group.get("children") if isinstance(group, Mapping) else None
            if isinstance(below, Mapping):
                children.setdefault(str(name), []).extend(str(child) for child in below)
                visit(below)

    visit(data)
    return children


def children_in_ini(text: str) -> Children:
    """Which groups contain which, in an INI inventory."""
    children: Children = {}
    current: list[str] | None = None
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("["):
            name, _colon, kind = line.strip("[]").partition(":")
            current = children.setdefault(name, []) if kind == "children" else None
        elif current is not None and line and line[0] not in "#;":
            current.append(line.split()[0])
    return children


def summary(groups: Groups, host: str, probe: Mapping[str, t.Any]) -> str:
    """One line about a host that was looked at."""
    tiers = ", ".join(tier for tier in TIERS if host in groups.get(tier, ())) or "none"
    system, memory = probe["distribution_name"], probe["memory_mb"]
    return f"{host}: {system}, {memory} MiB memory, tiers {tiers}"
