# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards, rights and audit in MLflow itself: both pools, with users and passwords of MLflow."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from mlflow_servers import (
    ADMIN,
    CONFIG,
    MAKER,
    OFFICER,
    STRANGER,
    Server,
    Work,
    alias_of,
    file_of,
    make_work,
    prepare,
)

API = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"), "rest").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def work(rest: Server) -> Work:
    return prepare(rest)


@pytest.fixture(scope="module")
def asgi(rest: Server, work: Work) -> Iterator[Server]:
    server = Server(rest.folder, "asgi").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def uncached(rest: Server, work: Work) -> Iterator[Server]:
    """A server that asks MLflow's own stores each time."""
    server = Server(rest.folder, "rest", app="uncached:create_app()").start()
    yield server
    server.stop()


@pytest.fixture(params=["rest", "asgi"])
def server(request: pytest.FixtureRequest, work: Work) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


PROMOTIONS = [
    ("POST", "registered-models/alias", {"name": "credit", "alias": "champion", "version": "2"}),
    ("DELETE", "registered-models/alias", {"name": "credit", "alias": "steady"}),
    ("POST", "model-versions/transition-stage", {"name": "credit", "version": "1", "stage": "Production"}),
    ("DELETE", "model-versions/delete", {"name": "credit", "version": "1"}),
    ("POST", "registered-models/rename", {"name": "credit", "new_name": "debit"}),
    ("DELETE", "registered-models/delete", {"name": "credit"}),
]
# Every way to write the path of a route that came to mind, and headers that a proxy might be believed with.
SPELLINGS = [
    ("{api}/{route}", {}),
    ("{ajax}/{route}", {}),
    ("{api}/{route}/", {}),
    ("{api}//{route}", {}),
    ("/{api}/{route}", {}),
    ("{api}/./{route}", {}),
    ("{api}/x/../{route}", {}),
    ("{api}/{route};x=1", {}),
    ("{api}/{route}.", {}),
    ("{api}/{route}%20", {}),
    ("{api}/{route}?name=other&alias=other", {}),
    ("{api}/{encoded}", {}),
    ("{api}/{twice}", {}),
    ("{upper}/{route}", {}),
    ("/static{api}/{route}", {}),
    ("/static-files/..{api}/{route}", {}),
    ("/health/..{api}/{route}", {}),
    ("/f{api}/{route}", {"X-Forwarded-Prefix": "/f"}),
    ("/static{api}/{route}", {"X-Forwarded-Prefix": "/static"}),
    ("/static{api}/{route}", {"SCRIPT_NAME": "/static", "Script-Name": "/static"}),
    ("/health{api}/{route}", {"SCRIPT_NAME": "/health", "X-Script-Name": "/health"}),
    ("{api}/{route}", {"X-Forwarded-Prefix": "/static"}),
    ("{api}/{route}", {"X-Forwarded-User": "officer", "X-Remote-User": "officer", "Remote-User": "officer"}),
    ("{api}/{route}", {"X-Mlops-User": "officer", "X-Mlops-Groups": "governance"}),
    ("{api}/{route}", {"X-HTTP-Method-Override": "GET", "X-Method-Override": "GET"}),
    ("{api}/{route}", {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1;host=localhost"}),
    ("{api}/{route}", {"Content-Type": "text/plain"}),
    ("{api}/{route}", {"X-MLFLOW-WORKSPACE": "default"}),
]


def spelled(spelling: str, route: str) -> str:
    return spelling.format(
        api=API,
        ajax=AJAX,
        route=route,
        upper=API.upper(),
        encoded=route.replace("e", "%65"),
        twice=route.replace("e", "%2565"),
    )


@pytest.mark.parametrize(("method", "route", "body"), PROMOTIONS, ids=lambda value: str(value)[:40])
def test_the_maker_of_a_model_does_not_promote_it(
    server: Server, method: str, route: str, body: dict[str, str]
) -> None:
    server.done(
        "POST", f"{API}/registered-models/alias", {"name": "credit", "alias": "steady", "version": "1"}, OFFICER
    )
    for spelling, headers in SPELLINGS:
        answer = server.call(method, spelled(spelling, route), body, MAKER, headers)
        assert answer.status >= 300, (spelling, headers, answer)
        if spelling in ("{api}/{route}", "{ajax}/{route}") and "X-MLFLOW-WORKSPACE" not in headers:
            assert answer.json["error_code"] == "PERMISSION_DENIED"
            assert "Only governance may" in answer.json["message"]
    assert alias_of(server, "credit", "steady") == "1"
    assert alias_of(server, "credit", "champion") is None
    found = server.done("GET", f"{API}/model-versions/get?name=credit&version=1", user=ADMIN)["model_version"]
    assert found["current_stage"] == "None"


@pytest.mark.parametrize(("method", "route", "body"), PROMOTIONS, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("api", [API, AJAX])
def test_governance_does(rest: Server, work: Work, api: str, method: str, route: str, body: dict[str, str]) -> None:
    model = f"made for {route} {method} {api}".replace("/", " ")
    make_work(rest, model)
    for user in (ADMIN, OFFICER):
        rest.done("POST", f"{API}/registered-models/alias", {"name": model, "alias": "steady", "version": "2"}, user)
    new = {"new_name": f"{model} renamed"} if "new_name" in body else {}
    assert rest.call(method, f"{api}/{route}", {**body, "name": model, **new}, OFFICER).status == 200


# A wrong password costs MLflow a tenth of a second.
NOBODY = [
    (None, SPELLINGS),
    (("officer", "wrong"), SPELLINGS[:3]),
    (("officer", ""), SPELLINGS[:3]),
    (("", ""), SPELLINGS),
]


@pytest.mark.parametrize(("user", "spellings"), NOBODY, ids=["nothing", "wrong password", "no password", "no name"])
def test_nobody_comes_in_without_a_password(
    server: Server, user: tuple[str, str] | None, spellings: list[tuple[str, dict[str, str]]]
) -> None:
    for method, route, body in PROMOTIONS:
        for spelling, headers in spellings:
            answer = server.call(method, spelled(spelling, route), body, user, headers)
            assert answer.status >= 300, (spelling, headers, answer)
            assert answer.said("auth") == ("claimed" if user and user[0] else "none"), (spelling, answer)
    assert alias_of(server, "credit", "champion") is None


RESERVED = ["promotion.by", "promotion.", "Promotion.By", "pr\u00f3motion.by", "\uff50romotion.by"]


@pytest.mark.parametrize("key", RESERVED)
def test_who_promoted_a_version_is_written_by_governance(server: Server, key: str) -> None:
    tag = {"name": "credit", "version": "1", "key": key, "value": "maker"}
    source = "runs:/0123456789abcdef0123456789abcdef/model"
    whole = {"name": "credit", "source": source, "tags": [{"key": "a", "value": "b"}, {"key": key, "value": "maker"}]}
    done = server.call("POST", f"{API}/model-versions/set-tag", {**tag, "value": "officer"}, OFFICER)
    assert done.status == 200
    for api in (API, AJAX):
        for method, route, body in [
            ("POST", "model-versions/set-tag", tag),
            ("DELETE", "model-versions/delete-tag", tag),
            ("POST", "model-versions/create", whole),
        ]:
            answer = server.call(method, f"{api}/{route}", body, MAKER)
            assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED"), (route, answer)
            assert "only governance may write them" in answer.json["message"]
    found = server.done("GET", f"{API}/model-versions/get?name=credit&version=1")["model_version"]
    assert {"key": key, "value": "officer"} in found["tags"]
    for key_of_all in ("quality", "promotions", "x.promotion.y"):
        mine = {**tag, "key": key_of_all}
        assert server.call("POST", f"{API}/model-versions/set-tag", mine, MAKER).status == 200
        assert server.call("DELETE", f"{API}/model-versions/delete-tag", mine, MAKER).status == 200


def test_graphql_changes_nothing(server: Server) -> None:
    query = (
        'mutation { mlflowSetRegisteredModelAlias(input: {name: "credit", alias: "champion", version: "2"}) { name } }'
    )
    answer = server.call("POST", "/graphql", {"query": query}, MAKER)
    assert answer.status >= 400 or answer.json.get("errors")
    assert alias_of(server, "credit", "champion") is None


def test_what_runs_with_the_rights_of_the_server_is_closed(server: Server) -> None:
    for path, body in [
        ("/api/3.0/mlflow/prompt-optimization/jobs", {"experiment_id": "1"}),
        ("/ajax-api/3.0/mlflow/scorer/invoke", {"experiment_id": "1"}),
        ("/ajax-api/3.0/mlflow/issues/invoke", {"experiment_id": "1"}),
        ("/ajax-api/3.0/mlflow/genai/evaluate/invoke", {"experiment_id": "1"}),
        ("/ajax-api/3.0/jobs/", {"job_name": "x", "params": {}}),
        ("/ajax-api/3.0/mlflow/assistant/message", {"message": "hello"}),
        ("/ajax-api/3.0/mlflow/demo/generate", {}),
    ]:
        assert server.call("POST", path, body, MAKER).status in (403, 404), path


def artifact_paths(path: str) -> list[str]:
    """Return spellings of a path in the artifact store that some reader takes for that path."""
    first, rest = path.split("/", 1)
    folder, name = path.rsplit("/", 1)
    return [
        path,
        f"/{path}",
        f"{first}//{rest}",
        f"{first}/./{rest}",
        f"{folder}/x/../{name}",
        f"{folder}/x/%2e%2e/{name}",
        f"{folder}/x/%252e%252e/{name}",
        path.replace("/", "%2F"),
        path.replace("/", "%252F"),
        path.replace("m", "%6d"),
        path.replace("m", "%256d"),
        path.replace("m", "%25256d"),
        path.replace("m", f"%{'25' * 9}6d"),
        f"file:{path}",
        f"file%3A{path}",
        f"file:%2F%2F{path}",
        f"{folder}%2F{name}",
        f"{path}/deeper",
        f"{folder}/new file",
        f"{folder}/with%3Fquestion",
        f"{folder}/with%23hash",
        f"{folder}/code/model.py",
        f"{path};v=1",
        path.upper().replace("MLMODEL", "MLmodel"),
    ]


def swaps(work: Work) -> list[tuple[str, str, object]]:
    """Return requests that would change the files behind the maker's versions."""
    found: list[tuple[str, str, object]] = []
    artifacts = ("/api/2.0/mlflow-artifacts", "/ajax-api/2.0/mlflow-artifacts")
    for base in artifacts:
        for file in (work.run_file, work.model_file):
            for path in artifact_paths(file):
                found += [("PUT", f"{base}/artifacts/{quote(path, safe='/%;:')}", b"swapped")]
            folder, name = file.rsplit("/", 1)
            for path in (file, folder, folder.rsplit("/", 1)[0], f"{work.experiment}/models", work.experiment):
                found += [("DELETE", f"{base}/artifacts/{path}", None), ("DELETE", f"{base}/artifacts/{path}/", None)]
                found += [("DELETE", f"{base}/artifacts/{path.replace('m', '%256d')}", None)]
            for step in ("create", "complete", "abort"):
                whole = {"path": name, "num_parts": 1, "upload_id": "x", "parts": [{"part_number": 1, "etag": "e"}]}
                found += [("POST", f"{base}/mpu/{step}/{folder}", whole)]
                found += [("POST", f"{base}/mpu/{step}/{folder}", {**whole, "path": f"/tmp/{name}"})]
                found += [("POST", f"{base}/mpu/{step}/{folder.replace('/', '//')}", whole)]
    for path in (
        "model/MLmodel",
        "model//MLmodel",
        "./model/MLmodel",
        "model/%4dLmodel",
        "model/new",
        "model/%254dLmodel",
    ):
        found += [("POST", f"{AJAX}/upload-artifact?run_uuid={work.run}&path={path}", b"swapped")]
    for api in (API, AJAX):
        presigned = f"{api}/artifacts/presigned-upload-url"
        found += [
            ("POST", presigned, {"run_id": work.run, "path": "model/MLmodel"}),
            ("POST", presigned, {"model_id": work.logged_model, "path": "MLmodel"}),
            ("DELETE", f"{api}/logged-models/{work.logged_model}", None),
            ("POST", f"{api}/runs/delete", {"run_id": work.run}),
            ("POST", f"{api}/experiments/delete", {"experiment_id": work.experiment}),
        ]
    return found


def test_the_files_of_a_version_stay_as_they_were_registered(server: Server, work: Work) -> None:
    refused = 0
    for method, path, body in swaps(work):
        answer = server.call(method, path, body, MAKER)
        # MLflow's own words for a path that it does not read are as good.
        assert answer.status in (308, 400, 403, 404, 405), (method, path, answer)
        refused += answer.status == 403
        assert file_of(server, work.run_file) == b"as trained", (method, path)
        assert file_of(server, work.model_file) == b"as trained", (method, path)
    assert refused > 100
    run = server.done("GET", f"{API}/runs/get?run_id={work.run}", user=ADMIN)["run"]
    assert run["info"]["lifecycle_stage"] == "active"
    assert server.call("GET", f"{API}/logged-models/{work.logged_model}", user=ADMIN).status == 200
    listed = server.done("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={work.run_file.rsplit('/', 1)[0]}")
    assert [file["path"] for file in listed["files"]] == ["MLmodel"]


def test_a_run_goes_on_after_a_version_was_made_of_it(server: Server, work: Work) -> None:
    place = f"/api/2.0/mlflow-artifacts/artifacts/{work.experiment}/{work.run}/artifacts"
    for name in ("plot.png", "model2/MLmodel", "MODEL.md"):
        assert server.call("PUT", f"{place}/{name}", b"later", MAKER).status == 200
        assert server.call("DELETE", f"{place}/{name}", None, MAKER).status == 200
    upload = f"{AJAX}/upload-artifact?run_uuid={work.run}&path=notes.txt"
    assert server.call("POST", upload, b"later", MAKER).status == 200
    metric = {"run_id": work.run, "key": "loss", "value": 0.5, "timestamp": 1}
    assert server.call("POST", f"{API}/runs/log-metric", metric, MAKER).status == 200


def test_a_new_version_is_protected_at_once(server: Server, work: Work) -> None:
    model = f"new at {server.pool}"
    made = make_work(server, model)
    for file in (made.run_file, made.model_file):
        assert server.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{file}", b"swapped", MAKER).status == 403


def test_governance_and_what_nobody_registered(server: Server, work: Work) -> None:
    made = make_work(server, f"removed by governance, {server.pool}")
    place = f"/api/2.0/mlflow-artifacts/artifacts/{made.run_file}"
    assert server.call("PUT", place, b"mended", OFFICER).status == 200
    assert file_of(server, made.run_file) == b"mended"
    assert server.call("POST", f"{API}/runs/delete", {"run_id": made.run}, OFFICER).status == 200
    other = server.done("POST", f"{API}/runs/create", {"experiment_id": made.experiment}, MAKER)["run"]["info"][
        "run_id"
    ]
    assert server.call("POST", f"{API}/runs/delete", {"run_id": other}, MAKER).status == 200
    alone = server.done("POST", f"{API}/experiments/create", {"name": f"alone {server.pool}"}, MAKER)["experiment_id"]
    assert server.call("POST", f"{API}/experiments/delete", {"experiment_id": alone}, MAKER).status == 200


@pytest.mark.parametrize(
    "source",
    ["s3://mlflow/1/x", "file:///etc", "http://127.0.0.1:1/x", "https://h/api/2.0/mlflow-artifacts/artifacts/1"],
)
def test_a_version_is_of_a_run_or_a_logged_model(rest: Server, work: Work, source: str) -> None:
    body = {"name": "credit", "source": source}
    answer = rest.call("POST", f"{API}/model-versions/create", body, MAKER)
    assert (answer.status, answer.json["error_code"]) == (403, "PERMISSION_DENIED")
    assert "registered from a run or a logged model" in answer.json["message"]


def test_what_was_done_is_said_in_headers(server: Server, work: Work) -> None:
    body = {"name": "credit", "alias": "candidate", "version": "1"}
    for user, outcome in ((MAKER, "refused"), (OFFICER, "allowed")):
        answer = server.call("POST", f"{API}/registered-models/alias", body, user)
        said = {
            name: answer.said(name) for name in ("user", "auth", "outcome", "operation", "model", "version", "alias")
        }
        assert said == {
            "user": user[0],
            "auth": "basic",
            "outcome": outcome,
            "operation": "set_registered_model_alias",
            "model": "credit",
            "version": "1",
            "alias": "candidate",
        }
    answer = server.call("POST", f"{API}/runs/create", {"experiment_id": work.experiment}, MAKER)
    assert answer.said("run") == answer.json["run"]["info"]["run_id"]
    assert answer.said("experiment") == work.experiment
    answer = server.call("GET", f"{API}/runs/get?run_id={work.run}", None, ("maker\r\nX é", "wrong"))
    assert answer.said("user") == "maker\\u{d}\\u{a}X \\u{e9}"
    assert (answer.said("auth"), answer.said("outcome"), answer.said("run")) == ("claimed", "refused", work.run)
    answer = server.call("GET", "/health")
    assert (answer.said("user"), answer.said("auth"), answer.said("outcome")) == ("", "none", "allowed")


def test_tool_servers_are_behind_the_log_in_too(asgi: Server) -> None:
    path = "/api/3.0/mlflow/mcp-servers"
    assert asgi.call("GET", path).status == 401
    answer = asgi.call("GET", path, None, MAKER)
    assert (answer.said("user"), answer.said("outcome")) == ("maker", "allowed")


def test_what_is_open_to_everybody(server: Server) -> None:
    found = {path: server.call("GET", path).status for path in ("/health", "/version", "/", "/signup", "/metrics")}
    assert found == {"/health": 200, "/version": 401, "/": 401, "/signup": 401, "/metrics": 401}


def test_an_unhandled_error_has_the_headers_too(server: Server, work: Work) -> None:
    answer = server.call(
        "GET", f"{API}/metrics/get-history?run_id={work.run}&metric_key=%00&max_results=x", None, MAKER
    )
    assert answer.said("user") == "maker"
    for odd in (str(10**30), "none", "\u0661"):
        answer = server.call("POST", f"{API}/experiments/delete", {"experiment_id": odd}, MAKER)
        assert answer.status >= 400, (odd, answer)
    answer = server.call("POST", f"{API}/experiments/delete", {"experiment_id": str(10**30)}, MAKER)
    assert answer.status >= 400
    assert (answer.said("user"), answer.said("operation")) == ("maker", "delete_experiment")


def test_a_right_that_was_taken_away_is_gone_within_the_stated_time(rest: Server, uncached: Server, work: Work) -> None:
    path = f"{API}/experiments/get?experiment_id={work.experiment}"
    grant = {
        "username": STRANGER[0],
        "resource_type": "experiment",
        "resource_id": work.experiment,
        "permission": "READ",
    }
    granted = "/api/3.0/mlflow/users/permissions"
    # Through another process, which this one learns from by asking again only.
    uncached.done("POST", f"{granted}/grant", grant)
    deadline = time.monotonic() + CONFIG["rights_cache_seconds"] + 1
    while rest.call("GET", path, None, STRANGER).status != 200:
        assert time.monotonic() < deadline
    uncached.done("POST", f"{granted}/revoke", {key: grant[key] for key in list(grant)[:3]})
    begin = time.monotonic()
    while rest.call("GET", path, None, STRANGER).status == 200:
        assert time.monotonic() < begin + CONFIG["rights_cache_seconds"] + 0.5
    assert rest.call("GET", path, None, STRANGER).status == 403
    # Through the same process it counts at once.
    rest.done("POST", f"{granted}/grant", grant)
    assert rest.call("GET", path, None, STRANGER).status == 200
    rest.done("POST", f"{granted}/revoke", {key: grant[key] for key in list(grant)[:3]})
    assert rest.call("GET", path, None, STRANGER).status == 403


def routes(server: Server) -> list[str]:
    """Return every method and rule of MLflow."""
    command = [sys.executable, "-c", "import uncached; uncached.print_routes()"]
    environment = server.environment()
    result = subprocess.run(command, env=environment, cwd=server.folder, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


def questions(server: Server, work: Work) -> list[tuple[str, str, object]]:
    """Return one request for every route of MLflow, about the maker's work, and with nothing that would change it."""
    names = {
        "experiment_id": work.experiment,
        "experiment_ids": [work.experiment],
        "run_id": work.run,
        "run_uuid": work.run,
        "run_ids": [work.run],
        "model_id": work.logged_model,
        "name": work.model,
        "username": MAKER[0],
        "metric_key": "loss",
    }
    query = f"experiment_id={work.experiment}&run_id={work.run}&run_uuid={work.run}&name={work.model}&version=1&path=x"
    found: list[tuple[str, str, object]] = []
    for line in routes(server):
        # It looks for news on the Internet, and is for everybody who is logged in.
        if line.endswith("/gateway/supported-models"):
            continue
        method, _space, rule = line.partition(" ")
        path = rule.replace("<path:artifact_path>", work.run_file).replace("<model_id>", work.logged_model)
        while "<" in path:
            path = path[: path.index("<")] + "none" + path[path.index(">") + 1 :]
        # A body of the wrong shape reaches the rights, and no further.
        body = None if method == "GET" else {**names, "unknown to mlflow": 1}
        found.append((method, f"{path}?{query}" if method in ("GET", "DELETE") else path, body))
    return found


def test_remembered_rights_decide_as_fresh_ones_do(rest: Server, uncached: Server, work: Work) -> None:
    asked = 0
    for method, path, body in questions(rest, work):
        for user in (MAKER, STRANGER, OFFICER):
            if method != "GET" and user != STRANGER:
                continue
            answers = [one.call(method, path, body, user).status for one in (rest, uncached, rest)]
            denied = [status in (401, 403) for status in answers]
            assert len(set(denied)) == 1, (method, path, user, answers)
            asked += 1
    assert asked > 400
    for _time in range(2):
        for user in (MAKER, STRANGER, OFFICER, ADMIN):
            for route in (
                "runs/log-metric",
                "runs/set-tag",
                "runs/log-batch",
                "runs/update",
                "experiments/set-experiment-tag",
            ):
                body = {"run_id": work.run, "experiment_id": work.experiment, "key": "k", "value": 1, "timestamp": 1}
                answers = [one.call("POST", f"{API}/{route}", body, user).status for one in (rest, uncached)]
                assert answers[0] == answers[1], (route, user, answers)


def test_many_at_a_time_are_judged_each_for_themselves(rest: Server, work: Work) -> None:
    def one(number: int) -> bool:
        user, expected = ((MAKER, 403), (OFFICER, 200), (STRANGER, 403))[number % 3]
        body = {"name": "credit", "alias": f"crowd{number}", "version": "1"}
        return rest.call("POST", f"{API}/registered-models/alias", body, user).status == expected

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(60)))
