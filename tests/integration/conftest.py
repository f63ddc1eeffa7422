# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The platform that tests of MLflow's modules ask, through its edge, and one way to run a module against it.

It is the lab that the variable LAB names, as for tests/testinfra: `LAB=demo pytest tests/integration/test_rights.py`.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
import typing as t
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowClient, Route

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "prove")]

import sign_on  # noqa: E402
from shared import DOMAIN, Lab, lab, playbook_command, read_secrets, tool_environment  # noqa: E402

ADMIN = "admin"
# Groups of the people whom a lab with single sign-on does not list, as its teams name them.
GROUPS = {"ada": "pricing", "bob": "fraud", "grace": "governance"}
COLORS = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}

Run = Callable[..., dict[str, t.Any]]


@dataclass(frozen=True)
class Platform:
    """A running platform, as its administrator and its users reach it."""

    the_lab: Lab
    url: str
    password: str
    ca_file: Path
    # Tokens by user, where users log in at Keycloak; None where they have MLflow's own passwords.
    tokens: dict[str, str] | None = None

    def secret(self, name: str = ADMIN) -> str:
        """The token or the password of a user whom the lab lists."""
        if self.tokens is None:
            return self.password if name == ADMIN else (self.the_lab.passwords / name).read_text().strip()
        if name not in self.tokens:
            people = sign_on.Platform(self.the_lab)
            if name == ADMIN:
                account = "platform_keycloak_operations_secret"
                self.tokens[name] = people.client_token("ci-operations", people.secrets[account])
            else:
                people.person(name, GROUPS[name])
                self.tokens[name] = people.token_of(name)
        return self.tokens[name]

    def credentials(self, name: str = ADMIN, prefix: str = "mlflow") -> dict[str, str]:
        """The options by which a module logs in as this user."""
        if self.tokens is None:
            return {f"{prefix}_username": name, f"{prefix}_password": self.secret(name)}
        return {f"{prefix}_token": self.secret(name)}

    def client(self, name: str = ADMIN, password: str = "") -> MlflowClient:
        """A client that logs in as this user."""
        route = Route(ca_path=str(self.ca_file))
        if self.tokens is None or password:
            return MlflowClient(self.url, username=name, password=password or self.secret(name), route=route)
        return MlflowClient(self.url, token=self.secret(name), route=route)

    def api(self) -> MlflowApi:
        """What the administrator can ask for."""
        return MlflowApi(self.client())

    def status(
        self, name: str, method: str, path: str, body: t.Any = None, query: t.Any = None, password: str = ""
    ) -> int:
        """How the server answers a user; 0 would be no answer."""
        try:
            client = self.client(name, password)
            return client.request(method, f"/api/2.0/mlflow/{path}", json=body, query=query).status
        except MlflowApiError as exc:
            return exc.status

    def status_becomes(self, wanted: int, *request: t.Any, **more: t.Any) -> bool:
        """Whether each worker answers so within the seconds for which it remembers rights, and one more."""
        deadline = time.monotonic() + 6
        # Enough in a row to meet every worker.
        while not all(self.status(*request, **more) == wanted for _time in range(6)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        return True

    def environment(self, name: str = ADMIN) -> dict[str, str]:
        """What a user's own shell has."""
        return {
            **tool_environment(),
            **COLORS,
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "MLFLOW_TRACKING_URI": self.url,
            **{
                key.upper().replace("MLFLOW_", "MLFLOW_TRACKING_"): text for key, text in self.credentials(name).items()
            },
            "MLFLOW_TRACKING_SERVER_CERT_PATH": str(self.ca_file),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def playbook(self, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook on the lab's hosts, without a secret in its output."""
        command = playbook_command(self.the_lab, path, *arguments)
        ended = subprocess.run(
            command, env={**tool_environment(), **COLORS}, capture_output=True, text=True, check=False
        )
        assert self.secret() not in ended.stdout + ended.stderr
        return ended


@pytest.fixture(scope="session", name="platform")
def fixture_platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The lab that LAB names."""
    if not os.environ.get("LAB"):
        pytest.fail("set LAB to the name of a running lab, such as demo")
    the_lab = lab(os.environ["LAB"])
    found = read_secrets(the_lab)
    ca_file = tmp_path_factory.mktemp("platform") / "ca.crt"
    ca_file.write_text(found["platform_ca_certificate"])
    tokens = None if the_lab.scenario == "single" else {}
    return Platform(the_lab, f"https://{DOMAIN}", found["platform_mlflow_admin_password"], ca_file, tokens)


@pytest.fixture(scope="module", name="mark")
def fixture_mark() -> str:
    """A part of names that no earlier run on the same platform used."""
    return secrets.token_hex(4)


@pytest.fixture(scope="module", name="tidy")
def fixture_tidy(platform: Platform, mark: str) -> Iterator[None]:
    """Afterwards, remove users, roles and models of the module; experiments are deleted softly, as MLflow can."""
    yield
    client, api = platform.client(), platform.api()
    for name, role in api.roles("default").items():
        if mark in name:
            api.delete_role(role.role_id)
    for user in client.request("GET", "/api/2.0/mlflow/users/list").json["users"]:
        if mark in user["username"]:
            api.delete_user(user["username"])
    like = {"filter": f"name LIKE '%{mark}%'", "max_results": 1000}
    models = client.request("GET", "/api/2.0/mlflow/registered-models/search", query=like).json
    # An administrator of single sign-on is not governance, which alone may delete a model.
    governance = MlflowApi(platform.client("grace"))
    for model in models.get("registered_models", []):
        governance.delete_registered_model(model["name"])
    found = client.request("POST", "/api/2.0/mlflow/experiments/search", json=like).json
    for experiment in found.get("experiments", []):
        api.delete_experiment(experiment["experiment_id"])


@pytest.fixture(name="run")
def fixture_run(platform: Platform, tidy: None, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call with a module and its options; returns what the module prints."""
    account = {"mlflow_url": platform.url, **platform.credentials()}
    internal = {"_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}

    def run(module: t.Any, options: dict[str, t.Any], check: bool = False, **connection: t.Any) -> dict[str, t.Any]:
        given = {**account, "ca_path": str(platform.ca_file), **connection, **options, **internal}
        with patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        assert platform.secret() not in output
        result: dict[str, t.Any] = json.loads(output)
        return result

    return run
