# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: team_service_accounts
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Service accounts that teams name
description:
  - Turns a list of teams into the service accounts that the role keycloak makes. An account that several teams name is
    in the groups of them all.
positional: _input, secrets
options:
  _input:
    description: Teams, as the option O(mlops.tracking.mlflow#role:main:mlflow_teams) has them.
    type: list
    elements: dict
    required: true
  secrets:
    description: Secrets by the names of accounts. An account without one is an error.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the names of service accounts
  ansible.builtin.debug:
    msg: "{{ [{'name': 'pricing', 'groups': ['pricing'], 'service_accounts': ['nightly']}]
      | mlops.tracking.team_service_accounts({'nightly': 'only-an-example-of-one'}) | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: Names, secrets and groups, in the order of names.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams


def team_service_accounts(teams: list[dict[str, Any]], secrets: dict[str, str]) -> list[dict[str, Any]]:
    """Return the service accounts of ``teams``."""
    try:
        return _mlflow_teams.team_service_accounts(teams, secrets)
    except (_mlflow_teams.TeamError, TypeError) as exc:
        raise AnsibleFilterError(f"team_service_accounts: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"team_service_accounts": team_service_accounts}
