# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody just made, or was just given, counts at once at every server: a denial never comes from memory.

The servers remember rights for longer than the tests take, so that whatever is answered from memory shows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import first_uses
import pytest
from first_uses import V2, V3, Ask, NotUsable
from mlflow_servers import ADMIN, CONFIG, MAKER, OFFICER, STRANGER, Server, Work, prepare

NATIVE = ("/mlflow-artifacts/artifacts/", "/v1/traces", "/gateway/")
LONG = {**CONFIG, "rights_cache_seconds": 600}


@dataclass
class Servers:
    """Two hosts with both pools each."""

    rest: list[Server]
    asgi: list[Server]
    work: Work

    def asking(self, user: tuple[str, str], pool: str = "") -> Ask:
        """Return what asks as this user, each time at the next server of the pool that the edge would choose."""
        turns = {"rest": itertools.cycle(self.rest), "asgi": itertools.cycle(self.asgi)}

        def ask(method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
            chosen = pool or ("asgi" if any(part in path for part in NATIVE) else "rest")
            answer = next(turns[chosen]).call(method, path, body, user, headers)
            try:
                return answer.status, answer.json
            except ValueError:
                return answer.status, answer.body

        return ask

    @property
    def all(self) -> list[Server]:
        return [*self.rest, *self.asgi]

    def remember(self, user: tuple[str, str]) -> None:
        """Let every server remember what the user may do, by calls of every kind on what there was before."""
        work = self.work
        calls: list[tuple[str, str, Any]] = [
            ("GET", f"{V2}/experiments/get?experiment_id={work.experiment}", None),
            ("POST", f"{V2}/runs/search", {"experiment_ids": [work.experiment]}),
            ("GET", f"{V2}/runs/get?run_id={work.run}", None),
            ("GET", f"{V2}/registered-models/get?name={work.model}", None),
            ("GET", f"/api/2.0/mlflow-artifacts/artifacts/{work.run_file}", None),
            ("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{work.experiment}/{work.run}/artifacts/more.txt", b"x"),
            ("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={work.experiment}/{work.run}/artifacts", None),
            ("POST", "/v1/traces", {"resourceSpans": []}),
        ]
        for server, (method, path, body) in itertools.product(self.all, calls):
            server.call(method, path, body, user, {"X-Mlflow-Experiment-Id": work.experiment})


@pytest.fixture(scope="module")
def servers(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("mlflow")
    settings = {"_MLFLOW_SERVER_FILE_STORE": database, "_MLFLOW_SERVER_REGISTRY_STORE": database}
    started = [
        Server(folder, pool, settings=settings, config=LONG).start() for pool in ("rest", "rest", "asgi", "asgi")
    ]
    yield Servers(started[:2], started[2:], prepare(started[0]))
    for server in started:
        server.stop()


@pytest.mark.parametrize("pool", ["", "asgi"])
def test_what_somebody_makes_is_usable_at_once_everywhere(servers: Servers, pool: str) -> None:
    for _time in range(3):
        servers.remember(MAKER)
        first_uses.every_way(servers.asking(MAKER, pool))


def grant(servers: Servers, kind: str, pattern: str, permission: str, user: str = STRANGER[0]) -> None:
    body = {"username": user, "resource_type": kind, "resource_id": pattern, "permission": permission}
    servers.rest[0].done("POST", f"{V3}/users/permissions/grant", body)


def test_a_right_on_an_experiment_counts_at_once_everywhere(servers: Servers) -> None:
    work = servers.work
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "n", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    calls = [
        ("rest", "GET", f"{V2}/experiments/get?experiment_id={work.experiment}", None),
        ("rest", "GET", f"{V2}/experiments/get-by-name?experiment_name=experiment%20of%20credit", None),
        ("rest", "POST", f"{V2}/runs/log-metric", {"run_id": work.run, "key": "a", "value": 1, "timestamp": 1}),
        ("rest", "POST", f"{V2}/runs/create", {"experiment_id": work.experiment}),
        ("asgi", "GET", f"/api/2.0/mlflow-artifacts/artifacts/{work.run_file}", None),
        ("asgi", "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{work.experiment}/{work.run}/artifacts/y.txt", b"y"),
        ("asgi", "POST", "/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
    ]
    servers.remember(STRANGER)
    header = {"X-Mlflow-Experiment-Id": work.experiment}

    def statuses() -> list[int]:
        return [
            server.call(method, path, body, STRANGER, header).status
            for pool, method, path, body in calls
            for server in getattr(servers, pool)
        ]

    search = {"experiment_ids": [work.experiment]}
    found = [server.call("POST", f"{V2}/runs/search", search, STRANGER).json for server in servers.rest]
    assert (set(statuses()), found) == ({403}, [{}, {}])
    grant(servers, "experiment", work.experiment, "EDIT")
    assert set(statuses()) == {200}
    for server in servers.rest:
        first_uses.holds("search", server.call("POST", f"{V2}/runs/search", search, STRANGER).json, work.run)
        graphql = {
            "query": f'{{mlflowGetExperiment(input: {{experimentId: "{work.experiment}"}}) {{experiment {{name}}}}}}'
        }
        first_uses.holds("GraphQL", server.call("POST", "/graphql", graphql, STRANGER).json, "experiment of credit")


def test_a_role_of_governance_counts_at_once(servers: Servers) -> None:
    alias = {"name": servers.work.model, "alias": "champion", "version": "1"}
    body = {"username": "late", "password": "password-of-late"}
    servers.rest[0].done("POST", f"{V2}/users/create", body)
    late = ("late", body["password"])
    servers.remember(late)
    for server in servers.rest:
        assert server.call("POST", f"{V2}/registered-models/alias", alias, late).status == 403
    roles = servers.rest[0].done("GET", f"{V3}/roles/list?workspace=default")["roles"]
    role = next(role["id"] for role in roles if role["name"] == "governance")
    servers.rest[0].done("POST", f"{V3}/roles/assign", {"username": "late", "role_id": role})
    for server in servers.rest:
        assert server.call("POST", f"{V2}/registered-models/alias", alias, late).status == 200


def test_an_administrator_is_one_at_once(servers: Servers) -> None:
    servers.rest[0].done("POST", f"{V2}/users/create", {"username": "chief", "password": "password-of-chief"})
    chief = ("chief", "password-of-chief")
    servers.remember(chief)
    path = f"/api/2.0/mlflow-artifacts/artifacts/{servers.work.run_file}"
    assert {server.call("GET", path, user=chief).status for server in servers.all} == {403}
    servers.rest[0].done("PATCH", f"{V2}/users/update-admin", {"username": "chief", "is_admin": True})
    assert {server.call("GET", path, user=chief).status for server in servers.all} == {200}


def test_what_a_deleted_version_protected_is_free_at_once(servers: Servers) -> None:
    maker = servers.asking(MAKER)
    experiment = first_uses.use(maker, "POST", f"{V2}/experiments/create", {"name": first_uses.a_name()})
    run = first_uses.use(maker, "POST", f"{V2}/runs/create", experiment)["run"]["info"]["run_id"]
    name = first_uses.a_name()
    first_uses.use(maker, "POST", f"{V2}/registered-models/create", {"name": name})
    version = {"name": name, "source": f"runs:/{run}/model", "run_id": run}
    first_uses.use(maker, "POST", f"{V2}/model-versions/create", version)
    path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment['experiment_id']}/{run}/artifacts/model/x"
    assert {server.call("PUT", path, b"x", MAKER).status for server in servers.all} == {403}
    servers.rest[0].done("DELETE", f"{V2}/model-versions/delete", {"name": name, "version": "1"}, OFFICER)
    assert {server.call("PUT", path, b"x", MAKER).status for server in servers.all} == {200}


def test_a_denial_stays_one_and_is_written_down_as_one(servers: Servers) -> None:
    path = f"/api/2.0/mlflow-artifacts/artifacts/{servers.work.run_file}"
    servers.rest[0].done("POST", f"{V2}/users/create", {"username": "nobody", "password": "password-of-nobody"})
    for server in servers.all:
        answer = server.call("GET", path, user=("nobody", "password-of-nobody"))
        assert (answer.status, answer.said("outcome"), answer.said("user")) == (403, "refused", "nobody")
        answer = server.call("GET", path, user=("nobody", "another-password"))
        assert (answer.status, answer.said("outcome"), answer.said("auth")) == (401, "refused", "claimed")
    with pytest.raises(NotUsable):
        first_uses.use(servers.asking(ADMIN), "GET", f"{V2}/runs/get?run_id=missing")
