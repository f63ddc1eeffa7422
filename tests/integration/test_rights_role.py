# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rights of teams, from variables to the server: dry run, run, second run, a right changed by hand.

Runs when MLFLOW_PYTHON names an interpreter that has mlflow[auth].
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowClient, Route

PLAYBOOK = Path(__file__).with_name("rights.yml")
COLLECTIONS = Path(__file__).resolve().parents[2] / ".collections"
PASSWORD, SECRET = "a-password-for-this-test", "first-secret-of-the-user"
TEAMS = [
    {"name": "pricing", "users": ["ada"], "experiments": [{"name": "pricing/daily"}], "models": [{"name": "price"}]},
    {
        "name": "fraud",
        "users": ["bob"],
        "experiments": [{"name": "fraud"}, {"name": "pricing/daily", "permission": "READ"}],
    },
]


class Ended(t.NamedTuple):
    """How a playbook ended."""

    changed: int
    output: str


class Platform:
    """The playbook and the server it changes."""

    def __init__(self, server: t.Any, folder: Path) -> None:
        self.server = server
        self.variables = folder / "variables.json"

    def run(self, *options: str, teams: t.Any = None, **more: t.Any) -> Ended:
        variables = {
            "ansible_python_interpreter": sys.executable,
            "mlflow_auth": "basic",
            "mlflow_server_name": self.server.server_name,
            "mlflow_admin_user": "admin",
            "mlflow_admin_password": PASSWORD,
            "mlflow_transport": "unix",
            "mlflow_teams": TEAMS if teams is None else teams,
            "mlflow_user_passwords": {"ada": SECRET, "bob": SECRET},
            "__mlflow_rights_socket": {
                "mlflow_url": f"http://{self.server.server_name}",
                "unix_socket": str(self.server.unix_socket),
            },
            **more,
        }
        self.variables.write_text(json.dumps(variables))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(PLAYBOOK), "-i", "localhost,"]
        command += ["--connection", "local", "--extra-vars", f"@{self.variables}", "--diff", *options]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        output = ended.stdout + ended.stderr
        assert ended.returncode == 0, output
        assert PASSWORD not in output
        assert SECRET not in output
        changed = re.search(r"changed=(\d+)", output)
        assert changed
        return Ended(int(changed[1]), output)

    def client(self, name: str, password: str = SECRET) -> MlflowClient:
        route = Route(unix_socket=str(self.server.unix_socket))
        return MlflowClient(f"http://{self.server.server_name}", username=name, password=password, route=route)

    def status(self, name: str, method: str, path: str, body: t.Any = None, query: t.Any = None) -> int:
        try:
            return self.client(name).request(method, f"/api/2.0/mlflow/{path}", json=body, query=query).status
        except MlflowApiError as exc:
            return exc.status

    def reads(self, name: str, experiment: str) -> int:
        return self.status(name, "GET", "experiments/get-by-name", query={"experiment_name": experiment})


@pytest.fixture(name="platform", scope="module")
def fixture_platform(socket_server: t.Any, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(socket_server, tmp_path_factory.mktemp("variables"))


def test_first_run_changes_second_does_not_and_a_dry_run_tells(platform: Platform) -> None:
    dry = platform.run("--check")
    # Every user, experiment, model and role is one change in its task; tasks count, not things.
    assert dry.changed == 4
    assert "(of pricing/daily, which is not made yet)" in dry.output
    assert platform.run().changed == 4
    assert platform.run().changed == 0
    assert platform.run("--check").changed == 0


def test_visibility_follows_teams(platform: Platform) -> None:
    platform.run()
    table = {
        (name, experiment): platform.reads(name, experiment)
        for name in ("ada", "bob")
        for experiment in ("pricing/daily", "fraud")
    }
    assert table == {
        ("ada", "pricing/daily"): 200,
        ("ada", "fraud"): 403,
        ("bob", "pricing/daily"): 200,
        ("bob", "fraud"): 200,
    }
    found = platform.client("ada").request("GET", "/api/2.0/mlflow/experiments/search", query={"max_results": 10}).json
    assert [item["name"] for item in found.get("experiments", [])] == ["pricing/daily"]
    assert platform.status("bob", "GET", "registered-models/get", query={"name": "price"}) == 403
    assert platform.status("ada", "GET", "registered-models/get", query={"name": "price"}) == 200


def test_a_right_changed_by_hand_is_put_back(platform: Platform) -> None:
    platform.run()
    admin = platform.client("admin", PASSWORD)
    roles = admin.request("GET", "/api/3.0/mlflow/roles/list").json["roles"]
    fraud = next(role for role in roles if role["name"] == "team-fraud")
    grant = next(item for item in fraud["permissions"] if item["permission"] == "READ")
    by_hand = {"role_permission_id": grant["id"], "permission": "MANAGE"}
    admin.request("PATCH", "/api/3.0/mlflow/roles/permissions/update", json=by_hand)
    dry = platform.run("--check")
    assert dry.changed == 1
    assert re.search(r"^-.*MANAGE on experiment", dry.output, re.MULTILINE)
    assert re.search(r"^\+.*READ on experiment", dry.output, re.MULTILINE)
    assert platform.run().changed == 1
    assert platform.run().changed == 0


def test_a_right_added_by_hand_is_told_and_taken_away_when_asked(platform: Platform) -> None:
    platform.run()
    admin = platform.client("admin", PASSWORD)
    roles = admin.request("GET", "/api/3.0/mlflow/roles/list").json["roles"]
    pricing = next(role["id"] for role in roles if role["name"] == "team-pricing")
    more = {"role_id": pricing, "resource_type": "experiment", "resource_pattern": "*", "permission": "READ"}
    admin.request("POST", "/api/3.0/mlflow/roles/permissions/add", json=more)
    left = platform.run()
    assert left.changed == 0
    assert "it also has READ on experiment *; purge=true takes that away" in re.sub(r"\s+", " ", left.output)
    assert platform.reads("ada", "fraud") == 200
    assert platform.run(mlflow_rights_purge=True).changed == 1
    assert platform.reads("ada", "fraud") == 403


def test_a_member_who_left_and_a_team_that_is_gone(platform: Platform) -> None:
    platform.run()
    without = [{**TEAMS[0], "users": []}, {**TEAMS[1], "state": "absent"}]
    assert platform.run(teams=without, mlflow_rights_purge=True).changed == 1
    assert platform.reads("ada", "pricing/daily") == 403
    assert platform.reads("bob", "fraud") == 403
    assert platform.run(teams=without, mlflow_rights_purge=True).changed == 0
    assert platform.run().changed == 1
