# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How our client takes the failures of Keycloak's hosts: real sockets, answers made up."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from identity_material import Clock, config
from mlops_identity.keycloak import REST_SECONDS, ClientRefused, GrantRefused, Keycloak, KeycloakAway

Answer = tuple[int, Any]


class Host:
    """A host that gives the answers it was told to, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = (200, {})
        self.asked: list[tuple[str, dict[str, str], str | None]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_arguments: Any) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                form = {key: values[0] for key, values in parse_qs(self.rfile.read(length).decode()).items()}
                host.asked.append((urlsplit(self.path).path, form, self.headers.get("Authorization")))
                status, body = host.answer
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Set-Cookie", "AUTH_SESSION_ID=1; Path=/")
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/sso"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """Two hosts."""
    started = [Host(), Host()]
    yield started
    for host in started:
        host.stop()


def client(hosts: list[Host], clock: Clock, *first: str) -> Keycloak:
    """Return a client of these hosts."""
    return Keycloak(replace(config(), keycloak_urls=(*first, *(host.url for host in hosts))), clock)


CALLS: dict[str, tuple[Callable[[Keycloak], Any], str]] = {
    "keys": (Keycloak.keys, "certs"),
    "code": (lambda keycloak: keycloak.exchange_code("mlflow", "code-1", "verifier-1"), "token"),
    "refresh": (lambda keycloak: keycloak.refresh("refresh-1"), "token"),
    "introspect": (lambda keycloak: keycloak.introspect("token-1"), "token/introspect"),
    "log-out": (lambda keycloak: keycloak.end_session("refresh-1"), "logout"),
}
GOOD = {"keys": [], "access_token": "a", "token_type": "Bearer", "active": True}


@pytest.mark.parametrize("name", CALLS)
def test_a_good_host_is_asked_once(hosts: list[Host], clock: Clock, name: str) -> None:
    call, path = CALLS[name]
    for host in hosts:
        host.answer = (200, GOOD)
    call(client(hosts, clock))
    assert [asked[0] for asked in hosts[0].asked] == [f"/sso/realms/mlops/protocol/openid-connect/{path}"]
    assert hosts[1].asked == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("bad", [(500, {}), (503, b"<html>"), (302, b""), (404, b"no"), (401, b"")])
def test_the_next_host_is_asked(hosts: list[Host], clock: Clock, name: str, bad: Answer) -> None:
    call, _path = CALLS[name]
    hosts[0].answer, hosts[1].answer = bad, (200, GOOD)
    at_work = client(hosts, clock)
    call(at_work)
    call(at_work)
    assert (len(hosts[0].asked), len(hosts[1].asked)) == (1, 2)


@pytest.mark.parametrize("name", CALLS)
def test_a_dead_host_is_passed_by(hosts: list[Host], clock: Clock, name: str) -> None:
    call, _path = CALLS[name]
    hosts[0].answer = (200, GOOD)
    call(client(hosts, clock, "http://127.0.0.1:1/sso"))
    assert len(hosts[0].asked) == 1


@pytest.mark.parametrize(
    ("name", "body"), [("keys", []), ("keys", b"{"), ("introspect", {}), ("introspect", {"active": "true"})]
)
def test_nonsense_is_no_answer(hosts: list[Host], clock: Clock, name: str, body: Any) -> None:
    for host in hosts:
        host.answer = (200, body)
    with pytest.raises(KeycloakAway):
        CALLS[name][0](client(hosts, clock))
    assert [len(host.asked) for host in hosts] == [1, 1]


@pytest.mark.parametrize("name", ["code", "refresh"])
def test_a_refused_grant_is_an_answer(hosts: list[Host], clock: Clock, name: str) -> None:
    for host in hosts:
        host.answer = (400, {"error": "invalid_grant", "error_description": "Code not valid"})
    with pytest.raises(GrantRefused):
        CALLS[name][0](client(hosts, clock))
    assert [len(host.asked) for host in hosts] == [1, 0]


def test_a_wrong_client_secret_is_said_and_makes_no_host_rest(
    hosts: list[Host], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for host in hosts:
        host.answer = (401, {"error": "unauthorized_client", "error_description": "Invalid client credentials"})
    at_work = client(hosts, clock)
    for _time in range(2):
        with pytest.raises(ClientRefused, match="unauthorized_client"):
            CALLS["refresh"][0](at_work)
    assert [len(host.asked) for host in hosts] == [2, 0]
    assert caplog.text.count("unauthorized_client") == 1
    assert "unauthorized_client" in caplog.text
    assert "refresh-1" not in caplog.text


def test_a_session_that_has_ended_already_is_no_error(hosts: list[Host], clock: Clock) -> None:
    hosts[0].answer = (400, {"error": "invalid_grant"})
    CALLS["log-out"][0](client(hosts, clock))
    assert hosts[1].asked == []


def test_hosts_rest_and_the_log_says_so_once_a_minute(
    hosts: list[Host], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    at_work = client(hosts, clock)
    for host in hosts:
        host.answer = (500, {})
    with caplog.at_level(logging.WARNING):
        for _second in range(60):
            with pytest.raises(KeycloakAway):
                at_work.keys()
            clock.now += 1
        assert len(caplog.records) == 1
        assert "HTTP 500" in caplog.text
        with pytest.raises(KeycloakAway):
            at_work.keys()
        assert len(caplog.records) == 2
    assert len(hosts[0].asked) == len(hosts[1].asked) == 60 / REST_SECONDS + 1
    clock.now += REST_SECONDS
    hosts[1].answer = (200, GOOD)
    assert at_work.keys() == GOOD


def test_clients_and_their_secrets(hosts: list[Host], clock: Clock) -> None:
    hosts[0].answer = (200, GOOD)
    at_work = client(hosts, clock)
    at_work.exchange_code("mlflow", "code-1", "verifier-1")
    at_work.exchange_code("mlflow-token", "code-2", "verifier-2")
    at_work.introspect("token-1")
    at_work.end_session("refresh-1")
    server, page, asked, ended = hosts[0].asked
    assert server[1] == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "code_verifier": "verifier-1",
        "redirect_uri": "https://mlflow.example.com/oidc/callback",
    }
    assert page[1]["client_id"] == "mlflow-token"
    assert page[2] is None
    assert all((entry[2] or "").startswith("Basic ") for entry in (server, asked, ended))
    assert asked[1]["token"] == "token-1"
    assert ended[1]["refresh_token"] == "refresh-1"


@pytest.mark.parametrize(
    ("client_id", "scope"), [("mlflow", "openid profile"), ("mlflow-token", "openid profile offline_access")]
)
def test_the_address_of_the_log_in(clock: Clock, client_id: str, scope: str) -> None:
    url = urlsplit(Keycloak(config(), clock).authorization_url(client_id, "state-1", "nonce-1", "verifier-1"))
    asked = {key: values[0] for key, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{config().issuer}/protocol/openid-connect/auth"
    assert asked.pop("code_challenge") not in ("", "verifier-1")
    assert asked == {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": "https://mlflow.example.com/oidc/callback",
        "scope": scope,
        "state": "state-1",
        "nonce": "nonce-1",
        "code_challenge_method": "S256",
    }


def test_no_hosts_no_answer(clock: Clock) -> None:
    with pytest.raises(KeycloakAway):
        Keycloak(replace(config(), keycloak_urls=()), clock).keys()
