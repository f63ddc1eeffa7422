# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and Alertmanager under use: every target is up, every panel has data, every alert is tested."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from conftest import inventory
from shared import DOMAIN, ROOT, Lab, authority, read_secrets
from sign_on import Platform

SCENARIOS = {"single", "prod", "monitoring"}
CA = "/etc/mlops-tracking/tls/ca.crt"
DASHBOARDS = sorted((ROOT / "roles" / "monitoring" / "files" / "dashboards").glob("*.json"))
RULES = ("slo", "hosts", "services", "use")
# Asks over one connection: each line of the input behind the first is a path, each line of the output an answer.
ASK = """
import base64, http.client, json, socket, ssl, sys
port, login, *paths = sys.stdin.read().splitlines()
context = ssl.create_default_context(cafile="/etc/mlops-tracking/tls/ca.crt")
connection = http.client.HTTPSConnection(socket.gethostname(), int(port), timeout=60, context=context)
for path in paths:
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
"""
# Runs promtool on the rules and their tests, which come as one JSON mapping of paths to texts.
PROMTOOL = """
import json, pathlib, subprocess, sys, tempfile
with tempfile.TemporaryDirectory() as folder:
    for name, text in json.load(sys.stdin).items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tests = sorted(map(str, pathlib.Path(folder, "tests", "rules").glob("*.yml")))
    done = subprocess.run(["promtool", "test", "rules", *tests], capture_output=True, text=True)
    print(done.returncode, done.stdout[-4000:], done.stderr[-4000:])
"""
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
Ask = Callable[..., list[tuple[int, Any]]]


@pytest.fixture(name="ask")
def ask_prometheus(feed: Callable[..., str], secrets: dict[str, str]) -> Ask:
    """Return a function that asks Prometheus, or what listens on another port, for some paths."""

    def ask(*paths: str, port: int = 9090, login: str | None = None) -> list[tuple[int, Any]]:
        if login is None:
            login = f"monitoring:{secrets['platform_monitoring_password']}"
        answers = feed("\n".join([str(port), login, *paths]), "python3", "-c", ASK).splitlines()
        return [
            (status, json.loads(text) if text.startswith("{") else text) for status, text in map(json.loads, answers)
        ]

    return ask


def query_path(expr: str) -> str:
    """Return the path of a question, with the window that Grafana would choose for a short time."""
    return f"/api/v1/query?{urlencode({'query': expr.replace('$__rate_interval', '1m')})}"


def values(answer: tuple[int, Any]) -> list[float]:
    """Return the numbers in an answer to a question; what is not a number is left out."""
    status, body = answer
    assert status == 200, body
    numbers = [float(series["value"][1]) for series in body["data"]["result"]]
    return [number for number in numbers if not math.isnan(number)]


# ---------------------------------------------------------------- use


class Use:
    """A data scientist who works a little, again and again."""

    def __init__(self, the_lab: Lab) -> None:
        secrets = read_secrets(the_lab)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = authority(the_lab, secrets)
        if inventory().get("keycloak", {}).get("hosts"):
            token = Platform(the_lab).client_token("ci-operations", secrets["platform_keycloak_operations_secret"])
            self.session.headers["Authorization"] = f"Bearer {token}"
        else:
            self.session.auth = ("admin", secrets["platform_mlflow_admin_password"])
        self.experiment = self.call("experiments/create", name=f"monitoring-{uuid.uuid4().hex}")["experiment_id"]
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
        requests.get(f"https://{DOMAIN}/api/2.0/mlflow/experiments/search", verify=self.session.verify, timeout=60)


@pytest.fixture(name="use", scope="module")
def somebody_works(the_lab: Lab) -> Use:
    """Return somebody who works with the platform."""
    return Use(the_lab)


# ---------------------------------------------------------------- tests


def test_both_answer_with_the_password_alone(ask: Ask) -> None:
    for port in (9090, 9093):
        for path in ("/-/ready", "/metrics", "/api/v1/status/buildinfo", "/api/v2/status", "/"):
            assert ask(path, port=port, login="")[0][0] == 401, f"{port}{path}"
            assert ask(path, port=port, login="monitoring:wrong")[0][0] == 401, f"{port}{path}"
        assert ask("/-/ready", port=port)[0][0] == 200


def test_every_target_is_up(ask: Ask) -> None:
    deadline = time.monotonic() + 90
    while True:
        ((status, body),) = ask("/api/v1/targets?state=active")
        assert status == 200
        targets = body["data"]["activeTargets"]
        down = [f"{target['labels']['job']} {target['scrapeUrl']}: {target['lastError'] or 'not asked yet'}"
                for target in targets if target["health"] != "up"]  # fmt: skip
        if not down or time.monotonic() > deadline:
            break
        time.sleep(3)
    assert down == []
    jobs: dict[str, set[str]] = {}
    for target in targets:
        jobs.setdefault(target["labels"]["job"], set()).add(target["labels"]["instance"])
    hosts = {name: set(inventory().get(name, {}).get("hosts", [])) for name in inventory()}
    everybody = set(inventory()["_meta"]["hostvars"])
    assert jobs["node"] == jobs["process"] == everybody
    assert jobs["postgres"] == jobs["sql"] == hosts["postgres"]
    assert jobs["edge"] == jobs["nginx"] == hosts["nginx_tls"]
    assert jobs["minio"] == jobs["minio_bucket"] == hosts["minio"]
    assert jobs.get("keycloak", set()) == hosts.get("keycloak", set())
    assert jobs["prometheus"] == jobs["alertmanager"] == jobs["blackbox"] == hosts["monitoring"]
    assert jobs["public"] == {f"https://{DOMAIN}"}
    assert everybody <= jobs["certificate"]


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
    expressions = {
        'sum(mlops_edge_received_bytes_total{kind="artifact"})': 100_000,
        'sum(mlops_edge_sent_bytes_total{kind="artifact"})': 100_000,
        'sum(mlops_edge_requests_total{kind="metadata",status="401"})': 1,
        'max(sql_mlflow_user_runs{mlflow_user="ada"})': 1,
        "sum(sql_mlflow_model_versions)": 1,
    }
    answers = ask(*map(query_path, expressions))
    for (expr, least), answer in zip(expressions.items(), answers, strict=True):
        assert max(values(answer), default=0) >= least, expr
    # The average of a metric that is 0.5 each time.
    (answer,) = ask(query_path('min(sql_mlflow_metric{col="average",metric="rmse",experiment=~"monitoring-.+"})'))
    assert values(answer) == [0.5]


def test_every_rule_is_judged_without_an_error(ask: Ask) -> None:
    ((status, body),) = ask("/api/v1/rules")
    assert status == 200
    rules = [rule for group in body["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 40
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    assert all(rule["annotations"]["runbook_url"].endswith(f"/{rule['name']}.md") for rule in alerts)


def test_alerts_fire_and_stay_quiet_as_they_should(feed: Callable[..., str]) -> None:
    folders = (ROOT / "roles" / "monitoring" / "files" / "rules", ROOT / "tests" / "rules")
    files = {str(path.relative_to(ROOT)): path.read_text() for folder in folders for path in folder.glob("*.yml")}
    assert {Path(name).stem for name in files} == set(RULES)
    answer = feed(json.dumps(files), "python3", "-c", PROMTOOL)
    assert answer.startswith("0 "), answer


def test_rules_reach_alertmanager(ask: Ask) -> None:
    ((status, body),) = ask("/api/v1/alertmanagers")
    assert status == 200
    assert len(body["data"]["activeAlertmanagers"]) == 1
    assert ask("/api/v2/alerts", port=9093)[0][0] == 200
