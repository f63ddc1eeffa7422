# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.mlops.tracking.plugins.filter.client_addresses import client_addresses

TEST_ADDRESSES: list[tuple[dict[str, list[str]], list[str]]] = [
    ({"app": ["192.0.2.2"]}, ["192.0.2.2"]),
    ({"app": ["192.0.2.2", "2001:db8::2", "fe80::1%eth0"]}, ["192.0.2.2", "2001:db8::2"]),
    ({"db": ["127.0.1.1"]}, ["samehost"]),
    ({"db": ["192.0.2.1"]}, ["192.0.2.1", "samehost"]),
    ({"db.example.com": ["127.0.1.1", "fe80::1%eth0"]}, ["samehost"]),
    ({"localhost": ["::1", "127.0.0.1"]}, ["samehost"]),
    ({"app": ["192.0.2.2"], "db": ["::1"]}, ["192.0.2.2", "samehost"]),
    ({}, []),
]


@pytest.mark.parametrize(("found", "expected"), TEST_ADDRESSES)
def test_addresses(found: dict[str, list[str]], expected: list[str]) -> None:
    results = [
        {"item": name, "ansible_facts": {"getent_ahosts": {address: ["STREAM"] for address in addresses}}}
        for name, addresses in found.items()
    ]
    assert client_addresses(results, "db") == expected
    here = [item for name in expected for item in (["127.0.0.1", "::1"] if name == "samehost" else [name])]
    assert client_addresses(results, "db", ["127.0.0.1", "::1"]) == sorted(here)
    assert client_addresses(results, "db", hosts=[]) == []
