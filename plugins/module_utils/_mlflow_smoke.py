# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run through an MLflow server: written, read back, compared, removed. Private to this collection."""

from __future__ import annotations

import hashlib
import time
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError

API = "/api/2.0/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
ARTIFACT_NAME = "smoke-test.bin"
METRIC = "loss"
METRIC_STEPS = 20
PARAMETERS = {"learning_rate": "0.01", "optimizer": "adam"}
TAGS = {"purpose": "smoke test", "team": "mlops"}

WORK = (
    "create the experiment",
    "create the run",
    "log parameters and tags",
    "log metrics",
    "upload the artifact",
    "end the run",
    "read the run",
    "read the metric history",
    "search the run",
    "list the artifact",
    "download the artifact",
)
CLEAN_UP = ("delete the artifact", "delete the run", "delete the experiment")


class Client(t.Protocol):
    """The part of MlflowClient that this module uses."""

    def request(
        self,
        method: str,
        path: str,
        json: t.Any = None,
        data: bytes | None = None,
        query: Mapping[str, t.Any] | None = None,
    ) -> t.Any: ...


class Mismatch(Exception):
    """What was read is not what was written."""


@dataclass(frozen=True)
class Step:
    """What one step did."""

    name: str
    ok: bool
    milliseconds: int
    detail: str


class SmokeTest:
    """The steps in order; what exists at the end of them is removed whatever happened."""

    def __init__(self, client: Client, experiment: str, payload: bytes, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._experiment = experiment
        self._payload = payload
        self._clock = clock
        self._experiment_id = ""
        self._run_id = ""
        self._artifact_path = ""
        self._uploading = False
        self.steps: list[Step] = []

    def run(self) -> list[Step]:
        """Do every step; the first that fails ends the work, none ends the removal."""
        try:
            for name in WORK:
                if not self._step(name):
                    break
        finally:
            self._remove()
        return self.steps

    def _remove(self) -> None:
        if self._uploading:
            self._step("delete the artifact")
        if self._run_id:
            self._step("delete the run")
        if self._experiment_id:
            self._step("delete the experiment")

    def _step(self, name: str) -> bool:
        method: Callable[[], str] = getattr(self, "_" + name.replace(" the ", " ").replace(" ", "_"))
        start = time.monotonic()
        try:
            detail, ok = method(), True
        except (MlflowApiError, Mismatch) as exc:
            detail, ok = str(exc), False
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as exc:
            detail, ok = f"the answer has not the shape of MLflow's ({type(exc).__name__}: {exc})", False
        self.steps.append(Step(name, ok, round((time.monotonic() - start) * 1000), detail))
        return ok

    def _post(self, path: str, body: Mapping[str, t.Any]) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self._client.request("POST", f"{API}/{path}", json=body).json)

    def _get(self, path: str, query: Mapping[str, t.Any]) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self._client.request("GET", f"{API}/{path}", query=query).json)

    def _create_experiment(self) -> str:
        self._experiment_id = self._post("experiments/create", {"name": self._experiment})["experiment_id"]
        return f"experiment {self._experiment}"

    def _create_run(self) -> str:
        body = {
            "experiment_id": self._experiment_id,
            "run_name": self._experiment,
            "start_time": self._milliseconds(),
        }
        info = self._post("runs/create", body)["run"]["info"]
        self._run_id = info["run_id"]
        self._artifact_path = artifact_path(info["artifact_uri"])
        return f"run {self._run_id}"

    def _log_parameters_and_tags(self) -> str:
        self._post(
            "runs/log-batch",
            {"run_id": self._run_id, "params": _pairs(PARAMETERS), "tags": _pairs(TAGS)},
        )
        return f"{len(PARAMETERS)} parameters, {len(TAGS)} tags"

    def _log_metrics(self) -> str:
        now = self._milliseconds()
        metrics = [
            {"key": METRIC, "value": _metric(step), "timestamp": now, "step": step} for step in range(METRIC_STEPS)
        ]
        self._post("runs/log-batch", {"run_id": self._run_id, "metrics": metrics})
        return f"{METRIC_STEPS} points in one batch"

    def _upload_artifact(self) -> str:
        self._uploading = True
        self._client.request("PUT", self._artifact_url(), data=self._payload)
        return f"{len(self._payload)} bytes"

    def _end_run(self) -> str:
        body = {"run_id": self._run_id, "status": "FINISHED", "end_time": self._milliseconds()}
        return str(self._post("runs/update", body)["run_info"]["status"])

    def _read_run(self) -> str:
        run = self._get("runs/get", {"run_id": self._run_id})["run"]
        _same("status", "FINISHED", run["info"]["status"])
        _same("parameters", PARAMETERS, _mapping(run["data"]["params"]))
        tags = _mapping(run["data"]["tags"])
        _same("tags", TAGS, {name: tags.get(name) for name in TAGS})
        metrics = {item["key"]: item["value"] for item in run["data"]["metrics"]}
        _same("last metric", _metric(METRIC_STEPS - 1), metrics.get(METRIC))
        return "parameters, tags, status and last metric are what was written"

    def _read_metric_history(self) -> str:
        query = {"run_id": self._run_id, "metric_key": METRIC, "max_results": METRIC_STEPS + 1}
        history = self._get("metrics/get-history", query)["metrics"]
        found = {int(item["step"]): item["value"] for item in history}
        _same("metric history", {step: _metric(step) for step in range(METRIC_STEPS)}, found)
        return f"{len(found)} points are what was written"

    def _search_run(self) -> str:
        body = {
            "experiment_ids": [self._experiment_id],
            "filter": f"params.optimizer = '{PARAMETERS['optimizer']}' and metrics.{METRIC} <= 1",
            "max_results": 2,
        }
        runs = self._post("runs/search", body).get("runs", [])
        _same("runs found", [self._run_id], [run["info"]["run_id"] for run in runs])
        return "found by parameter and metric"

    def _list_artifact(self) -> str:
        files = self._get("artifacts/list", {"run_id": self._run_id}).get("files", [])
        found = {item["path"]: int(item["file_size"]) for item in files}
        _same("artifacts", {ARTIFACT_NAME: len(self._payload)}, found)
        return f"{ARTIFACT_NAME} with its size"

    def _download_artifact(self) -> str:
        body = self._client.request("GET", self._artifact_url()).body
        _same("SHA-256", hashlib.sha256(self._payload).hexdigest(), hashlib.sha256(body).hexdigest())
        return f"{len(body)} bytes, same SHA-256"

    def _delete_artifact(self) -> str:
        self._client.request("DELETE", self._artifact_url())
        try:
            self._client.request("GET", self._artifact_url())
        except MlflowApiError as exc:
            if exc.status in (404, 500):
                return "deleted, and no longer answered"
            raise
        raise Mismatch("the artifact can still be read after it was deleted")

    def _delete_run(self) -> str:
        self._post("runs/delete", {"run_id": self._run_id})
        return "deleted (its row stays until mlflow gc)"

    def _delete_experiment(self) -> str:
        self._post("experiments/delete", {"experiment_id": self._experiment_id})
        return "deleted (its row stays until mlflow gc)"

    def _artifact_url(self) -> str:
        return f"{ARTIFACTS}/{self._artifact_path}/{ARTIFACT_NAME}"

    def _milliseconds(self) -> int:
        return int(self._clock() * 1000)


def artifact_path(uri: str) -> str:
    """The path under which the artifact API serves a run's artifacts."""
    parts = urlsplit(uri)
    if parts.scheme != "mlflow-artifacts":
        raise Mismatch(
            f"the server does not proxy artifacts: the run's artifact location is {parts.scheme or 'a path'}, "
            "not mlflow-artifacts"
        )
    return parts.path.strip("/")


def summary(steps: list[Step]) -> str:
    """One sentence about all steps."""
    failed = [f"{step.name}: {step.detail}" for step in steps if not step.ok]
    if not failed:
        return f"{len(steps)} steps passed in {sum(step.milliseconds for step in steps)} ms"
    return f"{len(failed)} of {len(steps)} steps failed: " + "; ".join(failed)


def _metric(step: int) -> float:
    """Values that a binary float holds exactly."""
    return float(1 / 2**step)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def _mapping(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["key"]: pair["value"] for pair in pairs}


def _same(what: str, written: object, read: object) -> None:
    if written != read:
        raise Mismatch(f"{what}: wrote {written!r}, read {read!r}")
