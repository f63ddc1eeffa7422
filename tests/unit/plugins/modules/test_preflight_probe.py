# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.mlops.tracking.plugins.modules import preflight_probe as probe

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   103        0 4711 1
   1: 0100007F:1538 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   103        0 4712 1
"""
RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n'

TEST_CGROUPS: list[tuple[str, str]] = [
    ("0::/system.slice/nginx.service\n", "nginx.service"),
    ("0::/system.slice/system-postgresql.slice/postgresql@17-main.service\n", "postgresql@17-main.service"),
    ("1:name=systemd:/docker/ab/system.slice/minio.service\n0::/init.scope\n", "minio.service"),
    ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
    ("", ""),
]


def test_listening_sockets_only() -> None:
    assert probe.listening_sockets(TABLE) == [(5432, 103, "4711")]


def test_os_release() -> None:
    expected = {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux 13 (trixie)", "VERSION_ID": "13"}
    assert probe.os_release(RELEASE) == expected


def test_memory() -> None:
    assert probe.memory_mb("MemTotal:        2048000 kB\nMemFree: 1 kB\n") == 2000
    assert probe.memory_mb("") == 0


@pytest.mark.parametrize(("cgroup", "unit"), TEST_CGROUPS)
def test_units(cgroup: str, unit: str) -> None:
    assert probe.unit_of(cgroup) == unit


def test_free_space_of_real_file_systems_only() -> None:
    free = probe.free_mb("/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/sda2 /no/such/folder ext4 rw 0 0\n")
    assert list(free) == ["/"]
    assert free["/"] > 0


def test_names_and_their_addresses() -> None:
    found = probe.resolved(["127.0.0.1", "localhost", "192.0.2.1", "no-such-host.invalid", "a..b"])
    assert [name for name, items in found.items() if not items] == ["no-such-host.invalid", "a..b"]
    loopback = [name for name, items in found.items() if any(map(probe.is_loopback, items))]
    assert loopback == ["127.0.0.1", "localhost"]


def test_a_missing_file_is_empty() -> None:
    assert probe.read("/no/such/file") == ""
