# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break three things of a running lab, each really, and receive the alerts and their ends by a webhook.

MinIO is stopped, a small disk is filled, and the audit's database is stopped so that its shipper lags. The webhook
speaks TLS and wants a token. `--quick` shortens the alerts' waiting times; without it they are as shipped.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests
from shared import (
    DOMAIN,
    Lab,
    address,
    authority,
    containers,
    finish,
    inside,
    lab,
    new_client,
    playbook,
    read_secrets,
    resolve,
)

PORT = 9199
FOLDER = "/run/lab-webhook"
SMALL = "/srv/lab-small-disk"
# Appends each alert that it is told, if the token is right. Its certificate is the monitoring host's own.
WEBHOOK = f"""
import http.server, json, pathlib, ssl, sys, time
token = sys.stdin.readline().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        right = self.headers["Authorization"] == "Bearer " + token
        if right:
            with open("{FOLDER}/alerts", "a") as file:
                for alert in json.loads(body)["alerts"]:
                    line = [time.time(), alert["status"], alert["labels"], alert["annotations"]]
                    print(json.dumps(line), file=file)
        self.send_response(200 if right else 401)
        self.end_headers()
    def log_message(self, *arguments):
        pass
pathlib.Path("{FOLDER}").mkdir(exist_ok=True)
pathlib.Path("{FOLDER}/alerts").write_text("")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/mlops-tracking/tls/monitoring.crt", "/etc/mlops-tracking/tls/monitoring.key")
server = http.server.ThreadingHTTPServer(("", {PORT}), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
PLAY = [{"hosts": "monitoring", "become": True, "roles": ["mlops.tracking.platform", "mlops.tracking.monitoring"]}]
QUICK = {
    "DiskAlmostFull": {"for": "10s"},
    "MinioDown": {"for": "10s"},
    "AuditShipperLags": {"for": "10s", "expr": "max by (instance) (mlops_audit_oldest_unstored_seconds) > 20"},
}


@dataclass
class Fault:
    """Something that goes wrong: the alert that says so, how it is made, and how it is mended."""

    alert: str
    begin: Callable[[], object]
    end: Callable[[], object]


def faults(the_lab: Lab, small_on: str) -> list[Fault]:
    """Return the faults of this lab."""
    store = containers(the_lab, "minio.service")[0]
    (base,) = [the_lab.container(host) for host in the_lab.hosts if audit_unit(the_lab.container(host))]
    unit = audit_unit(base)
    fill = f"mkdir -p {SMALL} && mount -t tmpfs -o size=16m lab {SMALL} && fallocate -l 15m {SMALL}/file"
    empty = f"umount {SMALL} && rmdir {SMALL}"
    return [
        Fault("MinioDown", lambda: inside(store, "systemctl", "stop", "minio"),
              lambda: inside(store, "systemctl", "start", "minio")),
        # In the mounts of the host itself, as an operator would mount it.
        Fault("DiskAlmostFull", lambda: inside(small_on, "nsenter", "-t", "1", "-m", "sh", "-c", fill),
              lambda: inside(small_on, "nsenter", "-t", "1", "-m", "sh", "-c", empty)),
        Fault("AuditShipperLags", lambda: inside(base, "systemctl", "stop", unit),
              lambda: inside(base, "systemctl", "start", unit)),
    ]  # fmt: skip


def audit_unit(container: str) -> str:
    """Return the unit of the audit's database if it runs in this host."""
    units = inside(container, "systemctl", "list-units", "--plain", "--no-legend", "--state=running", "postgresql@*")
    return next((line.split()[0] for line in units.splitlines() if "-audit" in line), "")


def told(container: str, alert: str, status: str, after: float) -> float | None:
    """Return when the webhook was told, or nothing."""
    for line in inside(container, "cat", f"{FOLDER}/alerts").splitlines():
        when, state, labels, annotations = json.loads(line)
        if labels["alertname"] == alert and state == status and when > after:
            assert annotations["runbook_url"].endswith(f"/{alert}.md"), annotations
            return float(when)
    return None


def wait(container: str, names: list[str], status: str, limit: float, client: requests.Session) -> dict[str, int]:
    """Return after how many seconds each alert was told, of those that were told in time."""
    after = time.time()
    found: dict[str, int] = {}
    while len(found) < len(names) and time.time() < after + limit:
        # Requests are what the audit lags with.
        client.get(f"https://{DOMAIN}/health", timeout=30)
        for name in names:
            when = told(container, name, status, after)
            if name not in found and when is not None:
                found[name] = round(when - after)
                print(f"{name} {status} after {found[name]} s", flush=True)
        time.sleep(2)
    return found


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo", help="a running lab")
    parser.add_argument("--quick", action="store_true", help="shorten how long the alerts wait")
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    session = new_client(authority(the_lab, read_secrets(the_lab)))
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))
    monitoring = containers(the_lab, "prometheus-alertmanager.service")[0]
    name = inside(monitoring, "hostname").strip()
    token = secrets.token_urlsafe(24)
    webhook = subprocess.Popen(
        ["docker", "exec", "-i", monitoring, "python3", "-c", WEBHOOK], stdin=subprocess.PIPE, text=True
    )
    assert webhook.stdin
    webhook.stdin.write(f"{token}\n")
    webhook.stdin.flush()
    play = the_lab.logs / "alerts.yml"
    play.write_text(json.dumps(PLAY))
    settings = the_lab.logs / "alerts.json"
    settings.touch(mode=0o600)
    receiver = {
        "name": "lab",
        "webhook_url": f"https://{name}:{PORT}/alerts",
        "webhook_ca_file": "/etc/mlops-tracking/tls/ca.crt",
        "webhook_token": token,
    }
    settings.write_text(
        json.dumps(
            {
                "monitoring_alert_receivers": [receiver],
                "monitoring_alert_group_wait_seconds": 1,
                "monitoring_alert_group_interval_seconds": 5,
                "monitoring_alert_overrides": QUICK if options.quick else {},
            }
        )
    )
    print("Alertmanager learns of the webhook", flush=True)
    playbook(the_lab, str(play), "--extra-vars", f"@{settings}", quiet=True)
    settings.unlink()
    todo = faults(the_lab, monitoring)
    names = [fault.alert for fault in todo]
    limit = 300 if options.quick else 1500
    try:
        for fault in todo:
            fault.begin()
        fired = wait(monitoring, names, "firing", limit, session)
    finally:
        for fault in todo:
            fault.end()
    resolved = wait(monitoring, names, "resolved", limit, session)
    webhook.terminate()
    playbook(the_lab, str(play), quiet=True)
    return finish(
        "alerts",
        begin,
        sorted(fired) == sorted(resolved) == sorted(names),
        quick=options.quick,
        told_seconds_after_the_fault=fired,
        resolved_seconds_after_the_repair=resolved,
    )


if __name__ == "__main__":
    raise SystemExit(main())
