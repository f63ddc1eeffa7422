# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that ran without keys is taken over; afterwards every process reads what any of them wrote.

On PostgreSQL, with the servers that the role runs and the helper that its module `mlflow_keys` runs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.utils.crypto import DEFAULT_KEK_PASSPHRASE, KEKManager, _decrypt_secret, unwrap_dek
from mlflow_servers import GATEWAY_KEY, WEBHOOK_KEY, Server

HELPER = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "_mlflow_secrets.py"
HOOKS = "/api/2.0/mlflow/webhooks"
GATEWAY = "/api/3.0/mlflow/gateway/secrets"
EVENTS = [{"entity": "MODEL_VERSION", "action": "CREATED"}]
API_KEY = {"api_key": "sk-what-a-provider-gave"}
OTHER_KEY = base64.urlsafe_b64encode(b"another webhook key of 32 bytes.").decode()
# What MLflow writes with the keys of its environment, or with none.
WRITE = """
import json, os, sys
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
uri, name = sys.argv[1:]
event = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
tracking, registry = Tracking(uri, "mlflow-artifacts:/"), Registry(uri)
tracking.create_gateway_secret(name, json.loads(os.environ["API_KEY"]), provider="openai")
registry.create_webhook(name, "http://127.0.0.1:9/", [event], secret="of " + name)
"""


def write(database: str, name: str, **keys: str) -> None:
    """Let MLflow store a gateway's API key and a webhook of this name under these keys."""
    environment = {**os.environ, "API_KEY": json.dumps(API_KEY), "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    environment |= {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http", **keys}
    subprocess.run([sys.executable, "-c", WRITE, database, name], env=environment, check=True, capture_output=True)


def start(database: str, action: str, gateway: str = GATEWAY_KEY, **more: Any) -> subprocess.Popen[str]:
    """Start the helper as the module does."""
    keys = {"database_uri": database, "gateway_key": gateway, "gateway_key_version": 2, "gateway_previous_key": ""}
    keys |= {"webhook_key": WEBHOOK_KEY, "webhook_previous_key": ""}
    asked = {"keys": {**keys, **more.pop("keys", {})}, **more}
    # By that variable MLflow knows its own tests, which allow less.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    process = subprocess.Popen(
        [sys.executable, "-I", "-", action],
        env={**environment, "MLOPS_TRACKING_INPUT": json.dumps(asked)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(HELPER.read_text(encoding="utf-8"))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[str]) -> Any:
    """Return the helper's answer."""
    stdout, stderr = process.communicate(timeout=120)
    assert stdout, stderr
    answer = json.loads(stdout)
    assert "error" not in answer, answer
    return answer


def found(database: str, **more: Any) -> dict[str, dict[str, tuple[Any, ...]]]:
    """What the helper sees, by name."""
    answer = finish(start(database, "read_keys", **more))
    gateway = {row["name"]: (row["version"], row["key"]) for row in answer["gateway"]}
    return {"gateway": gateway, "webhooks": {row["name"]: (row["key"],) for row in answer["webhooks"]}}


def new_database(server: str, name: str) -> str:
    """Make an empty database."""
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"


def rows(database: str, statement: str) -> list[Any]:
    """Ask the database."""
    with sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool).connect() as connection:
        return list(connection.exec_driver_sql(statement))


def opens(row: Any, passphrase: str, version: int) -> bool:
    """Whether a key of this version opens a gateway's API key, by MLflow's own functions."""
    manager = KEKManager(passphrase, version)
    try:
        unwrap_dek(bytes(row.wrapped_dek), manager.get_kek())
    except MlflowException:
        return False
    text = _decrypt_secret(bytes(row.encrypted_value), bytes(row.wrapped_dek), manager, row.secret_id, row.secret_name)
    return bool((text if isinstance(text, dict) else json.loads(text)) == API_KEY)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what a webhook sends."""

    got: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def taken_over(database: str) -> str:
    """A database that MLflow wrote without keys, brought under the keys."""
    database = new_database(database, "taken_over")
    write(database, "before")
    rotated = {"gateway": {"before": (2, "current")}, "webhooks": {"before": (None,)}}
    assert found(database) == {**rotated, "gateway": {"before": (1, "default")}}
    step = {"key": "default", "version": 1}
    # Two runs at once, as of two hosts.
    runs = [start(database, "rotate_keys", steps=[step], webhooks=False) for _run in range(2)]
    for run in runs:
        assert finish(run) == {}
    assert found(database) == rotated
    return database


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, taken_over: str) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("keys")
    settings = {"_MLFLOW_SERVER_FILE_STORE": taken_over, "_MLFLOW_SERVER_REGISTRY_STORE": taken_over}
    settings |= {"MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http"}
    pair = Server(folder, "rest", settings=settings).start(), Server(folder, "asgi", settings=settings).start()
    yield pair
    for server in pair:
        server.stop()


def listed(server: Server) -> dict[str, str]:
    """The webhooks that a server lists, with their states."""
    return {hook["name"]: hook["status"] for hook in server.done("GET", HOOKS)["webhooks"]}


def signed(secret: str, server: Server, webhook: str) -> bool:
    """Whether what a server sends to a webhook is signed with this secret."""
    server.done("POST", f"{HOOKS}/{webhook}/test", {"webhook_id": webhook})
    headers, body = Receiver.got[-1]
    text = f"{headers['x-mlflow-delivery-id']}.{headers['x-mlflow-timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return headers.get("x-mlflow-signature") == f"v1,{digest}"


def test_a_webhook_with_a_lost_secret_is_switched_off_and_ends_no_list(servers: tuple[Server, Server]) -> None:
    before = rows(servers[0].settings["_MLFLOW_SERVER_FILE_STORE"], "SELECT secret FROM webhooks WHERE name = 'before'")
    for server in servers:
        assert listed(server)["before"] == "DISABLED"
    webhook = next(hook["webhook_id"] for hook in servers[0].done("GET", HOOKS)["webhooks"])
    server = servers[1]
    assert server.done("GET", f"{HOOKS}/{webhook}")["webhook"]["name"] == "before"
    changed = server.done("PATCH", f"{HOOKS}/{webhook}", {"webhook_id": webhook, "description": "of the team"})
    assert changed["webhook"]["status"] == "DISABLED"
    # Nothing is lost by that: should its key be found, it works again.
    assert rows(server.settings["_MLFLOW_SERVER_FILE_STORE"], "SELECT secret FROM webhooks") == before


def test_a_new_secret_brings_it_back(servers: tuple[Server, Server], receiver: str) -> None:
    rest, asgi = servers
    webhook = rest.done("GET", HOOKS)["webhooks"][0]["webhook_id"]
    rest.done("PATCH", f"{HOOKS}/{webhook}", {"webhook_id": webhook, "secret": "a new one", "url": receiver})
    assert listed(asgi)["before"] == "ACTIVE"
    assert signed("a new one", asgi, webhook)


def test_a_webhooks_secret_is_read_by_every_process_and_after_a_restart(
    servers: tuple[Server, Server], receiver: str
) -> None:
    rest, _asgi = servers
    made = {"name": "signed", "url": receiver, "events": EVENTS, "secret": "of both"}
    webhook = rest.done("POST", HOOKS, made)["webhook"]["webhook_id"]
    for server in servers:
        assert listed(server)["signed"] == "ACTIVE"
    rest.stop()
    rest.start()
    assert listed(rest)["signed"] == "ACTIVE"
    for server in servers:
        assert signed("of both", server, webhook)
        assert not signed("of nobody", server, webhook)


def test_the_gateways_keys_open_with_the_platforms_key_alone(servers: tuple[Server, Server], taken_over: str) -> None:
    made = {"secret_name": "after", "secret_value": API_KEY, "provider": "openai"}
    servers[0].done("POST", f"{GATEWAY}/create", made)
    stored = rows(taken_over, "SELECT * FROM secrets ORDER BY secret_name")
    assert [row.secret_name for row in stored] == ["after", "before"]
    for row in stored:
        assert row.kek_version == 2
        assert opens(row, GATEWAY_KEY, 2)
        assert not any(opens(row, DEFAULT_KEK_PASSPHRASE, version) for version in (1, 2))


def test_new_keys_take_everything_over(database: str) -> None:
    database = new_database(database, "new_keys")
    write(
        database,
        "former",
        MLFLOW_CRYPTO_KEK_PASSPHRASE="the key before",
        MLFLOW_CRYPTO_KEK_VERSION="1",
        MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY=OTHER_KEY,
    )
    former = {"gateway_previous_key": "the key before", "webhook_previous_key": OTHER_KEY, "gateway_key_version": 3}
    seen = found(database, keys=former)
    assert seen["gateway"]["former"] == (1, "previous")
    assert seen["webhooks"]["former"] == ("previous",)
    assert found(database)["gateway"]["former"] == (1, None)
    # Over two versions, broken off after the first, and begun anew.
    for steps in ([("previous", 1)], [("current", 2)]):
        given = [{"key": key, "version": version} for key, version in steps]
        finish(start(database, "rotate_keys", keys=former, steps=given, webhooks=True))
    after = found(database, keys={"gateway_key_version": 3})
    assert after["gateway"]["former"] == (3, "current")
    assert after["webhooks"]["former"] == ("current",)


def test_a_rotation_that_meets_a_key_it_does_not_open_changes_nothing(database: str) -> None:
    database = new_database(database, "foreign_key")
    write(database, "good", MLFLOW_CRYPTO_KEK_PASSPHRASE=GATEWAY_KEY, MLFLOW_CRYPTO_KEK_VERSION="7")
    write(database, "foreign", MLFLOW_CRYPTO_KEK_PASSPHRASE="somebody's key", MLFLOW_CRYPTO_KEK_VERSION="7")
    statement = "SELECT secret_id, wrapped_dek, kek_version FROM secrets ORDER BY secret_id"
    before = rows(database, statement)
    process = start(database, "rotate_keys", steps=[{"key": "current", "version": 7}], webhooks=False)
    answer = json.loads(process.communicate(timeout=120)[0])
    assert "KEK rotation failed at secret 'foreign'" in answer["error"]
    assert rows(database, statement) == before
