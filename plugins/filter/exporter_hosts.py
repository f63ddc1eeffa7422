# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: exporter_hosts
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The hosts of each Prometheus exporter, from the groups of the inventory
description:
  - Says which hosts of the platform have which exporter.
  - The exporter C(sql), which tells of MLflow's domain, is on the first host of the group C(postgres) alone.
options:
  _input:
    description: The groups, each with its hosts, as in the variable C(groups).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who exports what
  ansible.builtin.debug:
    msg: "{{ groups | mlops.tracking.exporter_hosts }}"
"""

RETURN = r"""
_value:
  description: The hosts by exporter; an exporter that no host has is there with an empty list.
  type: dict
  sample: {"node": ["db1", "edge1"], "postgres": ["db1"], "edge": ["edge1"]}
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring


def exporter_hosts(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the hosts of each exporter."""
    try:
        return _monitoring.exporter_hosts(groups)
    except (AttributeError, TypeError) as exc:
        raise AnsibleFilterError(f"exporter_hosts needs groups with lists of hosts: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"exporter_hosts": exporter_hosts}
