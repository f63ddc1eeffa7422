# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People, programs and administrators of a lab with single sign-on, as requests over validated TLS."""

from __future__ import annotations

import html
import re
import secrets as random_secrets
import time
from collections.abc import Callable
from typing import Any

import requests
from shared import DOMAIN, Lab, authority, containers, new_client, read_secrets

BASE = f"https://{DOMAIN}"
API = f"{BASE}/api/2.0/mlflow"
AJAX = f"{BASE}/ajax-api/2.0/mlflow"
TIMEOUT = 60
SESSION_COOKIE = "__Host-mlops-session"


class Platform:
    """A running lab, its realm, and the people whom a test makes in it."""

    def __init__(self, the_lab: Lab, realm: str = "mlops") -> None:
        self.secrets = read_secrets(the_lab)
        self.ca = authority(the_lab, self.secrets)
        container = containers(the_lab, "keycloak.service")[0]
        self.keycloak = (
            f"https://{next(host for host in the_lab.hosts if the_lab.container(host) == container)}:8443/sso"
        )
        self.realm = realm
        self.passwords: dict[str, str] = {}

    def browser(self) -> requests.Session:
        """Return a browser without a session."""
        browser = new_client(self.ca)
        browser.headers["Accept"] = "text/html"
        return browser

    def ask(self, method: str, url: str, **options: Any) -> requests.Response:
        """Return the answer to a program, which keeps nothing and follows nothing."""
        with new_client(self.ca) as session:
            return session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)

    # ------------------------------------------------------------ administration

    def admin(self, method: str, path: str, **options: Any) -> requests.Response:
        """Ask Keycloak's administration, at the host itself."""
        token = self.client_token("mlops-tracking", self.secrets["platform_keycloak_admin_password"], "master")
        answer = self.ask(method, f"{self.keycloak}/admin/realms/{self.realm}{path}", **bearer(token), **options)
        answer.raise_for_status()
        return answer

    def person(self, name: str, *groups: str) -> None:
        """Make a user who is in these groups and no others, enabled, with a new password."""
        self.passwords[name] = random_secrets.token_urlsafe(24)
        credentials = [{"type": "password", "value": self.passwords[name], "temporary": False}]
        body = {
            "username": name,
            "enabled": True,
            "email": f"{name}@example.com",
            "emailVerified": True,
            "firstName": name,
            "lastName": "Example",
            "credentials": credentials,
        }
        for found in self.admin("GET", f"/users?exact=true&username={name}").json():
            self.admin("DELETE", f"/users/{found['id']}")
        self.admin("POST", "/users", json=body)
        for group in groups:
            self.admin("PUT", f"/users/{self.user_id(name)}/groups/{self.group_id(group)}")

    def user_id(self, name: str) -> str:
        """Return the id of a user."""
        return str(self.admin("GET", f"/users?exact=true&username={name}").json()[0]["id"])

    def group_id(self, name: str) -> str:
        """Return the id of a group."""
        found = self.admin("GET", f"/groups?exact=true&search={name}").json()
        return next(str(group["id"]) for group in found if group["name"] == name)

    # ------------------------------------------------------------ tokens and log-in

    def client_token(self, client: str, secret: str, realm: str = "") -> str:
        """Return a token of a service account."""
        url = f"{self.keycloak}/realms/{realm or self.realm}/protocol/openid-connect/token"
        data = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        answer = self.ask("POST", url, data=data)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def log_in(self, browser: requests.Session, name: str, path: str = "/") -> requests.Response:
        """Log in as a person does, and return the last page."""
        page = browser.get(f"{BASE}{path}", timeout=TIMEOUT)
        page = browser.get(f"{BASE}{attribute(page.text, 'href', '/oidc/login')}", timeout=TIMEOUT)
        return self.fill_in(browser, page, name)

    def fill_in(self, browser: requests.Session, page: requests.Response, name: str) -> requests.Response:
        """Send Keycloak's form."""
        action = attribute(page.text, "action", "https://")
        return browser.post(action, data={"username": name, "password": self.passwords[name]}, timeout=TIMEOUT)

    def page_token(self, browser: requests.Session) -> str:
        """Return the token that the page makes for somebody who is logged in."""
        page = browser.get(f"{BASE}/oidc/token", timeout=TIMEOUT)
        page = self.submit(browser, page)
        found = re.search(r"MLFLOW_TRACKING_TOKEN=(\S+?)<", page.text)
        assert found, page.text[-1500:]
        return found[1]

    def submit(self, browser: requests.Session, page: requests.Response, origin: str = BASE) -> requests.Response:
        """Send the form of one of our pages, as a page of this origin would."""
        found = re.search(r'name="form_token" value="([^"]+)"', page.text)
        assert found, page.text[-1500:]
        return browser.post(page.url, data={"form_token": found[1]}, headers={"Origin": origin}, timeout=TIMEOUT)

    def token_of(self, name: str) -> str:
        """Log in, make a token on the page, and return it."""
        browser = self.browser()
        page = self.log_in(browser, name)
        assert page.ok, page.text[-1500:]
        return self.page_token(browser)


def bearer(token: str) -> dict[str, dict[str, str]]:
    """Return the options of a request with a token."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def attribute(text: str, name: str, begin: str) -> str:
    """Return an attribute of a page that begins with a text."""
    found = re.search(rf'{name}="({re.escape(begin)}[^"]*)"', text)
    assert found, text[-3000:]
    return html.unescape(found[1])


def seconds_until(condition: Callable[[], bool], limit: float) -> float:
    """Wait until something holds and return how long it took; more than the limit is a failure."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < limit, f"does not hold within {limit} s"
        time.sleep(0.5)
    return time.monotonic() - begin
