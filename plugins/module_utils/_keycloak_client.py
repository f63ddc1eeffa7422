# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP access to Keycloak's administration API. Private to this collection."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.urls import Request


class KeycloakApiError(Exception):
    """An answer that is not 2xx, or none at all (status 0); the text never holds a credential."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}" if self.status else self.message


def argument_spec() -> dict[str, dict[str, t.Any]]:
    """The options of the documentation fragment `keycloak`."""
    return {
        # Its name alone sounds like a secret.
        "keycloak_url": {"type": "str", "required": True, "no_log": False},
        "admin_client": {"type": "str", "required": True},
        "admin_secret": {"type": "str", "required": True, "no_log": True},
        "admin_realm": {"type": "str", "default": "master"},
        "realm": {"type": "str", "required": True},
        "ca_path": {"type": "path"},
        "timeout": {"type": "float", "default": 30.0},
    }


class KeycloakClient:
    """Bounded requests to one realm's administration API. The certificate is always verified."""

    def __init__(self, params: Mapping[str, t.Any]) -> None:
        if urlsplit(params["keycloak_url"]).scheme != "https":
            raise KeycloakApiError(0, "keycloak_url must be an https:// URL such as https://kc1.example.com:8443/sso")
        self._base = params["keycloak_url"].rstrip("/")
        self._realm = f"{self._base}/admin/realms/{quote(params['realm'], safe='')}"
        self._headers: dict[str, str] = {}
        self._open = Request(
            # A redirect would carry the credentials elsewhere; it is reported as an error instead.
            follow_redirects="none",
            validate_certs=True,
            ca_path=params["ca_path"],
            timeout=params["timeout"],
            http_agent="mlops.tracking",
        ).open
        self._log_in(params)

    def _log_in(self, params: Mapping[str, t.Any]) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": params["admin_client"],
            "client_secret": params["admin_secret"],
        }
        url = f"{self._base}/realms/{quote(params['admin_realm'], safe='')}/protocol/openid-connect/token"
        answer, _headers = self._send("POST", url, urlencode(form).encode(), "application/x-www-form-urlencoded")
        self._headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def get(self, path: str, **query: str) -> t.Any:
        """What is at a path below the realm."""
        url = self._realm + path + ("?" + urlencode(query) if query else "")
        return self._send("GET", url)[0]

    def post(self, path: str, body: t.Any) -> str:
        """Make something, and return its id."""
        headers = self._send("POST", self._realm + path, json.dumps(body).encode(), "application/json")[1]
        return headers.get("location", "").rsplit("/", 1)[-1]

    def put(self, path: str, body: t.Any = None) -> None:
        """Change or connect something."""
        self._send("PUT", self._realm + path, json.dumps(body).encode() if body else b"", "application/json")

    def delete(self, path: str) -> None:
        """Remove or disconnect something."""
        self._send("DELETE", self._realm + path)

    def _send(
        self, method: str, url: str, data: bytes | None = None, kind: str | None = None
    ) -> tuple[t.Any, dict[str, str]]:
        headers = {**self._headers, "Accept": "application/json"}
        if kind:
            headers["Content-Type"] = kind
        try:
            with self._open(method, url, data=data, headers=headers, use_netrc=False) as answer:
                body = answer.read()
                lowered = {name.lower(): value for name, value in dict(answer.headers).items()}
                return (json.loads(body) if body else None), lowered
        except urllib.error.HTTPError as exc:
            with exc:
                raise KeycloakApiError(exc.code, reason(exc.read())) from exc
        except (OSError, http.client.HTTPException) as exc:
            why = getattr(exc, "reason", None) or exc
            raise KeycloakApiError(0, f"{self._base} did not answer: {why}") from exc


def reason(body: bytes) -> str:
    """What Keycloak says is wrong: it has three shapes for that."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body[:200].decode("utf-8", "replace").strip() or "no message"
    if not isinstance(answer, dict):
        return str(answer)[:200]
    said = [answer[key] for key in ("errorMessage", "error", "error_description") if answer.get(key)]
    return ": ".join(map(str, said)) or "no message"
