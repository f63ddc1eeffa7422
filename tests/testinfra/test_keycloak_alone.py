# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity provider of somebody's own playbook, asked directly and through the edge, on its host."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

SCENARIOS = {"keycloak"}
CA = "/etc/mlops-tracking/tls/ca.crt"
DIRECT = "https://sso1:8443/sso"
PUBLIC = "https://mlflow.example.com/sso"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
Answer = tuple[int, Any]


@pytest.fixture(name="ask")
def client(feed: Callable[..., str]) -> Callable[..., Answer]:
    """Return a function that sends a request; what is secret in it reaches curl by its standard input."""

    def ask(url: str, form: dict[str, str] | None = None, *options: str, bearer: str = "") -> Answer:
        config = "".join(f'data-urlencode = "{name}={value}"\n' for name, value in (form or {}).items())
        config += f'header = "Authorization: Bearer {bearer}"\n' if bearer else ""
        command = ["curl", "-sS", "--config", "-", "--cacert", CA, "--max-time", "20", "--path-as-is"]
        command += ["--connect-to", "mlflow.example.com::127.0.0.1:", "-w", "\n%{http_code}", *options, url]
        body, _newline, status = feed(config, *command).rpartition("\n")
        return int(status), json.loads(body) if body.startswith("{") or body.startswith("[") else body

    return ask


def token_request(client_id: str, secret: str, base: str = DIRECT, realm: str = "mlops") -> tuple[str, dict[str, str]]:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return f"{base}/realms/{realm}/protocol/openid-connect/token", form


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


@pytest.fixture(name="administer")
def administrator(ask: Callable[..., Answer], secrets: dict[str, str]) -> Callable[..., Any]:
    status, answer = ask(*token_request("mlops-tracking", secrets["platform_keycloak_admin_password"], realm="master"))
    assert status == 200, answer

    def administer(path: str) -> Any:
        status, answer = ask(f"{DIRECT}/admin/realms/{path}", bearer=answer_token)
        assert status == 200, answer
        return answer

    answer_token = answer["access_token"]
    return administer


@pytest.mark.parametrize("base", [DIRECT, PUBLIC])
def test_one_issuer_by_both_ways(ask: Callable[..., Answer], base: str) -> None:
    status, found = ask(f"{base}/realms/mlops/.well-known/openid-configuration")
    assert (status, found["issuer"]) == (200, f"{PUBLIC}/realms/mlops")
    assert found["authorization_endpoint"].startswith(f"{PUBLIC}/")
    assert found["token_endpoint"].startswith(f"{base}/")


@pytest.mark.parametrize("base", [DIRECT, PUBLIC])
def test_service_account(ask: Callable[..., Answer], secrets: dict[str, str], base: str) -> None:
    status, answer = ask(*token_request("ci-training", secrets["platform_mlflow_flask_secret_key"], base))
    assert status == 200, answer
    found = claims(answer["access_token"])
    assert found["iss"] == f"{PUBLIC}/realms/mlops"
    assert "mlflow" in (found["aud"] if isinstance(found["aud"], list) else [found["aud"]])
    assert sorted(found["groups"]) == ["data-scientists", "team-vision"]
    assert (found["exp"] - found["iat"], found["preferred_username"]) == (3600, "service-account-ci-training")
    url = f"{DIRECT}/realms/mlops/protocol/openid-connect/token/introspect"
    form = {"client_id": "mlflow", "client_secret": secrets["platform_keycloak_client_secret"]}
    status, told = ask(url, {**form, "token": answer["access_token"]})
    assert (status, told["active"], sorted(told["groups"])) == (200, True, ["data-scientists", "team-vision"])


@pytest.mark.parametrize("client_id", ["ci-training", "mlflow", "mlops-tracking-temporary"])
def test_wrong_secret_is_refused(ask: Callable[..., Answer], client_id: str) -> None:
    assert ask(*token_request(client_id, "x" * 32))[0] == 401


def test_nobody_gets_a_token_for_a_password(ask: Callable[..., Answer], secrets: dict[str, str]) -> None:
    form = {"username": "admin", "password": secrets["platform_keycloak_user_password"], "grant_type": "password"}
    for client_id in ("mlflow-token", "mlflow-cli", "admin-cli"):
        url = f"{PUBLIC}/realms/mlops/protocol/openid-connect/token"
        status, answer = ask(url, {**form, "client_id": client_id})
        assert (status, answer["error"]) == (400, "unauthorized_client"), client_id


def test_device_flow_begins(ask: Callable[..., Answer]) -> None:
    base = f"{PUBLIC}/realms/mlops/protocol/openid-connect"
    status, answer = ask(f"{base}/auth/device", {"client_id": "mlflow-cli", "scope": "openid"})
    assert (status, answer["verification_uri"]) == (200, f"{PUBLIC}/realms/mlops/device")
    form = {"client_id": "mlflow-cli", "grant_type": DEVICE, "device_code": answer["device_code"]}
    assert ask(f"{base}/token", form)[1]["error"] == "authorization_pending"


def test_administrators(administer: Callable[..., Any]) -> None:
    assert administer("master/clients?clientId=mlops-tracking-temporary") == []
    assert [user["username"] for user in administer("master/users")] == []
    user = administer("mlops/users?username=admin&exact=true")[0]
    assert [group["name"] for group in administer(f"mlops/users/{user['id']}/groups")] == ["mlflow-admins"]


def test_grafana(administer: Callable[..., Any]) -> None:
    client = administer("mlops/clients?clientId=grafana")[0]
    assert client["redirectUris"] == ["https://mlflow.example.com/grafana/login/generic_oauth"]
    assert client["attributes"]["pkce.code.challenge.method"] == "S256"
    # A token for Grafana is none for MLflow.
    assert [mapper["name"] for mapper in client["protocolMappers"]] == ["groups"]


def test_realm(administer: Callable[..., Any]) -> None:
    realm = administer("mlops")
    expected = {
        "accessTokenLifespan": 300,
        "adminEventsEnabled": True,
        "bruteForceProtected": True,
        "displayName": "Example",
        "eventsEnabled": True,
        "failureFactor": 3,
        "registrationAllowed": False,
        "sslRequired": "all",
    }
    assert {name: realm[name] for name in expected} == expected
    assert "length(12)" in realm["passwordPolicy"]


LOGIN = """
import http.cookiejar, html, json, re, ssl, sys, urllib.parse, urllib.request
address, passwords = json.load(sys.stdin)
for password in passwords:
    context = ssl.create_default_context(cafile="/etc/mlops-tracking/tls/ca.crt")
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments):
            return None
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), jar, Stay())
    page = browser.open(address).read().decode()
    action = html.unescape(re.search(r'action="([^"]+)"', page)[1])
    form = urllib.parse.urlencode({"username": "admin", "password": password}).encode()
    try:
        answer = browser.open(action, form)
        print("refused" if "Invalid username or password" in answer.read().decode() else "other page")
    except urllib.error.HTTPError as error:
        place = error.headers.get("Location", "")
        print("let in" if error.code == 302 and "code=" in place else f"{error.code} {place}")
"""


def log_in(feed: Callable[..., str], *passwords: str) -> list[str]:
    query = "client_id=mlflow&response_type=code&scope=openid&redirect_uri=https://mlflow.example.com/oidc/callback"
    query += "&code_challenge_method=S256&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    address = f"{PUBLIC}/realms/mlops/protocol/openid-connect/auth?{query}"
    return feed(json.dumps([address, passwords]), "python3", "-I", "-c", LOGIN).splitlines()


def test_wrong_passwords_lock_out(feed: Callable[..., str], secrets: dict[str, str], host: Any) -> None:
    right = secrets["platform_keycloak_user_password"]
    assert log_in(feed, right) == ["let in"]
    assert log_in(feed, "wrong-1", "wrong-2", "wrong-3", right) == ["refused"] * 4
    journal = host.check_output("journalctl -u keycloak --no-pager -n 200")
    assert re.search(r'type="?LOGIN_ERROR', journal)
    assert re.search(r'type="?LOGIN"?,', journal)
    assert right not in journal


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/master/console/",
        "/admin/realms/mlops/users",
        "//admin/realms/mlops/users",
        "/%61dmin/realms/mlops/users",
        "/resources/../admin/realms/mlops/users",
        "/resources/..%2fadmin/realms/mlops/users",
        "/resources/..;/admin/realms/mlops/users",
        "/resources/.%2e/admin/realms/mlops/users",
        "/realms/mlops/..;/..;/admin/realms/mlops/users",
        "/realms/master/.well-known/openid-configuration",
        "/realms/mlops/../master/.well-known/openid-configuration",
        "/realms/mlops;x/../master/account",
        "/realms/mlops%2f..%2fmaster/account",
        "/health",
        "/health/ready",
        "/metrics",
        "/",
        "",
    ],
)
def test_the_outside_reaches_the_realm_alone(ask: Callable[..., Answer], path: str) -> None:
    assert ask(f"{PUBLIC}{path}", None, "-o", "/dev/null")[0] == 404


def test_claims_of_a_client_about_itself_do_not_count(ask: Callable[..., Answer]) -> None:
    claims = [
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Prefix: /f",
    ]
    options = [part for claim in (*claims, "Forwarded: host=evil.example") for part in ("-H", claim)]
    status, found = ask(f"{PUBLIC}/realms/mlops/.well-known/openid-configuration", None, *options)
    assert (status, found["token_endpoint"]) == (200, f"{PUBLIC}/realms/mlops/protocol/openid-connect/token")


def test_guessing_is_slowed_down(host: Any) -> None:
    command = f"curl -sS --cacert {CA} --connect-to mlflow.example.com::127.0.0.1: -w '%{{http_code}} ' -o /dev/null"
    answers = host.check_output(f"{command} '{PUBLIC}/realms/mlops/login-actions/authenticate?[1-60]'").split()
    assert (len(answers), set(answers)) == (60, {"400", "429"}), answers


def test_health_and_metrics_are_for_this_host_alone(host: Any) -> None:
    assert json.loads(host.check_output("curl -sS http://127.0.0.1:8444/health/ready"))["status"] == "UP"
    assert "jvm_memory_used_bytes" in host.check_output("curl -sS http://127.0.0.1:8444/metrics")
    assert host.run("curl -sS --max-time 5 http://sso1:8444/health/ready").rc == 7
    for path in ("health", "metrics", "health/ready"):
        assert host.check_output(f"curl -sS --cacert {CA} -o /dev/null -w '%{{http_code}}' {DIRECT}/{path}") == "404"


def test_its_database_is_its_own(host: Any, feed: Callable[..., str], secrets: dict[str, str]) -> None:
    query = "SELECT datname, has_database_privilege('{}', datname, 'CONNECT') FROM pg_database WHERE NOT datistemplate"
    for role, others in (
        ("keycloak", {"mlflow", "mlflow_auth"}),
        ("mlflow", {"keycloak"}),
        ("mlflow_owner", {"keycloak"}),
    ):
        command = ["psql", "-AtF,", "-c", query.format(role)]
        rows = dict(line.split(",") for line in feed("", *command, user="postgres").splitlines())
        assert others <= set(rows)
        assert {name: rows[name] for name in others} == dict.fromkeys(others, "f")
    allowed = host.check_output("grep ^hostssl /etc/postgresql/17/main/pg_hba.conf").splitlines()
    assert {tuple(line.split()[1:3]) for line in allowed if "keycloak" in line} == {("keycloak", "keycloak")}
    used = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'keycloak'"
    assert feed("", "psql", "-At", "-c", used, user="postgres").split() == ["t"]


def test_it_comes_back_after_it_was_killed(host: Any, ask: Callable[..., Answer]) -> None:
    host.check_output("systemctl kill --signal=KILL keycloak.service")
    host.check_output(
        "timeout 300 sh -c 'until curl -fsS http://127.0.0.1:8444/health/ready >/dev/null 2>&1; do sleep 1; done'"
    )
    assert ask(f"{PUBLIC}/realms/mlops/.well-known/openid-configuration")[0] == 200
