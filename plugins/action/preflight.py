# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collects what preflight judges: variables, specs, files on the controller, probes."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase
from ansible.template import Templar

from ansible_collections.mlops.tracking.plugins.module_utils import _preflight as rules
from ansible_collections.mlops.tracking.plugins.module_utils import _preflight_groups as topology
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_certificates import PUBLIC_FILES
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_held import KMS_NAMES
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_hosts import EXPORTER_PORTS
from ansible_collections.mlops.tracking.plugins.module_utils._preflight_secrets import scrub
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Option, Problem, is_secret, options_of

COLLECTION = Path(__file__).resolve().parents[2]
CONTRACT = "platform"
# Variables of other roles that rules about the contract need, from their defaults too.
ALSO_JUDGED = (
    *PUBLIC_FILES,
    *EXPORTER_PORTS,
    *KMS_NAMES,
    "minio_console_enabled",
    "minio_drives",
    "mlflow_artifact_destination",
    "mlflow_auth_store_uri",
    "mlflow_backend_store_uri",
    "mlflow_s3_endpoint_url",
    "nginx_tls_http",
)

Variables = dict[str, t.Any]


class ActionModule(ActionBase):
    """Judges all hosts in one call."""

    BYPASS_HOST_LOOP = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Variables | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        spec = {"probe_variable": {"type": "str", "required": True}}
        _result, arguments = self.validate_argument_spec(argument_spec=spec)
        variables = task_vars or {}
        look, problems = self._look(variables, arguments["probe_variable"])
        problems += rules.find_problems(look)
        if problems:
            problems = rules.merge(problems)
            report = rules.render(problems, list(look.contracts))
            # A failed task's message is printed twice, and by default on one line.
            self._display.display(scrub(report, look.contracts.values()), color=C.COLOR_ERROR)
            count = rules.count(problems)
            raise AnsibleActionFail(f"Preflight found {count}, listed above; no host was changed.")
        lines = [topology.summary(look.groups, *item) for item in look.probes.items()]
        return {"changed": False, "hosts": lines}

    def _look(self, task_vars: Variables, probe_name: str) -> tuple[rules.Look, list[Problem]]:
        roles, defaults = self._read_roles()
        groups = {name: list(hosts) for name, hosts in task_vars["groups"].items()}
        known = {name for options in roles.values() for name in options}
        contracts: dict[str, Variables] = {}
        own: dict[str, Variables] = {}
        probes: dict[str, Variables] = {}
        problems: list[Problem] = []
        for host in topology.platform_hosts(groups):
            raw = task_vars["hostvars"].raw_get(host)
            names = {name for name in raw if name.startswith(tuple(f"{role}_" for role in roles))}
            merged = {**defaults, **raw, "hostvars": task_vars["hostvars"]}
            resolver = Resolver(Templar(loader=self._loader, variables=merged), host, problems)
            wanted = set(roles[CONTRACT]) | {*ALSO_JUDGED} & known
            contracts[host] = resolver.resolve({name: merged.get(name) for name in wanted})
            own[host] = dict.fromkeys(names - known)
            own[host] |= resolver.resolve({name: raw[name] for name in (names & known) - wanted})
            if probe_name in raw:
                probes[host] = raw[probe_name]
        files = {
            path: self._read_file(path) for contract in contracts.values() for path in rules.files_to_read(contract)
        }
        look = rules.Look(
            groups=groups,
            contracts=contracts,
            roles=roles,
            set_by_user=own,
            probes=probes,
            files=files,
            sources=self._read_sources(task_vars.get("ansible_inventory_sources") or []),
            mlflow_versions=locked_versions(COLLECTION / "roles" / "mlflow" / "files"),
        )
        return look, problems

    def _read_roles(self) -> tuple[dict[str, dict[str, Option]], Variables]:
        """Options and defaults of every role of the collection."""
        roles: dict[str, dict[str, Option]] = {}
        defaults: Variables = {}
        for path in sorted(COLLECTION.glob("roles/*/meta/argument_specs.yml")):
            role = path.parents[1]
            roles[role.name] = options_of(self._read_yaml(path)["argument_specs"])
            defaults |= self._read_yaml(role / "defaults" / "main.yml")
        return roles, defaults

    def _read_sources(self, names: Iterable[str]) -> dict[str, topology.Children]:
        """Groups as the inventory files write them, also those files that Ansible gave up on."""
        found: dict[str, topology.Children] = {}
        for name in names:
            source = Path(str(name))
            for path in sorted(source.iterdir()) if source.is_dir() else [source]:
                if path.is_file() and not os.access(path, os.X_OK):
                    found[str(path)] = self._children_in(path)
        return found

    def _children_in(self, path: Path) -> topology.Children:
        if path.suffix in (".yml", ".yaml", ".json"):
            try:
                return topology.children_in_yaml(self._read_yaml(path))
            except AnsibleError:
                return {}
        return topology.children_in_ini(path.read_text(encoding="utf-8", errors="replace"))

    def _read_yaml(self, path: Path) -> t.Any:
        return self._loader.load_from_file(str(path), trusted_as_template=True)

    def _read_file(self, path: str) -> bytes | None:
        try:
            return Path(self._loader.path_dwim(path)).read_bytes()
        except OSError:
            return None


class Resolver:
    """Resolves the templates of one host's variables; those that fail become problems."""

    def __init__(self, templar: Templar, host: str, problems: list[Problem]) -> None:
        self._templar = templar
        self._host = host
        self._problems = problems

    def resolve(self, variables: Mapping[str, t.Any]) -> Variables:
        """The values of those variables whose templates work."""
        resolved = {}
        for name, value in variables.items():
            try:
                resolved[name] = self._templar.template(value)
            except AnsibleError as error:
                self._problems.append(self._problem(name, error))
        return resolved

    def _problem(self, name: str, error: AnsibleError) -> Problem:
        detail = "" if is_secret(name) else f": {str(error).splitlines()[0]}"
        kind = "refers to something undefined" if _is_undefined(error) else "cannot be resolved"
        return Problem(name, f"{kind}{detail}", "correct the expression or the lookup.", (self._host,))


def _is_undefined(error: BaseException | None) -> bool:
    return error is not None and (isinstance(error, AnsibleUndefinedVariable) or _is_undefined(error.__cause__))


def locked_versions(directory: Path) -> list[str]:
    """MLflow versions for which locked requirements exist."""
    found = {
        match.group(1)
        for path in directory.glob("requirements-*.txt")
        if (match := re.search(r"(\d+\.\d+\.\d+)", path.name))
    }
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])
