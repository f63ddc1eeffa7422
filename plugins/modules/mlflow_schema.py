# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema
short_description: Read or migrate the schema of MLflow's databases
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Compares the revision of an MLflow database with the one that the installed MLflow needs, and migrates it if told
    to.
  - A migration is MLflow's own. An empty database gets all its tables.
  - Two migrations of one database never run at once, from whatever hosts. On PostgreSQL an advisory lock with the keys
    C(1296846672) and C(1) for O(component=tracking) or C(2) for O(component=auth) is held meanwhile, on MySQL a
    C(GET_LOCK), on SQLite a lock of the file. A pooler in front of PostgreSQL must therefore pool sessions.
  - A database that a newer MLflow has migrated is an error.
  - Take a backup first. A migration cannot be undone.
options:
  component:
    description:
      - Which of MLflow's schemas, V(tracking) for experiments and models or V(auth) for users and rights.
    type: str
    choices: [tracking, auth]
    default: tracking
  state:
    description:
      - V(current) only reads. V(migrated) brings the database to the revision of the installed MLflow.
    type: str
    choices: [current, migrated]
    default: current
  lock_timeout_seconds:
    description:
      - How long to wait for another migration of the same database.
    type: float
    default: 300.0
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.mlflow_python
requirements:
  - MLflow in the environment of O(python), for O(component=auth) with its extra C(auth)
"""

EXAMPLES = r"""
- name: Read the schema's revision
  mlops.tracking.mlflow_schema:
    python: /opt/mlflow/current/bin/python
    database_uri: "{{ mlflow_backend_store_uri }}"
  register: schema

- name: Migrate the tracking database
  mlops.tracking.mlflow_schema:
    python: /opt/mlflow/current/bin/python
    database_uri: "{{ mlflow_owner_backend_store_uri }}"
    state: migrated

- name: Migrate the auth database
  mlops.tracking.mlflow_schema:
    python: /opt/mlflow/current/bin/python
    database_uri: "{{ mlflow_owner_auth_database_uri }}"
    component: auth
    state: migrated
"""

RETURN = r"""
before:
  description: Revision of the database before the run, null where no migration ever ran.
  returned: success
  type: str
  sample: 0584bdc529eb
after:
  description: Revision of the database after the run, in check mode as it would be.
  returned: success
  type: str
  sample: d3e4f5a6b7c8
code_revision:
  description: Revision that the installed MLflow needs.
  returned: success
  type: str
  sample: d3e4f5a6b7c8
initialised:
  description: Whether the database had a schema before the run.
  returned: success
  type: bool
  sample: true
up_to_date:
  description: Whether RV(after) is RV(code_revision).
  returned: success
  type: bool
  sample: true
mlflow_version:
  description: Version of the installed MLflow.
  returned: success
  type: str
  sample: 3.17.2
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_python, _mlflow_schema
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_schema import (
    COMPONENTS,
    URI_VARIABLE,
    Schema,
    SchemaError,
)

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **_mlflow_python.PYTHON_ARGUMENTS,
    "component": {"type": "str", "choices": list(COMPONENTS), "default": "tracking"},
    "state": {"type": "str", "choices": ["current", "migrated"], "default": "current"},
    "lock_timeout_seconds": {"type": "float", "default": 300.0},
}


def ask(module: AnsibleModule, action: str) -> tuple[Schema, Schema]:
    """Run the helper in MLflow's environment; returns the schema before and after."""
    params = module.params
    arguments = [action, params["component"], str(params["lock_timeout_seconds"])]
    result = _mlflow_python.ask(module, _mlflow_schema, arguments, {URI_VARIABLE: params["database_uri"]})
    return Schema(**result["before"]), Schema(**result["after"])


def converge(module: AnsibleModule) -> dict[str, t.Any]:
    """Read, and migrate where that is wanted and needed."""
    migrates = module.params["state"] == "migrated"
    before, after = ask(module, "migrate" if migrates and not module.check_mode else "read")
    before.check_known()
    revision = after.code_revision if migrates else before.database_revision
    return {
        "changed": revision != before.database_revision,
        "before": before.database_revision,
        "after": revision,
        "code_revision": after.code_revision,
        "initialised": before.database_revision is not None,
        "up_to_date": revision == after.code_revision,
        "mlflow_version": after.mlflow_version,
        "diff": {"before": {"revision": before.database_revision}, "after": {"revision": revision}},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = converge(module)
    except (SchemaError, _mlflow_python.HelperError) as exc:
        module.fail_json(msg=f"Schema of MLflow ({module.params['component']}): {exc}")
    except OSError as exc:
        module.fail_json(msg=_mlflow_python.cannot_run(module, exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
