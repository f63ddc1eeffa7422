# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's own auth app with our authentication in mode oidc, while no host of Keycloak answers.

What needs a Keycloak is tried against a real one by live.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from mlflow.server import auth

from identity_material import access_claims, config, published, signed
from mlops_identity import browser, services
from mlops_identity.authenticate import authenticate
from mlops_identity.browser import FLOW_COOKIE, Flow, FlowRefused, checked_flow
from mlops_identity.config import Config
from mlops_identity.introspection import BearerTokens
from mlops_identity.sessions import COOKIE, Session
from mlops_identity.tokens import Claims, Verifier

SITE = "https://mlflow.example.com"
ISSUER = config().issuer
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
OURS = {"Origin": SITE, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settings() -> Config:
    """The configuration; nobody listens at Keycloak's address."""
    return replace(config(), keycloak_urls=("https://127.0.0.1:1/sso",))


@pytest.fixture
def app(settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application that asks who it is on every route, over MLflow's auth store."""
    store = type(auth.store)()
    store.init_db(f"sqlite:///{tmp_path / 'auth.db'}")
    monkeypatch.setattr(auth, "store", store)
    made = Flask("site")
    made.config.update(SERVER_NAME="mlflow.example.com", PREFERRED_URL_SCHEME="https")

    @made.before_request
    def who() -> Response | None:
        proven = authenticate()
        return proven if isinstance(proven, Response) else None

    @made.route("/", methods=["GET", "POST"])
    @made.route("/api/x", methods=["GET", "POST"])
    def hello() -> Response:
        proven = authenticate()
        assert not isinstance(proven, Response)
        return jsonify(user=proven.username, how=proven.how, groups=sorted(proven.groups), method=request.method)

    if settings.mode == "oidc":
        browser.register(made, settings)
        keep_keys(made, settings)
    else:
        services.install(made, settings)
    return made


def keep_keys(app: Flask, settings: Config) -> None:
    """Let the application have the realm's keys, as a worker has that fetched them before."""
    made: services.Services = app.extensions[services.EXTENSION]
    assert made.oidc is not None
    verifier = Verifier(settings, published)
    tokens = BearerTokens(settings, verifier.access_token, made.oidc.keycloak.introspect)
    app.extensions[services.EXTENSION] = replace(made, oidc=replace(made.oidc, verifier=verifier, tokens=tokens))


def oidc_of(app: Flask) -> services.OpenIdConnect:
    """Return what mode oidc works with."""
    made: services.Services = app.extensions[services.EXTENSION]
    assert made.oidc is not None
    return made.oidc


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    """A client on the public name."""
    with app.test_client() as made:
        yield made


def in_time(**changes: Any) -> dict[str, Any]:
    """Return the claims of a token of now."""
    now = int(time.time())
    return access_claims(**{"iat": now - 5, "exp": now + 300, **changes})


def log_in(app: Flask, client: FlaskClient, *groups: str) -> Session:
    """Put a session into the client, as if it had logged in a moment ago."""
    claims = Claims("alice", "sub-1", frozenset(groups), time.time() + 300, 0)
    session = oidc_of(app).sessions.start(claims, {"refresh_token": "r", "refresh_expires_in": 600})
    client.set_cookie(COOKIE, oidc_of(app).sessions.cookies(session)[COOKIE], domain="mlflow.example.com")
    return session


def form_token(text: str) -> str:
    """Return what a form carries."""
    match = re.search(r'name="form_token" value="([^"]+)"', text)
    assert match
    return match.group(1)


def test_without_anything(client: FlaskClient) -> None:
    answer = client.get("/api/x")
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error_code"] == "UNAUTHENTICATED"
    assert f"{SITE}/oidc/token" in answer.json["message"]
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mlflow"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.post("/", headers=PAGE).status_code == 401


def test_a_person_is_sent_to_the_log_in(client: FlaskClient) -> None:
    client.set_cookie(COOKIE, "forged", domain="mlflow.example.com")
    answer = client.get("/?a=1&b=//evil.example", headers=PAGE)
    assert answer.status_code == 302
    assert answer.location == "/oidc/login?next=/%3Fa%3D1%26b%3D//evil.example"
    assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
    assert client.get("/", headers=PAGE).location == "/oidc/login?next=/"


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("Basic YWxpY2U6cGFzc3dvcmQ=", "no bearer token"),
        ("Bearer", "no bearer token"),
        ("Bearer a, Bearer b", "no bearer token"),
        ("Bearer a.b.c", "no signed token"),
        (f"Bearer {signed(in_time(exp=1))}", "exp"),
        (f"Bearer {signed(in_time(aud='grafana'))}", "aud"),
    ],
)
def test_bad_authorization(app: Flask, client: FlaskClient, header: str, word: str) -> None:
    log_in(app, client, "data-scientists")
    answer = client.get("/api/x", headers={"Authorization": header})
    assert answer.status_code == 401
    assert word in answer.text


def test_a_token_works_while_keycloak_is_away(client: FlaskClient) -> None:
    answer = client.get("/api/x", headers={"Authorization": f"Bearer {signed(in_time())}"})
    assert answer.json == {"user": "alice", "how": "token", "groups": ["data-scientists"], "method": "GET"}
    assert auth.store.get_user("alice").is_admin is False


def test_a_token_without_a_group_that_counts(client: FlaskClient) -> None:
    header = {"Authorization": f"Bearer {signed(in_time(groups=['choir']))}"}
    answer = client.get("/api/x", headers=header)
    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["error_code"] == "PERMISSION_DENIED"
    assert "ml-platform@example.com" in answer.json["message"]
    assert not auth.store.has_user("alice")


def test_without_keys_the_answer_is_to_try_again(app: Flask, client: FlaskClient, settings: Config) -> None:
    services.install(app, settings)
    header = {"Authorization": f"Bearer {signed(in_time())}"}
    answer = client.get("/api/x", headers=header)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert client.get("/", headers={**header, **PAGE}).status_code == 503


def test_a_session_works_while_keycloak_is_away(app: Flask, client: FlaskClient) -> None:
    log_in(app, client, "governance", "choir")
    answer = client.get("/api/x")
    assert answer.json == {"user": "alice", "how": "session", "groups": ["governance"], "method": "GET"}
    assert client.post("/api/x", headers=OURS).status_code == 200
    assert client.post("/api/x").status_code == 403
    assert client.post("/api/x", headers={**OURS, "Origin": "https://evil.example"}).status_code == 403


def test_a_renewed_session_is_sent_to_the_browser(app: Flask, client: FlaskClient) -> None:
    session = log_in(app, client, "governance")
    newer = replace(session, renewed=session.renewed + 1, refresh_token="newer")
    with app.test_request_context():
        oidc_of(app).sessions.check(newer)
    answer = client.get("/api/x")
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in (f"{COOKIE}=", "Secure", "HttpOnly", "Path=/", "SameSite=Lax"))
    assert "Domain" not in cookie


def test_a_refused_person_reads_why_and_may_change_the_account(app: Flask, client: FlaskClient) -> None:
    log_in(app, client)
    for address in ("/", "/oidc/refused", "/oidc/token"):
        answer = client.get(address, headers=PAGE)
        assert answer.status_code == 403
        assert "ml-platform@example.com" in answer.text
        assert form_token(answer.text)
    assert client.post("/oidc/token", headers=OURS).status_code == 403
    assert client.get("/api/x").status_code == 403


def test_pages_load_nothing_and_are_not_kept(client: FlaskClient) -> None:
    answer = client.get("/oidc/login?next=/%23/models", headers=PAGE)
    assert answer.status_code == 200
    assert "Example platform" in answer.text
    assert "next=/%23/models" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


def test_text_of_the_address_never_becomes_markup(client: FlaskClient) -> None:
    answer = client.get('/oidc/login?next=/?"><script>alert(1)</script>', headers=PAGE)
    assert "<script>alert" not in answer.text


def test_the_log_in_asks_keycloak_with_state_nonce_and_pkce(client: FlaskClient) -> None:
    seen = set()
    for _time in range(2):
        answer = client.get("/oidc/login?go=1&next=//evil.example", headers=PAGE)
        assert answer.status_code == 302
        assert answer.location.startswith(f"{ISSUER}/protocol/openid-connect/auth?")
        asked = {key: values[0] for key, values in parse_qs(urlsplit(answer.location).query).items()}
        assert asked["redirect_uri"] == f"{SITE}/oidc/callback"
        assert asked["code_challenge_method"] == "S256"
        seen |= {asked["state"], asked["nonce"], asked["code_challenge"]}
        cookie = answer.headers["Set-Cookie"]
        assert all(part in cookie for part in (FLOW_COOKIE, "Secure", "HttpOnly", "Path=/", "SameSite=Lax"))
        assert "evil" not in answer.location
    assert len(seen) == 6


FLOW = Flow("session", "state-1", "nonce-1", "verifier-1", "/", 1000.0)
BACK = {"state": "state-1", "code": "code-1", "iss": ISSUER}


@pytest.mark.parametrize(
    ("document", "arguments", "now", "problem"),
    [
        (asdict(FLOW), BACK, 1601.0, "expired"),
        (asdict(FLOW), BACK, 999.0, "expired"),
        ({"state": "state-1"}, BACK, 1001.0, "expired"),
        ([], BACK, 1001.0, "expired"),
        ({**asdict(FLOW), "x": 1}, BACK, 1001.0, "expired"),
        (asdict(FLOW), {**BACK, "state": "state-2"}, 1001.0, "foreign"),
        (asdict(FLOW), {**BACK, "state": ""}, 1001.0, "foreign"),
        (asdict(FLOW), {"code": "code-1"}, 1001.0, "foreign"),
        (asdict(FLOW), {**BACK, "state": "\ud800"}, 1001.0, "foreign"),
        (asdict(FLOW), {**BACK, "iss": "https://evil.example"}, 1001.0, "foreign"),
        (asdict(FLOW), {**BACK, "error": "access_denied"}, 1001.0, "cancelled"),
        (asdict(FLOW), {**BACK, "error": "server_error"}, 1001.0, "failed"),
        (asdict(FLOW), {"state": "state-1", "iss": ISSUER}, 1001.0, "failed"),
        (asdict(FLOW), {**BACK, "code": ""}, 1001.0, "failed"),
    ],
)
def test_what_comes_back_and_is_refused(document: Any, arguments: dict[str, str], now: float, problem: str) -> None:
    with pytest.raises(FlowRefused, match=problem):
        checked_flow(document, arguments, ISSUER, now)


def test_what_comes_back_and_is_taken() -> None:
    assert checked_flow(asdict(FLOW), BACK, ISSUER, 1600.0) == FLOW
    assert checked_flow(asdict(FLOW), {"state": "state-1", "code": "code-1"}, ISSUER, 1000.0) == FLOW


def test_callbacks_that_nobody_asked_for(app: Flask, client: FlaskClient) -> None:
    forms = [
        None,
        "forged",
        oidc_of(app).sessions.cookies(log_in(app, client))[COOKIE],
        oidc_of(app).flows.seal({**asdict(FLOW), "started": time.time()}),
    ]
    for cookie in forms:
        if cookie is not None:
            client.set_cookie(FLOW_COOKIE, cookie, domain="mlflow.example.com")
        answer = client.get("/oidc/callback?code=stolen&state=guessed", headers=PAGE)
        assert answer.status_code == 400
        assert COOKIE not in answer.headers.get("Set-Cookie", "")


def test_a_state_can_be_used_once(app: Flask, client: FlaskClient) -> None:
    sealed = oidc_of(app).flows.seal({**asdict(FLOW), "started": time.time()})
    statuses = []
    for _time in range(2):
        client.set_cookie(FLOW_COOKIE, sealed, domain="mlflow.example.com")
        answer = client.get("/oidc/callback?code=code-1&state=state-1", headers=PAGE)
        statuses.append((answer.status_code, f"{FLOW_COOKIE}=;" in answer.headers["Set-Cookie"]))
    assert statuses == [(503, True), (400, True)]


def test_log_out_needs_our_form(app: Flask, client: FlaskClient) -> None:
    log_in(app, client, "governance")
    text = client.get("/oidc/logout", headers=PAGE).text
    good = {"form_token": form_token(text)}
    assert client.post("/oidc/logout", data={}, headers=OURS).status_code == 403
    assert client.post("/oidc/logout", data={"form_token": "x"}, headers=OURS).status_code == 403
    assert client.post("/oidc/logout", data=good).status_code == 403
    assert client.post("/oidc/logout", data=good, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/api/x").status_code == 200


def test_log_out_while_keycloak_is_away(app: Flask, client: FlaskClient) -> None:
    session = log_in(app, client, "governance")
    good = {"form_token": form_token(client.get("/oidc/logout", headers=PAGE).text)}
    cookie = oidc_of(app).sessions.cookies(session)[COOKIE]
    answer = client.post("/oidc/logout", data=good, headers={**OURS, **PAGE})
    assert answer.status_code == 200
    assert "close the browser" in answer.text
    assert f"{COOKIE}=;" in answer.headers["Set-Cookie"]
    client.set_cookie(COOKIE, cookie, domain="mlflow.example.com")
    assert client.get("/api/x").status_code == 401


def test_log_out_without_a_session(client: FlaskClient) -> None:
    assert "has ended" in client.get("/oidc/logout", headers=PAGE).text
    assert "has ended" in client.post("/oidc/logout", headers=PAGE).text


def test_the_token_page(app: Flask, client: FlaskClient) -> None:
    assert client.get("/oidc/token", headers=PAGE).location == "/oidc/login?next=/oidc/token"
    assert client.post("/oidc/token", headers=OURS).location == "/oidc/login?next=/oidc/token"
    log_in(app, client, "data-scientists")
    good = {"form_token": form_token(client.get("/oidc/token", headers=PAGE).text)}
    assert client.post("/oidc/token", data={}, headers=OURS).status_code == 403
    assert client.post("/oidc/token", data=good).status_code == 403
    answer = client.post("/oidc/token", data=good, headers=OURS)
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.location).query)
    assert asked["client_id"] == ["mlflow-token"]
    assert asked["scope"] == ["openid profile offline_access"]


def test_refused_without_a_session(client: FlaskClient) -> None:
    assert client.get("/oidc/refused", headers=PAGE).location == "/oidc/login"


def test_other_methods_and_addresses(client: FlaskClient) -> None:
    assert client.options("/oidc/login").status_code == 200
    assert client.put("/oidc/login").status_code == 401
    assert client.get("/oidc/unknown").status_code == 401


class TestBasic:
    """Mode basic: MLflow's own passwords."""

    @pytest.fixture
    def settings(self) -> Config:
        return replace(config(), mode="basic")

    def test_passwords(self, client: FlaskClient) -> None:
        auth.store.create_user("carol", "a long password")
        assert client.get("/api/x").status_code == 401
        assert client.get("/api/x", auth=("carol", "another password")).status_code == 401
        answer = client.get("/api/x", auth=("carol", "a long password"))
        assert answer.json == {"user": "carol", "how": "basic", "groups": [], "method": "GET"}

    @pytest.mark.parametrize("header", ["Bearer a.b.c", "Digest username=x", "Basic", "Basic !", "x"])
    def test_other_headers(self, client: FlaskClient, header: str) -> None:
        answer = client.get("/api/x", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")

    def test_the_administrator_is_in_the_groups_that_count(self, client: FlaskClient) -> None:
        auth.store.create_user("dora", "a long password", is_admin=True)
        answer = client.get("/api/x", auth=("dora", "a long password"))
        assert answer.json is not None
        assert answer.json["groups"] == ["governance", "mlflow-admins"]

    def test_there_is_no_keycloak(self, app: Flask) -> None:
        with app.test_request_context(), pytest.raises(RuntimeError):
            services.oidc()


def test_services_are_made_from_the_file_when_nobody_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = '{"mode": "basic", "platform_name": "p", "public_url": "u", "contact": "c", "admin_groups": [],'
    path = tmp_path / "identity.json"
    path.write_text(document + ' "governance_groups": [], "group_roles": {}}')
    monkeypatch.setenv("MLOPS_IDENTITY_CONFIG", str(path))
    with Flask("bare").test_request_context():
        assert services.services() is services.services()


def test_the_closed_routes_exist() -> None:
    from mlops_identity.closed_views import CLOSED_RULES

    assert "/signup" in CLOSED_RULES
    assert len(CLOSED_RULES) == 6
