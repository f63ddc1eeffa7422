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

WHOLE = "tests/integration/mlflow.yml"
PART = "tests/integration/mlflow_part.yml"
# For a short test; changed, it restarts the server, as the administrator's password does.
REMEMBERED = 4
PASSWORDS = {"admin": "another-password-of-admin", "ada": "another-password-of-ada"}
HOOKS = "/api/2.0/mlflow/webhooks"
GATEWAY = "/api/3.0/mlflow/gateway/secrets"
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


class Ended(t.NamedTuple):
    """How a playbook ended."""

    changed: int
    # On one line, as Ansible wraps it.
    text: str


def converge(platform: Platform, playbook: str, *options: str) -> Ended:
    """Run a part of the platform, which shows no password."""
    ended = platform.playbook(playbook, "--diff", *options)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert not [password for password in PASSWORDS.values() if password in output]
    changed = re.search(r"changed=(\d+)", output)
    assert changed
    return Ended(int(changed[1]), re.sub(r"\s+", " ", output))


def edited(platform: Platform, folder: Path, **passwords: str) -> str:
    """The option that gives these passwords in place of the lab's."""
    users = {name: platform.secret(name) for name in ("ada", "bob", "grace")}
    users |= {name: text for name, text in passwords.items() if name in users}
    given: dict[str, t.Any] = {"mlflow_user_passwords": users, "mlflow_auth_cache_seconds": REMEMBERED}
    given["platform_mlflow_admin_password"] = passwords.get("admin", platform.secret())
    file = folder / "edited.json"
    file.write_text(json.dumps(given))
    return f"--extra-vars=@{file}"


class Runs(t.NamedTuple):
    """A dry run and a run with edited passwords, on a platform where MLflow had stored something without keys."""

    dry: Ended
    real: Ended
    # Who came in with the former and with the new password between the two.
    between: dict[str, tuple[bool, bool]]


@pytest.fixture(name="names", scope="module")
def fixture_names(mark: str) -> dict[str, str]:
    """A webhook whose key is gone, and one of the platform's."""
    return {"lost": f"lost-{mark}", "signed": f"signed-{mark}"}


@pytest.fixture(name="runs", scope="module")
def fixture_runs(platform: Platform, names: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Edit the passwords and run; afterwards they are the lab's again."""
    container = platform.the_lab.container(platform.the_lab.hosts[0])
    inside(container, "/opt/mlflow/current/bin/python", "-c", WITHOUT_KEYS, names["lost"])
    platform.client().request("POST", HOOKS, json={**HOOK, "name": names["signed"]})
    both = edited(platform, tmp_path_factory.mktemp("edited"), **PASSWORDS)
    try:
        dry = converge(platform, WHOLE, "--check", both)
        between = {
            name: (logs_in(platform, name, platform.secret(name)), logs_in(platform, name, password))
            for name, password in PASSWORDS.items()
        }
        yield Runs(dry, converge(platform, WHOLE, both), between)
    finally:
        converge(platform, WHOLE)
        clean(platform, names)


def clean(platform: Platform, names: dict[str, str]) -> None:
    """Remove what the tests made."""
    client = platform.client()
    for hook in client.request("GET", HOOKS).json["webhooks"]:
        if hook["name"] in names.values():
            client.request("DELETE", f"{HOOKS}/{hook['webhook_id']}", json={"webhook_id": hook["webhook_id"]})
    for secret in client.request("GET", f"{GATEWAY}/list").json["secrets"]:
        if secret["secret_name"] in names.values():
            client.request("DELETE", f"{GATEWAY}/delete", json={"secret_id": secret["secret_id"]})


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


def test_a_dry_run_shows_both_and_does_neither(runs: Runs, names: dict[str, str]) -> None:
    for name in PASSWORDS:
        assert f"- {name}: another password" in runs.dry.text
    assert "This dry run does not look at rights" in runs.dry.text
    assert re.search(rf"- {names['lost']} \(s-\w+\): the constant of MLflow's source", runs.dry.text)
    assert runs.between == dict.fromkeys(PASSWORDS, (True, False))


def test_edited_passwords_are_brought_to_the_server(platform: Platform, runs: Runs, tmp_path: Path) -> None:
    for name, password in PASSWORDS.items():
        assert f"- {name}: another password" in runs.real.text
        assert logs_in(platform, name, password)
        assert ends(platform, name, platform.secret(name))
    # Nothing restarts for a user's password alone, so that workers remember the one before.
    assert all(logs_in(platform, "ada", PASSWORDS["ada"]) for _time in range(6))
    option = edited(platform, tmp_path, admin=PASSWORDS["admin"])
    ended = converge(platform, PART, option, "--extra-vars=part=passwords")
    assert ended.changed == 1
    assert "- ada: another password" in ended.text
    assert all(logs_in(platform, "ada", platform.secret("ada")) for _time in range(6))
    assert ends(platform, "ada", PASSWORDS["ada"])
    assert converge(platform, PART, option, "--extra-vars=part=passwords").changed == 0


def hooks(platform: Platform, pool: str, password: str) -> dict[str, str]:
    """The webhooks that a pool lists, with their states."""
    container = platform.the_lab.container(platform.the_lab.hosts[0])
    settings = [f'user = "admin:{password}"', f'unix-socket = "/run/mlflow-{pool}.sock"', "silent", "fail"]
    settings += [f'url = "http://mlflow.example.com{HOOKS}"']
    found = json.loads(inside(container, "curl", "--config", "-", data="\n".join(settings)))
    return {hook["name"]: hook["status"] for hook in found.get("webhooks", [])}


def test_what_mlflow_encrypted_without_keys_is_taken_over(
    platform: Platform, runs: Runs, names: dict[str, str]
) -> None:
    assert re.search(rf"- {names['lost']} \(s-\w+\): the constant of MLflow's source", runs.real.text)
    ended = converge(platform, PART, "--extra-vars=part=keys")
    for text in (runs.real.text, ended.text):
        assert f"The secret of the webhook {names['lost']} (" in text
        assert f"The secret of the webhook {names['signed']} (" not in text
    assert ended.changed == 0
    assert converge(platform, PART, "--extra-vars=part=rotation").changed == 0
    # Both pools, and both have been restarted since.
    for pool in ("rest", "asgi"):
        listed = hooks(platform, pool, PASSWORDS["admin"])
        assert (listed[names["lost"]], listed[names["signed"]]) == ("DISABLED", "ACTIVE")
