# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_experiment
short_description: Manage experiments of an MLflow server
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, tags, deletes and restores experiments by their names.
  - MLflow deletes softly. A deleted experiment keeps its name and its runs; O(state=present) restores it.
options:
  name:
    description:
      - Name of the experiment.
    type: str
    required: true
  artifact_location:
    description:
      - Where runs of the experiment keep their artifacts. It can only be chosen when the experiment is made; another
        one than an existing experiment has is refused.
      - By default the server chooses a folder below its own destination.
    type: str
  tags:
    description:
      - Tags of the experiment. When left out, they stay as they are.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Tags that MLflow writes itself stay.
    type: bool
    default: false
  state:
    description:
      - Whether the experiment is there. V(absent) deletes it softly.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
seealso:
  - module: mlops.tracking.mlflow_role
"""

EXAMPLES = r"""
- name: Make the experiment of a team
  mlops.tracking.mlflow_experiment:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: pricing/daily
    tags:
      team: pricing

- name: Delete an experiment; its runs can be restored with it
  mlops.tracking.mlflow_experiment:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: pricing/old
    state: absent
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(experiment) when it was made or removed.
  returned: success
  type: list
  elements: str
  sample: [experiment, tags]
experiment_id:
  description: The server's id, by which rights name an experiment. Empty when there is no experiment yet.
  returned: success
  type: str
  sample: "42"
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import STATE, Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    Change,
    Experiment,
    check_artifact_location,
    plan_tags,
    tag_changes,
    text_tags,
)

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "artifact_location": {"type": "str"},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": False},
    "state": STATE,
}


def make_present(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Make or restore the experiment, then write its tags."""
    params = module.params
    current = api.experiment(params["name"])
    check_artifact_location(current, params["artifact_location"])
    wanted = text_tags(params["tags"])
    tags = plan_tags(current.tags if current else {}, wanted, params["purge_tags"])
    changes = [*presence(current), *tag_changes(tags)]
    experiment_id = current.experiment_id if current else ""
    if not module.check_mode:
        if current is None:
            experiment_id = api.create_experiment(params["name"], params["artifact_location"], wanted or {})
            tags = {}
        elif current.deleted:
            api.restore_experiment(experiment_id)
        for key, (dummy, value) in tags.items():
            api.set_experiment_tag(experiment_id, key, value)
    return Outcome(changes, {"experiment_id": experiment_id})


def presence(current: Experiment | None) -> list[Change]:
    """The change that makes an experiment usable."""
    if current is None:
        return [Change("experiment", "absent", "present")]
    return [Change("experiment", "deleted", "present")] if current.deleted else []


def make_absent(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Delete the experiment."""
    current = api.experiment(module.params["name"])
    if current is None or current.deleted:
        return Outcome(values={"experiment_id": current.experiment_id if current else ""})
    if not module.check_mode:
        api.delete_experiment(current.experiment_id)
    return Outcome([Change("experiment", "present", "deleted")], {"experiment_id": current.experiment_id})


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Bring the experiment to its state."""
    return (make_present if module.params["state"] == "present" else make_absent)(module, api)


def main() -> None:
    """Run the module."""
    run_module("Experiment", PROPERTIES, converge)


if __name__ == "__main__":
    main()
