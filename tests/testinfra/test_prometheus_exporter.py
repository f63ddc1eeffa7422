# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exporters answer to clients on their host; that the right password is accepted is the role's last task."""

from __future__ import annotations

import re
from typing import Any

import pytest

SCENARIOS = {"single", "prod", "prometheus_exporter"}
CA = "/etc/mlops-tracking/tls/ca.crt"
PORTS = {"node": 9100, "postgres": 9187, "nginx": 9113}


@pytest.fixture(name="exporter", params=sorted(PORTS))
def installed_exporter(host: Any, request: pytest.FixtureRequest) -> str:
    if not host.package(f"prometheus-{request.param}-exporter").is_installed:
        pytest.skip("not on this host")
    return str(request.param)


def url(host: Any, exporter: str, scheme: str = "https") -> str:
    name = re.search(
        r"DNS:([^,\s]+)",
        host.check_output("openssl x509 -noout -ext subjectAltName -in /etc/mlops-tracking/tls/exporter.crt"),
    )
    return f"--resolve {name[1]}:{PORTS[exporter]}:127.0.0.1 {scheme}://{name[1]}:{PORTS[exporter]}/metrics"


def status(host: Any, target: str, options: str = "") -> str:
    return str(
        host.run(f"curl -sS --max-time 10 --cacert {CA} -o /dev/null -w '%{{http_code}}' {options} {target}").stdout
    )


def test_service_is_enabled_and_sandboxed(host: Any, exporter: str) -> None:
    service = host.service(f"prometheus-{exporter}-exporter")
    assert service.is_enabled
    assert service.is_running
    judgement = host.check_output(f"systemd-analyze security --no-pager prometheus-{exporter}-exporter.service")
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
    assert host.run(f"runuser -u nobody -- ls /run/credentials/prometheus-{exporter}-exporter.service").rc != 0
