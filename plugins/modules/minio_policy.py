# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_policy
short_description: Manage named policies of a MinIO server
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes the policies that users of a MinIO server can be given.
  - C(s3:DeleteObject) alone lets a user destroy a version for good. Deny C(s3:DeleteObjectVersion) to users of an
    application.
options:
  name:
    description:
      - Name of the policy.
    type: str
    required: true
  state:
    description:
      - Whether the policy exists. One that a user has cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  policy:
    description:
      - The policy document. Required with O(state=present).
    type: dict
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
seealso:
  - module: mlops.tracking.minio_user
"""

EXAMPLES = r"""
- name: Let a user read one bucket
  mlops.tracking.minio_policy:
    minio_url: https://minio.example.com:9000
    minio_access_key: admin
    minio_secret_key: "{{ minio_root_password }}"
    name: models-read
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Action: [s3:ListBucket]
          Resource: [arn:aws:s3:::models]
        - Effect: Allow
          Action: [s3:GetObject]
          Resource: [arn:aws:s3:::models/*]
"""

RETURN = r"""
policy:
  description: The policy as the server has it after the run, lists sorted. Empty when it is absent.
  returned: success
  type: dict
  sample:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Action: [s3:GetObject]
        Resource: [arn:aws:s3:::models/*]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import canonical_policy

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "policy": {"type": "dict"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), **PROPERTIES},
        required_if=[("state", "present", ["policy"])],
        supports_check_mode=True,
    )
    name, policy = module.params["name"], module.params["policy"]
    present = module.params["state"] == "present"
    after = canonical_policy(policy) if present else {}
    if present and not after.get("Statement"):
        module.fail_json(msg=f"Policy {name}: policy has no Statement; give at least one")
    client = from_module(module)
    try:
        current = client.policy(name)
        before = canonical_policy(current or {})
        changed = before != after if present else current is not None
        if changed and not module.check_mode:
            if present:
                client.set_policy(name, after)
            else:
                client.remove_policy(name)
    except MinioClientError as exc:
        module.fail_json(msg=f"Policy {name}: {exc}")
    module.exit_json(changed=changed, policy=after, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
