# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MLflow's own server with its users and passwords, and one way to run a module against it.

Tests that use it are skipped unless MLFLOW_PYTHON names an interpreter that has mlflow[auth].
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import typing as t
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

PYTHON = os.environ.get("MLFLOW_PYTHON", "")
USER, PASSWORD = "admin", "a-password-for-this-test"
START_SECONDS = 120

Run = Callable[..., dict[str, t.Any]]


@contextmanager
def serve(folder: Path, *bind: str, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow as the role serves it, but for the database: gunicorn, the auth app, no rights without a grant."""
    environment = {
        **os.environ,
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_REGISTRY_STORE": f"sqlite:///{folder}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
        "_MLFLOW_SGI_NAME": "gunicorn",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings(folder)),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-for-this-test",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **more,
    }
    command = [PYTHON, "-m", "gunicorn", "--threads", "8", "--timeout", "120", "--worker-tmp-dir", str(folder)]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, *bind, "mlflow.server.auth:create_app()"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            yield server
        finally:
            server.terminate()
            server.wait(timeout=60)


@pytest.fixture(scope="module", name="url")
def fixture_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on loopback, stopped and removed at the end."""
    if not PYTHON:
        pytest.skip("MLFLOW_PYTHON is not set")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with serve(tmp_path_factory.mktemp("mlflow"), "--bind", f"127.0.0.1:{port}") as server:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"


class SocketServer(t.NamedTuple):
    """A server that listens where the edge finds it on one host."""

    unix_socket: Path
    server_name: str


@pytest.fixture(scope="module", name="socket_server")
def fixture_socket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocketServer]:
    """A server behind a socket that answers to its public name only, as the role runs it beside the edge."""
    if not PYTHON:
        pytest.skip("MLFLOW_PYTHON is not set")
    folder = tmp_path_factory.mktemp("mlflow")
    found = SocketServer(folder / "rest.sock", "mlflow.example.com")
    bind = ("--bind", f"unix:{found.unix_socket}")
    with serve(folder, *bind, MLFLOW_SERVER_ALLOWED_HOSTS=found.server_name) as server:
        deadline = time.monotonic() + START_SECONDS
        # It binds before it can answer; a request waits until then.
        while not found.unix_socket.exists():
            assert server.poll() is None, "the server ended before it answered"
            assert time.monotonic() < deadline, f"no socket within {START_SECONDS} seconds"
            time.sleep(0.2)
        yield found


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


def settings(folder: Path) -> Path:
    path = folder / "auth.ini"
    path.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{folder}/auth.db\nadmin_username = {USER}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    return path


@pytest.fixture(name="run")
def fixture_run(url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call with a module and its options; returns what the module prints."""

    def run(module: t.Any, options: dict[str, t.Any], check: bool = False, **connection: t.Any) -> dict[str, t.Any]:
        given = {"mlflow_url": url, "mlflow_username": USER, "mlflow_password": PASSWORD, **connection}
        internal = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        with patch_module_args({**given, **options, **internal}), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        assert PASSWORD not in output
        result: dict[str, t.Any] = json.loads(output)
        return result

    return run
