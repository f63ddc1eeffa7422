# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role common leaves on a host that has nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from lab_hosts import host_name
from shared import ROOT

SCENARIOS = {"common"}


@pytest.mark.parametrize("package", ["acl", "ca-certificates", "logrotate", "openssl", "python3-cryptography"])
def test_base_packages(host: Any, package: str) -> None:
    assert host.package(package).is_installed


def test_one_package_keeps_the_time(host: Any) -> None:
    # One host had chrony before, the other nothing.
    kept, unit = {"host1": ("systemd-timesyncd",) * 2, "host2": ("chrony", "chrony")}[host_name(host)]
    query = r"dpkg-query --show --showformat '${db:Status-Status} ${Package} ${Provides}\n' | grep '^inst.*time-daemon'"
    assert host.check_output(query).splitlines() == [f"installed {kept} time-daemon"]
    assert host.service(unit).is_enabled


def test_logs_are_rotated(host: Any) -> None:
    # What writes logs only recommends it, and this installs no recommendations.
    assert host.service("logrotate.timer").is_running
    assert host.service("logrotate.timer").is_enabled


def test_extra_authority_is_trusted(host: Any) -> None:
    company = (ROOT / "molecule" / "common" / "files" / "company.crt").read_text()
    assert host.file("/usr/local/share/ca-certificates/mlops-tracking-company.crt").content_string == company
    assert company.splitlines()[1] in host.file("/etc/ssl/certs/ca-certificates.crt").content_string
