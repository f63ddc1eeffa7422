# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every host, whatever it carries."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from lab_hosts import host_name
from shared import Lab

SCENARIOS = {
    "single",
    "prod",
    "postgres",
    "minio",
    "keycloak",
    "nginx_tls",
    "prometheus_exporter",
    "audit",
    "monitoring",
    "bookworm",
}
CA = "/etc/mlops-tracking/tls/ca.crt"
LOOPBACK = re.compile(r"127\.|\[::1\]|\[::ffff:127\.")
# DHCP's clients answer broadcasts; nothing else listens for datagrams.
DATAGRAM_PORTS = {"68", "546"}
STARTTLS = {"5432": "-starttls postgres", "5433": "-starttls postgres"}
# The service is another name's than its certificate.
OWNERS = {"audit": "postgres"}
# Prints each file and each process that shows a secret to whoever runs this.
LOOK = """
import os, sys
secrets = [(name, text.encode()) for name, text in (line.split(" ", 1) for line in sys.stdin.read().splitlines())]
# What the lab shares with its hosts, and Debian's lists.
THE_SAME_FOR_ALL = ("/var/cache/lab", "/var/cache/lab-bytecode", "/var/lib/apt/lists")
def files():
    for root in ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var"):
        for folder, names, leaves in os.walk(root):
            names[:] = [name for name in names if name not in ("site-packages", "dist-packages")
                        and os.path.join(folder, name) not in THE_SAME_FOR_ALL]
            yield from (os.path.join(folder, leaf) for leaf in leaves)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        yield from (f"/proc/{pid}/{leaf}" for leaf in ("cmdline", "environ"))
looked = 0
for path in files():
    if not path.startswith("/proc/") and not os.path.isfile(path):
        continue
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        continue
    with open(handle, "rb") as stream:
        rest = b""
        try:
            while chunk := stream.read(1 << 20):
                for name in sorted({name for name, text in secrets if text in rest + chunk}):
                    print(path, name)
                rest = chunk[-4096:]
        except OSError:
            pass
    looked += 1
print("looked at", looked)
"""


def listeners(host: Any, options: str) -> set[tuple[str, str]]:
    """Return address and port of each socket that others can reach."""
    lines = host.check_output(f"ss -Hn {options}").splitlines()
    sockets = {tuple(line.split()[3].rsplit(":", 1)) for line in lines}
    return {(address, port) for address, port in sockets if not LOOPBACK.match(address)}


def test_every_reachable_port_speaks_tls(host: Any, variables: dict[str, Any]) -> None:
    name = host.check_output("hostname")
    domain = variables.get("platform_domain", name)
    ports = {port for _address, port in listeners(host, "-lt")}
    assert ports, "nothing listens, so nothing was proven"
    for port in sorted(ports - {"80"}):
        expected = domain if port == "443" else name
        client = (
            f"timeout 20 openssl s_client -brief -connect {name}:{port} -servername {expected} {STARTTLS.get(port, '')}"
        )
        # A server that wants a client's certificate breaks off after the handshake.
        shaken = host.run(f"{client} -CAfile {CA} -verify_return_error -verify_hostname {expected} </dev/null")
        assert "Verification: OK" in shaken.stderr + shaken.stdout, f"port {port}: {shaken.stderr}"
        assert re.search(r"Protocol version: TLSv1\.[23]", shaken.stderr + shaken.stdout), f"port {port}"


def test_plain_http_is_no_service(host: Any) -> None:
    name = host.check_output("hostname")
    for port in sorted({port for _address, port in listeners(host, "-lt")}):
        for path in ("/", "/metrics", "/api/2.0/mlflow/experiments/search?max_results=1"):
            got = host.run(f"curl -sS -o /dev/null --max-time 10 -w '%{{http_code}}' http://{name}:{port}{path}")
            assert got.rc != 0 or got.stdout in ("308", "400", "421"), f"http://{name}:{port}{path}: {got.stdout}"


def test_no_datagram_port(host: Any) -> None:
    # Keycloak opens a DNS client for each connection whose proxy it checks; those sockets receive, and serve nothing.
    clients = {
        line.split()[3].rsplit(":", 1)[1] for line in host.check_output("ss -Hnlup").splitlines() if '"java"' in line
    }
    assert {port for _address, port in listeners(host, "-lu")} - clients <= DATAGRAM_PORTS


def test_no_secret_for_everybody(feed: Callable[..., str], secret_lines: str) -> None:
    # Who may read what everybody may, and what the edge's workers may.
    found = feed(secret_lines, "python3", "-c", LOOK, user="www-data").splitlines()
    assert int(found.pop().removeprefix("looked at ")) > 100
    assert found == []


def test_no_secret_in_arguments(feed: Callable[..., str], secret_lines: str) -> None:
    # As root, who sees all of them; environments are root's to see.
    script = LOOK.replace('("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var")', "()")
    found = feed(secret_lines, "python3", "-c", script).splitlines()[:-1]
    assert [line for line in found if "/environ" not in line] == []


@pytest.fixture(name="own_units")
def units_that_ought_to_be(the_lab: Lab, units: list[str]) -> list[str]:
    if the_lab.scenario == "postgres":
        pytest.skip("PostgreSQL runs in Debian's own unit")
    assert units
    return units


def test_units_run_and_start_at_boot(host: Any, own_units: list[str], journal: Callable[[str], str]) -> None:
    for unit in own_units:
        assert host.run(f"systemctl is-active {unit}").stdout.strip() == "active", journal(unit)
        assert host.run(f"systemctl is-enabled {unit}").stdout.strip() == "enabled", unit
    assert host.check_output("systemctl --failed --no-legend --plain --no-pager") == ""


def test_units_are_sandboxed(host: Any, own_units: list[str]) -> None:
    for unit in (name for name in own_units if name.endswith(".service")):
        judgement = host.check_output(f"systemd-analyze security --no-pager {unit}")
        assert float(re.search(r"level for \S+: ([\d.]+)", judgement)[1]) <= 2.0, judgement


def test_units_have_no_unknown_directive(host: Any, own_units: list[str]) -> None:
    checked = host.run(f"systemd-analyze verify --man=no {' '.join(own_units)}")
    assert (checked.rc, checked.stdout, checked.stderr) == (0, "", "")


def test_private_keys_are_their_services_own(host: Any) -> None:
    keys = host.check_output("find /etc/mlops-tracking/tls -name '*.key' -printf '%m %u %f\\n'").splitlines()
    assert keys
    for mode, user, name in (line.split() for line in keys):
        assert int(mode, 8) & 0o077 == 0, name
        tier = name.removesuffix(".key")
        assert user in ("root", OWNERS.get(tier, tier)), name


def test_host_is_as_it_was_installed(host: Any, the_lab: Lab) -> None:
    # Debian's installer writes the name so, and a site has its own way to keep the time.
    if the_lab.scenario not in ("single", "sso"):
        pytest.skip("for the only host of a platform")
    lines = [line.split() for line in host.file("/etc/hosts").content_string.splitlines()]
    name = host_name(host)
    assert [line[0] for line in lines if name in line[1:]] == ["127.0.1.1"]
    query = r"dpkg-query --show --showformat '${db:Status-Status} ${Package} ${Provides}\n' | grep '^inst.*time-daemon'"
    assert host.check_output(query).splitlines() == ["installed chrony time-daemon"]
    assert host.service("chrony").is_enabled
