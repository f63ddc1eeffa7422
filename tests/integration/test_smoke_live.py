# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smoke test against MLflow's own server, with its users and passwords.

Runs when MLFLOW_PYTHON names an interpreter that has mlflow[auth].
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowClient
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_smoke import CLEAN_UP, WORK, SmokeTest

PYTHON = os.environ.get("MLFLOW_PYTHON", "")
USER, PASSWORD = "admin", "a-password-for-this-test"
START_SECONDS = 120

pytestmark = pytest.mark.skipif(not PYTHON, reason="MLFLOW_PYTHON is not set")


@pytest.fixture(scope="module", name="url")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on loopback, stopped and removed at the end."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-for-this-test",
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [PYTHON, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended before it answered"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"no answer within {START_SECONDS} seconds")


def search(client: MlflowClient, name: str, view: str) -> list[str]:
    body = {"filter": f"name = '{name}'", "view_type": view, "max_results": 10}
    found = client.request("POST", "/api/2.0/mlflow/experiments/search", json=body).json
    return [item["name"] for item in found.get("experiments", [])]


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_every_step_passes_and_nothing_active_is_left(url: str, size: int) -> None:
    client = MlflowClient(url, username=USER, password=PASSWORD)
    name = f"smoke-{size}"
    steps = SmokeTest(client, name, os.urandom(size)).run()
    assert [(step.name, step.detail) for step in steps if not step.ok] == []
    assert tuple(step.name for step in steps) == WORK + CLEAN_UP
    assert search(client, name, "ACTIVE_ONLY") == []
    assert search(client, name, "DELETED_ONLY") == [name]


def test_a_wrong_password_is_the_first_and_only_failure(url: str) -> None:
    steps = SmokeTest(MlflowClient(url, username=USER, password="wrong"), "smoke-refused", b"x").run()
    assert [step.ok for step in steps] == [False]
    assert "HTTP 401" in steps[0].detail
