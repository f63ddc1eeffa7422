# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of a host whose playbook names them itself; prepare.yml gave it ones that end in a day."""

from __future__ import annotations

from typing import Any

import pytest

SCENARIOS = {"pki"}
TLS = "/etc/mlops-tracking/tls"
DAY = 86400


@pytest.mark.parametrize("name", ["service", "public"])
def test_certificate_is_the_authoritys_and_was_renewed(host: Any, name: str) -> None:
    assert host.run(f"openssl verify -x509_strict -purpose sslserver -CAfile {TLS}/ca.crt {TLS}/{name}.crt").rc == 0
    assert host.run(f"openssl x509 -checkend {360 * DAY} -noout -in {TLS}/{name}.crt").rc == 0
    assert host.run(f"openssl x509 -checkend {370 * DAY} -noout -in {TLS}/{name}.crt").rc == 1


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("service", "host", "host1"),
        ("service", "ip", "192.0.2.7"),
        ("public", "host", "mlflow.example.com"),
    ],
)
def test_names_inside(host: Any, name: str, kind: str, text: str) -> None:
    assert "does match" in host.check_output(f"openssl x509 -noout -check{kind} {text} -in {TLS}/{name}.crt")
    other = {"host": "other.example.com", "ip": "192.0.2.8"}[kind]
    assert "does NOT match" in host.run(f"openssl x509 -noout -check{kind} {other} -in {TLS}/{name}.crt").stdout


@pytest.mark.parametrize("name", ["service", "public"])
def test_key_stayed_the_same_and_is_roots_alone(host: Any, name: str) -> None:
    key = host.file(f"{TLS}/{name}.key")
    assert (key.user, key.mode) == ("root", 0o600)
    assert host.file(f"{TLS}/{name}.key.before").content == key.content


def test_the_authoritys_key_is_not_here(host: Any) -> None:
    assert host.check_output(f"find {TLS} -name 'ca*' -printf '%f '").split() == ["ca.crt"]
