# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_registered_model
short_description: Manage registered models of an MLflow server
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, describes, tags and removes registered models. Versions are registered by training code, not by this module.
options:
  name:
    description:
      - Name of the model, without V(/) and V(:).
    type: str
    required: true
  description:
    description:
      - What the model is for. When left out, it stays as it is.
    type: str
  tags:
    description:
      - Tags of the model. When left out, they stay as they are.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Tags that MLflow writes itself stay.
    type: bool
    default: false
  force:
    description:
      - Whether O(state=absent) also removes a model that has versions. They go with it for good.
    type: bool
    default: false
  state:
    description:
      - Whether the model exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
seealso:
  - module: mlops.tracking.mlflow_model_alias
  - module: mlops.tracking.mlflow_role
"""

EXAMPLES = r"""
- name: Make the model of a team
  mlops.tracking.mlflow_registered_model:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: pricing
    description: Price of a flat, in thousands
    tags:
      team: pricing

- name: Remove a model with every version of it
  mlops.tracking.mlflow_registered_model:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: old-pricing
    state: absent
    force: true
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(registered_model) when it was made or removed.
  returned: success
  type: list
  elements: str
  sample: [registered_model, description, tags]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import STATE, Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    Change,
    PlanError,
    RegisteredModel,
    plan_tags,
    tag_changes,
    text_tags,
)

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "description": {"type": "str"},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "state": STATE,
}


def make_present(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Make the model where it is missing, then change what differs."""
    params = module.params
    name, description = params["name"], params["description"]
    wanted = text_tags(params["tags"])
    current = api.registered_model(name)
    base = current or RegisteredModel()
    tags = plan_tags(base.tags, wanted, params["purge_tags"])
    changes = [] if current else [Change("registered_model", "absent", "present")]
    if description is not None and description != base.description:
        changes.append(Change("description", base.description, description))
    changes += tag_changes(tags)
    if module.check_mode:
        return Outcome(changes)
    if current is None:
        api.create_registered_model(name, description, wanted or {})
        return Outcome(changes)
    if description is not None and description != base.description:
        api.describe_registered_model(name, description)
    for key, (dummy, value) in tags.items():
        api.set_registered_model_tag(name, key, value)
    return Outcome(changes)


def make_absent(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Remove the model; one with versions only when that is asked for."""
    name = module.params["name"]
    current = api.registered_model(name)
    if current is None:
        return Outcome()
    if current.latest_versions and not module.params["force"]:
        raise PlanError("it has versions; set force to true to remove them with it")
    if not module.check_mode:
        api.delete_registered_model(name)
    return Outcome([Change("registered_model", "present", "absent")])


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Bring the model to its state."""
    return (make_present if module.params["state"] == "present" else make_absent)(module, api)


def main() -> None:
    """Run the module."""
    run_module("Registered model", PROPERTIES, converge)


if __name__ == "__main__":
    main()
