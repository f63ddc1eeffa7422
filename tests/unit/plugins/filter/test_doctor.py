# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doctor's filters: what they export, and what they say about wrong input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.filter import doctor_rows, doctor_state_rows, doctor_table

FILTERS: dict[str, Callable[..., Any]] = {
    **doctor_rows.FilterModule().filters(),
    **doctor_state_rows.FilterModule().filters(),
    **doctor_table.FilterModule().filters(),
}


def test_from_results_to_the_table() -> None:
    found = FILTERS["doctor_rows"]([{"check": "c", "ok": True, "detail": "d", "hint": ""}], "app1")
    found += FILTERS["doctor_state_rows"]({"nginx": "1.26"}, {"nginx": ""}, "edge1", "version of")
    assert FILTERS["doctor_table"](found).splitlines()[-1] == "2 passed, 0 failed"


WRONG: list[tuple[str, tuple[Any, ...]]] = [
    ("doctor_rows", (["not a result"], "app1")),
    ("doctor_rows", (None, "app1")),
    ("doctor_state_rows", ({}, None, "app1", "unit")),
    ("doctor_table", ([{"check": "c"}],)),
    ("doctor_table", (None,)),
]


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_input(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(AnsibleFilterError, match=f"{name} needs"):
        FILTERS[name](*arguments)
