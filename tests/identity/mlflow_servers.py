# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real MLflow servers under gunicorn, as the role runs them, with databases and artifacts in a folder of their own."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "roles" / "mlflow" / "files"
ADMIN = ("admin", "password-of-admin")
GATEWAY_KEY = "the key of the gateway in these tests"
WEBHOOK_KEY = base64.urlsafe_b64encode(b"a webhook key of these tests 32b").decode()
WORKERS = {"rest": "gthread", "asgi": "uvicorn_worker.UvicornWorker"}
CONFIG: Mapping[str, Any] = {
    "mode": "basic",
    "platform_name": "Models",
    "public_url": "https://mlflow.example.com",
    "contact": "Write to ops@example.com.",
    "admin_groups": ["mlflow-admins"],
    "governance_groups": ["governance"],
    "group_roles": {},
    "rights_cache_seconds": 2,
}


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    def said(self, name: str) -> str:
        """What the audit header of this name says."""
        return self.headers.get(f"x-mlops-{name}", "")


@dataclass
class Server:
    """One process that serves a pool."""

    folder: Path
    pool: str
    app: str = "mlops_identity.app:create_app()"
    settings: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=lambda: CONFIG)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Return the environment of the server, what the role writes but for a database in a file."""
        store = f"sqlite:///{self.folder}/mlflow.db"
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW"))},
            "PYTHONPATH": f"{PACKAGE}:{Path(__file__).parent}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self.folder / "artifacts"),
            "_MLFLOW_SGI_NAME": "uvicorn" if self.pool == "asgi" else "gunicorn",
            "MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini"),
            "MLOPS_IDENTITY_CONFIG": str(self.folder / "identity.json"),
            "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "a-key-of-these-tests",
            "MLFLOW_CRYPTO_KEK_PASSPHRASE": GATEWAY_KEY,
            "MLFLOW_CRYPTO_KEK_VERSION": "2",
            "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": WEBHOOK_KEY,
            "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            **self.settings,
        }

    def write_settings(self) -> None:
        """Write what the role writes."""
        lines = [
            "[mlflow]",
            "default_permission = NO_PERMISSIONS",
            f"database_uri = sqlite:///{self.folder}/auth.db",
            f"admin_username = {ADMIN[0]}",
            "authorization_function = mlops_identity.authorization:authorize",
            "auth_cache_ttl_seconds = 60",
        ]
        (self.folder / "auth.ini").write_text("\n".join(lines))
        (self.folder / "identity.json").write_text(json.dumps(self.config))

    def start(self) -> Server:
        """Start the server and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.write_settings()
        command = [sys.executable, "-m", "gunicorn", self.app, "--bind", f"127.0.0.1:{self.port}", "--workers", "1"]
        command += ["--worker-class", WORKERS[self.pool], "--forwarded-allow-ips", "*", "--timeout", "120"]
        command += ["--config", str(Path(__file__).with_name("gunicorn_settings.py"))]
        if self.pool == "rest":
            command += ["--threads", "4"]
        log = (self.folder / f"{self.pool}-{self.port}.log").open("wb")
        self.process = subprocess.Popen(command, env=self.environment(), cwd=self.folder, stdout=log, stderr=log)
        self._wait(Path(log.name))
        return self

    def _wait(self, log: Path) -> None:
        for _second in range(240):
            try:
                if self.call("GET", "/health").status == 200:
                    return
            except OSError:
                time.sleep(0.25)
            if self.process is not None and self.process.poll() is not None:
                break
        raise RuntimeError(log.read_text())

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        user: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with the path as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None and not isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        answer = Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        connection.close()
        return answer

    def done(self, method: str, path: str, body: Any = None, user: tuple[str, str] = ADMIN) -> Any:
        """Send a request that must succeed, and return what it says."""
        answer = self.call(method, path, body, user)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body!r}")
        return json.loads(answer.body or b"{}")


MAKER = ("maker", "password-of-maker")
OFFICER = ("officer", "password-of-officer")
STRANGER = ("stranger", "password-of-stranger")


@dataclass(frozen=True)
class Work:
    """What the maker has made: an experiment, a run with a model, a logged model, and a registered model of both."""

    experiment: str
    run: str
    logged_model: str
    model: str = "credit"

    @property
    def run_file(self) -> str:
        """A file behind version 1."""
        return f"{self.experiment}/{self.run}/artifacts/model/MLmodel"

    @property
    def model_file(self) -> str:
        """A file behind version 2."""
        return f"{self.experiment}/models/{self.logged_model}/artifacts/MLmodel"


def prepare(server: Server) -> Work:
    """Let there be people with rights, and a registered model."""
    for name, password in (MAKER, OFFICER, STRANGER):
        server.done("POST", "/api/2.0/mlflow/users/create", {"username": name, "password": password})
    role = server.done("POST", "/api/3.0/mlflow/roles/create", {"name": "governance", "workspace": "default"})["role"]
    for kind in ("registered_model", "prompt", "experiment"):
        grant = {"role_id": role["id"], "resource_type": kind, "resource_pattern": "*", "permission": "MANAGE"}
        server.done("POST", "/api/3.0/mlflow/roles/permissions/add", grant)
    server.done("POST", "/api/3.0/mlflow/roles/assign", {"username": OFFICER[0], "role_id": role["id"]})
    return make_work(server, "credit")


def make_work(server: Server, model: str) -> Work:
    """Let the maker train and register twice, with a run and with a logged model."""

    def post(path: str, body: Any) -> Any:
        return server.done("POST", f"/api/2.0/mlflow/{path}", body, MAKER)

    experiment = post("experiments/create", {"name": f"experiment of {model}"})["experiment_id"]
    run = post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    logged = post("logged-models", {"experiment_id": experiment, "name": "m", "source_run_id": run})
    work = Work(experiment, run, logged["model"]["info"]["model_id"], model)
    for path in (work.run_file, work.model_file):
        server.done("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", b"as trained", MAKER)
    post("registered-models/create", {"name": model})
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    post("model-versions/create", {"name": model, "source": source, "run_id": run})
    source = f"models:/{work.logged_model}"
    post("model-versions/create", {"name": model, "source": source, "model_id": work.logged_model})
    return work


def alias_of(server: Server, model: str, alias: str) -> str | None:
    """Return the version that an alias points to."""
    path = f"/api/2.0/mlflow/registered-models/alias?name={model}&alias={alias}"
    answer = server.call("GET", path, user=ADMIN)
    return str(answer.json["model_version"]["version"]) if answer.status == 200 else None


def file_of(server: Server, path: str) -> bytes | None:
    """Return the content of a file in the artifact store."""
    answer = server.call("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}", user=ADMIN)
    return answer.body if answer.status == 200 else None
