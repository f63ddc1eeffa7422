# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_user
short_description: Manage users of a MinIO server
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes users of a MinIO server, with their policies.
options:
  access_key:
    description:
      - Name of the user, 3 to 20 characters.
    type: str
    required: true
  secret_key:
    description:
      - The user's secret key, 8 to 40 characters. Needed to make a user.
    type: str
  update_secret:
    description:
      - With V(always), the secret key is tried against the server and written when the server refuses it.
        The secret key of a disabled user cannot be tried; it is written when the user is enabled.
      - With V(on_create), the secret key of an existing user stays as it is.
    type: str
    choices: [always, on_create]
    default: always
  policies:
    description:
      - Names of all policies that the user has. An empty list takes all away. When left out, they stay as they are.
    type: list
    elements: str
  status:
    description:
      - Whether the user may log in.
    type: str
    choices: [enabled, disabled]
    default: enabled
  state:
    description:
      - Whether the user exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
seealso:
  - module: mlops.tracking.minio_policy
"""

EXAMPLES = r"""
- name: Make the user of MLflow
  mlops.tracking.minio_user:
    minio_url: https://minio.example.com:9000
    minio_access_key: admin
    minio_secret_key: "{{ minio_root_password }}"
    access_key: mlflow
    secret_key: "{{ minio_user_secret_key }}"
    policies:
      - mlflow

- name: Remove a user
  mlops.tracking.minio_user:
    minio_url: https://minio.example.com:9000
    minio_access_key: admin
    minio_secret_key: "{{ minio_root_password }}"
    access_key: leaver
    state: absent
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(user) when the user itself was made or removed.
  returned: success
  type: list
  elements: str
  sample: [user, secret_key, policies, status]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClient,
    MinioClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import (
    Change,
    PlanError,
    User,
    check_credentials,
    plan_user,
)

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "access_key": {"type": "str", "required": True, "no_log": False},
    "secret_key": {"type": "str", "no_log": True},
    "update_secret": {"type": "str", "choices": ["always", "on_create"], "default": "always", "no_log": False},
    "policies": {"type": "list", "elements": "str"},
    "status": {"type": "str", "choices": ["enabled", "disabled"], "default": "enabled"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def make_present(module: AnsibleModule, client: MinioClient) -> list[Change]:
    """Make the user where it is missing, then change what differs."""
    params = module.params
    access_key, secret_key, update_secret = params["access_key"], params["secret_key"], params["update_secret"]
    check_credentials(access_key, secret_key)
    policies = None if params["policies"] is None else tuple(params["policies"])
    wanted = User(enabled=params["status"] == "enabled", policies=policies)
    current = client.user(access_key, secret_key if update_secret == "always" else None)
    changes = plan_user(current, wanted, bool(secret_key), update_secret)
    if not module.check_mode:
        setters: dict[str, t.Callable[[t.Any], None]] = {
            "secret_key": lambda _shown: client.set_secret_key(access_key, secret_key),
            "policies": lambda names: client.set_policies(access_key, names),
            "status": lambda status: client.set_enabled(access_key, status == "enabled"),
        }
        for change in changes:
            setters[change.key](change.after)
    return changes if current else [Change("user", "absent", "present"), *changes]


def make_absent(module: AnsibleModule, client: MinioClient) -> list[Change]:
    """Remove the user."""
    access_key = module.params["access_key"]
    if client.user(access_key, None) is None:
        return []
    if not module.check_mode:
        client.remove_user(access_key)
    return [Change("user", "present", "absent")]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**argument_spec(), **PROPERTIES}, supports_check_mode=True)
    client = from_module(module)
    converge = make_present if module.params["state"] == "present" else make_absent
    try:
        changes = converge(module, client)
    except (PlanError, MinioClientError) as exc:
        module.fail_json(msg=f"User {module.params['access_key']}: {exc}")
    module.exit_json(
        changed=bool(changes),
        changes=[change.key for change in changes],
        diff={
            "before": {change.key: change.before for change in changes},
            "after": {change.key: change.after for change in changes},
        },
    )


if __name__ == "__main__":
    main()
