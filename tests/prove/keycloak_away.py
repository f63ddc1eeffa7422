# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop Keycloak under jobs that log with valid tokens: they lose nothing, and all works again without a restart.

People's tokens and a service account's log metrics through the edge all the while. Keycloak is stopped for --seconds.
Meanwhile nobody new can log in, which is seen, too. Afterwards a log-in works, and every acknowledged metric is read.
"""

from __future__ import annotations

import argparse
import threading
import time
import uuid
from typing import Any

import requests
from shared import DOMAIN, Lab, address, containers, finish, inside, lab, resolve
from sign_on import API, BASE, Platform, bearer, seconds_until
from worker_kill import Client, call, history

UNITS = ("mlflow-rest.service", "mlflow-asgi.service")


def session_of(platform: Platform, token: str) -> requests.Session:
    """Return a client without retries, which notices every refusal."""
    session = platform.browser()
    session.headers.update({**bearer(token)["headers"], "Accept": "application/json"})
    return session


def starts(the_lab: Lab) -> dict[str, str]:
    """Return since when each unit of MLflow runs."""
    question = ("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "--value")
    return {
        f"{container} {unit}": inside(container, *question, unit).strip()
        for container in containers(the_lab, UNITS[0])
        for unit in UNITS
    }


def prove(the_lab: Lab, options: argparse.Namespace) -> tuple[bool, dict[str, Any]]:
    """Log, stop, look, start, read back."""
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    platform = Platform(the_lab)
    container = containers(the_lab, "keycloak.service")[0]
    platform.person("ada", "pricing")
    secret = (the_lab.passwords / "nightly").read_text().strip()
    tokens = [platform.token_of("ada"), platform.client_token("ci-nightly", secret)]
    sessions = [session_of(platform, tokens[number % len(tokens)]) for number in range(options.clients)]
    experiment = call(sessions[0], "POST", "experiments/create", json={"name": f"away-{uuid.uuid4().hex}"})
    owner = [session for number, session in enumerate(sessions) if number % len(tokens) == 0]
    daily = call(sessions[0], "GET", "experiments/get-by-name", params={"experiment_name": "pricing/daily"})
    places = [experiment if session in owner else daily["experiment"] for session in sessions]
    runs = [
        call(session, "POST", "runs/create", json={"experiment_id": place["experiment_id"]})["run"]["info"]["run_id"]
        for session, place in zip(sessions, places, strict=True)
    ]
    stop = threading.Event()
    clients = [Client(session, run, 1 / options.rate, stop) for session, run in zip(sessions, runs, strict=True)]
    before = starts(the_lab)
    for client in clients:
        client.start()
    time.sleep(10)
    inside(container, "systemctl", "stop", "keycloak.service")
    gone = time.monotonic()
    time.sleep(options.seconds)
    page = platform.browser().get(f"{BASE}/oidc/login", timeout=60)
    new = platform.ask("GET", f"{API}/experiments/search?max_results=1", **bearer("a.b.c")).status_code
    inside(container, "systemctl", "start", "keycloak.service")
    away = time.monotonic() - gone
    back = seconds_until(lambda: logs_in(platform), 120)
    time.sleep(10)
    stop.set()
    for client in clients:
        client.join(120)
    lost = 0
    for client in clients:
        stored = history(client.session, client.run_id)
        lost += sum(stored.get(step) != value for step, value in client.acknowledged.items())
    failures = [failure for client in clients for failure in client.failures]
    acknowledged = sum(len(client.acknowledged) for client in clients)
    figures = {
        "clients": len(clients),
        "away_seconds": round(away),
        "acknowledged": acknowledged,
        "lost": lost,
        "refused": len(failures),
        "first_failure": failures[:1],
        "slowest_answer_seconds": round(max(client.slowest for client in clients), 3),
        "log_in_page_meanwhile": page.status_code,
        "forged_token_meanwhile": new,
        "log_in_works_after_seconds": round(back, 1),
        "mlflow_restarted": starts(the_lab) != before,
    }
    return bool(acknowledged) and not lost and not failures and new == 401 and starts(the_lab) == before, figures


def logs_in(platform: Platform) -> bool:
    """Return whether somebody can log in."""
    try:
        return platform.log_in(platform.browser(), "ada").ok
    except (requests.RequestException, AssertionError):
        return False


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prod-lab", help="a running lab with single sign-on")
    parser.add_argument("--seconds", type=float, default=300, help="how long Keycloak is stopped")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--rate", type=float, default=3, help="metrics per second that each client logs")
    options = parser.parse_args()
    begin = time.monotonic()
    passed, figures = prove(lab(options.lab), options)
    return finish("keycloak_away", begin, passed, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
