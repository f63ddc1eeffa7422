# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs as the JSON that MLflow answers with, made of rows instead of messages."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import RunStatus

from mlops_identity.serving.search import Found, Loaded

RUN_NAME = "mlflow.runName"
NAMES = frozenset(RunStatus._STRING_TO_STATUS)


class OddRun(Exception):
    """A row that MLflow's own code has to answer for."""


def name_of(row: Any, tags: list[Any]) -> str | None:
    """Return the name of a run: older versions of MLflow wrote it into a tag only."""
    name: str | None = row[1]
    return name or next((value for key, value in tags if key == RUN_NAME), None) or name


def _info(row: Any, tags: list[Any]) -> dict[str, Any]:
    run_id, _name, experiment_id, user_id, status, start_time, end_time, stage, artifact_uri = row[:9]
    if None in (experiment_id, user_id, start_time, stage) or status not in NAMES:
        raise OddRun
    info = {
        "run_uuid": run_id,
        "run_id": run_id,
        "experiment_id": str(experiment_id),
        "user_id": user_id,
        "status": status,
        "start_time": start_time,
        "lifecycle_stage": stage,
    }
    more = {"run_name": name_of(row, tags), "end_time": end_time or None, "artifact_uri": artifact_uri or None}
    return info | {key: value for key, value in more.items() if value is not None}


def _metric(row: Any) -> dict[str, Any]:
    key, value, timestamp, step, is_nan = row
    return {"key": key, "value": "NaN" if is_nan else value, "timestamp": timestamp, "step": step}


def _pair(row: Any) -> dict[str, Any]:
    key, value = row
    return {"key": key} if value is None else {"key": key, "value": value}


def _run(row: Any, loaded: Loaded) -> dict[str, Any]:
    run_id = row[0]
    tags = loaded.tags[run_id]
    data = {
        "metrics": [_metric(metric) for metric in loaded.metrics[run_id]],
        "params": [_pair(param) for param in loaded.params[run_id]],
        "tags": [_pair(tag) for tag in tags],
    }
    return {
        "info": _info(row, tags),
        "data": {key: value for key, value in data.items() if value},
        "inputs": {},
        "outputs": {},
    }


def runs_json(found: Found, loaded: Loaded, token: str | None) -> str:
    """Return the answer to a search. Raises OddRun."""
    answer: dict[str, Any] = {"runs": [_run(row, loaded) for row in found.runs]} if found.runs else {}
    if token:
        answer["next_page_token"] = token
    return json.dumps(answer, separators=(",", ":"))
