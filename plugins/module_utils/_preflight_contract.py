# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about the values of the contract, but for secrets and certificates.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import bisect
import ipaddress
import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_teams import team_faults
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_hosts import EXPORTER_PORTS, FIXED_PORTS
from ansible_collections.mlops.tracking.plugins.module_utils._sizing import SizingError, pool_plan
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem, show

Contract = Mapping[str, t.Any]
Groups = Mapping[str, Sequence[str]]

PORTS = (
    "platform_postgres_port",
    "platform_audit_port",
    "platform_audit_webhook_port",
    "platform_minio_port",
    "platform_keycloak_port",
    "platform_keycloak_management_port",
    "platform_mlflow_rest_port",
    "platform_mlflow_asgi_port",
    "platform_prometheus_port",
    "platform_alertmanager_port",
)

DATABASE_URIS = ("mlflow_backend_store_uri", "mlflow_auth_store_uri")

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_SQL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}\Z")
_HTTPS = re.compile(r"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d+)?(/[A-Za-z0-9._-]+)*\Z")
_INDEX = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}\Z")
_TAKEN_DATABASES = ("postgres", "template0", "template1")
_TAKEN_ROLES = ("postgres", "public", "none", "user", "current_user", "session_user")
_MOST_CONNECTIONS = 10_000


def check_values(contract: Contract, groups: Groups, mlflow_versions: Sequence[str]) -> Iterator[Problem]:
    """All rules about the values of one host's contract."""
    yield from check_domain(contract)
    yield from check_identity(contract)
    yield from check_transport(contract, groups)
    yield from check_names(contract)
    yield from check_databases(contract, groups)
    yield from check_ports(contract)
    yield from check_connections(contract, groups)
    yield from check_paths(contract)
    yield from check_log_search(contract)
    yield from check_version(contract, mlflow_versions)
    yield from check_teams(contract)


def check_domain(contract: Contract) -> Iterator[Problem]:
    """The public name must be one that certificates, browsers and cookies accept."""
    name = "platform_domain"
    value = str(contract.get(name, ""))
    example = "write the public DNS name, such as mlflow.example.com."
    if name not in contract:
        return
    if not value:
        yield Problem(name, "is not set.", example)
    elif _is_address(value):
        yield Problem(name, f"is {show(name, value)}, an IP address.", example)
    elif "://" in value or "/" in value:
        yield Problem(name, f"is {show(name, value)}, a URL.", "write the name without https:// and path.")
    elif "*" in value:
        yield Problem(name, f"is {show(name, value)}, a wildcard.", example)
    elif value != value.lower():
        yield Problem(name, f"is {show(name, value)}.", f"write it in lower case: {value.lower()}.")
    elif not _is_dns_name(value):
        yield Problem(
            name,
            f"is {show(name, value)}, which is not a DNS name with a domain.",
            "use labels of a-z, 0-9 and inner hyphens, joined by dots, such as mlflow.example.com.",
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _is_dns_name(text: str) -> bool:
    labels = text.split(".")
    return (
        len(text) <= 253
        and len(labels) > 1
        and all(_LABEL.match(label) for label in labels)
        and not labels[-1].isdigit()
    )


def check_identity(contract: Contract) -> Iterator[Problem]:
    """Who may log in first."""
    user = contract.get("platform_admin_user")
    if user is not None and not _USER.match(str(user)):
        yield Problem(
            "platform_admin_user",
            f'is "{user}", which cannot be a log-in name.',
            "use letters, digits and . _ @ + - without blanks or colons, such as admin.",
        )


def check_transport(contract: Contract, groups: Groups) -> Iterator[Problem]:
    """Unix sockets reach no other host."""
    apart = list(groups.get("mlflow", ())) != list(groups.get("nginx_tls", ()))
    if contract.get("platform_mlflow_transport") == "unix" and apart:
        yield Problem(
            "platform_mlflow_transport",
            'is "unix", but nginx_tls and mlflow are not the same single host.',
            "remove it, or write tls.",
        )


def check_names(contract: Contract) -> Iterator[Problem]:
    """Names inside PostgreSQL and MinIO."""
    for name in ("platform_database", "platform_auth_database", "platform_keycloak_database"):
        yield from _check_sql_name(name, contract, _TAKEN_DATABASES)
    roles = (
        "platform_database_owner",
        "platform_database_user",
        "platform_keycloak_database_user",
        "platform_exporter_user",
    )
    for name in roles:
        yield from _check_sql_name(name, contract, _TAKEN_ROLES)
    yield from _check_different(contract, ("platform_database", "platform_auth_database", "platform_keycloak_database"))
    yield from _check_different(contract, roles)
    yield from _check_bucket(contract)
    user = str(contract.get("platform_bucket_user", "mlflow"))
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,20}", user):
        yield Problem(
            "platform_bucket_user",
            f'is "{user}", which MinIO refuses as an access key.',
            "use 3 to 20 letters, digits, dots, hyphens or underscores.",
        )


def _check_sql_name(name: str, contract: Contract, taken: Sequence[str]) -> Iterator[Problem]:
    value = contract.get(name)
    if value is None:
        return
    if not _SQL_NAME.match(str(value)):
        yield Problem(
            name,
            f"is {show(name, value)}, which is not a plain PostgreSQL name.",
            "start with a-z or _, go on with a-z, 0-9 and _, 63 characters at most.",
        )
    elif value in taken or str(value).startswith("pg_"):
        yield Problem(name, f"is {show(name, value)}, which PostgreSQL keeps for itself.", "choose another name.")


def _check_different(contract: Contract, names: Sequence[str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        value = contract.get(name)
        if value is None:
            continue
        if str(value) in seen:
            yield Problem(
                name, f"is {show(name, value)}, the same as {seen[str(value)]}.", "give the two different names."
            )
        seen.setdefault(str(value), name)


def _check_bucket(contract: Contract) -> Iterator[Problem]:
    name = "platform_bucket"
    value = str(contract.get(name, "mlflow"))
    reserved = value.startswith(("xn--", "sthree-")) or value.endswith(("-s3alias", "--ol-s3"))
    legal = _BUCKET.match(value) and not re.search(r"\.\.|\.-|-\.", value)
    if not legal or reserved or _is_address(value):
        yield Problem(
            name,
            f"is {show(name, value)}, which is not a bucket name.",
            "use 3 to 63 of a-z, 0-9, dots and hyphens, and begin and end with a letter or digit.",
        )


def check_databases(contract: Contract, groups: Groups) -> Iterator[Problem]:
    """Other databases than PostgreSQL; their URIs hold passwords and are not shown."""
    uris = {name: str(contract.get(name) or "") for name in DATABASE_URIS}
    for name, other in (DATABASE_URIS, DATABASE_URIS[::-1]):
        if uris[other] and not uris[name]:
            yield Problem(name, f"is not set, but {other} is.", "set both, or neither.")
    for name, uri in uris.items():
        if uri.startswith("sqlite:") and not uri.startswith("sqlite:////"):
            yield Problem(
                name,
                "names an SQLite file without its whole path.",
                "write four slashes: sqlite:////var/lib/mlflow/mlflow.db.",
            )
        elif uri.startswith("sqlite:") and len(groups.get("mlflow", ())) > 1:
            yield Problem(
                name,
                f"names an SQLite file, which the {len(groups['mlflow'])} hosts of mlflow cannot share.",
                "leave one host in mlflow, or name a database server.",
            )
    # MLflow gives keys of several of these tables one name, which MySQL and MariaDB refuse within a database.
    if uris["mlflow_auth_store_uri"].startswith("mysql"):
        yield Problem(
            "mlflow_auth_store_uri",
            "names MySQL, in which MLflow cannot make its tables of users.",
            "use an SQLite file, sqlite:////var/lib/mlflow/auth.db, or PostgreSQL.",
        )


def check_ports(contract: Contract) -> Iterator[Problem]:
    """No two services of the contract share a port."""
    seen = dict(FIXED_PORTS)
    for name in (*PORTS, *EXPORTER_PORTS):
        port = contract.get(name)
        if port is None:
            continue
        if int(port) in seen:
            yield Problem(name, f"is {show(name, port)}, the port of {seen[int(port)]} too.", "give each its own port.")
        seen.setdefault(int(port), name)


def check_connections(contract: Contract, groups: Groups) -> Iterator[Problem]:
    """The database must accept what Keycloak and the smallest pools of all MLflow hosts open."""
    name = "platform_max_connections"
    hosts = max(1, len(groups.get("mlflow", ())))
    value = contract.get(name)
    keycloak = int(contract.get("platform_keycloak_connections") or 0) * len(groups.get("keycloak", ()))
    if value is None or _enough_connections(int(value) - keycloak, hosts):
        return
    every = range(_MOST_CONNECTIONS)
    least = keycloak + bisect.bisect_left(every, True, key=lambda n: _enough_connections(n, hosts))
    yield Problem(
        name, f"is {show(name, value)}, too few for the pools of {hosts} MLflow host(s).", f"write at least {least}."
    )


def _enough_connections(connections: int, hosts: int) -> bool:
    """Whether the smallest plan fits; cores and memory of the hosts are not in question here."""
    try:
        pool_plan(cores=1, memory_mb=2**20, hosts=hosts, max_connections=connections)
    except SizingError:
        return False
    return True


def check_paths(contract: Contract) -> Iterator[Problem]:
    """Paths on the hosts are absolute."""
    for name in ("platform_tls_directory", "platform_ca_file", "platform_log_search_ca_file"):
        value = contract.get(name)
        if value is not None and not str(value).startswith("/"):
            yield Problem(
                name,
                f"is {show(name, value)}, which is not an absolute path.",
                "start it with /, such as /etc/mlops-tracking/tls.",
            )


def check_log_search(contract: Contract) -> Iterator[Problem]:
    """Where logs go, if they go anywhere."""
    name = "platform_log_search_url"
    url = str(contract.get(name) or "")
    if not url:
        return
    if not _HTTPS.match(url):
        # What stands before an @ may be a password.
        shown = "" if "@" in url else f" ({show(name, url)})"
        yield Problem(
            name,
            f"is no https:// URL of a server{shown}.",
            "write scheme, host and port alone, such as https://logs.example.com:9200.",
        )
    user = str(contract.get("platform_log_search_user") or "")
    if not _USER.match(user):
        yield Problem(
            "platform_log_search_user",
            f'is "{user}", but logs are written with an account.',
            "write the name that the server knows it by, such as mlops-logs.",
        )
    index = contract.get("platform_log_search_index")
    if index is not None and not _INDEX.match(str(index)):
        yield Problem(
            "platform_log_search_index",
            f"is {show('platform_log_search_index', index)}, which no index can be called.",
            "use a-z, 0-9, _ and -, and begin with a letter or digit, such as mlops-logs.",
        )


def check_version(contract: Contract, versions: Sequence[str]) -> Iterator[Problem]:
    """Only versions whose requirements are locked can be installed."""
    name = "platform_mlflow_version"
    value = contract.get(name)
    if value is not None and versions and str(value) not in versions:
        yield Problem(
            name,
            f"is {show(name, value)}, for which no locked requirements exist.",
            f"choose one of: {', '.join(versions)}.",
        )


def check_teams(contract: Contract) -> Iterator[Problem]:
    """What a list of teams cannot mean."""
    name = "platform_teams"
    for fault in team_faults(contract.get(name) or []):
        yield Problem(f"{name}{fault.path}", fault.problem, fault.remedy)
