# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracking server of somebody's own playbook, with SQLite or MySQL and a folder, seen through its socket."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SCENARIOS = {"mlflow"}


@pytest.fixture(name="ask")
def ask_mlflow(host: Any, feed: Callable[..., str], secrets: dict[str, str]) -> Callable[..., Any]:
    """Return a function that asks a pool; the password goes in by curl's configuration, not as an argument."""

    name = host.check_output("hostname")

    def ask(
        path: str, body: Any = None, pool: str = "rest", password: str = "", method: str = "", user: str = "admin"
    ) -> Any:
        secret = password or secrets["platform_mlflow_admin_password"]
        settings = [f'user = "{user}:{secret}"', f'unix-socket = "/run/mlflow-{pool}.sock"', "silent", "show-error"]
        settings += [f'url = "http://{name}{path}"', 'write-out = "\\n%{http_code}"']
        settings += ['header = "Content-Type: application/json"'] if body is not None else []
        settings += [f"data-binary = {json.dumps(json.dumps(body))}"] if body is not None else []
        settings += [f'request = "{method}"'] if method else []
        text, status = feed("\n".join(settings), "curl", "--config", "-").rsplit("\n", 1)
        return json.loads(text or "{}") if status == "200" else int(status)

    return ask


def test_run_and_artifact(ask: Callable[..., Any]) -> None:
    api = "/api/2.0/mlflow"
    found = ask(f"{api}/experiments/get-by-name?experiment_name=alone")
    experiment = (
        found["experiment"]["experiment_id"]
        if isinstance(found, dict)
        else ask(f"{api}/experiments/create", {"name": "alone"})["experiment_id"]
    )
    run = ask(f"{api}/runs/create", {"experiment_id": experiment})["run"]["info"]
    assert run["artifact_uri"].startswith("mlflow-artifacts:/")
    metric = {"run_id": run["run_id"], "key": "loss", "value": 0.25, "timestamp": 1, "step": 1}
    assert ask(f"{api}/runs/log-metric", metric) == {}
    data = ask(f"{api}/runs/get?run_id={run['run_id']}")["run"]["data"]
    assert data["metrics"][0]["value"] == 0.25
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run['run_id']}/artifacts/probe.json"
    assert ask(path, {"probe": 1}, pool="asgi", method="PUT") == {}
    assert ask(path, pool="asgi") == {"probe": 1}


@pytest.mark.parametrize("pool", ["rest", "asgi"])
def test_wrong_password_is_refused(ask: Callable[..., Any], pool: str) -> None:
    assert ask("/api/2.0/mlflow/experiments/get?experiment_id=0", pool=pool, password="wrong-password") == 401


def test_it_comes_back_after_a_restart(host: Any, ask: Callable[..., Any]) -> None:
    host.check_output("systemctl restart mlflow-rest.service mlflow-asgi.service")
    assert ask("/api/2.0/mlflow/experiments/get?experiment_id=0")["experiment"]["name"] == "Default"


# One password for the users of these tests, who are gone with their host.
PASSWORD = random.token_urlsafe(16)
API = "/api/2.0/mlflow"


@pytest.fixture(name="people")
def maker_and_officer(ask: Callable[..., Any]) -> dict[str, Any]:
    """Return a maker, and an officer whose role is governance."""
    suffix = random.token_hex(4)
    people = {"maker": f"maker-{suffix}", "officer": f"officer-{suffix}", "model": f"model-{suffix}"}
    for name in (people["maker"], people["officer"]):
        assert ask(f"{API}/users/create", {"username": name, "password": PASSWORD})["user"]["username"] == name
    roles = ask("/api/3.0/mlflow/roles/list?workspace=default")["roles"]
    role = next((role["id"] for role in roles if role["name"] == "governance"), None)
    if role is None:
        made = ask("/api/3.0/mlflow/roles/create", {"name": "governance", "workspace": "default"})
        role = made["role"]["id"]
        grant = {"role_id": role, "resource_type": "registered_model", "resource_pattern": "*", "permission": "MANAGE"}
        ask("/api/3.0/mlflow/roles/permissions/add", grant)
    ask("/api/3.0/mlflow/roles/assign", {"username": people["officer"], "role_id": role})
    return people


def test_only_governance_promotes(ask: Callable[..., Any], people: dict[str, str]) -> None:
    def by(who: str, path: str, body: Any, method: str = "", **options: str) -> Any:
        return ask(f"{API}/{path}", body, user=people[who], password=PASSWORD, method=method, **options)

    name = people["model"]
    experiment = by("maker", "experiments/create", {"name": name})["experiment_id"]
    run = by("maker", "runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    file = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/model/MLmodel"
    assert ask(file, {"a": 1}, pool="asgi", method="PUT", user=people["maker"], password=PASSWORD) == {}
    by("maker", "registered-models/create", {"name": name})
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    by("maker", "model-versions/create", {"name": name, "source": source, "run_id": run})
    alias = {"name": name, "alias": "champion", "version": "1"}
    tag = {"name": name, "version": "1", "key": "promotion.by", "value": "somebody"}
    attempts = [
        ("registered-models/alias", alias, "POST"),
        ("model-versions/set-tag", tag, "POST"),
        ("registered-models/alias", {"name": name, "alias": "champion"}, "DELETE"),
        ("registered-models/rename", {"name": name, "new_name": f"{name}-renamed"}, "POST"),
        ("registered-models/delete", {"name": f"{name}-renamed"}, "DELETE"),
    ]
    for pool in ("rest", "asgi"):
        assert ask(file, {"a": 2}, pool=pool, method="PUT", user=people["maker"], password=PASSWORD) == 403
        for path, body, method in attempts:
            assert by("maker", path, {**body, "name": name}, method, pool=pool) == 403, (path, pool)
    assert ask(file, pool="asgi") == {"a": 1}
    for path, body, method in attempts:
        assert isinstance(by("officer", path, body, method), dict), path


def test_answers_say_who_did_what(host: Any, feed: Callable[..., str], people: dict[str, str]) -> None:
    name = host.check_output("hostname")
    body = json.dumps(json.dumps({"name": people["model"], "alias": "champion", "version": "1"}))
    for pool in ("rest", "asgi"):
        settings = [f'user = "{people["maker"]}:{PASSWORD}"', f'unix-socket = "/run/mlflow-{pool}.sock"', "silent"]
        settings += [f'url = "http://{name}{API}/registered-models/alias"', 'header = "Content-Type: application/json"']
        settings += [f"data-binary = {body}", 'dump-header = "-"', 'output = "/dev/null"']
        lines = feed("\n".join(settings), "curl", "--config", "-").lower().splitlines()
        said = dict(line.split(": ", 1) for line in lines if line.startswith("x-mlops-"))
        assert said == {
            "x-mlops-user": people["maker"],
            "x-mlops-auth": "basic",
            "x-mlops-outcome": "refused",
            "x-mlops-operation": "set_registered_model_alias",
            "x-mlops-model": people["model"],
            "x-mlops-version": "1",
            "x-mlops-alias": "champion",
        }


def test_the_identity_package_is_roots(host: Any) -> None:
    environment = host.check_output("systemctl show --property Environment --value mlflow-rest.service")
    folder = next(text.split("=", 1)[1] for text in environment.split() if text.startswith("PYTHONPATH="))
    assert host.file(f"{folder}/mlops_identity/app.py").exists
    wrong = r"\( ! -user root -o ! -group root -o -perm /022 \)"
    assert host.check_output(f"find {folder} {wrong}") == ""


RENAMED = """
import sys

from gunicorn.app.wsgiapp import run
from mlflow.server import app

app.view_functions["_assign_alias"] = app.view_functions.pop("_set_registered_model_alias")
for rule in app.url_map.iter_rules():
    if rule.endpoint == "_set_registered_model_alias":
        rule.endpoint = "_assign_alias"
sys.argv[0] = "gunicorn"
run()
"""
DROP_IN = "/run/systemd/system/mlflow-asgi.service.d/99-renamed.conf"


@pytest.fixture(name="renamed_view")
def mlflow_with_a_renamed_view(host: Any, feed: Callable[..., str]) -> Iterator[None]:
    """Let the unit start an MLflow in which a guarded view has another name."""
    command = "/opt/mlflow/current/bin/python /run/renamed.py --config /etc/mlflow/gunicorn-asgi.conf.py"
    feed(RENAMED, "dd", "of=/run/renamed.py", "status=none")
    host.check_output(f"mkdir -p {DROP_IN.rsplit('/', 1)[0]}")
    feed(f"[Service]\nExecStart=\nExecStart={command}\n", "dd", f"of={DROP_IN}", "status=none")
    host.check_output("systemctl daemon-reload")
    yield
    host.check_output(f"rm {DROP_IN} /run/renamed.py")
    host.check_output("systemctl daemon-reload && systemctl restart mlflow-asgi.service")


@pytest.mark.usefixtures("renamed_view")
def test_the_server_does_not_start_with_a_renamed_view(host: Any) -> None:
    cursor = host.check_output("journalctl --no-pager -n 0 --show-cursor").rsplit("cursor: ", 1)[1]
    assert host.run("systemctl restart mlflow-asgi.service").rc != 0
    said = host.check_output(f"journalctl --no-pager --unit mlflow-asgi.service --after-cursor '{cursor}'")
    assert "MLflow upgrade guard" in said
    assert "the guarded view _set_registered_model_alias has no rule" in said
