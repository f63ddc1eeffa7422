# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_smoke_test
short_description: Write a run to an MLflow server, read it back, compare it and remove it
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Does what a client of the platform does, through the URL that clients use.
    It creates an experiment and a run with parameters, tags and metrics, uploads a random artifact,
    reads everything back and compares the SHA-256 digest of the artifact.
  - What it created is removed afterwards, also when a step fails.
  - The server must proxy artifacts (C(mlflow server --serve-artifacts)).
  - The module fails when a step fails.
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
attributes:
  check_mode:
    details:
      - In check mode nothing is sent, and the steps are listed without a result.
  diff_mode:
    support: N/A
    details:
      - Nothing stays changed.
  idempotent:
    details:
      - Each run uses an experiment of its own, with a random name, and removes it.
options:
  artifact_bytes:
    description:
      - Size of the artifact. It is held in memory.
    type: int
    default: 1048576
  experiment_prefix:
    description:
      - How the name of the experiment begins; random characters follow.
    type: str
    default: mlops-tracking-doctor
notes:
  - MLflow's REST API deletes experiments and runs softly. Their rows stay in the database, hidden from every page and
    search, until an administrator runs C(mlflow gc) on the server. They are a few kilobytes each time.
  - The artifact is deleted through the server's artifact API. In a bucket with versioning the deleted version stays
    until the bucket's lifecycle expires it.
  - A server that stops answering in the middle can keep what was created. Its name begins with O(experiment_prefix).
"""

EXAMPLES = r"""
- name: Prove that the platform serves a client
  mlops.tracking.mlflow_smoke_test:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    ca_path: /etc/mlops-tracking/tls/ca.crt
  delegate_to: localhost

- name: Prove that large artifacts pass the edge
  mlops.tracking.mlflow_smoke_test:
    mlflow_url: https://mlflow.example.com
    mlflow_token: "{{ token }}"
    artifact_bytes: 268435456
    timeout: 300
"""

RETURN = r"""
steps:
  description: What each step did, in order. Steps after a failed one are left out, but for the removal.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: What the step does.
      type: str
      sample: upload the artifact
    ok:
      description: Whether it succeeded; null in check mode.
      type: bool
      sample: true
    milliseconds:
      description: How long it took.
      type: int
      sample: 41
    detail:
      description: What was seen, or the error.
      type: str
      sample: 1048576 bytes
experiment:
  description: The name of the experiment that was created and removed.
  returned: always
  type: str
  sample: mlops-tracking-doctor-1f0c6f0e7c1c
"""

import os
import secrets
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import (
    argument_spec,
    from_module,
    module_rules,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_smoke import (
    CLEAN_UP,
    WORK,
    SmokeTest,
    summary,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "artifact_bytes": {"type": "int", "default": 1048576},
            "experiment_prefix": {"type": "str", "default": "mlops-tracking-doctor"},
        },
        supports_check_mode=True,
        **module_rules(),
    )
    size = module.params["artifact_bytes"]
    if size < 1:
        module.fail_json(msg=f"artifact_bytes is {size}; it must be 1 or more.")
    experiment = f"{module.params['experiment_prefix']}-{secrets.token_hex(6)}"
    client = from_module(module)
    if module.check_mode:
        planned = [
            {"name": name, "ok": None, "milliseconds": 0, "detail": "not sent in check mode"}
            for name in WORK + CLEAN_UP
        ]
        module.exit_json(changed=False, experiment=experiment, steps=planned, msg="check mode: nothing was sent")
    steps = SmokeTest(client, experiment, os.urandom(size)).run()
    result = {"changed": False, "experiment": experiment, "steps": [asdict(step) for step in steps]}
    if all(step.ok for step in steps):
        module.exit_json(msg=summary(steps), **result)
    module.fail_json(msg=summary(steps), **result)


if __name__ == "__main__":
    main()
