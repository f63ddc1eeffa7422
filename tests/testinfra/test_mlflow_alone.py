# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracking server of somebody's own playbook, with SQLite or MySQL and a folder, seen through its socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

SCENARIOS = {"mlflow"}


@pytest.fixture(name="ask")
def ask_mlflow(host: Any, feed: Callable[..., str], secrets: dict[str, str]) -> Callable[..., Any]:
    """Return a function that asks a pool; the password goes in by curl's configuration, not as an argument."""

    name = host.check_output("hostname")

    def ask(path: str, body: Any = None, pool: str = "rest", password: str = "", method: str = "") -> Any:
        secret = password or secrets["platform_mlflow_admin_password"]
        settings = [f'user = "admin:{secret}"', f'unix-socket = "/run/mlflow-{pool}.sock"', "silent", "show-error"]
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
