# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edited passwords reach MLflow, and what was encrypted without the platform's keys comes under them.

The administrator's password changes meanwhile, so that nothing else may ask the platform beside this.
"""

from __future__ import annotations

import json
import re
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared import inside

if t.TYPE_CHECKING:
    from conftest import Platform

PLAYBOOK = "tests/integration/mlflow.yml"
# For a short test; changed, it restarts the server, as the administrator's password does.
REMEMBERED = 4
PASSWORDS = {"admin": "another-password-of-admin", "ada": "another-password-of-ada"}
HOOKS = "/api/2.0/mlflow/webhooks"
# An address that nothing is sent to, as nothing deletes an alias of a prompt.
HOOK = {"url": "https://9.9.9.9/", "events": [{"entity": "PROMPT_ALIAS", "action": "DELETED"}], "secret": "of both"}
# What MLflow stores without keys in its environment.
WITHOUT_KEYS = """
import os, re, sys
text = open("/etc/mlflow/mlflow.env").read()
uri = re.search(r'^_MLFLOW_SERVER_FILE_STORE="(.*)"$', text, re.M)[1]
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
name = sys.argv[1]
Tracking(uri, "mlflow-artifacts:/").create_gateway_secret(name, {"api_key": "sk-of-a-provider"}, provider="openai")
event = WebhookEvent(WebhookEntity.PROMPT_ALIAS, WebhookAction.DELETED)
Registry(uri).create_webhook(name, "https://9.9.9.9/", [event], secret="nobody knows")
"""


def converge(platform: Platform, *options: str) -> tuple[int, str]:
    """Run MLflow's part of the platform; returns how much changed and what was said, on one line."""
    ended = platform.playbook(PLAYBOOK, "--diff", *options)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert not [password for password in PASSWORDS.values() if password in output]
    changed = re.search(r"changed=(\d+)", output)
    assert changed
    return int(changed[1]), re.sub(r"\s+", " ", output)


def edited(platform: Platform, folder: Path, **passwords: str) -> str:
    """The option that gives these passwords in place of the lab's."""
    users = {name: platform.secret(name) for name in ("ada", "bob", "grace")}
    users |= {name: text for name, text in passwords.items() if name in users}
    given: dict[str, t.Any] = {"mlflow_user_passwords": users, "mlflow_auth_cache_seconds": REMEMBERED}
    given["platform_mlflow_admin_password"] = passwords.get("admin", platform.secret())
    file = folder / "edited.json"
    file.write_text(json.dumps(given))
    return f"--extra-vars=@{file}"


@pytest.fixture(name="as_it_was", scope="module")
def fixture_as_it_was(platform: Platform) -> Iterator[None]:
    """Afterwards, the passwords are those of the lab again."""
    yield
    converge(platform)
    assert platform.status("admin", "GET", "users/list") == 200


def logs_in(platform: Platform, name: str, password: str) -> bool:
    """Whether a user comes in with a password."""
    status = platform.status(name, "GET", "users/current", password=password)
    assert status in (200, 401)
    return status == 200


def ends(platform: Platform, name: str, password: str) -> bool:
    """Whether a password ends within the seconds for which each worker remembers it."""
    deadline = time.monotonic() + REMEMBERED + 2
    while any(logs_in(platform, name, password) for _time in range(6)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


@pytest.mark.usefixtures("as_it_was")
def test_edited_passwords_are_brought_to_the_server(platform: Platform, tmp_path: Path) -> None:
    before = {name: platform.secret(name) for name in PASSWORDS}
    both = edited(platform, tmp_path, **PASSWORDS)

    _changed, said = converge(platform, "--check", both)
    for name in PASSWORDS:
        assert f"- {name}: another password" in said
        assert logs_in(platform, name, before[name])
        assert not logs_in(platform, name, PASSWORDS[name])
    assert "This dry run does not look at rights" in said

    assert converge(platform, both)[0] > 0
    for name in PASSWORDS:
        assert logs_in(platform, name, PASSWORDS[name])
        assert ends(platform, name, before[name])

    # Nothing restarts for a user's password, so that workers remember the one before.
    changed, said = converge(platform, edited(platform, tmp_path, admin=PASSWORDS["admin"]))
    assert changed == 1
    assert "- ada: another password" in said
    assert all(logs_in(platform, "ada", before["ada"]) for _time in range(6))
    assert ends(platform, "ada", PASSWORDS["ada"])
    assert converge(platform, edited(platform, tmp_path, admin=PASSWORDS["admin"]))[0] == 0


def hooks(platform: Platform, pool: str) -> dict[str, str]:
    """The webhooks that a pool lists, with their states."""
    container = platform.the_lab.container(platform.the_lab.hosts[0])
    settings = [f'user = "admin:{platform.secret()}"', f'unix-socket = "/run/mlflow-{pool}.sock"', "silent", "fail"]
    settings += [f'url = "http://mlflow.example.com{HOOKS}"']
    found = json.loads(inside(container, "curl", "--config", "-", data="\n".join(settings)))
    return {hook["name"]: hook["status"] for hook in found.get("webhooks", [])}


def test_what_mlflow_encrypted_without_keys_is_taken_over(platform: Platform, mark: str) -> None:
    lost, signed = f"lost-{mark}", f"signed-{mark}"
    container = platform.the_lab.container(platform.the_lab.hosts[0])
    inside(container, "/opt/mlflow/current/bin/python", "-c", WITHOUT_KEYS, lost)
    client = platform.client()
    client.request("POST", HOOKS, json={**HOOK, "name": signed})
    for pool in ("rest", "asgi"):
        assert {lost: "DISABLED", signed: "ACTIVE"}.items() <= hooks(platform, pool).items()

    changed, said = converge(platform)
    assert changed == 1
    assert re.search(rf"- {lost} \(s-\w+\): the constant of MLflow's source", said)
    assert f"The secret of the webhook {lost} (" in said
    assert f"The secret of the webhook {signed} (" not in said

    changed, said = converge(platform)
    assert changed == 0
    assert f"The secret of the webhook {lost} (" in said

    inside(container, "systemctl", "restart", "mlflow-rest.service", "mlflow-asgi.service")
    for pool in ("rest", "asgi"):
        assert {lost: "DISABLED", signed: "ACTIVE"}.items() <= hooks(platform, pool).items()
    for hook in client.request("GET", HOOKS).json["webhooks"]:
        if mark in hook["name"]:
            client.request("DELETE", f"{HOOKS}/{hook['webhook_id']}", json={"webhook_id": hook["webhook_id"]})
    for secret in client.request("GET", "/api/3.0/mlflow/gateway/secrets/list").json["secrets"]:
        if mark in secret["secret_name"]:
            body = {"secret_id": secret["secret_id"]}
            client.request("DELETE", "/api/3.0/mlflow/gateway/secrets/delete", json=body)
