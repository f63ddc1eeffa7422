# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Long lines and large files through the edge, as MLflow's clients and pages send them."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
import typing as t
from base64 import b64encode
from urllib.parse import quote, urlencode

import pytest
from lab import example_python

if t.TYPE_CHECKING:
    from conftest import Platform

FILES = "/api/2.0/mlflow-artifacts/artifacts"
COPIES = "find /var/lib/mlflow/tmp-rest /var/lib/mlflow/tmp-asgi -type f -size +1M | wc -l"
LARGE = 24_000_000
# As some exporters set it.
PARTS = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "5000000",
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "5242880",
}
UPLOAD = """
import hashlib, os, sys
import mlflow
client = mlflow.MlflowClient()
run = client.create_run(client.create_experiment(sys.argv[1])).info.run_id
content = os.urandom(12_000_000)
open("large.bin", "wb").write(content)
client.log_artifact(run, "large.bin", "deep/folder")
back = open(mlflow.artifacts.download_artifacts(f"runs:/{run}/deep/folder/large.bin", dst_path="back"), "rb").read()
print(back == content)
"""


class Answer(t.NamedTuple):
    """The status of an answer, its kind, and what it begins with."""

    status: int
    content_type: str
    begin: bytes


@pytest.fixture(scope="module", name="home")
def fixture_home(platform: Platform, mark: str, tidy: None) -> tuple[str, list[str]]:
    """An experiment of ada's and 100 runs in it with a metric."""
    client = platform.client("ada")

    def post(path: str, body: dict[str, t.Any]) -> t.Any:
        return client.request("POST", f"/api/2.0/mlflow/{path}", json=body).json

    experiment = post("experiments/create", {"name": f"files-{mark}"})["experiment_id"]
    runs = [post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"] for _number in range(100)]
    for run in (runs[0], runs[-1]):
        post("runs/log-metric", {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 3})
    return experiment, runs


def opened(platform: Platform, path: str, user: str = "ada") -> ssl.SSLSocket:
    """Return a connection to the edge on which a GET was sent."""
    context = ssl.create_default_context(cafile=str(platform.ca_file))
    host = platform.url.removeprefix("https://")
    connection = context.wrap_socket(socket.create_connection((host, 443), 30), server_hostname=host)
    account = b64encode(f"{user}:{platform.secret(user)}".encode()).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {account}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def get(platform: Platform, path: str) -> Answer:
    """What the edge answers to a line that no library has shortened."""
    with opened(platform, path) as connection:
        received = bytearray()
        while chunk := connection.recv(65536):
            received += chunk
    head, _end, body = bytes(received).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Answer(int(lines[0].split()[1]), fields.get("content-type", ""), body)


def in_host(platform: Platform, command: str) -> str:
    """What a command prints on the host of MLflow."""
    host = platform.the_lab.container(platform.the_lab.hosts[-1])
    ended = subprocess.run(["docker", "exec", host, "sh", "-c", command], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


@pytest.mark.parametrize("number", [97, 98, 100])
def test_a_chart_of_a_hundred_runs(platform: Platform, home: tuple[str, list[str]], number: int) -> None:
    wanted = urlencode(
        [("run_ids", run) for run in home[1][-number:]] + [("metric_key", "loss"), ("max_results", "10")]
    )
    answer = get(platform, f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?{wanted}")
    assert (answer.status, answer.content_type) == (200, "application/json"), answer.begin[:300]
    assert home[1][-1].encode() in answer.begin


@pytest.mark.parametrize("number", [1, 100, 500, 1000])
def test_a_filter_of_many_ids(platform: Platform, home: tuple[str, list[str]], number: int) -> None:
    ids = ", ".join(f"'{run}'" for run in (home[1] * 20)[:number])
    answer = get(platform, f"/api/2.0/mlflow/model-versions/search?filter={quote(f'run_id IN ({ids})')}")
    assert (answer.status, answer.content_type) == (200, "application/json"), answer.begin[:300]


@pytest.mark.parametrize("length", [66_000, 200_000])
@pytest.mark.parametrize(
    "path", ["/api/2.0/mlflow/experiments/get", "/", "/ajax-api/2.0/mlflow/runs/search", "/oidc/x"]
)
def test_what_is_too_long_is_said_to_programs_as_json(platform: Platform, path: str, length: int) -> None:
    answer = get(platform, f"{path}?x={'y' * length}")
    assert (answer.status, answer.content_type) == (414, "application/json")
    assert json.loads(answer.begin)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_client_that_wants_parts_sends_the_file_whole(
    platform: Platform, tidy: None, mark: str, tmp_path: t.Any
) -> None:
    command = [str(example_python()), "-W", "ignore", "-c", UPLOAD, f"parts-{mark}"]
    environment = {**platform.environment("ada"), **PARTS}
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.stdout.splitlines()[-1:] == ["True"], ended.stderr


def test_downloads_that_are_broken_off_leave_nothing(platform: Platform, home: tuple[str, list[str]]) -> None:
    experiment, runs = home
    path = f"{experiment}/{runs[0]}/artifacts/large.bin"
    platform.client("ada").request("PUT", f"{FILES}/{path}", data=b"\0" * LARGE)
    ways = [f"{FILES}/{path}", f"/ajax-api{FILES[4:]}/{path}", f"/get-artifact?run_id={runs[0]}&path=large.bin"]
    for way in ways * 2:
        with opened(platform, way) as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    # Clients that do not even wait for the beginning.
    for way in ways * 2:
        opened(platform, way).close()
    end = time.monotonic() + 20
    while (copies := in_host(platform, COPIES)) != "0" and time.monotonic() < end:
        time.sleep(0.5)
    assert copies == "0"
    whole = get(platform, ways[0])
    assert (whole.status, len(whole.begin)) == (200, LARGE)


def test_copies_that_a_killed_server_left_are_gone_when_it_is_back(
    platform: Platform, home: tuple[str, list[str]]
) -> None:
    left = "/var/lib/mlflow/tmp-asgi/tmpleft"
    in_host(platform, f"install -d -o mlflow {left} && head -c 3M /dev/zero > {left}/x && chown mlflow {left}/x")
    in_host(platform, "systemctl kill --signal=KILL mlflow-asgi.service")
    end = time.monotonic() + 60
    while in_host(platform, f"ls -d {left} 2>/dev/null || true") and time.monotonic() < end:
        time.sleep(0.5)
    assert in_host(platform, f"ls -d {left} 2>/dev/null || true") == ""
    assert platform.status_becomes(200, "ada", "GET", "experiments/get", None, {"experiment_id": home[0]})
