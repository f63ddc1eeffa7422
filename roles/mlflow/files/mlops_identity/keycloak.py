# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP client to Keycloak's hosts, behind the edge: keys, tokens, introspection, log-out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from mlops_identity.config import Config
from mlops_identity.memory import Once

LOG = logging.getLogger(__name__)
CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
# How long a host that did not answer is left alone.
REST_SECONDS = 5.0
LOG_SECONDS = 60.0
SCOPE = "openid profile"
# A session of its own: a training job must outlive the log-out of the person who started it.
TOKEN_SCOPE = "openid profile offline_access"

Result = TypeVar("Result")


class KeycloakAway(Exception):
    """No host of Keycloak gave an answer that can be used."""


class ClientRefused(KeycloakAway):
    """Keycloak answered, and refused us or what we may ask for: its clients are not set up as they should be."""


class GrantRefused(Exception):
    """Keycloak refused a code or a refresh token: it is used up, or its session or user is gone."""


class Keycloak:
    """Asks the hosts in turn, beginning with the one that answered last."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._resting_until: dict[str, float] = {}
        self._last = config.keycloak_urls[0] if config.keycloak_urls else ""
        self._say = Once(LOG_SECONDS, clock)
        self._say_refused = Once(LOG_SECONDS, clock)
        self._local = threading.local()

    @property
    def callback_url(self) -> str:
        """Where Keycloak sends the browser back to."""
        return f"{self._config.public_url}/oidc/callback"

    def authorization_url(self, client_id: str, state: str, nonce: str, verifier: str) -> str:
        """Return the page of Keycloak, under its public name, to which the browser is sent."""
        client = OAuth2Session(
            client_id,
            scope=self._scope(client_id),
            redirect_uri=self.callback_url,
            code_challenge_method="S256",
        )
        endpoint = f"{self._config.issuer}/protocol/openid-connect/auth"
        url, _state = client.create_authorization_url(endpoint, state=state, nonce=nonce, code_verifier=verifier)
        return str(url)

    def _scope(self, client_id: str) -> str:
        return TOKEN_SCOPE if client_id == self._config.token_client_id else SCOPE

    def keys(self) -> Mapping[str, Any]:
        """Return the realm's key set."""

        def ask(client: OAuth2Session, base: str) -> Mapping[str, Any]:
            response = client.request("GET", f"{base}/certs", withhold_token=True)
            response.raise_for_status()
            return _document(response)

        return self._ask(self._config.client_id, ask)

    def exchange_code(self, client_id: str, code: str, verifier: str) -> Mapping[str, Any]:
        """Return the tokens for a code. A host that took it and gave no answer makes the next one refuse it."""

        def ask(client: OAuth2Session, base: str) -> Mapping[str, Any]:
            token: Mapping[str, Any] = client.fetch_token(
                f"{base}/token",
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=self.callback_url,
            )
            return dict(token)

        return self._ask(client_id, ask)

    def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        """Return new tokens of a browser session."""

        def ask(client: OAuth2Session, base: str) -> Mapping[str, Any]:
            token: Mapping[str, Any] = client.refresh_token(f"{base}/token", refresh_token=refresh_token)
            return dict(token)

        return self._ask(self._config.client_id, ask)

    def introspect(self, token: str) -> Mapping[str, Any]:
        """Return what Keycloak says about a token now."""

        def ask(client: OAuth2Session, base: str) -> Mapping[str, Any]:
            response = client.introspect_token(f"{base}/token/introspect", token=token)
            response.raise_for_status()
            document = _document(response)
            if not isinstance(document.get("active"), bool):
                raise ValueError("no word on whether the token is active")
            return document

        return self._ask(self._config.client_id, ask)

    def end_session(self, refresh_token: str) -> None:
        """End the session at Keycloak; one that has ended already is no error."""

        def ask(client: OAuth2Session, base: str) -> None:
            data = {"refresh_token": refresh_token}
            auth = client.client_auth(client.token_endpoint_auth_method)
            response = client.request("POST", f"{base}/logout", data=data, auth=auth)
            if response.status_code != 400:
                response.raise_for_status()

        self._ask(self._config.client_id, ask)

    def _session(self, client_id: str) -> OAuth2Session:
        """Return this thread's session of a client; requests promises nothing to threads that share one."""
        sessions: dict[str, OAuth2Session] = self._local.__dict__.setdefault("sessions", {})
        if client_id not in sessions:
            sessions[client_id] = self._new_session(client_id)
        return sessions[client_id]

    def _new_session(self, client_id: str) -> OAuth2Session:
        secret = self._config.client_secret if client_id == self._config.client_id else None
        session = OAuth2Session(client_id, secret, default_timeout=(CONNECT_SECONDS, READ_SECONDS))
        session.verify = self._config.ca_file
        # Proxies, .netrc and other authorities of the environment have no say here.
        session.trust_env = False
        session.max_redirects = 0
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return session

    def _hosts(self) -> list[str]:
        """Return the hosts that are not resting, the one that answered last first."""
        now = self._clock()
        ready = [url for url in self._config.keycloak_urls if self._resting_until.get(url, 0.0) <= now]
        return sorted(ready, key=lambda url: url != self._last)

    def _ask(self, client_id: str, ask: Callable[[OAuth2Session, str], Result], *, repeatable: bool = True) -> Result:
        hosts = self._hosts()
        for url in hosts if repeatable else hosts[:1]:
            try:
                result = ask(self._session(client_id), f"{url}/realms/{self._config.realm}/protocol/openid-connect")
            except OAuthError as error:
                raise self._refusal(url, error) from error
            except (requests.RequestException, ValueError) as error:
                self._failed(url, error)
            else:
                self._last = url
                self._resting_until.pop(url, None)
                return result
        raise KeycloakAway

    def _refusal(self, url: str, error: OAuthError) -> Exception:
        if error.error == "invalid_grant":
            return GrantRefused(error.error)
        if self._say_refused():
            LOG.error("Keycloak at %s refuses the request of this server: %s", url, error.error)
        return ClientRefused(error.error)

    def _failed(self, url: str, error: Exception) -> None:
        self._resting_until[url] = self._clock() + REST_SECONDS
        if self._say():
            # Not its text: a library may quote the request in it.
            LOG.warning("Keycloak at %s: %s; the next host is asked, valid tokens go on working", url, _reason(error))


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"HTTP {response.status_code}"


def _document(response: requests.Response) -> Mapping[str, Any]:
    document = response.json()
    if not isinstance(document, dict):
        raise ValueError("the answer is no JSON object")
    return document
