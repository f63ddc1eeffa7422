# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_model_alias
short_description: Manage aliases of a registered model
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Points an alias of a registered model at a version, or takes it away.
  - Whoever loads V(models:/name@alias) gets one version or the other, never anything between; the server switches an
    alias in one transaction. It has no switch that asks for the old version in the same transaction, so
    O(expected_version) is compared just before. For promotions that may happen at the same time use
    M(mlops.tracking.mlflow_promotion), which takes turns.
options:
  name:
    description:
      - Name of the registered model.
    type: str
    required: true
  alias:
    description:
      - The alias.
    type: str
    required: true
  version:
    description:
      - The version that the alias points at. Needed with O(state=present).
    type: str
  expected_version:
    description:
      - The version that the alias must still point at, or V("") for none. When it points elsewhere, the module fails
        and changes nothing.
    type: str
  state:
    description:
      - Whether the alias exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
seealso:
  - module: mlops.tracking.mlflow_promotion
"""

EXAMPLES = r"""
- name: Offer a version for a trial
  mlops.tracking.mlflow_model_alias:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: pricing
    alias: candidate
    version: "4"

- name: Move an alias, unless somebody else did
  mlops.tracking.mlflow_model_alias:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: pricing
    alias: candidate
    version: "5"
    expected_version: "4"
"""

RETURN = r"""
changes:
  description: Names of the properties that changed.
  returned: success
  type: list
  elements: str
  sample: [version]
previous_version:
  description: The version that the alias pointed at before, or an empty text.
  returned: success
  type: str
  sample: "4"
version:
  description: The version that the alias points at, or an empty text.
  returned: success
  type: str
  sample: "5"
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import STATE, Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import PlanError, plan_alias

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "alias": {"type": "str", "required": True},
    "version": {"type": "str"},
    "expected_version": {"type": "str"},
    "state": STATE,
}


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Switch the alias."""
    params = module.params
    name, alias, version = params["name"], params["alias"], params["version"]
    model = api.registered_model(name)
    if model is None:
        if params["state"] == "present":
            raise PlanError("there is no such model")
        return Outcome(values={"previous_version": "", "version": ""})
    current = model.aliases.get(alias)
    change = plan_alias(current, params["state"], version, params["expected_version"])
    if change and change.after is not None and api.model_version(name, version) is None:
        raise PlanError(f"there is no version {version} for alias {alias}")
    if change and not module.check_mode:
        if change.after is None:
            api.delete_alias(name, alias)
        else:
            api.set_alias(name, alias, version)
    now = change.after if change else current
    return Outcome([change] if change else [], {"previous_version": current or "", "version": now or ""})


def main() -> None:
    """Run the module."""
    run_module("Registered model", PROPERTIES, converge, required_if=[("state", "present", ("version",))])


if __name__ == "__main__":
    main()
