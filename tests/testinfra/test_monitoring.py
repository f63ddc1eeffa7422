# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and Alertmanager: every target is up, every rule is judged, every alert is tested."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from lab_hosts import Ask, inventory
from shared import DOMAIN, ROOT

SCENARIOS = {"single", "prod", "monitoring", "bookworm"}
RULES = ("slo", "hosts", "services", "use")
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
    assert everybody <= jobs.pop("certificate")
    groups = {
        "postgres": ("postgres", "sql"),
        "nginx_tls": ("edge", "nginx"),
        "minio": ("minio", "minio_bucket"),
        "keycloak": ("keycloak",),
        "monitoring": ("prometheus", "alertmanager", "blackbox"),
    }
    expected = {job: hosts.get(group, set()) for group, names in groups.items() for job in names}
    expected |= {"node": everybody, "process": everybody}
    expected["public"] = {f"https://{DOMAIN}"} if hosts.get("nginx_tls") else set()
    assert jobs == {job: names for job, names in expected.items() if names}


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
