# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary user makes something and uses it at once, right after other calls, again and again: nothing is refused.

Every round goes every way of tests/identity/first_uses.py through the edge, on a lab with several hosts of MLflow, by
password or by token. Afterwards a right and a user are taken away, and asked for until each worker refuses.
"""

from __future__ import annotations

import argparse
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

import requests
from shared import (
    DOMAIN,
    ROOT,
    Lab,
    address,
    authority,
    containers,
    finish,
    inside,
    lab,
    new_client,
    read_secrets,
    resolve,
)

sys.path.insert(0, str(ROOT / "tests" / "identity"))

import first_uses
from first_uses import FILES, V2, V3, NotUsable
from sign_on import Platform, seconds_until

LIMIT_SECONDS = 75
NAME = "first-user"
PASSWORD = "a-password-of-first-user"


class People:
    """Who asks: an ordinary user made for this, and who may give and take rights."""

    def __init__(self, the_lab: Lab) -> None:
        self.secrets = read_secrets(the_lab)
        self.ca = authority(the_lab, self.secrets)
        self.realm = Platform(the_lab) if the_lab.scenario != "single" else None
        if self.realm is None:
            self.admin = self.asking(self._basic("admin", self.secrets["platform_mlflow_admin_password"]))
            self.admin("DELETE", f"{V2}/users/delete", {"username": NAME})
            first_uses.use(self.admin, "POST", f"{V2}/users/create", {"username": NAME, "password": PASSWORD})
            self.user = self.asking(self._basic(NAME, PASSWORD))
        else:
            secret = self.secrets["platform_keycloak_operations_secret"]
            self.admin = self.asking(f"Bearer {self.realm.client_token('ci-operations', secret)}")
            self.realm.person(NAME, "data-scientists")
            self.user = self.asking(f"Bearer {self.realm.token_of(NAME)}")

    @staticmethod
    def _basic(name: str, password: str) -> str:
        return "Basic " + b64encode(f"{name}:{password}".encode()).decode()

    def asking(self, credentials: str) -> first_uses.Ask:
        """Return what sends requests through the edge with these credentials."""
        session = new_client(self.ca)
        session.headers["Authorization"] = credentials

        def ask(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
            sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
            answer: requests.Response = session.request(
                method, f"https://{DOMAIN}{path}", headers=dict(headers or {}), timeout=60, **sent
            )
            try:
                return answer.status_code, answer.json()
            except ValueError:
                return answer.status_code, answer.text

        return ask

    def end_user(self) -> None:
        """Let the user be gone."""
        if self.realm is None:
            first_uses.use(self.admin, "DELETE", f"{V2}/users/delete", {"username": NAME})
        else:
            self.realm.admin("DELETE", f"/users/{self.realm.user_id(NAME)}")


def remember(people: People, experiment: str, run: str) -> None:
    """Let the workers of both pools remember what the user may do."""
    for _worker in range(6):
        people.user("GET", f"{V2}/experiments/get?experiment_id={experiment}")
        people.user("GET", f"{FILES}/{experiment}/{run}/artifacts/notes.txt")
        people.user("POST", f"{V2}/runs/search", {"experiment_ids": [experiment]})


def settled(condition: Callable[[], bool]) -> float:
    """Return after how many seconds something holds for so many questions in a row that each worker is met."""
    return round(seconds_until(lambda: all(condition() for _time in range(16)), LIMIT_SECONDS), 1)


def upstreams(the_lab: Lab) -> list[str]:
    """Return who has answered the user, as the edge wrote it down."""
    edge = containers(the_lab, "nginx.service")[0]
    script = f'grep -h \'"user":"{NAME}"\' /var/log/nginx/mlflow-access.log | grep -o \'"upstream":"[^",]*\' | sort -u'
    return [line.split('"')[3] for line in inside(edge, "sh", "-c", script).splitlines()]


def prove(the_lab: Lab, rounds: int) -> tuple[bool, dict[str, Any]]:
    """Go every way so often, then take away."""
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    people = People(the_lab)
    experiment = first_uses.an_experiment(people.user)
    run = first_uses.a_run(people.user, experiment)
    refused: list[str] = []
    for number in range(1, rounds + 1):
        remember(people, experiment, run)
        try:
            first_uses.every_way(people.user)
        except NotUsable as problem:
            refused.append(str(problem))
        if number % 20 == 0:
            print(f"{number} of {rounds} rounds, {len(refused)} with a refusal", flush=True)
    begin = time.monotonic()
    right = {"username": NAME, "resource_type": "experiment", "resource_id": experiment}
    asked = ("GET", f"{V2}/experiments/get?experiment_id={experiment}")
    first_uses.use(people.admin, "POST", f"{V3}/users/permissions/revoke", right)
    revoked = settled(lambda: people.user(*asked)[0] == 403)
    first_uses.use(people.admin, "POST", f"{V3}/users/permissions/grant", {**right, "permission": "READ"})
    # At once: every answer after the grant, at whichever worker.
    again = [people.user(*asked)[0] for _time in range(32)]
    people.end_user()
    gone = settled(lambda: people.user(*asked)[0] in (401, 404))
    hosts = upstreams(the_lab)
    several = len({host.rpartition(":")[0] for host in hosts}) > 1
    return several and not refused and set(again) == {200}, {
        "rounds": rounds,
        "refused": len(refused),
        "first_refusals": refused[:3],
        "answered_by": hosts,
        "right_revoked_after_seconds": revoked,
        "refused_after_the_grant": sum(status != 200 for status in again),
        "user_gone_after_seconds": gone,
        "seconds_of_taking_away": round(time.monotonic() - begin),
    }


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", required=True, help="a running lab with several hosts in mlflow")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    passed, figures = prove(the_lab, options.rounds)
    name = f"first_use {'passwords' if the_lab.scenario == 'single' else 'tokens'}"
    return finish(name, begin, passed, **figures)


if __name__ == "__main__":
    sys.exit(main())
