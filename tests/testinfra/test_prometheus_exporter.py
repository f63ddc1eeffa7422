# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporters answer to clients on their host; that the right password is accepted is the role's last task."""

from __future__ import annotations

import re
from typing import Any

import pytest

SCENARIOS = {"single", "prod", "prometheus_exporter", "monitoring", "bookworm"}
CA = "/etc/mlops-tracking/tls/ca.crt"
# Port, path and unit.
EXPORTERS = {
    "node": (9100, "metrics", "prometheus-node-exporter"),
    "process": (9256, "metrics", "prometheus-process-exporter"),
    "postgres": (9187, "metrics", "prometheus-postgres-exporter"),
    "blackbox": (9115, "metrics", "prometheus-blackbox-exporter"),
    "sql": (9999, "sql", "prometheus-sql-exporter"),
    "nginx": (9999, "nginx", "prometheus-nginx-exporter"),
    "edge": (9999, "edge", "mtail"),
    "gateway": (9999, "no-such-path", "mlops-metrics-gateway"),
}


@pytest.fixture(name="installed", scope="module")
def units_by_host() -> dict[str, str]:
    """Return an empty mapping that remembers which units each host has."""
    return {}


@pytest.fixture(name="exporter", params=sorted(EXPORTERS))
def installed_exporter(host: Any, request: pytest.FixtureRequest, installed: dict[str, str]) -> str:
    if host.backend.name not in installed:
        installed[host.backend.name] = host.check_output("systemctl list-unit-files --no-legend --type=service")
    if not re.search(rf"^{EXPORTERS[request.param][2]}\.service ", installed[host.backend.name], re.MULTILINE):
        pytest.skip("not on this host")
    return str(request.param)


def url(host: Any, exporter: str, scheme: str = "https") -> str:
    port, path, _unit = EXPORTERS[exporter]
    name = re.search(
        r"DNS:([^,\s]+)",
        host.check_output("openssl x509 -noout -ext subjectAltName -in /etc/mlops-tracking/tls/exporter.crt"),
    )
    return f"--resolve {name[1]}:{port}:127.0.0.1 {scheme}://{name[1]}:{port}/{path}"


def status(host: Any, target: str, options: str = "") -> str:
    return str(
        host.run(f"curl -sS --max-time 10 --cacert {CA} -o /dev/null -w '%{{http_code}}' {options} {target}").stdout
    )


def test_service_is_enabled_and_sandboxed(host: Any, exporter: str) -> None:
    unit = EXPORTERS[exporter][2]
    assert host.service(unit).is_enabled
    assert host.service(unit).is_running
    judgement = host.check_output(f"systemd-analyze security --no-pager {unit}.service")
    assert float(re.search(r"level for \S+: ([\d.]+)", judgement)[1]) <= 2.0


@pytest.mark.parametrize("options", ["", "-u prometheus:wrong", "-u nobody:wrong"])
def test_no_metrics_without_the_password(host: Any, exporter: str, options: str) -> None:
    assert status(host, url(host, exporter), options) == "401"


def test_plain_http_is_refused(host: Any, exporter: str) -> None:
    assert status(host, url(host, exporter, "http")) == "400"


def test_old_tls_and_unknown_authorities_are_refused(host: Any, exporter: str) -> None:
    target = url(host, exporter)
    assert host.run(f"curl -sS --cacert {CA} --tls-max 1.1 {target}").rc != 0
    assert host.run(f"curl -sS {target}").rc == 60


def test_hash_and_key_are_not_for_everybody(host: Any, exporter: str) -> None:
    assert host.file("/etc/mlops-tracking/exporter-web.yml").mode == 0o600
    assert host.run(f"runuser -u nobody -- ls /run/credentials/{EXPORTERS[exporter][2]}.service").rc != 0


def test_debians_nginx_listens_on_edges_alone(host: Any, groups: set[str]) -> None:
    if not host.service("mlops-metrics-gateway").exists:
        pytest.skip("no gateway on this host")
    assert host.service("nginx").is_running is ("nginx_tls" in groups)
    assert host.service("nginx").is_enabled is ("nginx_tls" in groups)
