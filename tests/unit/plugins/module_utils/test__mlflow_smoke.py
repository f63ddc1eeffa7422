# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_smoke import (
    API,
    ARTIFACT_NAME,
    ARTIFACTS,
    CLEAN_UP,
    WORK,
    Mismatch,
    SmokeTest,
    Step,
    artifact_path,
    summary,
)

PAYLOAD = b"\x00\xff payload"
FILE = f"{ARTIFACTS}/7/r1/artifacts/{ARTIFACT_NAME}"


class FakeServer:
    """As much of MLflow as the smoke test asks for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failing: dict[tuple[str, str], Exception] = {}
        self.artifact_uri = "mlflow-artifacts:/7/r1/artifacts"
        self.files: dict[str, bytes] = {}
        self.params: list[dict[str, Any]] = []
        self.tags: list[dict[str, Any]] = [{"key": "mlflow.runName", "value": "x"}]
        self.metrics: list[dict[str, Any]] = []
        self.status = "RUNNING"
        self.deleted: list[str] = []
        self.keep_deleted_files = False
        self.corrupt = False

    def request(self, method: str, path: str, json: Any = None, data: bytes | None = None, query: Any = None) -> Any:
        self.calls.append((method, path))
        if error := self.failing.get((method, path)):
            raise error
        if path.startswith(ARTIFACTS):
            return SimpleNamespace(json=None, body=self._file(method, path, data))
        return SimpleNamespace(json=self._answer(path.removeprefix(f"{API}/"), json or {}), body=b"")

    def _file(self, method: str, path: str, data: bytes | None) -> bytes:
        if method == "PUT":
            self.files[path] = (data or b"") + (b"!" if self.corrupt else b"")
        elif path not in self.files:
            raise MlflowApiError(404, "RESOURCE_DOES_NOT_EXIST", "no such artifact")
        elif method == "DELETE":
            if not self.keep_deleted_files:
                del self.files[path]
        else:
            return self.files[path]
        return b""

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        info = {"run_id": "r1", "artifact_uri": self.artifact_uri, "status": self.status}
        if path == "runs/log-batch":
            self.params += body.get("params", [])
            self.tags += body.get("tags", [])
            self.metrics += body.get("metrics", [])
        elif path == "runs/update":
            self.status = body["status"]
            return {"run_info": {"status": self.status}}
        elif path.endswith("/delete"):
            self.deleted.append(path)
        data = {"params": self.params, "tags": self.tags, "metrics": self.metrics[-1:]}
        return {
            "experiments/create": {"experiment_id": "7"},
            "runs/create": {"run": {"info": info}},
            "runs/get": {"run": {"info": info, "data": data}},
            "metrics/get-history": {"metrics": self.metrics},
            "runs/search": {"runs": [{"info": info}]},
            "artifacts/list": {"files": [{"path": ARTIFACT_NAME, "file_size": str(len(PAYLOAD))}]},
        }.get(path, {})


def run(server: FakeServer) -> dict[str, Step]:
    return {step.name: step for step in SmokeTest(server, "doctor-1", PAYLOAD, clock=lambda: 1.0).run()}


def test_every_step_passes_and_nothing_is_left() -> None:
    server = FakeServer()
    steps = run(server)
    assert tuple(steps) == WORK + CLEAN_UP
    assert [step.name for step in steps.values() if not step.ok] == []
    assert server.files == {}
    assert server.deleted == ["runs/delete", "experiments/delete"]


REFUSED = MlflowApiError(403, "PERMISSION_DENIED", "no")

TEST_FAILURES: list[tuple[tuple[str, str], str, tuple[str, ...]]] = [
    (("POST", f"{API}/experiments/create"), "create the experiment", ()),
    (("POST", f"{API}/runs/create"), "create the run", ("delete the experiment",)),
    (("POST", f"{API}/runs/log-batch"), "log parameters and tags", ("delete the run", "delete the experiment")),
    (("PUT", FILE), "upload the artifact", CLEAN_UP),
    (("POST", f"{API}/runs/search"), "search the run", CLEAN_UP),
]


@pytest.mark.parametrize(("call", "failed", "cleaned"), TEST_FAILURES)
def test_a_failure_ends_the_work_and_not_the_removal(
    call: tuple[str, str], failed: str, cleaned: tuple[str, ...]
) -> None:
    server = FakeServer()
    server.failing[call] = REFUSED
    steps = list(run(server).values())
    at = [step.name for step in steps].index(failed)
    assert steps[at] == Step(failed, False, steps[at].milliseconds, str(REFUSED))
    assert tuple(step.name for step in steps[at + 1 :]) == cleaned


def test_the_removal_goes_on_when_one_part_of_it_fails() -> None:
    server = FakeServer()
    server.failing[("DELETE", FILE)] = REFUSED
    steps = run(server)
    assert not steps["delete the artifact"].ok
    assert steps["delete the experiment"].ok


def test_a_crash_still_removes() -> None:
    server = FakeServer()
    server.failing[("POST", f"{API}/runs/search")] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run(server)
    assert server.deleted == ["runs/delete", "experiments/delete"]


def test_a_changed_artifact_is_seen() -> None:
    server = FakeServer()
    server.corrupt = True
    step = run(server)["download the artifact"]
    assert not step.ok
    assert step.detail.startswith("SHA-256: wrote ")


def test_an_artifact_that_survives_its_removal_is_seen() -> None:
    server = FakeServer()
    server.keep_deleted_files = True
    assert not run(server)["delete the artifact"].ok


def test_a_page_instead_of_an_answer_is_a_failure() -> None:
    server = FakeServer()
    server._answer = lambda path, body: None  # type: ignore[method-assign,assignment,return-value]
    assert "has not the shape" in run(server)["create the experiment"].detail


TEST_PATHS: list[tuple[str, str]] = [
    ("mlflow-artifacts:/7/r1/artifacts", "7/r1/artifacts"),
    ("mlflow-artifacts://mlflow.example.com:443/7/r1/artifacts/", "7/r1/artifacts"),
]


@pytest.mark.parametrize(("uri", "expected"), TEST_PATHS)
def test_artifact_path(uri: str, expected: str) -> None:
    assert artifact_path(uri) == expected


@pytest.mark.parametrize("uri", ["s3://bucket/7/r1/artifacts", "/srv/artifacts"])
def test_artifact_path_of_a_server_that_does_not_proxy(uri: str) -> None:
    with pytest.raises(Mismatch, match="does not proxy"):
        artifact_path(uri)


def test_summary() -> None:
    good, bad = Step("a", True, 5, ""), Step("b", False, 1, "why")
    assert summary([good, good]) == "2 steps passed in 10 ms"
    assert summary([good, bad]) == "1 of 2 steps failed: b: why"
