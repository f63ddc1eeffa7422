# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_user
short_description: Manage users of an MLflow server with MLflow's own passwords
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes users of MLflow's auth app.
  - With single sign-on, users come from the identity provider; this module is for servers with MLflow's own passwords.
  - A server of this collection remembers users for some seconds in each of its workers, so that a second run within
    them may see a user as before.
options:
  name:
    description:
      - Name of the user.
    type: str
    required: true
  password:
    description:
      - The user's password, 12 characters or more. Needed to make a user.
    type: str
  update_password:
    description:
      - With V(on_create), the password of an existing user stays as it is.
      - With V(always), the password is tried against the server and written when the server refuses it. The server may
        remember a password that it has checked for a minute; until then it takes the old one as well.
    type: str
    choices: [always, on_create]
    default: on_create
  admin:
    description:
      - Whether the user may do everything. When left out, it stays as it is, and a new user is an ordinary one.
    type: bool
  state:
    description:
      - Whether the user exists.
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
- name: Make a user
  mlops.tracking.mlflow_user:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: ada
    password: "{{ ada_password }}"

- name: Remove a user
  mlops.tracking.mlflow_user:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ platform_mlflow_admin_password }}"
    name: leaver
    state: absent
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(user) when it was made or removed.
  returned: success
  type: list
  elements: str
  sample: [user, admin]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import (
    MlflowApiError,
    MlflowClient,
    route_of,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import STATE, Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import Change, check_password, plan_user

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "password": {"type": "str", "no_log": True},
    "update_password": {"type": "str", "choices": ["always", "on_create"], "default": "on_create", "no_log": False},
    "admin": {"type": "bool"},
    "state": STATE,
}


def password_matches(module: AnsibleModule) -> bool:
    """Whether the server takes the wanted password."""
    params = module.params
    client = MlflowClient(
        params["mlflow_url"],
        username=params["name"],
        password=params["password"],
        timeout=params["timeout"],
        route=route_of(params),
    )
    try:
        return bool(MlflowApi(client).current_user() == params["name"])
    except MlflowApiError as exc:
        if exc.status == 401:
            return False
        raise


def make_present(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Make the user where it is missing, then change what differs."""
    params = module.params
    name, password = params["name"], params["password"]
    check_password(password)
    current_admin = api.is_admin(name)
    ask = current_admin is not None and password and params["update_password"] == "always"
    changes = plan_user(current_admin, params["admin"], bool(password), password_matches(module) if ask else None)
    if not module.check_mode:
        writers: dict[str, t.Callable[[t.Any], None]] = {
            "user": lambda _state: api.create_user(name, password),
            "password": lambda _shown: api.set_password(name, password),
            "admin": lambda admin: api.set_admin(name, admin),
        }
        for change in changes:
            writers[change.key](change.after)
    return Outcome(changes)


def make_absent(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Remove the user."""
    name = module.params["name"]
    if api.is_admin(name) is None:
        return Outcome()
    if not module.check_mode:
        api.delete_user(name)
    return Outcome([Change("user", "present", "absent")])


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Bring the user to its state."""
    return (make_present if module.params["state"] == "present" else make_absent)(module, api)


def main() -> None:
    """Run the module."""
    run_module("User", PROPERTIES, converge)


if __name__ == "__main__":
    main()
