# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_role
short_description: Manage roles of an MLflow server, with their rights and users
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes roles of MLflow's auth app. A role is a list of grants; users have roles.
  - A right that the role has beside O(grants) is reported, and taken away with O(purge) only.
  - MLflow has no patterns with prefixes. A grant is for one resource or for all of its type.
options:
  name:
    description:
      - Name of the role. Names that begin with V(__user_) are MLflow's own.
    type: str
    required: true
  workspace:
    description:
      - Workspace of the role. A server without workspaces has V(default) only.
    type: str
    default: default
  description:
    description:
      - What the role is for. When left out, it stays as it is.
    type: str
  grants:
    description:
      - What users with the role may do.
    type: list
    elements: dict
    default: []
    suboptions:
      resource_type:
        description:
          - Kind of the resource. Grants on the kinds from V(workspace) on are for all, O(grants[].resource_pattern=*).
        type: str
        required: true
        choices:
          - experiment
          - registered_model
          - prompt
          - scorer
          - gateway_secret
          - gateway_endpoint
          - gateway_model_definition
          - mcp_server
          - workspace
          - run
          - trace
          - assessment
          - logged_model
          - review_queue
          - registered_model_version
          - prompt_version
          - scorer_version
          - mcp_server_version
      resource_pattern:
        description:
          - The id of one resource, or V(*) for all. The id of a model is its name.
        type: str
        default: "*"
      experiment_name:
        description:
          - Name of one experiment, instead of its id. The experiment must exist.
        type: str
      permission:
        description:
          - What may be done. V(DENY) wins against every other grant on the same resource, also one of another role.
          - A grant never gives less than the server's default permission.
        type: str
        required: true
        choices: [READ, USE, EDIT, MANAGE, DENY]
  users:
    description:
      - Names of the users who have the role. They must exist. When left out, they stay as they are.
      - With single sign-on, leave it out. Users then get roles by their groups.
    type: list
    elements: str
  purge:
    description:
      - Whether grants that are not in O(grants), and users that are not in O(users), are taken away.
    type: bool
    default: false
  state:
    description:
      - Whether the role exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
seealso:
  - module: mlops.tracking.mlflow_experiment
  - module: mlops.tracking.mlflow_user
"""

EXAMPLES = r"""
- name: Let a team work in its experiment and read every model
  mlops.tracking.mlflow_role:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: team-pricing
    description: The pricing team
    grants:
      - resource_type: experiment
        experiment_name: pricing/daily
        permission: EDIT
      - resource_type: registered_model
        permission: READ
    users:
      - ada
    purge: true
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(role) when it was made or removed.
  returned: success
  type: list
  elements: str
  sample: [role, description, grants, users]
extra_grants:
  description: Rights that the role had beside the wanted ones, before this run.
  returned: success
  type: list
  elements: str
  sample: ["MANAGE on experiment 7"]
extra_users:
  description: Users that had the role beside the wanted ones, before this run.
  returned: success
  type: list
  elements: str
  sample: [mallory]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import STATE, Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    NAMED_TYPES,
    PERMISSIONS,
    WILDCARD_TYPES,
    Grant,
    PlanError,
    Role,
    RolePlan,
    WantedRole,
    check_grants,
    check_role_name,
    plan_role,
    removal,
)

GRANT_OPTIONS: dict[str, dict[str, t.Any]] = {
    "resource_type": {"type": "str", "required": True, "choices": [*NAMED_TYPES, *WILDCARD_TYPES]},
    "resource_pattern": {"type": "str", "default": "*"},
    "experiment_name": {"type": "str"},
    "permission": {"type": "str", "required": True, "choices": list(PERMISSIONS)},
}
PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "workspace": {"type": "str", "default": "default"},
    "description": {"type": "str"},
    "grants": {"type": "list", "elements": "dict", "default": [], "options": GRANT_OPTIONS},
    "users": {"type": "list", "elements": "str"},
    "purge": {"type": "bool", "default": False},
    "state": STATE,
}


def wanted_grant(option: dict[str, t.Any], api: MlflowApi, check_mode: bool) -> Grant:
    """A grant by the server's id of its resource."""
    pattern, experiment = option["resource_pattern"], option["experiment_name"]
    if experiment is not None:
        if option["resource_type"] != "experiment" or pattern != "*":
            raise PlanError("grants: experiment_name is for resource_type experiment, without resource_pattern")
        found = api.experiment(experiment)
        if found is None and not check_mode:
            raise PlanError(f"there is no experiment {experiment}; make it first, with mlflow_experiment")
        pattern = found.experiment_id if found else f"(of {experiment}, which is not made yet)"
    return Grant(option["resource_type"], pattern, option["permission"])


def make_present(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Make the role where it is missing, then change what differs."""
    params = module.params
    check_role_name(params["name"])
    wanted = WantedRole(
        description=params["description"],
        grants=check_grants(wanted_grant(option, api, module.check_mode) for option in params["grants"]),
        users=None if params["users"] is None else frozenset(params["users"]),
        purge=params["purge"],
    )
    current = api.role(params["name"], params["workspace"])
    plan = plan_role(current, wanted)
    if not module.check_mode:
        write(params, api, current, plan)
    extra = {"extra_grants": [str(grant) for grant in plan.extra_grants], "extra_users": list(plan.extra_users)}
    left = [*extra["extra_grants"], *(f"user {name}" for name in plan.extra_users)]
    warnings = [f"it also has {', '.join(left)}; purge=true takes that away"] if left and not wanted.purge else []
    return Outcome(plan.changes, extra, warnings)


def write(params: dict[str, t.Any], api: MlflowApi, current: Role | None, plan: RolePlan) -> None:
    """Do what was planned; rights are taken away before others are given."""
    name, description = params["name"], params["description"]
    role_id = current.role_id if current else api.create_role(name, params["workspace"], description or "")
    if current and description is not None and description != current.description:
        api.describe_role(role_id, description)
    for username in plan.unassign:
        api.unassign_role(role_id, username)
    for grant_id, dummy in plan.remove:
        api.remove_grant(grant_id)
    for grant_id, grant in plan.update:
        api.update_grant(grant_id, grant.permission)
    for grant in plan.add:
        api.add_grant(role_id, grant)
    for username in plan.assign:
        api.assign_role(role_id, username)


def make_absent(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Remove the role."""
    current = api.role(module.params["name"], module.params["workspace"])
    values: dict[str, t.Any] = {"extra_grants": [], "extra_users": []}
    if current is None:
        return Outcome(values=values)
    if not module.check_mode:
        api.delete_role(current.role_id)
    return Outcome(removal(current), values)


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Bring the role to its state."""
    return (make_present if module.params["state"] == "present" else make_absent)(module, api)


def main() -> None:
    """Run the module."""
    run_module("Role", PROPERTIES, converge)


if __name__ == "__main__":
    main()
