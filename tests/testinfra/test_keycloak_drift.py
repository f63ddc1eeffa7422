# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody changes in the realm by hand is shown as a difference, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shared import Lab, new_client, playbook

SCENARIOS = {"keycloak"}
SERVER = "https://sso1:8443/sso"


class Administrator:
    """Reads and changes the realm as the administration console does."""

    def __init__(self, authority: Path, secret: str) -> None:
        self.session = new_client(authority)
        self.form = {"grant_type": "client_credentials", "client_id": "mlops-tracking", "client_secret": secret}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request below the realm, with a token of its own: an administrator's lasts a minute."""
        token = self.session.post(f"{SERVER}/realms/master/protocol/openid-connect/token", self.form, timeout=60)
        assert token.ok, token.text
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        url = f"{SERVER}/admin/realms/mlops{path}"
        answer = self.session.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def client(self) -> dict[str, Any]:
        """Return the client of the MLflow server."""
        found: list[dict[str, Any]] = self.ask("GET", "/clients?clientId=mlflow")
        return found[0]

    def state(self) -> tuple[Any, ...]:
        """Return what the test changes."""
        realm, client = self.ask("GET", ""), self.client()
        user = self.ask("GET", f"/clients/{self.account()}/service-account-user")
        groups = self.ask("GET", f"/users/{user['id']}/groups")
        return (
            realm["accessTokenLifespan"],
            realm["bruteForceProtected"],
            sorted(client["redirectUris"]),
            sorted(group["name"] for group in groups),
        )

    def account(self) -> str:
        """Return the id of the service account's client."""
        return str(self.ask("GET", "/clients?clientId=ci-training")[0]["id"])

    def change_by_hand(self) -> None:
        """Open what the role closes: a long life, no limit of guesses, another site, another group."""
        self.ask("PUT", "", {"realm": "mlops", "accessTokenLifespan": 7200, "bruteForceProtected": False})
        client = self.client()
        self.ask("PUT", f"/clients/{client['id']}", {**client, "redirectUris": ["https://elsewhere.example/*"]})
        user = self.ask("GET", f"/clients/{self.account()}/service-account-user")
        group = next(group for group in self.ask("GET", "/groups") if group["name"] == "governance")
        self.ask("PUT", f"/users/{user['id']}/groups/{group['id']}")


@pytest.fixture(name="administrator")
def administrator_of_realm(secrets: dict[str, str], tmp_path: Path) -> Administrator:
    authority = tmp_path / "ca.crt"
    authority.write_text(secrets["platform_ca_certificate"])
    return Administrator(authority, secrets["platform_keycloak_admin_password"])


def test_changes_by_hand_are_shown_and_put_back(administrator: Administrator, the_lab: Lab, tmp_path: Path) -> None:
    right = administrator.state()
    administrator.change_by_hand()
    wrong = administrator.state()
    assert all(before != after for before, after in zip(right, wrong, strict=True))

    log = tmp_path / "realm.log"
    # The realm, the client, the account's groups, and nothing else.
    assert playbook(the_lab, "molecule/keycloak/realm.yml", "--check", "--diff", log=log, quiet=True) == "changed=3"
    shown = log.read_text()
    for text in ("7200", "https://elsewhere.example/*", "governance"):
        assert [line for line in shown.splitlines() if line.startswith("-") and text in line], text
    assert administrator.state() == wrong

    assert playbook(the_lab, "molecule/keycloak/realm.yml", log=log, quiet=True) == "changed=3"
    assert administrator.state() == right
