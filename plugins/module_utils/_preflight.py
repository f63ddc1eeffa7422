# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight that an argument spec cannot express: pure functions over what was seen.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_certificates as certificates
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_groups as topology
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_hosts as machines
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_contract import PORTS, check_values
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_held import check_held
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_secrets import check_secrets, secret_names
from ansible_collections.mlops.tracking.plugins.module_utils._spec import (
    Option,
    Problem,
    check,
    coerce,
    is_secret,
    unknown_variables,
)

Contract = Mapping[str, t.Any]

# Names that must be the same on every host; the rest of the contract may differ between hosts.
SHARED = (
    "platform_domain",
    "platform_auth",
    "platform_admin_user",
    "platform_database",
    "platform_auth_database",
    "platform_database_owner",
    "platform_database_user",
    "platform_keycloak_database",
    "platform_keycloak_database_user",
    "platform_keycloak_path",
    "platform_keycloak_realm",
    "platform_bucket",
    "platform_bucket_user",
    "platform_exporter_user",
    "platform_monitoring_user",
    "platform_minio_metrics_user",
    "platform_ca_certificate",
    "platform_ca_private_key",
    "platform_mlflow_version",
    "platform_log_search_url",
    "platform_log_search_user",
    "platform_log_search_index",
    *PORTS,
)


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


def find_problems(look: Look) -> list[Problem]:
    """All problems, those of several hosts merged, in the order of the rules."""
    found: list[Problem] = []
    sound: dict[str, Contract] = {}
    for host, contract in look.contracts.items():
        variables = {**contract, **look.set_by_user.get(host, {})}
        found += _at(host, unknown_variables(variables, look.roles))
        problems, sound[host] = check_specs(variables, look.roles)
        found += _at(host, [*problems, *check_contract(sound[host], look)])
    found += check_agreement(sound)
    found += machines.check_hosts(look.groups, sound, look.probes)
    found += check_held(look.groups, sound, look.probes)
    cycles = topology.check_cycles(look.sources)
    return merge([*cycles, *topology.check_groups(look.groups, list(sound.values())), *found])


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


def check_specs(variables: Contract, roles: Mapping[str, Mapping[str, Option]]) -> tuple[list[Problem], Contract]:
    """What the specs have against the variables, and those that the rules may rely on."""
    known = {name: option for options in roles.values() for name, option in options.items()}
    found: list[Problem] = []
    sound: dict[str, t.Any] = {}
    for name in sorted(set(known) & set(variables)):
        problems = check(name, variables[name], known[name])
        found += problems
        if not problems:
            sound[name] = coerce(variables[name], known[name])
    return found, sound


def check_contract(contract: Contract, look: Look) -> list[Problem]:
    """All rules about one host's contract."""
    return [
        *check_values(contract, look.groups, look.mlflow_versions),
        *check_secrets(contract),
        *certificates.check_authority(contract),
        *certificates.check_public(contract, look.files),
        *certificates.check_extra(contract, look.files),
    ]


def check_agreement(contracts: Mapping[str, Contract]) -> Iterator[Problem]:
    """What every tier must agree on has one value."""
    names = {name for contract in contracts.values() for name in secret_names(contract)}
    for name in [*SHARED, *sorted(names)]:
        values = {str(contract[name]) for contract in contracts.values() if name in contract}
        if len(values) > 1:
            hidden = is_secret(name) or name == certificates.AUTHORITY
            shown = "" if hidden else f" ({', '.join(sorted(values))})"
            yield Problem(name, f"differs between hosts{shown}.", "set it once, in group_vars/all.")
