# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: alertmanager_config
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The configuration of Alertmanager, from a short list of receivers
description:
  - Each receiver gets the alerts of its severities. Without a receiver alerts are shown and nobody is told.
positional: _input, settings
options:
  _input:
    description: The receivers.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: A name of its own.
        type: str
        required: true
      severities:
        description: What it is told; both V(critical) and V(warning) by default.
        type: list
        elements: str
      webhook_url:
        description: Where alerts are posted to.
        type: str
      webhook_ca_file:
        description: The authorities that the webhook's certificate is checked with, a file on the host.
        type: path
      webhook_token:
        description: A bearer token for the webhook.
        type: str
      email_to:
        description: Whom mail is sent to.
        type: str
  settings:
    description: C(smtp), C(group_wait), C(group_interval) and C(repeat_interval), in Alertmanager's words.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ [{'name': 'oncall', 'webhook_url': 'https://alerts.example.com/hook'}]
      | mlops.tracking.alertmanager_config({'group_wait': '30s', 'group_interval': '5m', 'repeat_interval': '4h'}) }}"
"""

RETURN = r"""
_value:
  description: The configuration.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring


def alertmanager_config(receivers: list[dict[str, Any]], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of Alertmanager."""
    try:
        return _monitoring.alertmanager_config(receivers, settings)
    except _monitoring.MonitoringError as exc:
        raise AnsibleFilterError(f"alertmanager_config: {exc}") from exc
    except (AttributeError, KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"alertmanager_config: a receiver needs a name: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"alertmanager_config": alertmanager_config}
