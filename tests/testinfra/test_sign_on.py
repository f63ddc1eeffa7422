# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single sign-on, rights by groups and governance, as people and programs meet them at the public name."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import pytest
from shared import DOMAIN, ROOT, Lab, containers, inside
from sign_on import AJAX, API, BASE, SESSION_COOKIE, Platform, attribute, bearer, seconds_until

SCENARIOS = {"prod", "sso"}
PEOPLE = {"ada": ["pricing"], "bob": ["fraud"], "grace": ["governance"], "carl": []}
# How long somebody who left may go on, at most.
LEAVER_SECONDS = 60
MODEL = "price"


@pytest.fixture(name="platform", scope="module")
def running_platform(the_lab: Lab) -> Platform:
    platform = Platform(the_lab)
    for name, groups in PEOPLE.items():
        platform.person(name, *groups)
    return platform


@pytest.fixture(name="ada", scope="module")
def token_of_ada(platform: Platform) -> dict[str, Any]:
    return bearer(platform.token_of("ada"))


@pytest.fixture(name="bob", scope="module")
def token_of_bob(platform: Platform) -> dict[str, Any]:
    return bearer(platform.token_of("bob"))


@pytest.fixture(name="grace", scope="module")
def token_of_grace(platform: Platform) -> dict[str, Any]:
    return bearer(platform.token_of("grace"))


@pytest.fixture(name="experiment", scope="module")
def experiment_of_pricing(platform: Platform, ada: dict[str, Any]) -> str:
    answer = platform.ask("GET", f"{API}/experiments/get-by-name?experiment_name=pricing/daily", **ada)
    assert answer.ok, answer.text
    return str(answer.json()["experiment"]["experiment_id"])


@pytest.fixture(name="version", scope="module")
def version_of_ada(platform: Platform, ada: dict[str, Any], experiment: str) -> str:
    run = platform.ask("POST", f"{API}/runs/create", json={"experiment_id": experiment}, **ada).json()["run"]["info"]
    body = {"name": MODEL, "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    answer = platform.ask("POST", f"{API}/model-versions/create", json=body, **ada)
    assert answer.ok, answer.text
    return str(answer.json()["model_version"]["version"])


def names(answer: Any) -> set[str]:
    return {experiment["name"] for experiment in answer.json().get("experiments", [])}


def test_log_in_at_keycloak_and_out_again(platform: Platform) -> None:
    browser = platform.browser()
    page = platform.log_in(browser, "ada", "/?a=1")
    assert (page.status_code, page.url) == (200, f"{BASE}/?a=1")
    # Asked often enough to meet both hosts of MLflow, which share nothing but the database.
    for _time in range(6):
        assert browser.get(f"{AJAX}/users/current").json()["user"]["username"] == "ada"
    cookie = {"Cookie": f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"}
    foreign = platform.submit(browser, browser.get(f"{BASE}/oidc/logout"), "https://evil.example")
    assert foreign.status_code == 403
    page = platform.submit(browser, browser.get(f"{BASE}/oidc/logout"))
    assert page.ok, page.text
    search = f"{API}/experiments/search?max_results=5"
    statuses = [platform.ask("GET", search, headers=cookie).status_code for _time in range(6)]
    seconds_until(lambda: platform.ask("GET", search, headers=cookie).status_code == 401, 10)
    assert set(statuses) <= {200, 401}
    page = browser.get(f"{BASE}/oidc/login?go=1")
    assert 'name="password"' in page.text


def audit_of(the_lab: Lab) -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that asks the audit database and returns its rows."""
    base = next(the_lab.container(host) for host in the_lab.hosts if host in ("audit1", "mlops1"))

    def ask(statement: str) -> list[dict[str, Any]]:
        whole = f"SELECT coalesce(jsonb_agg(e), '[]') FROM ({statement}) AS e"
        command = ("runuser", "-u", "postgres", "--", "psql", "-p", "5433", "-d", "audit", "-qAt", "-c", whole)
        found: list[dict[str, Any]] = json.loads(inside(base, *command))
        return found

    return ask


def test_log_ins_and_what_administrators_change_are_rows_of_the_audit(platform: Platform, the_lab: Lab) -> None:
    # A name that tries to look like another event.
    forger = f'{uuid.uuid4().hex}", type="LOGIN", username="ada'
    platform.passwords[forger] = "wrong"
    begin = datetime.now(UTC).isoformat()
    platform.person("dora", "pricing")
    browser = platform.browser()
    platform.fill_in(browser, browser.get(f"{BASE}/oidc/login?go=1"), forger)
    assert platform.log_in(platform.browser(), "dora").ok
    ask = audit_of(the_lab)

    def events() -> list[dict[str, Any]]:
        columns = "operation, outcome, user_name, uri, detail"
        return ask(f"SELECT {columns} FROM audit.event WHERE kind = 'event' AND time >= '{begin}'")

    def seen(operation: str, user: str | None = None) -> list[dict[str, Any]]:
        return [row for row in events() if row["operation"] == operation and user in (None, row["user_name"])]

    seconds_until(lambda: bool(seen("LOGIN", "dora")), 20)
    assert [row["outcome"] for row in seen("LOGIN", "dora")] == ["allowed"]
    assert [row["outcome"] for row in seen("LOGIN_ERROR", forger)] == ["refused"]
    assert json.loads(seen("LOGIN_ERROR", forger)[0]["detail"])["error"] == "user_not_found"
    assert seen("LOGIN", "ada") == []
    user = platform.user_id("dora")
    assert [row["uri"] for row in seen("CREATE USER")] == [f"users/{user}"]
    assert any(row["uri"].startswith(f"users/{user}/groups/") for row in seen("CREATE GROUP_MEMBERSHIP"))


def test_no_event_is_lost_or_doubled_when_the_shipper_is_killed(the_lab: Lab) -> None:
    host, batch = containers(the_lab, "keycloak.service")[0], uuid.uuid4().hex
    url = f"https://{inside(host, 'hostname').strip()}:8443/sso/realms/master/protocol/openid-connect/token"
    curl = f"curl -s -o /dev/null --cacert /etc/mlops-tracking/tls/ca.crt -d client_id=admin-cli {url}"
    refused = (
        f"for n in $(seq $0 $1); do {curl} -d grant_type=password -d password=x -d username={batch}-$n || exit; done"
    )
    for first in range(0, 60, 10):
        inside(host, "sh", "-c", refused, str(first), str(first + 9))
        inside(host, "systemctl", "kill", "--signal=KILL", "mlops-audit-shipper.service")
    ask = audit_of(the_lab)
    statement = f"SELECT user_name AS who, operation FROM audit.event WHERE user_name LIKE '{batch}-%' ORDER BY seq"
    seconds_until(lambda: len(ask(statement)) >= 60, 30)
    expected = [{"who": f"{batch}-{number}", "operation": "LOGIN_ERROR"} for number in range(60)]
    assert ask(statement) == expected


def test_a_log_in_is_good_once_and_in_the_browser_that_began_it(platform: Platform) -> None:
    other = platform.browser()
    assert platform.log_in(other, "bob").ok
    fixed = other.cookies[SESSION_COOKIE]
    browser = platform.browser()
    # As somebody would who wants ada to work in a session that is not hers.
    browser.cookies.set(SESSION_COOKIE, fixed, domain=DOMAIN, path="/", secure=True)
    page = platform.fill_in(browser, browser.get(f"{BASE}/oidc/login?go=1"), "ada")
    assert page.ok, page.text
    assert browser.get(f"{AJAX}/users/current").json()["user"]["username"] == "ada"
    assert [cookie.value == fixed for cookie in browser.cookies if cookie.name == SESSION_COOKIE] == [False]
    callback = next(answer.url for answer in page.history if "/oidc/callback" in answer.url)
    for again in (browser, platform.browser(), other):
        assert again.get(callback).status_code == 400
    assert other.get(f"{AJAX}/users/current").json()["user"]["username"] == "bob"


def test_the_first_administrator(platform: Platform) -> None:
    platform.passwords["admin"] = platform.secrets["platform_keycloak_user_password"]
    browser = platform.browser()
    assert platform.log_in(browser, "admin").ok
    assert browser.get(f"{AJAX}/users/current").json()["user"]["is_admin"] is True


def test_somebody_without_a_group_reads_whom_to_ask(platform: Platform) -> None:
    page = platform.log_in(platform.browser(), "carl")
    assert page.status_code == 403
    assert "Ask the operators of this platform." in page.text


def test_passwords_are_for_the_page_of_the_log_in_alone(platform: Platform) -> None:
    search = f"{API}/experiments/search?max_results=1"
    for name, password in {
        "ada": platform.passwords["ada"],
        "admin": platform.secrets["platform_mlflow_admin_password"],
    }.items():
        assert platform.ask("GET", search, auth=(name, password)).status_code == 401
    assert platform.ask("GET", search).status_code == 401


def test_a_team_sees_its_own(platform: Platform, ada: Any, bob: Any, experiment: str) -> None:
    search = f"{API}/experiments/search?max_results=1000"
    assert "pricing/daily" in names(platform.ask("GET", search, **ada))
    assert "fraud" not in names(platform.ask("GET", search, **ada))
    assert {"fraud", "pricing/daily"} <= names(platform.ask("GET", search, **bob))
    created = {"experiment_id": experiment}
    assert platform.ask("POST", f"{API}/runs/create", json=created, **ada).status_code == 200
    # Fraud may look at it and no more.
    assert platform.ask("POST", f"{API}/runs/create", json=created, **bob).status_code == 403
    found = platform.ask("GET", f"{API}/experiments/get-by-name?experiment_name=fraud", **bob).json()["experiment"]
    for path in (
        f"experiments/get?experiment_id={found['experiment_id']}",
        "experiments/get-by-name?experiment_name=fraud",
    ):
        assert platform.ask("GET", f"{API}/{path}", **ada).status_code == 403


def test_a_service_account_of_the_team_logs(platform: Platform, the_lab: Lab, experiment: str) -> None:
    secret = (the_lab.passwords / "nightly").read_text().strip()
    nightly = bearer(platform.client_token("ci-nightly", secret))
    assert platform.ask("POST", f"{API}/runs/create", json={"experiment_id": experiment}, **nightly).ok
    assert platform.ask("GET", f"{API}/experiments/get-by-name?experiment_name=fraud", **nightly).status_code == 403


def test_only_governance_moves_an_alias(platform: Platform, ada: Any, grace: Any, version: str) -> None:
    body = {"name": MODEL, "alias": "champion", "version": version}
    refused = platform.ask("POST", f"{API}/registered-models/alias", json=body, **ada)
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert platform.ask("POST", f"{API}/registered-models/alias", json=body, **grace).status_code == 200
    found = platform.ask("GET", f"{API}/registered-models/alias?name={MODEL}&alias=champion", **ada)
    assert found.json()["model_version"]["version"] == version
    assert platform.ask("DELETE", f"{API}/registered-models/alias", json=body, **ada).status_code == 403
    assert platform.ask("DELETE", f"{API}/registered-models/alias", json=body, **grace).status_code == 200


def test_answers_carry_nothing_of_the_audit(platform: Platform, ada: Any) -> None:
    answer = platform.ask("GET", f"{API}/experiments/search?max_results=1", **ada)
    assert not [name for name in answer.headers if name.lower().startswith("x-mlops")], json.dumps(dict(answer.headers))


def test_a_machine_without_a_browser_logs_in(platform: Platform) -> None:
    command = [sys.executable, str(ROOT / "examples" / "log_in.py"), BASE, "--ca", platform.ca]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        try:
            address = next(line.strip() for line in program.stderr if line.strip().startswith("https://"))
            browser = platform.browser()
            page = platform.fill_in(browser, browser.get(address, timeout=60), "ada")
            # Keycloak asks whether the device may act for the person.
            form = urljoin(page.url, attribute(page.text, "action", "/"))
            code = attribute(page.text.partition('name="code"')[2], "value", "")
            browser.post(form, data={"code": code, "accept": "Yes"}, timeout=60).raise_for_status()
            output, _said = program.communicate(timeout=60)
        finally:
            program.kill()
    token = output.strip().rpartition("MLFLOW_TRACKING_TOKEN=")[2]
    answer = platform.ask("GET", f"{API}/experiments/search?max_results=5", **bearer(token))
    assert "pricing/daily" in names(answer)


def test_somebody_who_left_is_out_within_a_minute(platform: Platform) -> None:
    platform.person("dora", "pricing")
    token = bearer(platform.token_of("dora"))
    search = f"{API}/experiments/search?max_results=1"
    assert platform.ask("GET", search, **token).ok
    identifier = platform.user_id("dora")
    platform.admin("PUT", f"/users/{identifier}", json={"enabled": False})
    # Twelve in a row: both hosts, all of their workers.
    seconds_until(
        lambda: all(platform.ask("GET", search, **token).status_code == 401 for _time in range(12)), LEAVER_SECONDS
    )
    platform.admin("DELETE", f"/users/{identifier}")
