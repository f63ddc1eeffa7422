# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements of a platform under use: every panel has data, and what was done is counted."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from lab_hosts import Ask, inventory
from shared import DOMAIN, ROOT, Lab, authority, new_client, read_secrets
from sign_on import Platform

GROUP = "monitoring"
SCENARIOS = {"single", "prod", "bookworm"}
DASHBOARDS = sorted((ROOT / "roles" / "monitoring" / "files" / "dashboards").glob("*.json"))
# What a metric needs, by the beginning of its name: a group, or with `release:` a Debian.
NEEDS = (
    ("agroal_", "keycloak"),
    ("http_server_requests_", "keycloak"),
    ("jvm_", "keycloak"),
    ("keycloak_", "keycloak"),
    ("mlops_audit_", "audit"),
    ("mlops:audit_", "audit"),
    ("pg_replication_", "release:13"),
)


def query_path(expr: str) -> str:
    """Return the path of a question, with the window that Grafana would choose for a short time."""
    return f"/api/v1/query?{urlencode({'query': expr.replace('$__rate_interval', '1m')})}"


def values(answer: tuple[int, Any]) -> list[float]:
    """Return the numbers in an answer to a question; what is not a number is left out."""
    status, body = answer
    assert status == 200, body
    numbers = [float(series["value"][1]) for series in body["data"]["result"]]
    return [number for number in numbers if not math.isnan(number)]


class Use:
    """A data scientist who works a little, again and again."""

    def __init__(self, the_lab: Lab) -> None:
        secrets = read_secrets(the_lab)
        self.session = new_client(authority(the_lab, secrets))
        if inventory().get("keycloak", {}).get("hosts"):
            token = Platform(the_lab).client_token("ci-operations", secrets["platform_keycloak_operations_secret"])
            self.session.headers["Authorization"] = f"Bearer {token}"
        else:
            self.session.auth = ("admin", secrets["platform_mlflow_admin_password"])
        self.name = f"monitoring-{uuid.uuid4().hex}"
        self.experiment = self.call("experiments/create", name=self.name)["experiment_id"]
        self.model = f"monitoring-{uuid.uuid4().hex}"
        self.call("registered-models/create", name=self.model)

    def call(self, path: str, **body: Any) -> dict[str, Any]:
        """Call MLflow's API."""
        answer = self.session.post(f"https://{DOMAIN}/api/2.0/mlflow/{path}", json=body, timeout=60)
        assert answer.ok, answer.text
        return dict(answer.json())

    def work(self) -> None:
        """Log a run with metrics and a file, fetch the file, register a version, look at a page, be refused once."""
        begin = round(time.time() * 1000)
        run = self.call("runs/create", experiment_id=self.experiment, user_id="ada", start_time=begin)["run"]["info"]
        metrics = [{"key": name, "value": 0.5, "timestamp": begin, "step": 0} for name in ("rmse", "r2", "loss")]
        self.call("runs/log-batch", run_id=run["run_id"], metrics=metrics)
        file = f"api/2.0/mlflow-artifacts/artifacts/{self.experiment}/{run['run_id']}/artifacts/data.bin"
        for method, data in (("PUT", b"x" * 100_000), ("GET", None)):
            answer = self.session.request(method, f"https://{DOMAIN}/{file}", data=data, timeout=60)
            assert answer.ok, answer.text
        self.call("model-versions/create", name=self.model, source=run["artifact_uri"], run_id=run["run_id"])
        self.call("runs/update", run_id=run["run_id"], status="FINISHED", end_time=begin + 2000)
        self.session.get(f"https://{DOMAIN}/health", timeout=60)
        stranger = new_client(str(self.session.verify))
        stranger.get(f"https://{DOMAIN}/api/2.0/mlflow/experiments/search", timeout=60)


@pytest.fixture(name="use", scope="module")
def somebody_works(the_lab: Lab) -> Use:
    """Return somebody who works with the platform."""
    return Use(the_lab)


def questions() -> Iterator[tuple[str, str]]:
    """Return every question of every panel, each with its place."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']} {target['refId']}", target["expr"]


def can_have_data(expr: str, release: int) -> bool:
    """Return whether this lab has what a question is about."""
    for begin, need in NEEDS:
        if re.search(rf"(?<![a-z_:]){begin}", expr):
            kind, _colon, least = need.partition(":")
            if kind == "release":
                if release < int(least):
                    return False
            elif not inventory().get(need, {}).get("hosts"):
                return False
    return True


def test_every_panel_has_data_under_use(host: Any, ask: Ask, use: Use) -> None:
    release = int(host.check_output(". /etc/os-release; echo $VERSION_ID"))
    asked = {place: expr for place, expr in questions() if can_have_data(expr, release)}
    assert len(asked) > 50
    paths = [query_path(expr) for expr in asked.values()]
    deadline = time.monotonic() + 90
    empty = list(asked)
    while empty and time.monotonic() < deadline:
        use.work()
        answers = ask(*paths)
        empty = [f"{place}: {expr}" for (place, expr), answer in zip(asked.items(), answers, strict=True)
                 if not values(answer)]  # fmt: skip
        time.sleep(2)
    assert empty == []


def test_what_the_use_left_is_counted(ask: Ask, use: Use) -> None:
    least = {
        'sum(mlops_edge_received_bytes_total{kind="artifact"})': 100_000,
        'sum(mlops_edge_sent_bytes_total{kind="artifact"})': 100_000,
        'sum(mlops_edge_requests_total{kind="metadata",status="401"})': 1,
        'max(sql_mlflow_user_runs{mlflow_user="ada"})': 1,
        "sum(sql_mlflow_model_versions)": 1,
    }
    average = f'sql_mlflow_metric{{col="average",metric="rmse",experiment="{use.name}"}}'
    paths = [query_path(expr) for expr in (*least, average)]
    use.work()
    # Databases and hosts are asked one after the other, each at its own times.
    deadline = time.monotonic() + 60
    missing = ["not asked yet"]
    while missing and time.monotonic() < deadline:
        time.sleep(2)
        *found, averages = map(values, ask(*paths))
        missing = [expr for (expr, wanted), numbers in zip(least.items(), found, strict=True)
                   if max(numbers, default=0) < wanted]  # fmt: skip
        # The metric is 0.5 each time.
        missing += [average] * (averages != [0.5])
    assert missing == []
