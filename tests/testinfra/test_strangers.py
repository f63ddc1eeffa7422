# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody from outside reads metrics: what curl gets from another machine at each port that may tell them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from shared import DOMAIN, Lab, address, authority, read_secrets

SCENARIOS = {"single", "prod", "monitoring", "bookworm"}
# Of exporters, gateway, Prometheus and Alertmanager, and of what listens on loopback alone.
PORTS = (9090, 9093, 9100, 9113, 9115, 9187, 9237, 9256, 9999, 3903, 8081, 8444)
PATHS = (
    "metrics",
    "sql",
    "nginx",
    "edge",
    "keycloak",
    "probe?target=127.0.0.1:22",
    "api/v1/query?query=up",
    "debug/pprof/",
)


@pytest.fixture(name="certificate", scope="module")
def certificate_of_authority(the_lab: Lab) -> str:
    """Return the path of the authority's certificate on this machine."""
    return authority(the_lab, read_secrets(the_lab))


def curl(name: str, port: int, path: str, target: str, *options: str, scheme: str = "https") -> str:
    """Return what curl says from this machine: the status, or 000 where nothing was told."""
    place = ("--resolve", f"{name}:{port}:{target}", f"{scheme}://{name}:{port}/{path}")
    command = ["curl", "-sS", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", *options, *place]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_metrics_are_refused(host: Any, the_lab: Lab, certificate: str) -> None:
    name, target = host.check_output("hostname"), address(host.backend.name)
    reached = 0
    for port in PORTS:
        for path in PATHS:
            for options in ((), ("-u", "prometheus:wrong"), ("-H", "Authorization: Bearer wrong")):
                status = curl(name, port, path, target, "--cacert", certificate, *options)
                assert status in ("000", "401"), f"{name}:{port}/{path} {options}: {status}"
                reached += status == "401"
            assert curl(name, port, path, target, scheme="http") in ("000", "400"), f"http://{name}:{port}/{path}"
    assert reached, "nothing was reached, so nothing was refused"


def test_metrics_of_the_object_store_are_refused(host: Any, the_lab: Lab, certificate: str, groups: set[str]) -> None:
    if "minio" not in groups:
        pytest.skip("no object store")
    name, target = host.check_output("hostname"), address(host.backend.name)
    for part in ("cluster", "node", "bucket", "resource"):
        for options in ((), ("-u", "metrics:wrong"), ("-H", "Authorization: Bearer wrong")):
            path = f"minio/v2/metrics/{part}"
            assert curl(name, 9000, path, target, "--cacert", certificate, *options) in ("400", "401", "403"), path


@pytest.mark.parametrize("path", ["metrics", "metrics/", "minio/v2/metrics/cluster", "sso/metrics", "status"])
def test_metrics_are_refused_at_the_edge(
    host: Any, the_lab: Lab, certificate: str, groups: set[str], path: str
) -> None:
    if "nginx_tls" not in groups:
        pytest.skip("no edge")
    password = read_secrets(the_lab)["platform_mlflow_admin_password"]
    config = Path(the_lab.logs / "curl")
    config.touch(mode=0o600)
    config.write_text(f'user = "admin:{password}"\n')
    for options in ((), ("-K", str(config))):
        status = curl(DOMAIN, 443, path, address(host.backend.name), "--cacert", certificate, *options)
        assert status in ("401", "403", "404"), status
    config.unlink()
