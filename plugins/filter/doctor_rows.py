# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_rows
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Rows for the doctor's table from registered results
description:
  - Turns what M(mlops.tracking.endpoint_probe) and M(mlops.tracking.mlflow_smoke_test) returned into rows.
    Results of a loop become a row each, skipped ones none.
  - A result of anything else is a failed row, because the check itself did not work.
positional: _input, host
options:
  _input:
    description: Registered results.
    type: list
    elements: dict
    required: true
  host:
    description: Where the checks ran.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make a row of a probe
  ansible.builtin.debug:
    msg: "{{ [{'check': 'MinIO answers', 'ok': true, 'detail': 'HTTP 200', 'hint': ''}]
      | mlops.tracking.doctor_rows('app1') }}"

- name: Leave out what was skipped
  ansible.builtin.debug:
    msg: "{{ [{'skipped': true}] | mlops.tracking.doctor_rows('app1') }}"
"""

RETURN = r"""
_value:
  description: The rows, each with C(check), C(host), C(ok), C(detail) and C(hint).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils._doctor import Row, rows


def doctor_rows(results: list[dict[str, Any]], host: str) -> list[Row]:
    """Return the rows of ``results``."""
    try:
        return rows(results, host)
    except (AttributeError, KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"doctor_rows needs a list of registered results: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"doctor_rows": doctor_rows}
