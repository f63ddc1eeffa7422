# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: team_roles_unlisted
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Roles of teams that are no longer listed
description:
  - Picks from a server's roles those that were made for a team, C(team-NAME), which a list of teams does not name.
  - A team with O(mlops.tracking.mlflow#role:main:mlflow_teams[].state=absent) is named.
positional: _input, teams
options:
  _input:
    description: Roles, as M(mlops.tracking.mlflow_info) returns them.
    type: list
    elements: dict
    required: true
  teams:
    description: Teams, as the option O(mlops.tracking.mlflow#role:main:mlflow_teams) has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the roles of teams that nobody lists
  ansible.builtin.debug:
    msg: "{{ [{'name': 'team-old'}, {'name': 'governance'}] | mlops.tracking.team_roles_unlisted([]) }}"
"""

RETURN = r"""
_value:
  description: The roles.
  type: list
  elements: dict
  sample:
    - name: team-old
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams


def team_roles_unlisted(roles: list[dict[str, Any]], teams: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the roles of teams that ``teams`` does not name."""
    try:
        return [dict(role) for role in _mlflow_teams.unlisted_team_roles(roles, teams)]
    except (_mlflow_teams.TeamError, TypeError, KeyError) as exc:
        raise AnsibleFilterError(f"team_roles_unlisted: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"team_roles_unlisted": team_roles_unlisted}
