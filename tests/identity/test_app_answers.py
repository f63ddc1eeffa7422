# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow would offer, make or say, and what this platform does instead."""

from __future__ import annotations

import base64
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import object_store
import pytest
from mlflow_servers import ADMIN, MAKER, STRANGER, Server, Work, prepare

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Pools:
    """Both pools, with an object store."""

    rest: Server
    asgi: Server
    work: Work


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "copies").mkdir()
    with object_store.running() as settings:
        servers = [
            Server(folder, pool, settings={**settings, "TMPDIR": str(folder / "copies")}).start()
            for pool in ("rest", "asgi")
        ]
        try:
            yield Pools(servers[0], servers[1], prepare(servers[0]))
        finally:
            for server in servers:
                server.stop()


@pytest.mark.parametrize("pool", ["rest", "asgi"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "mpu/create/{folder}", {"path": "w.bin", "num_parts": 2}),
        ("POST", "mpu/complete/{folder}", {"path": "w.bin", "upload_id": "u", "parts": []}),
        ("POST", "mpu/abort/{folder}", {"path": "w.bin", "upload_id": "u"}),
        ("GET", "presigned/{folder}/w.bin", None),
    ],
)
def test_nobody_is_sent_to_the_object_store(pools: Pools, pool: str, method: str, path: str, body: Any) -> None:
    folder = f"{pools.work.experiment}/{pools.work.run}/artifacts/big"
    for prefix in ("/api", "/ajax-api"):
        whole = f"{prefix}/2.0/mlflow-artifacts/{path.format(folder=folder)}"
        answer = getattr(pools, pool).call(method, whole, body, MAKER)
        assert (answer.status, answer.json["error_code"]) == (501, "NOT_IMPLEMENTED")
        assert "is not supported for the current artifact repository" in answer.json["message"]


@pytest.mark.parametrize("pool", ["rest", "asgi"])
def test_no_such_offer_is_made(pools: Pools, pool: str) -> None:
    said = getattr(pools, pool).call("GET", "/api/3.0/mlflow/server-info").json
    assert {name for name, value in said.items() if name.startswith("multipart") and value is not False} == set()
    assert said["multipart_uploads_enabled"] is False


PLACES = [
    "mlflow-artifacts:/team/x", "mlflow-artifacts:/", "mlflow-artifacts://host/1", "s3://mlflow/1", "s3://other/x",
    "gs://bucket/x", "file:///tmp/x", "/tmp/x", "x", "http://h/api/2.0/mlflow-artifacts/artifacts/1", "dbfs:/x", " ",
]  # fmt: skip


@pytest.mark.parametrize("user", [MAKER, ADMIN])
@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_an_experiment_with_a_place_of_its_own_is_refused_when_it_is_made(
    pools: Pools, prefix: str, user: tuple[str, str]
) -> None:
    for place in PLACES:
        body = {"name": f"at {place}", "artifact_location": place}
        for sent in (body, {"name": body["name"], "artifactLocation": place}):
            answer = pools.rest.call("POST", f"{prefix}/2.0/mlflow/experiments/create", sent, user)
            assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), place
            assert answer.json["message"].startswith(f"artifact_location is {place!r}")
        found = pools.rest.call(
            "GET", f"{API}/experiments/get-by-name?experiment_name={quote(body['name'])}", user=ADMIN
        )
        assert found.status in (400, 404)
    pools.rest.done("POST", f"{API}/experiments/create", {"name": f"{prefix} {user[0]}", "artifact_location": ""}, user)


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_the_pages_are_told_that_passwords_are_kept_here(pools: Pools, prefix: str) -> None:
    said = pools.rest.done("GET", f"{prefix}/2.0/mlflow/users/current", user=MAKER)
    assert (said["is_basic_auth"], said["user"]["username"]) == (True, MAKER[0])


def basic(user: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(user).encode()).decode()


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"Authorization": "Bearer provider-key", "X-MLflow-Authorization": basic(MAKER)}, MAKER[0]),
        ({"X-MLFLOW-AUTHORIZATION": basic(MAKER)}, MAKER[0]),
        ({"Authorization": basic(MAKER), "X-MLflow-Authorization": ""}, MAKER[0]),
        ({"Authorization": basic(MAKER)}, MAKER[0]),
        ({"Authorization": basic(STRANGER), "X-MLflow-Authorization": basic(MAKER)}, MAKER[0]),
        ({"Authorization": basic(MAKER), "X-MLflow-Authorization": basic(("maker", "wrong"))}, None),
        ({"Authorization": "Bearer provider-key"}, None),
    ],
)
def test_an_agents_own_key_leaves_room_for_ours_at_the_gateway(
    pools: Pools, headers: dict[str, str], known: str | None
) -> None:
    answer = pools.asgi.call("POST", "/gateway/none/mlflow/invocations", {"messages": []}, headers=headers)
    assert (answer.status == 401) is (known is None)
    # Nobody is named by the key that is the provider's.
    second = "X-MLflow-Authorization"
    claimed = "" if not headers.get(second) and "Basic" not in headers.get("Authorization", "") else MAKER[0]
    assert answer.said("user") == (known or claimed)


def test_elsewhere_the_second_header_means_nothing(pools: Pools) -> None:
    headers = {"X-MLflow-Authorization": basic(MAKER)}
    assert pools.rest.call("GET", f"{API}/experiments/get?experiment_id=0", headers=headers).status == 401
    assert pools.asgi.call("POST", "/v1/traces", {}, headers={**headers, "X-Mlflow-Experiment-Id": "0"}).status == 401


def copies_left(pools: Pools) -> list[str]:
    """Return what is left of copies when their readers have been gone for a while."""
    end = time.monotonic() + 20
    while (left := copies(pools)) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def copies(pools: Pools) -> list[str]:
    # A folder may go while it is looked at.
    return [name for _folder, _folders, names in os.walk(pools.rest.folder / "copies") for name in names]


def test_a_file_comes_whole_and_its_copy_goes(pools: Pools) -> None:
    content = bytes(range(256)) * 20_000
    path = f"{FILES}/{pools.work.experiment}/{pools.work.run}/artifacts/a b.txt"
    pools.asgi.done("PUT", path.replace(" ", "%20"), content, MAKER)
    answer = pools.asgi.call("GET", path.replace(" ", "%20"), user=MAKER)
    assert (answer.status, answer.body == content) == (200, True)
    stock = pools.rest.call("GET", path.replace(" ", "%20"), user=MAKER)
    for name in ("content-type", "content-disposition", "x-content-type-options"):
        assert answer.headers[name] == stock.headers[name]
    assert answer.headers["content-length"] == str(len(content))
    part = pools.asgi.call("GET", path.replace(" ", "%20"), user=MAKER, headers={"Range": "bytes=0-1"})
    assert (part.status, part.headers.get("accept-ranges"), len(part.body)) == (200, None, len(content))
    assert copies_left(pools) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("{experiment}/{run}/artifacts/model", 400),
        ("{experiment}/{run}/artifacts/missing.txt", 500),
        ("{experiment}/../../x", 403),
        ("?path={experiment}/{run}/artifacts", 400),
    ],
)
def test_what_is_no_file_is_refused_as_json_or_by_its_rights(pools: Pools, path: str, status: int) -> None:
    whole = f"{FILES}/{path.format(experiment=pools.work.experiment, run=pools.work.run)}"
    answer = pools.asgi.call("GET", whole, user=MAKER)
    assert answer.status == status, answer.body
    if status != 403:
        # As MLflow says it in the other pool.
        stock = pools.rest.call("GET", whole, user=MAKER)
        assert "?" in path or (stock.status, stock.json["error_code"]) == (status, answer.json["error_code"])
    assert copies_left(pools) == []


@pytest.mark.parametrize("pool", ["rest", "asgi"])
def test_a_download_that_is_broken_off_leaves_no_copy(pools: Pools, pool: str) -> None:
    path = f"{FILES}/{pools.work.experiment}/{pools.work.run}/artifacts/large.bin"
    pools.asgi.done("PUT", path, b"\0" * 40_000_000, MAKER)
    server = getattr(pools, pool)
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {basic(MAKER)}\r\n\r\n".encode()
    for read in (True, False) * 2:
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(head)
            assert not read or connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert copies_left(pools) == []
