# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try to get in, to promote, to swap a model's files and to look at other teams' work, without the right to.

Runs on a lab with single sign-on. Every attempt must be refused, through the edge and at MLflow's own ports (with the
edge's certificate), and in the end aliases, stages, versions, names and files are what they were. Governance's own way
is tried last, and must work.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

import requests
from attempts import FILE, MODEL, SEARCH, Attempt, cookies, look, nobody, other_proofs, promote, swap, tokens
from forged_tokens import Forger
from shared import DOMAIN, Lab, address, containers, finish, inside, lab, new_client, resolve
from sign_on import AJAX, API, BASE, SESSION_COOKIE, Platform, bearer

CONTENT = b"what governance looked at"
JsonObject = dict[str, Any]


def real_but_wrong(platform: Platform) -> dict[str, str]:
    """Return tokens that Keycloak signed, none of which is for MLflow now."""
    secret = platform.secrets["platform_keycloak_admin_password"]
    made = {"secret": "only-for-this-test-0123456789", "serviceAccountsEnabled": True, "publicClient": False}
    clients = {"elsewhere": {}, "short": {"attributes": {"access.token.lifespan": "1"}}}
    tokens = {"of the realm of administrators": platform.client_token("mlops-tracking", secret, "master")}
    mappers = next(found for found in platform.admin("GET", "/clients?clientId=mlflow").json())["protocolMappers"]
    for name, more in clients.items():
        for found in platform.admin("GET", f"/clients?clientId={name}").json():
            platform.admin("DELETE", f"/clients/{found['id']}")
        own = (
            []
            if name == "elsewhere"
            else [{key: value for key, value in one.items() if key != "id"} for one in mappers]
        )
        platform.admin("POST", "/clients", json={"clientId": name, "protocolMappers": own, **made, **more})
        user = f"service-account-{name}"
        platform.admin("PUT", f"/users/{platform.user_id(user)}/groups/{platform.group_id('mlflow-admins')}")
        tokens[{"elsewhere": "for another audience", "short": "expired"}[name]] = platform.client_token(
            name, made["secret"]
        )
    # Longer than clocks may differ.
    time.sleep(65)
    return tokens


def send(session: requests.Session, base: str, attempt: Attempt, host: str = "") -> requests.Response:
    """Send a request with its path as it is written: libraries would tidy it up."""
    options = dict(attempt.options)
    headers = {"Accept": "application/json", **options.pop("headers", {}), **({"Host": host} if host else {})}
    prepared = session.prepare_request(requests.Request(attempt.method, base, headers=headers, **options))
    query = prepared.url.partition("?")[2] if prepared.url else ""
    prepared.url = base + attempt.path + (("&" if "?" in attempt.path else "?") + query if query else "")
    return session.send(prepared, allow_redirects=False, timeout=60)


def verdict(attempt: Attempt, answer: requests.Response) -> str:
    """Return what is wrong with an answer, nothing if it is a refusal."""
    target = answer.headers.get("Location", "")
    if target and (target.startswith("//") or not target.startswith((f"{BASE}/", "/"))):
        return f"leads to {target}"
    if attempt.secret and attempt.secret in answer.text:
        return f"{answer.status_code}, and shows what it must not"
    return "" if answer.status_code in attempt.fine else f"{answer.status_code}: {answer.text[:200]!r}"


class Ports:
    """MLflow's own ports, reached as the edge does."""

    def __init__(self, the_lab: Lab, platform: Platform, folder: Path) -> None:
        edge = containers(the_lab, "nginx.service")[0]
        self.bases = [
            f"https://{host}:{port}"
            for host in the_lab.hosts
            if the_lab.container(host) in containers(the_lab, "mlflow-rest.service")
            for port in (5000, 5001)
        ]
        self.session, self.stranger = new_client(platform.ca), new_client(platform.ca)
        files = []
        for name in ("nginx_tls.crt", "nginx_tls.key"):
            (folder / name).write_text(inside(edge, "cat", f"/etc/mlops-tracking/tls/{name}"))
            (folder / name).chmod(0o600)
            files.append(str(folder / name))
        self.session.cert = (files[0], files[1])
        self.files = [Path(file) for file in files]


def try_all(
    session: requests.Session, base: str, attempts: list[Attempt], good: JsonObject, host: str = ""
) -> list[str]:
    """Try everything at one address; returns what was not refused. A good token must work there before and after."""
    bad = []
    control = Attempt("a good token", "GET", SEARCH, good)
    for attempt in [control, *attempts, control]:
        try:
            answer = send(session, base, attempt, host)
        except (requests.ConnectionError, requests.exceptions.InvalidHeader) as error:
            bad.append(f"{base} {attempt.name}: no answer: {error}"[:300])
            continue
        if attempt is control:
            problem = (
                "" if answer.ok and "pricing/daily" in answer.text else f"{answer.status_code}: {answer.text[:200]!r}"
            )
        else:
            problem = verdict(attempt, answer)
        if problem:
            bad.append(f"{base} {attempt.name}: {problem}")
    return bad


def prepare(platform: Platform, people: dict[str, JsonObject]) -> dict[str, str]:
    """Make a model whose champion is its first version, and a run of another team; returns their names."""
    ask, ada, bob = platform.ask, people["ada"], people["bob"]

    def experiment(name: str, who: JsonObject) -> str:
        found = ask("GET", f"{API}/experiments/get-by-name?experiment_name={name}", **who).json()
        return str(found["experiment"]["experiment_id"])

    pricing, fraud = experiment("pricing/daily", ada), experiment("fraud", bob)
    info = ask("POST", f"{API}/runs/create", json={"experiment_id": pricing}, **ada).json()["run"]["info"]
    place = f"{pricing}/{info['run_id']}/artifacts"
    files = f"{BASE}/api/2.0/mlflow-artifacts/artifacts"
    assert ask("PUT", f"{files}/{place}/{FILE}", data=CONTENT, **ada).ok
    body = {"name": MODEL, "source": f"{info['artifact_uri']}/model", "run_id": info["run_id"]}
    versions = [ask("POST", f"{API}/model-versions/create", json=body, **ada).json() for _version in range(2)]
    first, second = (str(made["model_version"]["version"]) for made in versions)
    alias = {"name": MODEL, "alias": "champion", "version": first}
    assert ask("POST", f"{API}/registered-models/alias", json=alias, **people["grace"]).ok
    run = {"experiment_id": fraud, "run_name": "run-of-fraud"}
    secret_run = str(ask("POST", f"{API}/runs/create", json=run, **bob).json()["run"]["info"]["run_id"])
    assert ask("PUT", f"{files}/{fraud}/{secret_run}/artifacts/secret.txt", data=b"only for fraud", **bob).ok
    names = {"fraud": fraud, "secret_run": secret_run, "first": first, "second": second}
    return {"run": str(info["run_id"]), "place": place, **names}


def state(platform: Platform, token: JsonObject, things: dict[str, str]) -> JsonObject:
    """Return what production depends on."""
    ask = platform.ask
    found = ask("GET", f"{API}/registered-models/alias?name={MODEL}&alias=champion", **token).json()
    both = [
        ask("GET", f"{API}/model-versions/get?name={MODEL}&version={one}", **token).json()
        for one in (things["first"], things["second"])
    ]
    content = ask("GET", f"{BASE}/api/2.0/mlflow-artifacts/artifacts/{things['place']}/{FILE}", **token).content
    kept = ("version", "current_stage", "status", "source", "tags")
    return {
        "champion": found.get("model_version", {}).get("version"),
        "versions": [{name: one.get("model_version", {}).get(name) for name in kept} for one in both],
        "file": hashlib.sha256(content).hexdigest(),
    }


def table(
    platform: Platform, people: dict[str, JsonObject], browser: requests.Session, things: dict[str, str]
) -> list[Attempt]:
    """Return every attempt."""
    keys = platform.ask("GET", f"{platform.keycloak}/realms/mlops/protocol/openid-connect/certs").json()["keys"]
    forger = Forger(people["ada"]["headers"]["Authorization"].removeprefix("Bearer "), keys)
    passwords = {
        "of basic mode": ("admin", platform.secrets["platform_mlflow_admin_password"]),
        "of Keycloak": ("ada", platform.passwords["ada"]),
    }
    return [
        *tokens(forger.tokens()),
        *tokens(real_but_wrong(platform).items()),
        *other_proofs(forger, passwords),
        *cookies(forger, browser.cookies[SESSION_COOKIE] or ""),
        *nobody(),
        *promote(people["ada"], things["second"]),
        *swap(people["ada"], things["place"], things["run"]),
        *look(people["ada"], things["fraud"], things["secret_run"]),
    ]


def at_the_ports(the_lab: Lab, platform: Platform, attempts: list[Attempt], good: JsonObject) -> tuple[int, list[str]]:
    """Try at MLflow's own ports what the edge has no part in; returns how much was tried, and what was not refused."""
    inner = [attempt for attempt in attempts if not attempt.edge_only]
    ports = Ports(the_lab, platform, the_lab.logs)
    tried, bad = 0, []
    try:
        for number, base in enumerate(ports.bases):
            # Each pool of each host hears half of the table, all of them together each line twice.
            half = inner[number // 2 % 2 :: 2]
            tried += len(half)
            bad += try_all(ports.session, base, half, good, DOMAIN)
            if not refused_connection(ports.stranger, base, inner[0]):
                bad.append(f"{base} answers without a certificate")
    finally:
        for file in ports.files:
            file.unlink()
    return tried, bad


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prod-lab", help="a running lab with single sign-on")
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    platform = Platform(the_lab)
    for name, groups in {"ada": ["pricing"], "bob": ["fraud"], "grace": ["governance"]}.items():
        platform.person(name, *groups)
    browser = platform.browser()
    assert platform.log_in(browser, "ada").ok
    people = {"ada": bearer(platform.page_token(browser))}
    people |= {name: bearer(platform.token_of(name)) for name in ("bob", "grace")}
    things = prepare(platform, people)
    attempts = table(platform, people, browser, things)
    before = state(platform, people["grace"], things)
    bad = try_all(new_client(platform.ca), BASE, attempts, people["ada"])
    tried, more = at_the_ports(the_lab, platform, attempts, people["ada"])
    after = state(platform, people["grace"], things)
    changed = [] if after == before else [f"changed: {before} -> {after}"]
    bad += [*more, *changed, *governance_works(platform, people["grace"], things)]
    print(*bad[:60], sep="\n", flush=True)
    figures = {"attempts": len(attempts), "at_the_edge": len(attempts), "at_mlflows_ports": tried}
    return finish("attacks", begin, not bad, **figures, not_refused=len(bad), unchanged=not changed)


def refused_connection(session: requests.Session, base: str, attempt: Attempt) -> bool:
    """Return whether the port does not speak to somebody without a certificate."""
    try:
        return send(session, base, attempt, DOMAIN).status_code == 400
    except requests.ConnectionError:
        return True


def governance_works(platform: Platform, grace: JsonObject, things: dict[str, str]) -> list[str]:
    """Return which of governance's own ways do not work."""
    first, second = things["first"], things["second"]
    ways: list[tuple[str, str, JsonObject]] = [
        ("POST", "registered-models/alias", {"name": MODEL, "alias": "champion", "version": second}),
        ("POST", "registered-models/alias", {"name": MODEL, "alias": "champion", "version": first}),
        ("POST", "model-versions/transition-stage", {"name": MODEL, "version": first, "stage": "Staging"}),
        ("POST", "model-versions/set-tag", {"name": MODEL, "version": first, "key": "promotion.reason", "value": "r"}),
        ("DELETE", "registered-models/alias", {"name": MODEL, "alias": "champion"}),
        ("DELETE", "model-versions/delete", {"name": MODEL, "version": second}),
    ]
    bad = []
    for number, (method, path, body) in enumerate(ways):
        answer = platform.ask(method, f"{(API, AJAX)[number % 2]}/{path}", json=body, **grace)
        if not answer.ok:
            bad.append(f"governance: {method} {path}: {answer.status_code} {answer.text[:200]}")
    return bad


if __name__ == "__main__":
    raise SystemExit(main())
