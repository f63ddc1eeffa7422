# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_passwords
short_description: Bring passwords of existing users to MLflow's auth database
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Compares passwords with those that MLflow's auth database holds, and writes those that differ by MLflow's own store.
  - Nobody has to log in for that, so the administrator's password can be changed as well. MLflow itself takes it from
    its configuration only when it makes the administrator.
  - A user who does not exist is left to the server or to M(mlops.tracking.mlflow_user).
  - A worker of the server remembers a password that it has checked, by default for a minute. It accepts the old one
    that much longer, and the new one at once.
options:
  passwords:
    description:
      - Passwords by the names of users, 12 characters or more each.
    type: dict
    required: true
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.mlflow_python
requirements:
  - MLflow with its extra C(auth) in the environment of O(python)
seealso:
  - module: mlops.tracking.mlflow_user
"""

EXAMPLES = r"""
- name: Bring the administrator's password to MLflow
  mlops.tracking.mlflow_passwords:
    python: /opt/mlflow/current/bin/python
    database_uri: "{{ mlflow_auth_store_uri }}"
    passwords: "{{ {'admin': platform_mlflow_admin_password} }}"
"""

RETURN = r"""
users:
  description: Names of the users whose password was, or in check mode would be, changed.
  returned: success
  type: list
  elements: str
  sample: [admin]
"""

import json
import typing as t
from collections.abc import Mapping

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_secrets
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import PlanError, check_password
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_python import (
    PYTHON_ARGUMENTS,
    HelperError,
    ask,
    cannot_run,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_secrets import INPUT_VARIABLE

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PYTHON_ARGUMENTS,
    "passwords": {"type": "dict", "required": True, "no_log": True},
}


def given(module: AnsibleModule, passwords: Mapping[str, str]) -> dict[str, str]:
    """What the helper gets by its environment."""
    return {INPUT_VARIABLE: json.dumps({"database_uri": module.params["database_uri"], "passwords": passwords})}


def converge(module: AnsibleModule) -> dict[str, t.Any]:
    """Compare, and write what differs."""
    passwords = {str(name): str(password) for name, password in module.params["passwords"].items()}
    for password in passwords.values():
        check_password(password)
    users = ask(module, _mlflow_secrets, ["read_passwords"], given(module, passwords))["differing"]
    if users and not module.check_mode:
        ask(module, _mlflow_secrets, ["write_passwords"], given(module, {name: passwords[name] for name in users}))
    return {
        "changed": bool(users),
        "users": users,
        "diff": {"before": dict.fromkeys(users, "another password"), "after": dict.fromkeys(users, "this password")},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = converge(module)
    except (PlanError, HelperError) as exc:
        module.fail_json(msg=f"Passwords of MLflow: {exc}")
    except OSError as exc:
        module.fail_json(msg=cannot_run(module, exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
