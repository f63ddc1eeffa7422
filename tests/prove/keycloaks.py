# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts in the group `keycloak` are a cluster: each of them may be gone, and nobody has to log in again.

Makes a lab of its own: the inventory `prod` with a second host in that group, and nothing else said about it. Somebody
logs in; one host after the other is stopped, and each time a new session of MLflow begins without a password, from
the session that the other host of Keycloak knows, too; somebody else logs in with one.
"""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from functools import partial
from typing import Any

import requests
from shared import DOMAIN, Lab, address, containers, finish, inside, own_lab, playbook, resolve
from sign_on import AJAX, BASE, SESSION_COOKIE, Platform, seconds_until

LIMIT_SECONDS = 30
READY_SECONDS = 120


def who(browser: requests.Session) -> str:
    """Return whom MLflow takes the browser's user for."""
    answer = browser.get(f"{AJAX}/users/current", timeout=60)
    return str(answer.json()["user"]["username"]) if answer.ok else ""


def comes_back(browser: requests.Session, name: str) -> bool:
    """Return whether a new session of MLflow begins without a password."""
    browser.cookies.pop(SESSION_COOKIE, None)
    browser.get(f"{BASE}/oidc/login?go=1", timeout=60)
    return who(browser) == name


def logs_in(platform: Platform, name: str) -> bool:
    """Return whether somebody can log in with a password."""
    browser = platform.browser()
    page = browser.get(f"{BASE}/oidc/login?go=1", timeout=60)
    return page.ok and platform.fill_in(browser, page, name).ok and who(browser) == name


def answers(platform: Platform, host: str) -> bool:
    """Return whether a host of Keycloak answers for the realm."""
    with suppress(requests.ConnectionError):
        return platform.ask("GET", f"https://{host}:8443/sso/realms/mlops").ok
    return False


def prove(the_lab: Lab) -> tuple[bool, dict[str, Any]]:
    """Converge twice, log in, and take one host after the other away."""
    playbook(the_lab, "playbooks/secrets.yml")
    playbook(the_lab, "site.yml")
    second_run = playbook(the_lab, "site.yml")
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    platform = Platform(the_lab)
    for name in ("ada", "bob"):
        platform.person(name, "pricing")
    browser = platform.browser()
    platform.log_in(browser, "ada")
    figures: dict[str, Any] = {"second_run": second_run, "hosts": containers(the_lab, "keycloak.service")}
    passed = second_run == "changed=0" and len(figures["hosts"]) == 2 and who(browser) == "ada"
    for container in figures["hosts"]:
        inside(container, "systemctl", "stop", "keycloak.service")
        host = container.removeprefix(f"{the_lab.name}-")
        waited = seconds_until(lambda: comes_back(browser, "ada"), LIMIT_SECONDS)
        figures[f"session_lives_without_{host}_after_seconds"] = round(waited, 1)
        passed = passed and logs_in(platform, "bob")
        inside(container, "systemctl", "start", "keycloak.service")
        figures[f"{host}_back_after_seconds"] = round(seconds_until(partial(answers, platform, host), READY_SECONDS), 1)
        # Until both know each other again.
        time.sleep(10)
    return passed, figures


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep the hosts")
    options = parser.parse_args()
    begin = time.monotonic()
    with own_lab("prove-keycloaks", keep=options.keep) as the_lab:
        passed, figures = prove(the_lab)
    return finish("keycloaks", begin, passed, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
