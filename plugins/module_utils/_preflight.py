# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight that an argument spec cannot express: pure functions over what was seen.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import ipaddress
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_certificates as certificates
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_groups as topology
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_hosts as machines
from ansible_collections.mlops.tracking.plugins.module_utils._sizing import SizingError, pool_plan
from ansible_collections.mlops.tracking.plugins.module_utils._spec import (
    Option,
    Problem,
    check,
    is_secret,
    show,
    unknown_variables,
)

Contract = Mapping[str, t.Any]

PORTS = ("platform_postgres_port", "platform_minio_port", "platform_mlflow_rest_port", "platform_mlflow_asgi_port")
# Names that must be the same on every host; the rest of the contract may differ between hosts.
SHARED = (
    "platform_domain",
    "platform_auth",
    "platform_admin_user",
    "platform_database",
    "platform_auth_database",
    "platform_database_owner",
    "platform_database_user",
    "platform_bucket",
    "platform_bucket_user",
    "platform_exporter_user",
    "platform_ca_certificate",
    "platform_ca_private_key",
    "platform_mlflow_version",
    *PORTS,
)

FILL_SECRETS = "run `ansible-playbook mlops.tracking.secrets` with this inventory to create it."
NEW_SECRET = "remove it and run `ansible-playbook mlops.tracking.secrets` for a random one."
SHORTEST_SECRET = 16
WELL_KNOWN_WORDS = (
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "default",
    "letmein",
    "minio",
    "minioadmin",
    "mlflow",
    "mlops",
    "pass",
    "passw0rd",
    "password",
    "postgres",
    "qwerty",
    "qwertz",
    "root",
    "secret",
    "test",
    "welcome",
)

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_SQL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}$")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$")
_TAKEN_DATABASES = ("postgres", "template0", "template1")
_TAKEN_ROLES = ("postgres", "public", "none", "user", "current_user", "session_user")
_MOST_CONNECTIONS = 10_000


@dataclass(frozen=True)
class Look:
    """Everything that preflight looks at."""

    groups: Mapping[str, Sequence[str]]
    contracts: Mapping[str, Contract]
    roles: Mapping[str, Mapping[str, Option]]
    set_by_user: Mapping[str, Contract] = field(default_factory=dict)
    probes: Mapping[str, Mapping[str, t.Any]] = field(default_factory=dict)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    sources: Mapping[str, topology.Children] = field(default_factory=dict)
    mlflow_versions: Sequence[str] = ()
    core_version: str = ""
    core_required: str = ""


def find_problems(look: Look) -> list[Problem]:
    """All problems, those of several hosts merged, in the order of the rules."""
    found = [*check_core(look), *topology.check_cycles(look.sources)]
    found += topology.check_groups(look.groups, list(look.contracts.values()))
    for host, variables in look.set_by_user.items():
        found += _at(host, unknown_variables(variables, look.roles))
    known = {name for options in look.roles.values() for name in options}
    for host, contract in look.contracts.items():
        both = {**contract, **look.set_by_user.get(host, {})}
        variables = {name: value for name, value in both.items() if name in known}
        problems = check_specs(variables, look.roles)
        broken = {problem.variable for problem in problems}
        # A rule reads only what has the right type; the type was reported already.
        sound = {name: value for name, value in variables.items() if name not in broken}
        problems += check_contract(sound, look)
        found += _at(host, problems)
    found += check_agreement(look.contracts)
    found += machines.check_hosts(look.groups, look.contracts, look.probes)
    return merge(found)


def files_to_read(variables: Contract) -> list[str]:
    """Files on the controller that the rules want to see."""
    extra = variables.get("platform_extra_ca_certificate_files")
    paths = [*extra] if isinstance(extra, (list, tuple)) else []
    if variables.get("platform_public_certificate_source") == "provided":
        paths += [variables.get(name) for name in certificates.PUBLIC_FILES]
    return [path for path in paths if isinstance(path, str) and path]


def _at(host: str, problems: Iterable[Problem]) -> list[Problem]:
    return [Problem(p.variable, p.problem, p.remedy, (host,)) for p in problems]


def merge(problems: Iterable[Problem]) -> list[Problem]:
    """The same problem of several hosts becomes one problem that names them all."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    for item in problems:
        seen = hosts.setdefault((item.variable, item.problem, item.remedy), [])
        seen += [host for host in item.hosts if host not in seen]
    return [Problem(*key, tuple(names)) for key, names in hosts.items()]


def render(problems: Sequence[Problem], all_hosts: Sequence[str]) -> str:
    """The report: a numbered list that names variable, problem and way out."""
    lines = [f"Preflight found {count(problems)}; no host was changed."]
    for number, item in enumerate(problems, start=1):
        lines.append(f"{number:>3}. {item.variable}{_where(item, all_hosts)}: {item.problem}")
        lines.append(f"     Way out: {item.remedy}")
    return "\n".join(lines)


def count(problems: Sequence[Problem]) -> str:
    """How many there are, in words."""
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


def _where(item: Problem, all_hosts: Sequence[str]) -> str:
    if not item.hosts or len(all_hosts) < 2 or item.variable.endswith(f" {item.hosts[0]}"):
        return ""
    everywhere = set(item.hosts) == set(all_hosts)
    return " (every host)" if everywhere else f" ({', '.join(item.hosts)})"


def scrub(text: str, contracts: Iterable[Contract]) -> str:
    """The last guard: no secret of the contract is in the text, whatever a rule wrote."""
    for contract in contracts:
        for name in (*secret_names(contract), certificates.AUTHORITY_KEY):
            value = contract.get(name)
            if isinstance(value, str) and len(value) >= 8 and not _is_well_known(value):
                text = text.replace(value, "********")
    return text


def check_core(look: Look) -> Iterator[Problem]:
    """The running ansible-core against the range that the collection supports."""
    version = _numbers(look.core_version)
    for operator, bound in re.findall(r"(>=|<)\s*([\d.]+)", look.core_required):
        if not version or (version >= _numbers(bound)) == (operator == ">="):
            continue
        yield Problem(
            "ansible-core",
            f'is "{look.core_version}", which this collection does not support.',
            f'install it in another version: pip install "ansible-core{look.core_required}".',
        )
        return


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def check_specs(variables: Contract, roles: Mapping[str, Mapping[str, Option]]) -> list[Problem]:
    """Every known variable against its argument spec."""
    known = {name: option for options in roles.values() for name, option in options.items()}
    names = sorted(set(known) & set(variables))
    return [problem for name in names for problem in check(name, variables[name], known[name])]


def check_contract(contract: Contract, look: Look) -> list[Problem]:
    """All rules about the values of one host's contract."""
    return [
        *check_domain(contract),
        *check_identity(contract),
        *check_transport(contract, look.groups),
        *check_names(contract),
        *check_ports(contract),
        *check_connections(contract, look.groups),
        *check_paths(contract),
        *check_version(contract, look.mlflow_versions),
        *check_secrets(contract),
        *certificates.check_authority(contract),
        *certificates.check_public(contract, look.files),
        *certificates.check_extra(contract, look.files),
    ]


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
    """Who may log in, and by which means."""
    if contract.get("platform_auth") == "oidc":
        yield Problem(
            "platform_auth",
            'is "oidc", which arrives with the role keycloak in a later release.',
            "choose basic for now.",
        )
    user = contract.get("platform_admin_user")
    if user is not None and not _USER.match(str(user)):
        yield Problem(
            "platform_admin_user",
            f'is "{user}", which cannot be a log-in name.',
            "use letters, digits and . _ @ + - without blanks or colons, such as admin.",
        )


def check_transport(contract: Contract, groups: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
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
    for name in ("platform_database", "platform_auth_database"):
        yield from _check_sql_name(name, contract, _TAKEN_DATABASES)
    roles = ("platform_database_owner", "platform_database_user", "platform_exporter_user")
    for name in roles:
        yield from _check_sql_name(name, contract, _TAKEN_ROLES)
    yield from _check_different(contract, ("platform_database", "platform_auth_database"))
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


def check_ports(contract: Contract) -> Iterator[Problem]:
    """No two services of the contract share a port."""
    seen = dict(machines.FIXED_PORTS)
    for name in (*PORTS, *machines.EXPORTER_PORTS):
        port = contract.get(name)
        if port is None:
            continue
        if int(port) in seen:
            yield Problem(name, f"is {show(name, port)}, the port of {seen[int(port)]} too.", "give each its own port.")
        seen.setdefault(int(port), name)


def check_connections(contract: Contract, groups: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """The database must accept what the smallest pools of all MLflow hosts open."""
    name = "platform_max_connections"
    hosts = max(1, len(groups.get("mlflow", ())))
    value = contract.get(name)
    if value is None or _enough_connections(int(value), hosts):
        return
    every = range(_MOST_CONNECTIONS)
    least = bisect.bisect_left(every, True, key=lambda n: _enough_connections(n, hosts))
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
    for name in ("platform_tls_directory", "platform_ca_file"):
        value = contract.get(name)
        if value is not None and not str(value).startswith("/"):
            yield Problem(
                name,
                f"is {show(name, value)}, which is not an absolute path.",
                "start it with /, such as /etc/mlops-tracking/tls.",
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


def secret_names(contract: Contract) -> list[str]:
    """The contract's secrets, but for the key of the authority, which has rules of its own."""
    names = [name for name in contract if name.startswith("platform_") and is_secret(name)]
    return sorted({*names} - {certificates.AUTHORITY_KEY})


def check_secrets(contract: Contract) -> Iterator[Problem]:
    """Secrets are there, strong, and different from each other."""
    owners: dict[str, str] = {}
    for name in secret_names(contract):
        value = str(contract[name])
        problem = _weakness(name, value)
        if problem:
            yield problem
        if value and value in owners:
            yield Problem(name, f"has the same value as {owners[value]}.", NEW_SECRET)
        owners.setdefault(value, name)


def _weakness(name: str, value: str) -> Problem | None:
    if not value:
        return Problem(name, "is missing.", FILL_SECRETS)
    if name == "platform_minio_kms_key":
        return _kms_weakness(name, value)
    if _is_well_known(value):
        return Problem(name, "is a well-known word.", NEW_SECRET)
    if len(value) < SHORTEST_SECRET:
        problem = f"is shorter than {SHORTEST_SECRET} characters."
        return Problem(name, problem, NEW_SECRET)
    if len(set(value)) < 6:
        return Problem(name, "repeats a few characters.", NEW_SECRET)
    if not value.isprintable():
        return Problem(name, "holds a line break or a control character.", NEW_SECRET)
    return None


def _is_well_known(value: str) -> bool:
    """A word that attackers try first, also when it is repeated or decorated with digits."""
    letters = re.sub(r"[^a-z]+", "", value.casefold())
    words = [re.sub(r"[^a-z]+", "", word) for word in WELL_KNOWN_WORDS]
    repeated = "|".join(map(re.escape, words))
    return bool(letters) and len(value) < 40 and bool(re.fullmatch(f"({repeated})+", letters))


def _kms_weakness(name: str, value: str) -> Problem | None:
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) == 32:
        return None
    return Problem(name, "is not the base64 of 32 bytes.", NEW_SECRET)


def check_agreement(contracts: Mapping[str, Contract]) -> Iterator[Problem]:
    """What every tier must agree on has one value."""
    secrets = {name for contract in contracts.values() for name in secret_names(contract)}
    for name in [*SHARED, *sorted(secrets)]:
        values = {str(contract[name]) for contract in contracts.values() if name in contract}
        if len(values) > 1:
            hidden = is_secret(name) or name == certificates.AUTHORITY
            shown = "" if hidden else f" ({', '.join(sorted(values))})"
            yield Problem(name, f"differs between hosts{shown}.", "set it once, in group_vars/all.")
