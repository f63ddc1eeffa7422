# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow itself in mode oidc, both pools, while no host of Keycloak answers: sessions of before go on.

Tokens and log-in need a Keycloak: live.py tries them against a real one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from mlflow_servers import ADMIN, Answer, Server

from identity_material import DOCUMENT, access_claims, config, rsa_key, signed
from mlops_identity.keycloak import KeycloakAway
from mlops_identity.sessions import Sessions
from mlops_identity.tokens import Claims

API = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"
SITE = str(DOCUMENT["public_url"])
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
# Nobody listens there.
OIDC = {**DOCUMENT, "keycloak_urls": ["https://127.0.0.1:1/sso"], "group_roles": {"data-scientists": []}}


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": SITE}
    server = Server(tmp_path_factory.mktemp("mlflow"), "rest", config=OIDC, settings=settings).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def asgi(rest: Server) -> Iterator[Server]:
    server = Server(rest.folder, "asgi", config=OIDC, settings=rest.settings).start()
    yield server
    server.stop()


@pytest.fixture(params=["rest", "asgi"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def away(_text: str) -> Any:
    raise KeycloakAway


def session_of(name: str, *groups: str) -> dict[str, str]:
    """Return the headers of our pages in the browser of somebody who logged in before Keycloak went away."""
    sessions = Sessions(config(), away, away)
    tokens = {"refresh_token": "r", "refresh_expires_in": 600}
    session = sessions.start(Claims(name, f"subject of {name}", frozenset(groups), time.time() + 300, 0), tokens)
    cookies = "; ".join(f"{key}={value}" for key, value in sessions.cookies(session).items() if value)
    return {"Cookie": cookies, "Origin": SITE, "Sec-Fetch-Site": "same-origin"}


def done(server: Server, path: str, body: Any, headers: Mapping[str, str]) -> Any:
    """Send a request of our pages that must succeed."""
    answer = server.call("POST", path, body, headers=headers)
    assert answer.status == 200, answer
    return answer.json


def said(answer: Answer) -> tuple[str, str, str]:
    """Return what the audit says of who, how and whether."""
    return answer.said("user"), answer.said("auth"), answer.said("outcome")


def test_without_a_token_nobody_comes_in(server: Server) -> None:
    for method, path in [
        ("GET", f"{API}/experiments/search?max_results=1"),
        ("POST", f"{API}/registered-models/alias"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts?path="),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x"),
        ("GET", "/"),
        ("GET", "/signup"),
    ]:
        answer = server.call(method, path, None if method == "GET" else {})
        assert answer.status == 401, (method, path, answer)
        assert said(answer) == ("", "none", "refused"), (method, path, answer)
    assert server.call("GET", "/health").status == 200


def test_a_password_is_none(server: Server) -> None:
    answer = server.call("GET", f"{API}/experiments/search?max_results=1", user=ADMIN)
    assert answer.status == 401
    assert said(answer) == ("admin", "claimed", "refused")


@pytest.mark.parametrize(
    "token",
    [
        signed(access_claims()),
        signed(access_claims(), rsa_key("unknown")),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.",
        "a.b.c",
    ],
    ids=["not to be verified now", "unknown key", "no algorithm", "no token"],
)
def test_a_token_that_cannot_be_verified_opens_nothing(server: Server, token: str) -> None:
    answer = server.call("GET", f"{API}/experiments/get?experiment_id=0", headers={"Authorization": f"Bearer {token}"})
    assert answer.status in (401, 503), answer
    assert said(answer)[0] == ""


def test_a_person_is_sent_to_the_log_in(server: Server) -> None:
    answer = server.call("GET", "/?a=1", headers=PAGE)
    assert (answer.status, answer.headers["location"]) == (302, "/oidc/login?next=/%3Fa%3D1")
    assert said(answer) == ("", "none", "refused")
    page = server.call("GET", "/oidc/login?next=/", headers=PAGE)
    assert page.status == 200
    assert said(page) == ("", "none", "allowed")


def test_a_session_has_the_rights_of_its_groups(server: Server) -> None:
    root, maker = session_of("root", "mlflow-admins"), session_of("alice", "data-scientists")
    officer = session_of("gina", "governance")
    model = f"credit-{server.pool}"
    if server.pool == "rest":
        role = done(server, "/ajax-api/3.0/mlflow/roles/create", {"name": "judges", "workspace": "default"}, root)
        grant = {"role_id": role["role"]["id"], "resource_type": "registered_model", "resource_pattern": "*"}
        done(server, "/ajax-api/3.0/mlflow/roles/permissions/add", {**grant, "permission": "MANAGE"}, root)
        # Whoever has never been here is not known yet.
        assert server.call("GET", f"{AJAX}/experiments/get?experiment_id=0", headers=officer).said("user") == "gina"
        assign = {"username": "gina", "role_id": role["role"]["id"]}
        done(server, "/ajax-api/3.0/mlflow/roles/assign", assign, root)
        time.sleep(OIDC["rights_cache_seconds"])
    experiment = done(server, f"{AJAX}/experiments/create", {"name": model}, maker)["experiment_id"]
    run = done(server, f"{AJAX}/runs/create", {"experiment_id": experiment}, maker)["run"]["info"]["run_id"]
    file = f"/ajax-api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/model/MLmodel"
    put = server.call("PUT", file, b"trained", headers=maker)
    assert (put.status, said(put)) == (200, ("alice", "session", "allowed"))
    assert put.said("run") == run
    done(server, f"{AJAX}/registered-models/create", {"name": model}, maker)
    source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/model"
    done(server, f"{AJAX}/model-versions/create", {"name": model, "source": source, "run_id": run}, maker)
    assert server.call("PUT", file, b"swapped", headers=maker).status == 403
    alias = {"name": model, "alias": "champion", "version": "1"}
    for who, headers, status, outcome in (
        ("alice", maker, 403, "refused"),
        ("root", root, 403, "refused"),
        ("gina", officer, 200, "allowed"),
    ):
        answer = server.call("POST", f"{AJAX}/registered-models/alias", alias, headers=headers)
        assert (answer.status, said(answer)) == (status, (who, "session", outcome)), answer
    assert server.call("GET", file, headers=session_of("mallory", "data-scientists")).status == 403


def test_other_sites_and_strangers_write_nothing(server: Server) -> None:
    body = {"name": f"forged at {server.pool}"}
    alice = session_of("alice", "data-scientists")
    for changes in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = server.call("POST", f"{AJAX}/experiments/create", body, headers={**alice, **changes})
        assert answer.status == 403, (changes, answer)
    for headers in (
        session_of("nobody"),
        session_of("nobody", "choir"),
        {**alice, "Cookie": alice["Cookie"][:-4] + "AAAA"},
        {**alice, "Cookie": "__Host-mlops-session=x"},
    ):
        answer = server.call("POST", f"{AJAX}/experiments/create", body, headers=headers)
        assert answer.status in (401, 403), answer
        assert answer.said("outcome") == "refused"


def test_users_and_passwords_are_keycloaks(server: Server) -> None:
    root = session_of("root", "mlflow-admins")
    for method, path in [
        ("GET", "/signup"),
        ("POST", f"{API}/users/create-ui"),
        ("PATCH", f"{API}/users/update-password"),
        ("PATCH", f"{AJAX}/users/update-password"),
        ("PATCH", f"{API}/users/update-admin"),
        ("PATCH", f"{AJAX}/users/update-admin"),
    ]:
        body = {"username": "admin", "password": "a new long password", "is_admin": True}
        answer = server.call(method, path, None if method == "GET" else body, headers=root)
        assert answer.status == 403, (method, path, answer)
        assert "managed in Keycloak" in answer.json["message"]
