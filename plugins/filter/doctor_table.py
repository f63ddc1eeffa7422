# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_table
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The doctor's rows as an aligned table
description:
  - Draws the columns check, host, result and detail, and below them how many rows passed and failed.
    Each failed row is named again with what to look at.
positional: _input
options:
  _input:
    description: Rows, each with C(check), C(host), C(ok) (null for a planned check), C(detail) and C(hint).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show one row
  ansible.builtin.debug:
    msg: "{{ [{'check': 'MinIO answers', 'host': 'app1', 'ok': true, 'detail': 'HTTP 200', 'hint': ''}]
      | mlops.tracking.doctor_table }}"

- name: Show a row as a list of lines, for callbacks that print JSON
  ansible.builtin.debug:
    msg: "{{ ([{'check': 'MinIO answers', 'host': 'app1', 'ok': false, 'detail': 'HTTP 503', 'hint': 'journalctl'}]
      | mlops.tracking.doctor_table).splitlines() }}"
"""

RETURN = r"""
_value:
  description: The table, several lines.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils._doctor import table


def doctor_table(rows: list[dict[str, Any]]) -> str:
    """Return ``rows`` as an aligned table."""
    try:
        return table(rows)
    except (KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"doctor_table needs rows as doctor_rows makes them: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"doctor_table": doctor_table}
