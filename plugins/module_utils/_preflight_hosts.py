# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about machines: what the probes saw against what the tiers need.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import fnmatch
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem

Groups = Mapping[str, Sequence[str]]
Contracts = Mapping[str, Mapping[str, t.Any]]
Probe = Mapping[str, t.Any]
Probes = Mapping[str, Probe]

DISTRIBUTIONS = {"debian": ("12", "13")}
# Summed over the groups of a host: all tiers together need 4.75 GiB.
MINIMUM_MEMORY_MB = {
    "postgres": 768,
    "minio": 512,
    "keycloak": 1024,
    "mlflow": 1536,
    "nginx_tls": 256,
    "audit": 256,
    "monitoring": 512,
}
MINIMUM_DISK_MB = {"postgres": 2048, "minio": 4096, "keycloak": 1024, "mlflow": 3072, "audit": 2048, "monitoring": 2048}
# Firmware and the kernel keep a part of what a machine is sold with.
MEMORY_TOLERANCE = 0.9
MAXIMUM_SKEW_SECONDS = 5.0
DATA_PATHS = {
    "postgres": "/var/lib/postgresql",
    "keycloak": "/opt",
    "mlflow": "/opt",
    "audit": "/var/lib/postgresql",
    "monitoring": "/var/lib",
}
# A tier opens connections to the hosts of these tiers by their inventory names.
CONNECTS_TO = {
    "keycloak": ("postgres",),
    "mlflow": ("postgres", "minio", "keycloak"),
    "nginx_tls": ("keycloak", "mlflow", "audit"),
    "monitoring": ("postgres", "minio", "keycloak", "mlflow", "nginx_tls", "audit"),
}
# Debian 12 has no Java 21.
NEWEST_DEBIAN_ONLY = {"keycloak": "13"}


@dataclass(frozen=True)
class Service:
    """A port that we will listen on, and the signs of our own service already doing so."""

    label: str
    group: str
    port: int | str
    units: tuple[str, ...]
    users: tuple[str, ...] = ()


SERVICES = (
    Service("PostgreSQL", "postgres", "platform_postgres_port", ("postgresql*",), ("postgres",)),
    Service("audit database", "audit", "platform_audit_port", ("postgresql*",), ("postgres",)),
    Service("MinIO", "minio", "platform_minio_port", ("minio*", "silo*"), ("minio", "minio-user")),
    Service("Keycloak", "keycloak", "platform_keycloak_port", ("keycloak*",), ("keycloak",)),
    Service("Keycloak (management)", "keycloak", "platform_keycloak_management_port", ("keycloak*",), ("keycloak",)),
    Service("MLflow (REST)", "mlflow", "platform_mlflow_rest_port", ("mlflow*",), ("mlflow",)),
    Service("MLflow (ASGI)", "mlflow", "platform_mlflow_asgi_port", ("mlflow*",), ("mlflow",)),
    Service("HTTPS of the edge", "nginx_tls", 443, ("nginx*",), ("www-data",)),
    Service("HTTP of the edge", "nginx_tls", 80, ("nginx*",), ("www-data",)),
    Service(
        "node exporter",
        "all",
        "prometheus_exporter_node_port",
        ("prometheus-node-exporter*",),
        ("prometheus",),
    ),
    Service(
        "PostgreSQL exporter",
        "postgres",
        "prometheus_exporter_postgres_port",
        ("prometheus-postgres-exporter*",),
        ("prometheus",),
    ),
    Service(
        "nginx exporter",
        "nginx_tls",
        "prometheus_exporter_nginx_port",
        ("prometheus-nginx-exporter*",),
        ("prometheus",),
    ),
    Service(
        "process exporter",
        "all",
        "prometheus_exporter_process_port",
        ("prometheus-process-exporter*",),
        ("prometheus",),
    ),
    Service(
        "blackbox exporter",
        "monitoring",
        "prometheus_exporter_blackbox_port",
        ("prometheus-blackbox-exporter*",),
        ("prometheus",),
    ),
    Service(
        "SQL exporter",
        "postgres",
        "prometheus_exporter_sql_port",
        ("prometheus-sql-exporter*",),
        ("prometheus",),
    ),
    Service("exporter of the edge's log", "nginx_tls", "prometheus_exporter_edge_port", ("mtail*",), ("mtail",)),
    *(
        Service(
            "gateway to metrics",
            group,
            "prometheus_exporter_gateway_port",
            ("mlops-metrics-gateway*",),
            ("prometheus",),
        )
        for group in ("postgres", "keycloak", "nginx_tls")
    ),
    Service(
        "Prometheus", "monitoring", "platform_prometheus_port", ("prometheus.service", "prometheus"), ("prometheus",)
    ),
    Service("Alertmanager", "monitoring", "platform_alertmanager_port", ("prometheus-alertmanager*",), ("prometheus",)),
)
FIXED_PORTS = {service.port: service.label for service in SERVICES if isinstance(service.port, int)}
EXPORTER_PORTS = tuple(
    dict.fromkeys(
        service.port
        for service in SERVICES
        if isinstance(service.port, str) and service.port.startswith("prometheus_exporter_")
    )
)


def check_hosts(groups: Groups, contracts: Contracts, probes: Probes) -> list[Problem]:
    """All rules about machines; hosts that were not looked at (`--limit`) are left out."""
    found: list[Problem] = []
    seen: dict[str, Probe] = {}
    for host, probe in probes.items():
        problem = _unusable(host, probe)
        if problem:
            found.append(problem)
            continue
        seen[host] = probe
        contract = contracts.get(host, {})
        mine = [name for name in groups if host in groups[name]]
        found += check_distribution(host, probe)
        found += check_release(host, probe, mine)
        found += check_memory(host, probe, mine, contract)
        found += check_disk(host, probe, mine, contract)
        found += check_listeners(host, probe, mine, contract)
        found += check_resolution(host, probe, mine, groups, contract)
    return [*found, *check_clocks(seen), *check_identities(seen)]


def _unusable(host: str, probe: Probe) -> Problem | None:
    if probe.get("unreachable"):
        return Problem(
            f"host {host}",
            "cannot be reached.",
            f"correct ansible_host, user and key of {host}, or remove it from the inventory.",
            (host,),
        )
    if probe.get("failed"):
        return Problem(
            f"host {host}",
            f"cannot be looked at: {str(probe.get('msg', 'no reason given')).strip()}",
            "Ansible needs Python 3.11 or newer and root (become) there.",
            (host,),
        )
    return None


def check_distribution(host: str, probe: Probe) -> Iterator[Problem]:
    """Debian, in a release whose packages we know."""
    release = str(probe.get("distribution_version"))
    if release not in DISTRIBUTIONS.get(str(probe.get("distribution")), ()):
        yield Problem(
            f"host {host}",
            f'runs "{probe.get("distribution_name")}", which is not supported.',
            "install Debian 13 (or 12).",
            (host,),
        )


def check_release(host: str, probe: Probe, groups: Sequence[str]) -> Iterator[Problem]:
    """Tiers whose packages only the newest Debian has."""
    release = str(probe.get("distribution_version"))
    for tier, least in NEWEST_DEBIAN_ONLY.items():
        if tier in groups and release in DISTRIBUTIONS["debian"] and int(release) < int(least):
            yield Problem(
                f"host {host}",
                f'runs "{probe.get("distribution_name")}", which has not what {tier} needs.',
                f"install Debian {least}, or put another host into the group {tier}.",
                (host,),
            )


def _minimum(variable: str, defaults: Mapping[str, int], group: str, contract: Mapping[str, t.Any]) -> int:
    table = contract.get(variable)
    value = table.get(group) if isinstance(table, Mapping) else None
    return int(defaults[group] if value is None else value)


def check_memory(host: str, probe: Probe, groups: Sequence[str], contract: Mapping[str, t.Any]) -> Iterator[Problem]:
    """Memory for every tier of the host together."""
    variable = "platform_minimum_memory_mb"
    tiers = [group for group in MINIMUM_MEMORY_MB if group in groups]
    needed = sum(_minimum(variable, MINIMUM_MEMORY_MB, tier, contract) for tier in tiers)
    if int(probe.get("memory_mb", needed)) < needed * MEMORY_TOLERANCE:
        yield Problem(
            f"memory of {host}",
            f"is {probe['memory_mb']} MiB; {', '.join(tiers)} need {needed} MiB.",
            f"give it more memory, move a tier elsewhere, or lower {variable}.",
            (host,),
        )


def check_disk(host: str, probe: Probe, groups: Sequence[str], contract: Mapping[str, t.Any]) -> Iterator[Problem]:
    """Free space under the data of each tier; tiers on one file system add up."""
    variable = "platform_minimum_disk_mb"
    needs: dict[str, list[str]] = {}
    for tier in [group for group in MINIMUM_DISK_MB if group in groups]:
        path = _data_path(tier, contract)
        needs.setdefault(_mount_of(path, probe.get("free_mb", {})), []).append(tier)
    for mount, tiers in needs.items():
        free = probe.get("free_mb", {}).get(mount)
        needed = sum(_minimum(variable, MINIMUM_DISK_MB, tier, contract) for tier in tiers)
        if free is not None and int(free) < needed:
            paths = ", ".join(_data_path(tier, contract) for tier in tiers)
            yield Problem(
                f"disk of {host}",
                f"has {free} MiB free on {mount}; {', '.join(tiers)} need {needed} MiB ({paths}).",
                f"free some space, mount a larger disk there, or lower {variable}.",
                (host,),
            )


def _data_path(tier: str, contract: Mapping[str, t.Any]) -> str:
    if tier in DATA_PATHS:
        return DATA_PATHS[tier]
    drives = contract.get("minio_drives") or ["/srv/minio"]
    return str(drives[0])


def _mount_of(path: str, mounts: Mapping[str, int]) -> str:
    under = [mount for mount in mounts if path == mount or path.startswith(mount.rstrip("/") + "/")]
    return max(under, key=len, default="/")


def check_listeners(host: str, probe: Probe, groups: Sequence[str], contract: Mapping[str, t.Any]) -> Iterator[Problem]:
    """No foreign process on a port that we will listen on."""
    by_port: dict[int, list[Mapping[str, t.Any]]] = {}
    for listener in probe.get("listeners", ()):
        by_port.setdefault(int(listener["port"]), []).append(listener)
    for service, port in planned(groups, contract):
        foreign = [item for item in by_port.get(port, ()) if not _is_ours(item, service)]
        if not foreign:
            continue
        variable = service.port if isinstance(service.port, str) else f"port {port}"
        remedy = "stop that service"
        remedy += f", or choose another {variable}." if isinstance(service.port, str) else " first."
        yield Problem(
            variable,
            f"{service.label} needs port {port}, which {_describe(foreign[0])} has on {host}.",
            remedy,
            (host,),
        )


def planned(groups: Sequence[str], contract: Mapping[str, t.Any]) -> Iterator[tuple[Service, int]]:
    """The services of a host with their ports."""
    for service in SERVICES:
        if service.group not in groups:
            continue
        if service.group == "mlflow" and contract.get("platform_mlflow_transport") == "unix":
            continue
        if service.port == 80 and contract.get("nginx_tls_http") == "refuse":
            continue
        port = contract.get(service.port) if isinstance(service.port, str) else service.port
        if isinstance(port, int) or str(port).isdigit():
            yield service, int(str(port))


def _is_ours(listener: Mapping[str, t.Any], service: Service) -> bool:
    signs = [*listener.get("units", ()), *listener.get("processes", ())]
    if any(fnmatch.fnmatch(sign, pattern) for sign in signs for pattern in service.units):
        return True
    return listener.get("user") in service.users


def _describe(listener: Mapping[str, t.Any]) -> str:
    names = [*listener.get("processes", ()), *listener.get("units", ())]
    return " of ".join(names[:2]) or f"a process of user {listener.get('user', 'unknown')}"


def check_resolution(
    host: str, probe: Probe, groups: Sequence[str], all_groups: Groups, contract: Mapping[str, t.Any]
) -> Iterator[Problem]:
    """Each host can resolve the names of the hosts it will connect to."""
    unresolved = set(probe.get("unresolved", ()))
    unix = contract.get("platform_mlflow_transport") == "unix"
    tiers = [
        tier
        for group, targets in CONNECTS_TO.items()
        for tier in targets
        if group in groups and not (unix and (group, tier) == ("nginx_tls", "mlflow"))
    ]
    needed = {name for tier in tiers for name in all_groups.get(tier, ())}
    for name in sorted({*probe.get("loopback", ())} - {host}):
        yield Problem(
            f"host {name}",
            f"has a name that is a loopback address on {host}, so {host} would talk to itself.",
            f"write the address of {name} into the DNS or /etc/hosts of {host}.",
            (host,),
        )
    for name in sorted(needed & unresolved):
        yield Problem(
            f"host {name}",
            f"has a name that {host} cannot resolve.",
            "add it to your DNS or to /etc/hosts, or use names in the inventory that resolve.",
            (host,),
        )


def check_clocks(probes: Probes) -> Iterator[Problem]:
    """Clocks agree; the controller, which signs certificates, is one of them.

    A probe gives the interval in which the host's lead over the controller lies, so a slow
    connection is never taken for a wrong clock.
    """
    leads = {"the controller": (0.0, 0.0)}
    for host, probe in probes.items():
        if "clock_lead" in probe:
            low, high = probe["clock_lead"]
            leads[host] = (float(low), float(high))
    latest = max(leads, key=lambda name: leads[name][0])
    earliest = min(leads, key=lambda name: leads[name][1])
    skew = leads[latest][0] - leads[earliest][1]
    if skew > MAXIMUM_SKEW_SECONDS:
        yield Problem(
            "clock",
            f"of {latest} is {skew:.0f} seconds ahead of {earliest}.",
            "synchronize both (timedatectl set-ntp true, or your own time server).",
        )


def check_identities(probes: Probes) -> Iterator[Problem]:
    """Two inventory names never lead to one machine."""
    machines: dict[tuple[str, str], str] = {}
    for host, probe in probes.items():
        key = (str(probe.get("machine_id", "")), str(probe.get("address", "")))
        if not all(key):
            continue
        if key in machines:
            yield Problem(
                f"host {host}",
                f"is the same machine as {machines[key]} (address {key[1]}).",
                "correct ansible_host of one of them, or use one name in all groups.",
                (machines[key], host),
            )
        machines.setdefault(key, host)
