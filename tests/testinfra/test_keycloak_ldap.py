# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People and groups of a real directory, who log in by the page of the log-in, from outside the host."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from shared import new_client

SCENARIOS = {"keycloak"}
REALM = "https://mlflow.example.com/sso/realms/mlops/protocol/openid-connect"
CALLBACK = "https://mlflow.example.com/oidc/callback"
PEOPLE = "ou=people,dc=example,dc=com"
GROUPS = "ou=groups,dc=example,dc=com"
# As in the scenario's inventory, and time for an answer.
SYNC_SECONDS = 10
MARGIN_SECONDS = 5
PASSWORD = token_urlsafe(24)
GRACE = f"""\
dn: uid=grace,{PEOPLE}
changetype: add
objectClass: inetOrgPerson
cn: Grace Hopper
givenName: Grace
sn: Hopper
mail: grace@example.com
userPassword: {PASSWORD}

"""


def membership(verb: str, group: str) -> str:
    return f"dn: cn={group},{GROUPS}\nchangetype: modify\n{verb}: member\nmember: uid=grace,{PEOPLE}\n\n"


def new_group(group: str) -> str:
    return f"dn: cn={group},{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\nmember: uid=ada,{PEOPLE}\n\n"


@pytest.fixture(name="change")
def directory(feed: Callable[..., str]) -> Iterator[Callable[[str], str]]:
    """Return a function that changes the directory, which forgets all changes afterwards."""

    def change(ldif: str) -> str:
        return feed(ldif, "ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///")

    yield change
    for name in (f"uid=grace,{PEOPLE}", f"cn=team-sound,{GROUPS}"):
        feed("", "sh", "-c", f"ldapdelete -Q -Y EXTERNAL -H ldapi:/// {name} || [ $? = 32 ]")
    for name in ("team-speech", "governance"):
        change(f"dn: cn={name},{GROUPS}\nchangetype: modify\nreplace: member\nmember: uid=ada,{PEOPLE}\n\n")


class Browser:
    """Somebody's browser, and the server that it logs in to."""

    def __init__(self, authority: Path, secret: str) -> None:
        self.session = new_client(authority)
        self.client = {"client_id": "mlflow", "client_secret": secret}

    def log_in(self, password: str = PASSWORD) -> dict[str, Any]:
        """Fill in the page; return the tokens, or nothing when the page comes again."""
        verifier = token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": "mlflow",
            "response_type": "code",
            "scope": "openid",
            "redirect_uri": CALLBACK,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        page = self.session.get(f"{REALM}/auth", params=query, timeout=20)
        form = re.search(r'<form id="kc-form-login"[^>]* action="([^"]+)"', page.text)
        assert form, page.text
        data = {"username": "grace", "password": password}
        answer = self.session.post(html.unescape(form[1]), data, allow_redirects=False, timeout=20)
        if answer.status_code == 200 and "Invalid username or password" in answer.text:
            return {}
        assert answer.status_code == 302, answer.text
        code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        form_data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.token(**form_data, code_verifier=verifier)

    def token(self, **form: str) -> dict[str, Any]:
        """Ask for tokens; nothing when they are refused."""
        answer = self.session.post(f"{REALM}/token", {**self.client, **form}, timeout=20)
        assert answer.status_code in (200, 400), answer.text
        tokens: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return tokens

    def refresh(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Ask for new tokens as a server does while somebody works."""
        return self.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def groups(tokens: dict[str, Any]) -> set[str]:
    payload = tokens["access_token"].split(".")[1]
    found: list[str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))).get("groups", [])
    return set(found)


def seconds_until(condition: Callable[[], bool]) -> float:
    """Ask again until it holds, no longer than the directory may take."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < SYNC_SECONDS + MARGIN_SECONDS, "the change is not in force"
        time.sleep(1)
    return time.monotonic() - begin


@pytest.fixture(name="browser")
def browser_of_grace(secrets: dict[str, str], tmp_path: Path) -> Callable[[], Browser]:
    authority = tmp_path / "ca.crt"
    authority.write_text(secrets["platform_ca_certificate"])
    return lambda: Browser(authority, secrets["platform_keycloak_client_secret"])


def test_changes_of_the_directory_are_in_force_in_time(
    browser: Callable[[], Browser], change: Callable[[str], str]
) -> None:
    change(GRACE + membership("add", "team-speech"))
    at_work = browser()
    tokens = at_work.log_in()
    assert groups(tokens) == {"team-speech"}

    # Into a group that nobody has seen yet and into one that the realm has, too; out of another one.
    change(new_group("team-sound") + membership("add", "team-sound") + membership("add", "governance"))
    change(membership("delete", "team-speech"))
    expected = {"team-sound", "governance"}
    later = seconds_until(lambda: groups(at_work.refresh(tokens)) == expected)
    assert groups(browser().log_in()) == expected

    change(f"dn: uid=grace,{PEOPLE}\nchangetype: delete\n\n")
    gone = seconds_until(lambda: not at_work.refresh(tokens))
    assert not browser().log_in()
    print(f"groups after {later:.1f} s, gone after {gone:.1f} s")


def test_only_people_of_the_directory_with_their_password(
    browser: Callable[[], Browser], change: Callable[[str], str]
) -> None:
    assert not browser().log_in()
    change(GRACE)
    assert not browser().log_in("wrong")
    assert groups(browser().log_in()) == set()
