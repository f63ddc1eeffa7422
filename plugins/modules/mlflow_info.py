# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_info
short_description: Ask an MLflow server for its version, health and abilities
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Asks an MLflow server for its version, health and abilities, and on demand counts what it holds or lists its roles.
  - A busy or starting server (HTTP 503) is asked again a few times.
options:
  counts:
    description:
      - Whether to count the experiments and registered models that the user may see. Needs a log-in where the server
        wants one.
    type: bool
    default: false
  roles:
    description:
      - Whether to list the roles of MLflow's auth app with what they may do and who has them. Needs an administrator.
    type: bool
    default: false
  workspace:
    description:
      - Workspace of the roles. A server without workspaces has V(default) only.
    type: str
    default: default
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
"""

EXAMPLES = r"""
- name: Ask for the version
  mlops.tracking.mlflow_info:
    mlflow_url: https://mlflow.example.com
  register: server

- name: Count experiments and models
  mlops.tracking.mlflow_info:
    mlflow_url: https://mlflow.example.com
    mlflow_username: admin
    mlflow_password: "{{ mlflow_admin_password }}"
    ca_path: /etc/mlops-tracking/tls/ca.crt
    counts: true
"""

RETURN = r"""
version:
  description: Version of MLflow.
  returned: success
  type: str
  sample: 3.17.2
health:
  description: Answer of the health endpoint.
  returned: success
  type: str
  sample: OK
server_info:
  description: What the server says about its store and abilities. Empty for a server older than this endpoint.
  returned: success
  type: dict
  sample:
    store_type: SqlStore
counts:
  description: Numbers of experiments and registered models.
  returned: when O(counts=true)
  type: dict
  sample:
    experiments: 12
    registered_models: 3
roles:
  description: Roles, but for those that MLflow keeps for the rights of single users.
  returned: when O(roles=true)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the role.
      type: str
      sample: team-pricing
    description:
      description: What the role is for.
      type: str
    grants:
      description: What users with the role may do.
      type: list
      elements: str
      sample: ["EDIT on experiment 7"]
    users:
      description: Who has the role.
      type: list
      elements: str
      sample: [ada]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import (
    MlflowApiError,
    MlflowClient,
    argument_spec,
    from_module,
    module_rules,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import texts

PAGE_SIZE = 1000
PROPERTIES: dict[str, dict[str, t.Any]] = {
    "counts": {"type": "bool", "default": False},
    "roles": {"type": "bool", "default": False},
    "workspace": {"type": "str", "default": "default"},
}


def server_info(client: MlflowClient) -> dict[str, t.Any]:
    """Abilities of the server."""
    try:
        return dict(client.request("GET", "/api/3.0/mlflow/server-info").json or {})
    except MlflowApiError as exc:
        if exc.status == 404:
            return {}
        raise


def count(client: MlflowClient, collection: str) -> int:
    """Number of objects, page by page."""
    total = 0
    query: dict[str, t.Any] = {"max_results": PAGE_SIZE}
    while True:
        page = client.request("GET", f"/api/2.0/mlflow/{collection.replace('_', '-')}/search", query=query).json or {}
        total += len(page.get(collection, []))
        if not page.get("next_page_token"):
            return total
        query["page_token"] = page["next_page_token"]


def roles(client: MlflowClient, workspace: str) -> list[dict[str, t.Any]]:
    """The roles, sorted by name."""
    return [
        {"name": name, "description": role.description, "grants": texts(role.grants), "users": sorted(role.users)}
        for name, role in sorted(MlflowApi(client).roles(workspace).items())
    ]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), **PROPERTIES},
        supports_check_mode=True,
        **module_rules(),
    )
    client = from_module(module)
    try:
        result: dict[str, t.Any] = {
            "version": client.request("GET", "/version").body.decode("utf-8").strip(),
            "health": client.request("GET", "/health").body.decode("utf-8").strip(),
            "server_info": server_info(client),
        }
        if module.params["counts"]:
            result["counts"] = {name: count(client, name) for name in ("experiments", "registered_models")}
        if module.params["roles"]:
            result["roles"] = roles(client, module.params["workspace"])
    except MlflowApiError as exc:
        module.fail_json(msg=f"MLflow at {module.params['mlflow_url']}: {exc}", status=exc.status)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
