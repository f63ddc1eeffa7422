# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: team_rights
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Experiments, models and roles that teams need
description:
  - Turns a list of teams into what M(mlops.tracking.mlflow_experiment), M(mlops.tracking.mlflow_registered_model) and
    M(mlops.tracking.mlflow_role) make. Each team has one role, C(team-NAME). The role C(governance), which promotes
    models, is always among them.
  - A list that contradicts itself is refused as a whole.
positional: _input, governance_users
options:
  _input:
    description: Teams, as the option O(mlops.tracking.mlflow#role:main:mlflow_teams) has them.
    type: list
    elements: dict
    required: true
  governance_users:
    description: Users with MLflow's own passwords who have the role C(governance).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what a team needs
  ansible.builtin.debug:
    msg: "{{ [{'name': 'pricing', 'experiments': [{'name': 'pricing/daily'}]}] | mlops.tracking.team_rights }}"
"""

RETURN = r"""
_value:
  description: C(experiments) and C(models) are names, C(roles) are options of M(mlops.tracking.mlflow_role).
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_teams


def team_rights(teams: list[dict[str, Any]], governance_users: list[str] | None = None) -> dict[str, Any]:
    """Return what must exist for ``teams``."""
    try:
        return _mlflow_teams.team_rights(teams, governance_users or [])
    except (_mlflow_teams.TeamError, TypeError) as exc:
        raise AnsibleFilterError(f"team_rights: {exc}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"team_rights": team_rights}
