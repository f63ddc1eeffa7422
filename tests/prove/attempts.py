# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of requests that must be refused: to get in, to promote, to swap a model's files, to see others' work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from forged_tokens import Forger
from sign_on import BASE, SESSION_COOKIE, bearer

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=100"
MODEL = "price"
FILE = "model/weights.bin"
JsonObject = dict[str, Any]
# Statuses by which a server says that it did nothing.
REFUSALS = frozenset({301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 411, 414, 415, 421, 422, 501})
# Questions that may be answered, with nothing in the answer.
ANSWERS = frozenset({200, 400, 403, 404})
REDIRECTS = frozenset({200, 302, 303, 307, 400, 403})

CLAIMED_USERS = (
    "X-Remote-User",
    "Remote-User",
    "X-Forwarded-User",
    "X-Auth-Request-User",
    "X-Mlops-User",
    "X-Mlops-Auth",
    "X_Mlops_User",
    "X-Mlflow-User",
    "X-Forwarded-Email",
    "X-Authenticated-User",
    "X-Webauth-User",
)
CLAIMED_PLACES = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "X-Original-URL": "/health",
    "X-Rewrite-URL": "/health",
    "X-Forwarded-Prefix": "/health",
    "X-Forwarded-Host": "localhost",
    "X-Forwarded-Port": "1",
    "X-HTTP-Method-Override": "OPTIONS",
    "Origin": BASE,
    "Referer": BASE,
}
CLOSED_TO_NOBODY = (
    "/graphql",
    "/gateway/mlflow/invocations",
    "/api/2.0/mlflow/gateway-proxy?gateway_path=api/2.0/endpoints/",
    "/ajax-api/3.0/jobs/1",
    "/v1/traces",
    "/api/2.0/mlflow-artifacts/artifacts?path=",
    "/get-artifact?path=x&run_uuid=1",
    "/model-versions/get-artifact?name=price&version=1&path=x",
    "/ajax-api/2.0/mlflow/users/create-ui",
    "/signup",
    "/api/2.0/mlflow/users/list",
    "/mcp",
    "/docs",
    "/openapi.json",
    "/api/3.0/mlflow/roles/list",
)
CLOSED_AT_THE_EDGE = (
    "/metrics",
    "/sso/admin/",
    "/sso/realms/master/",
    "/sso/metrics",
    "/sso/health",
    "/sso/js/../admin/",
    "/sso/realms/mlops/../master/",
    "/sso;/admin/",
    "/sso/%61dmin/master/console/",
)
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "https:evil.example",
    "/%2f%2fevil.example",
    "javascript:alert(1)",
    "/ /evil.example",
    "\t//evil.example",
    "http://mlflow.example.com.evil.example",
)
CALLBACKS = (
    "",
    "?code=x",
    "?code=x&state=y",
    "?state=y",
    "?error=access_denied&state=y",
    "?code=x&state=" + "A" * 4000,
)


@dataclass(frozen=True)
class Attempt:
    """One request that must be refused; `secret` must not be in the answer, whatever its status."""

    name: str
    method: str
    path: str
    options: JsonObject = field(default_factory=dict)
    secret: str = ""
    fine: frozenset[int] = REFUSALS
    # What the edge alone answers for.
    edge_only: bool = False


def spellings(path: str) -> list[str]:
    """Return a path in forms that somebody might take for another."""
    head, _slash, tail = path.rpartition("/")
    return [
        path, f"/{path}", path.replace("/", "//"), f"{path}/", f"{path}//", f"{path}.", f"{path}%20", f"{path};x=1",
        f"{head};x/{tail}", f"{head}/./{tail}", f"{head}/x/../{tail}", f"/health/..{path}", f"/static-files/..{path}",
        f"/static-files/..%2f{path[1:]}", f"{head}%2f{tail}", f"{head}/%2e/{tail}", path.upper(),
        f"{head}/{tail.title()}",
        f"{head}/{''.join(f'%{ord(letter):02x}' for letter in tail)}", f"/x{path}", f"{path}%00", f"{path}%0a",
        path.replace("/api/", "/ajax-api/"), path.replace("/api/2.0/", "/api/3.0/"), path.replace("/api/", "/api\\"),
    ]  # fmt: skip


def tokens(forged: Iterable[tuple[str, str]]) -> Iterator[Attempt]:
    """Attempts with tokens, by name."""
    for name, token in forged:
        yield Attempt(f"token: {name}", "GET", SEARCH, bearer(token))


def other_proofs(forger: Forger, passwords: dict[str, tuple[str, str]]) -> Iterator[Attempt]:
    """Attempts with passwords, claims and a token in the wrong place."""
    for name, pair in {**passwords, "a token as the password": ("ada", forger.real), "nobody": ("", "")}.items():
        yield Attempt(f"password: {name}", "GET", SEARCH, {"auth": pair})
    yield Attempt("token in the address", "GET", f"{SEARCH}&access_token={forger.real}")
    yield Attempt("token in a cookie", "GET", SEARCH, {"headers": {"Cookie": f"Authorization=Bearer {forger.real}"}})
    for name, value in [*((user, "admin") for user in CLAIMED_USERS), *CLAIMED_PLACES.items()]:
        yield Attempt(f"header {name}", "GET", SEARCH, {"headers": {name: value}}, edge_only=True)


def cookies(forger: Forger, cookie: str) -> Iterator[Attempt]:
    """Attempts with what is nearly a session, and with a session from another site's page."""
    middle = len(cookie) // 2
    other = "A" if cookie[middle] != "A" else "B"
    forms = {
        "changed": cookie[:middle] + other + cookie[middle + 1 :],
        "cut": cookie[:-4],
        "empty": "",
        "garbage": "garbage",
        "a token": forger.real,
    }
    for name, value in forms.items():
        yield Attempt(f"cookie: {name}", "GET", SEARCH, {"headers": {"Cookie": f"{SESSION_COOKIE}={value}"}})
    names = f"mlops-session={cookie}; session={cookie}"
    yield Attempt("cookie: another name", "GET", SEARCH, {"headers": {"Cookie": names}})
    forged = {"headers": {"Cookie": f"{SESSION_COOKIE}={cookie}", "Origin": "https://evil.example"}}
    for path in ("experiments/create", "runs/create", "registered-models/create"):
        yield Attempt(
            f"another site: {path}", "POST", f"/ajax-api/2.0/mlflow/{path}", {"json": {"name": "x"}, **forged}
        )


def nobody() -> Iterator[Attempt]:
    """Attempts without any proof."""
    for path in spellings("/api/2.0/mlflow/experiments/search"):
        yield Attempt(f"nobody: {path}", "GET", f"{path}?max_results=100", secret="pricing/daily")
    for path in CLOSED_TO_NOBODY:
        yield Attempt(f"nobody: {path}", "GET", path)
    for path in CLOSED_AT_THE_EDGE:
        yield Attempt(f"nobody: {path}", "GET", path, edge_only=True)
    for target in ELSEWHERE:
        for name in ("next", "target", "redirect_uri"):
            options = {"params": {name: target}}
            attempt = f"redirect: {name}={target!r}"
            yield Attempt(attempt, "GET", "/oidc/login", options, fine=REDIRECTS, edge_only=True)
    for query in CALLBACKS:
        yield Attempt(f"callback{query[:30]}", "GET", f"/oidc/callback{query}", edge_only=True)


def promote(token: JsonObject, version: str) -> Iterator[Attempt]:
    """Attempts of a model's owner to change what production loads."""
    calls = [
        ("POST", "registered-models/alias", {"name": MODEL, "alias": "champion", "version": version}),
        ("DELETE", "registered-models/alias", {"name": MODEL, "alias": "champion"}),
        ("POST", "model-versions/transition-stage", {"name": MODEL, "version": version, "stage": "Production"}),
        ("DELETE", "model-versions/delete", {"name": MODEL, "version": version}),
        ("DELETE", "registered-models/delete", {"name": MODEL}),
        ("POST", "registered-models/rename", {"name": MODEL, "new_name": "stolen"}),
    ]
    for method, call, body in calls:
        for path in spellings(f"/api/2.0/mlflow/{call}"):
            yield Attempt(f"owner: {method} {path}", method, path, {"json": body, **token})
        yield from disguised(token, method, f"/api/2.0/mlflow/{call}", body)
    for key in ("promotion.approved_by", "promotion.reason", "promotion.ticket"):
        body = {"name": MODEL, "version": version, "key": key, "value": "forged"}
        yield Attempt(f"owner: tag {key}", "POST", "/api/2.0/mlflow/model-versions/set-tag", {"json": body, **token})
    query = {"query": 'mutation { mlflowSetRegisteredModelAlias(input: {name: "price"}) { apiError { code } } }'}
    yield Attempt("owner: GraphQL", "POST", "/graphql", {"json": query, **token}, fine=ANSWERS)


def disguised(token: JsonObject, method: str, path: str, body: JsonObject) -> Iterator[Attempt]:
    """Attempts to have one request taken for another."""
    for override in ("POST", "GET"):
        headers = {**token["headers"], "X-HTTP-Method-Override": method, "X-HTTP-Method": method}
        options = {"json": body, "params": {"_method": method}, "headers": headers}
        yield Attempt(f"owner: {override} for {method} {path}", override, path, options)
    for header, value in {"X-Forwarded-Prefix": "/f", "X-Script-Name": "/f", "X-Original-URL": path}.items():
        options = {"json": body, "headers": {**token["headers"], header: value}}
        yield Attempt(f"owner: {method} {path} with {header}", method, f"/f{path[1:]}", options, edge_only=True)


def swap(token: JsonObject, place: str, run: str) -> Iterator[Attempt]:
    """Attempts of a model's owner to put other files in the place of a registered version's."""
    folder, _slash, file = FILE.rpartition("/")
    bad = {"data": b"swapped", **token}
    forms = [
        f"{folder}/{file}",
        f"{folder}//{file}",
        f"{folder}/./{file}",
        f"{folder}/x/../{file}",
        f"x/../{folder}/{file}",
        f"{folder}%2f{file}",
        f"%6dodel/{file}",
        f"/{folder}/{file}",
        f"{folder}/new.bin",
        f"{folder}/%2e%2e/{folder}/{file}",
        f"{folder}/x/%2e%2e/{file}",
    ]
    for api in ("api", "ajax-api"):
        root = f"/{api}/2.0/mlflow-artifacts/artifacts/{place}"
        for form in forms:
            yield Attempt(f"owner: PUT {api} {form}", "PUT", f"{root}/{form}", bad)
        for form in (folder, f"{folder}/{file}", f"{folder}//{file}", "", "%6dodel", f"x/../{folder}"):
            yield Attempt(f"owner: DELETE {api} {form}", "DELETE", f"{root}/{form}", token)
    for step in ("create", "complete", "abort"):
        path = f"/api/2.0/mlflow-artifacts/mpu/{step}/{place}/{FILE}"
        body = {"path": FILE, "num_parts": 1, "upload_id": "x", "parts": []}
        yield Attempt(f"owner: mpu {step}", "POST", path, {"json": body, **token})
    for path in (FILE, f"{folder}//{file}", f"x/../{FILE}", f"./{FILE}"):
        options = {"params": {"run_uuid": run, "path": path}, **bad}
        yield Attempt(f"owner: upload-artifact {path}", "POST", "/ajax-api/2.0/mlflow/upload-artifact", options)


def look(token: JsonObject, fraud: str, run: str) -> Iterator[Attempt]:
    """Attempts of one team to see or change the work of another."""
    body = {"experiment_id": fraud}
    metric = {"run_id": run, "key": "m", "value": 1, "timestamp": 1, "step": 0}
    reads = {
        "experiment by id": f"experiments/get?experiment_id={fraud}",
        "experiment by name": "experiments/get-by-name?experiment_name=fraud",
        "run by id": f"runs/get?run_id={run}",
        "history": f"metrics/get-history?run_id={run}&metric_key=m",
        "list of files": f"artifacts/list?run_id={run}",
    }
    writes: dict[str, JsonObject] = {
        "experiments/delete": body,
        "experiments/update": {**body, "new_name": "mine"},
        "experiments/set-experiment-tag": {**body, "key": "k", "value": "v"},
        "runs/create": body,
        "runs/delete": {"run_id": run},
        "runs/update": {"run_id": run, "status": "FAILED"},
        "runs/log-metric": metric,
        "runs/log-batch": {"run_id": run, "metrics": [metric]},
        "runs/log-parameter": {"run_id": run, "key": "k", "value": "v"},
        "runs/set-tag": {"run_id": run, "key": "k", "value": "v"},
    }
    for api in ("api", "ajax-api"):
        root = f"/{api}/2.0/mlflow"
        for name, path in reads.items():
            yield Attempt(f"other team: {api} {name}", "GET", f"{root}/{path}", token, secret=run)
        for path, sent in writes.items():
            yield Attempt(f"other team: {api} {path}", "POST", f"{root}/{path}", {"json": sent, **token})
        yield from searches(token, root, fraud, run)
    place = f"{run}/artifacts/secret.txt"
    for path in (
        f"/api/2.0/mlflow-artifacts/artifacts/{fraud}/{place}",
        f"/api/2.0/mlflow-artifacts/artifacts/{fraud}%2f{place}",
        f"/get-artifact?run_uuid={run}&path=secret.txt",
    ):
        yield Attempt(f"other team: {path[:50]}", "GET", path, token, secret="only for fraud")
    for question, secret in {
        f'{{ mlflowGetExperiment(input: {{experimentId: "{fraud}"}}) {{ experiment {{ name }} }} }}': '"fraud"',
        f'{{ mlflowGetRun(input: {{runId: "{run}"}}) {{ run {{ info {{ runName }} }} }} }}': "run-of-fraud",
    }.items():
        options = {"json": {"query": question}, **token}
        yield Attempt(f"other team: GraphQL {question[2:20]}", "POST", "/graphql", options, secret, ANSWERS)


def searches(token: JsonObject, root: str, fraud: str, run: str) -> Iterator[Attempt]:
    """Attempts to find what one may not see."""
    body = {"experiment_ids": [fraud], "max_results": 10}
    yield Attempt(f"search: {root} runs", "POST", f"{root}/runs/search", {"json": body, **token}, run, ANSWERS)
    for pattern in ("", "name LIKE 'fra%'", "name ILIKE '%RAUD'", "name = 'fraud'"):
        options = {"params": {"filter": pattern, "max_results": 1000}, **token}
        yield Attempt(f"search: {root} {pattern}", "GET", f"{root}/experiments/search", options, '"fraud"', ANSWERS)
