# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: team_group_roles
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Roles of each group of the identity provider
description:
  - Turns a list of teams into a map from groups, of Keycloak or of LDAP behind it, to names of MLflow's roles.
positional: _input, governance_groups
options:
  _input:
    description: Teams, as the option O(mlops.tracking.mlflow#role:main:mlflow_teams) has them.
    type: list
    elements: dict
    required: true
  governance_groups:
    description: Groups whose members promote and roll back models.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show which roles a group has
  ansible.builtin.debug:
    msg: "{{ [{'name': 'pricing', 'groups': ['pricing']}] | mlops.tracking.team_group_roles(['governance']) }}"
"""

RETURN = r"""
_value:
  description: Names of roles by group.
  type: dict
  sample:
    governance: [governance]
    pricing: [team-pricing]
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams


def team_group_roles(teams: list[dict[str, Any]], governance_groups: list[str] | None = None) -> dict[str, list[str]]:
    """Return the roles of each group."""
    try:
        return _mlflow_teams.team_group_roles(teams, governance_groups or [])
    except (_mlflow_teams.TeamError, TypeError) as exc:
        raise AnsibleFilterError(f"team_group_roles: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"team_group_roles": team_group_roles}
