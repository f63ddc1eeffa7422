# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the filter systemd_sandbox."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.filter.systemd_sandbox import (
    SANDBOX,
    FilterModule,
    systemd_sandbox,
)

# What differs, and the lines of the directives that it names.
TEST_OVERRIDES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"ProcSubset": None}, []),
    ({"ProtectHome": "tmpfs"}, ["ProtectHome=tmpfs"]),
    ({"PrivateDevices": "no"}, ["PrivateDevices=no"]),
    ({"ReadWritePaths": ["/srv/a", "/srv/b"]}, ["ReadWritePaths=/srv/a /srv/b"]),
    ({"ReadWritePaths": ("/srv/a",)}, ["ReadWritePaths=/srv/a"]),
    ({"ReadWritePaths": []}, ["ReadWritePaths="]),
    ({"TasksMax": 64}, ["TasksMax=64"]),
    ({"SystemCallFilter": "@system-service"}, ["SystemCallFilter=@system-service"]),
    (
        {"SystemCallFilter": ["@system-service", "~@privileged", "@chown", "~@debug"]},
        ["SystemCallFilter=@system-service @chown", "SystemCallFilter=~@privileged @debug"],
    ),
]

TEST_REFUSED: list[tuple[Any, str]] = [
    (None, "needs a mapping of directives, not NoneType"),
    ("ProtectHome=no", "needs a mapping of directives, not str"),
    ([{"ProtectHome": "no"}], "needs a mapping of directives, not list"),
    ({"ReadWritePaths": "/srv\nUser=root"}, "ReadWritePaths holds a line break"),
    ({"ReadWritePaths": ["/srv", "/a\nUser=root"]}, "ReadWritePaths holds a line break"),
    ({"SystemCallFilter": "@system-service\n@privileged"}, "SystemCallFilter holds a line break"),
]


def lines_of(text: str, names: Any) -> list[str]:
    return [line for line in text.splitlines() if line.split("=", 1)[0] in names]


@pytest.mark.parametrize(("overrides", "expected"), TEST_OVERRIDES)
def test_overrides_replace_their_directives_only(overrides: dict[str, Any], expected: list[str]) -> None:
    text = systemd_sandbox(overrides)
    assert lines_of(text, overrides) == expected
    others = SANDBOX.keys() - overrides.keys()
    assert lines_of(text, others) == lines_of(systemd_sandbox({}), others)


def test_directives_are_sorted() -> None:
    names = [line.split("=", 1)[0] for line in systemd_sandbox({"AppArmorProfile": "x", "Zzz": 1}).splitlines()]
    assert names == sorted(names)
    assert set(names) == {*SANDBOX, "AppArmorProfile", "Zzz"}


def test_a_denied_call_has_a_line_of_its_own() -> None:
    assert lines_of(systemd_sandbox({}), ["SystemCallFilter"]) == [
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
    ]


@pytest.mark.parametrize(("overrides", "message"), TEST_REFUSED)
def test_refused(overrides: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        systemd_sandbox(overrides)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"systemd_sandbox": systemd_sandbox}
