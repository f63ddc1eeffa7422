# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: prometheus_rules
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Alert rules with an operator's changes and the address of each runbook
description:
  - Takes the rules of one file. Alerts that the changes name are replaced in part, or left out.
positional: _input, overrides, runbook_url, known
options:
  _input:
    description: A rules file, as a mapping with C(groups).
    type: dict
    required: true
  overrides:
    description: By alert, what replaces its C(expr), C(for), C(labels) or C(annotations); null leaves the alert out.
    type: dict
    required: true
  runbook_url:
    description: Where the runbooks are; the name of the alert and C(.md) are added.
    type: str
    required: true
  known:
    description: The alerts of all files, where the changes may name those of other files.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Wait longer before an alert fires
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'platform.yml') | from_yaml
      | mlops.tracking.prometheus_rules({'TargetDown': {'for': '15m'}}, 'https://docs.example.com/runbooks') }}"
"""

RETURN = r"""
_value:
  description: The rules.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring


def prometheus_rules(
    document: dict[str, Any], overrides: dict[str, Any], runbook_url: str, known: list[str] | None = None
) -> dict[str, Any]:
    """Return the rules with the changes."""
    try:
        return _monitoring.prometheus_rules(document, overrides, runbook_url, known)
    except _monitoring.MonitoringError as exc:
        raise AnsibleFilterError(f"prometheus_rules: {exc}") from exc
    except (AttributeError, KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"prometheus_rules needs rules and changes by alert: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"prometheus_rules": prometheus_rules}
