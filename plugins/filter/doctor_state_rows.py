# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_state_rows
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Rows for the doctor's table from states or versions
description:
  - Compares what was found with what was wanted, name by name.
  - A wanted version C(17) agrees with C(17) and C(17.2), and not with C(170). An empty one agrees with any.
positional: _input, wanted, host, what, hint, planned
options:
  _input:
    description:
      - What was found, by name. The facts of M(ansible.builtin.service_facts) and M(ansible.builtin.package_facts)
        can be given as they are.
    type: dict
    required: true
  wanted:
    description: What was wanted, by name.
    type: dict
    required: true
  host:
    description: Where it was found.
    type: str
    required: true
  what:
    description: What the names are, for the column C(check).
    type: str
    required: true
  hint:
    description: What to look at if a row fails. C({name}) becomes the name.
    type: str
    default: ""
  planned:
    description: Only tell what would be compared, as in check mode. C(ok) is then null.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Judge the state of a unit
  ansible.builtin.debug:
    msg: "{{ {'nginx.service': {'name': 'nginx.service', 'state': 'running'}}
      | mlops.tracking.doctor_state_rows({'nginx.service': 'running'}, 'edge1', 'unit', 'journalctl -u {name}') }}"

- name: Judge a version
  ansible.builtin.debug:
    msg: "{{ {'postgresql': '17.6'} | mlops.tracking.doctor_state_rows({'postgresql': '17'}, 'db1', 'version of') }}"
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

from ansible_collections.mlops.tracking.plugins.module_utils._doctor import Row, state_rows


def doctor_state_rows(
    found: dict[str, Any], wanted: dict[str, str], host: str, what: str, hint: str = "", planned: bool = False
) -> list[Row]:
    """Return one row for each wanted name."""
    try:
        return state_rows(found, wanted, host, what, hint, planned)
    except (AttributeError, TypeError) as exc:
        raise AnsibleFilterError(f"doctor_state_rows needs two mappings of names to states: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"doctor_state_rows": doctor_state_rows}
