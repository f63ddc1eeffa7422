# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frequent calls over HTTP on PostgreSQL: with the fast ones and without, the same people get the same answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response
from mlflow_servers import ADMIN, CONFIG, MAKER, OFFICER, STRANGER, Answer, Server, Work, prepare

from mlops_identity.serving import views

PEOPLE = [ADMIN, MAKER, OFFICER, STRANGER, None]
API = "/api/2.0/mlflow"
RUNS = 5


@pytest.fixture(scope="module")
def fast(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"_MLFLOW_SERVER_FILE_STORE": database, "_MLFLOW_SERVER_REGISTRY_STORE": database}
    server = Server(tmp_path_factory.mktemp("mlflow"), "rest", settings=settings).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def stock(fast: Server) -> Iterator[Server]:
    config = {**CONFIG, "fast_calls": False}
    server = Server(fast.folder, "rest", settings=fast.settings, config=config).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def asgi(fast: Server) -> Iterator[Server]:
    server = Server(fast.folder, "asgi", settings=fast.settings).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def work(fast: Server) -> Work:
    made = prepare(fast)
    for number in range(RUNS):
        run = fast.done("POST", f"{API}/runs/create", {"experiment_id": made.experiment, "start_time": number}, MAKER)
        metric = {"key": "loss", "value": number / 8, "timestamp": 1, "step": 0}
        more = {"params": [{"key": "lr", "value": "1"}], "tags": [{"key": "team", "value": "a"}]}
        body = {"run_id": run["run"]["info"]["run_id"], "metrics": [metric], **more}
        fast.done("POST", f"{API}/runs/log-batch", body, MAKER)
    return made


def in_order(value: Any) -> Any:
    """Return the value with lists of keys and values sorted."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        found = [in_order(item) for item in value]
        return sorted(found, key=str) if found and isinstance(found[0], dict) and "key" in found[0] else found
    return value


def said(answer: Answer) -> Any:
    """Return what an answer says, the audit headers and the kind of content included."""
    heads = {name: value for name, value in answer.headers.items() if name.startswith(("x-mlops", "content-type"))}
    is_json = "json" in answer.headers.get("content-type", "")
    return answer.status, heads, in_order(answer.json) if is_json else answer.body


SEARCHES: dict[str, Any] = {
    "a page": {"max_results": 2},
    "all": {},
    "an order": {"order_by": ["metrics.loss DESC"], "max_results": 3},
    "a filter": {"filter": "metrics.loss > 0.1 and params.lr = '1'"},
    "deleted ones": {"run_view_type": "DELETED_ONLY"},
    "a wrong filter": {"filter": "metrics.loss >"},
    "a text as size": {"max_results": "many"},
    "a size above all": {"max_results": 50_001},
    "an order that is no list": {"order_by": "metrics.loss"},
    "an order of numbers": {"order_by": [1]},
    "a number as filter": {"filter": 3},
    "two spellings": {"max_results": 1, "maxResults": 2},
    "a token that is none": {"page_token": "nonsense"},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches(fast: Server, stock: Server, asgi: Server, work: Work, name: str) -> None:
    body = {"experiment_ids": [work.experiment], **SEARCHES[name]}
    for person in PEOPLE:
        for path in (f"{API}/runs/search", "/ajax-api/2.0/mlflow/runs/search"):
            expected = said(stock.call("POST", path, body, person))
            assert said(fast.call("POST", path, body, person)) == expected
            assert said(asgi.call("POST", path, body, person)) == expected


def test_who_may_not_read_an_experiment_finds_none_of_its_runs(fast: Server, work: Work) -> None:
    own = fast.done("POST", f"{API}/experiments/create", {"name": "of a stranger"}, STRANGER)["experiment_id"]
    run = fast.done("POST", f"{API}/runs/create", {"experiment_id": own}, STRANGER)["run"]["info"]["run_id"]
    body = {"experiment_ids": [own, work.experiment]}
    found = fast.done("POST", f"{API}/runs/search", body, STRANGER)["runs"]
    assert [one["info"]["run_id"] for one in found] == [run]
    assert len(fast.done("POST", f"{API}/runs/search", body, ADMIN)["runs"]) == RUNS + 2


def test_other_kinds_of_content(fast: Server, stock: Server, work: Work) -> None:
    for headers, body in (({"Content-Type": "text/plain"}, b"{}"), ({"Content-Type": "application/json"}, b"{")):
        answers = [server.call("POST", f"{API}/runs/search", body, MAKER, headers) for server in (fast, stock)]
        assert said(answers[0]) == said(answers[1])


def models_of(server: Server, work: Work, person: tuple[str, str]) -> Any:
    body = {"experiment_ids": [work.experiment], "filter": f"attributes.run_id = '{work.run}'"}
    return server.done("POST", f"{API}/runs/search", body, person)["runs"][0]["outputs"]


def test_models_that_a_user_may_not_see_are_withheld(fast: Server, stock: Server, work: Work) -> None:
    body = {"run_id": work.run, "models": [{"model_id": work.logged_model, "step": 0}]}
    fast.done("POST", f"{API}/runs/outputs", body, MAKER)
    role = fast.done("POST", "/api/3.0/mlflow/roles/create", {"name": "blind", "workspace": "default"})["role"]["id"]
    for kind, permission in (("experiment", "READ"), ("logged_model", "DENY")):
        grant = {"role_id": role, "resource_type": kind, "resource_pattern": "*", "permission": permission}
        fast.done("POST", "/api/3.0/mlflow/roles/permissions/add", grant)
    fast.done("POST", "/api/3.0/mlflow/roles/assign", {"username": STRANGER[0], "role_id": role})
    # The other server remembers rights for as long.
    time.sleep(CONFIG["rights_cache_seconds"] + 0.5)
    for server in (fast, stock):
        assert models_of(server, work, MAKER)["model_outputs"]
        assert models_of(server, work, STRANGER) == {}


def test_writes(fast: Server, stock: Server, work: Work) -> None:
    metric = {"key": "acc", "value": 0.5, "timestamp": 1, "step": 0}
    for path, body in (
        ("log-metric", metric),
        ("log-batch", {"metrics": [metric, {**metric, "value": "NaN", "step": 1}]}),
        ("log-batch", {"metrics": [{**metric, "key": "../x"}]}),
        ("log-batch", {"metrics": [{"key": "x"}]}),
    ):
        for run in (work.run, "f" * 32):
            for person in PEOPLE:
                sent = {"run_id": run, **body}
                expected = said(stock.call("POST", f"{API}/runs/{path}", sent, person))
                assert said(fast.call("POST", f"{API}/runs/{path}", sent, person)) == expected


def test_experiments(fast: Server, stock: Server, work: Work) -> None:
    for experiment in (work.experiment, "999999", "x"):
        for person in PEOPLE:
            path = f"{API}/experiments/get?experiment_id={experiment}"
            assert said(fast.call("GET", path, user=person)) == said(stock.call("GET", path, user=person))


def test_which_server_is_which(fast: Server, stock: Server, work: Work) -> None:
    """MLflow's own answers are printed for people."""
    body = {"experiment_ids": [work.experiment], "max_results": 1, "order_by": ["start_time DESC"]}
    for server, is_stock in ((fast, False), (stock, True)):
        assert (b"\n" in server.call("POST", f"{API}/runs/search", body, MAKER).body) is is_stock


def test_what_is_not_ours_is_looked_at() -> None:
    seen: list[Response] = []
    look = views.unless_unlinked(seen.append)
    look(views.UnlinkedRuns("{}"))
    theirs = Response("{}")
    look(theirs)
    assert seen == [theirs]
