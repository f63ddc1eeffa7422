# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: keycloak_user
short_description: Manage users of a Keycloak realm and their groups
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes users, and puts them into groups. Check mode changes nothing and shows the difference.
  - The user of a service account, C(service-account-<client>), is there as soon as its client is.
options:
  username:
    description:
      - Name of the user, in lower case as Keycloak keeps it.
    type: str
    required: true
  password:
    description:
      - Password of a user that is made. That of an existing user stays as it is, as the user may have changed it.
    type: str
  password_temporary:
    description:
      - Whether the user must change O(password) at the first log-in.
    type: bool
    default: false
  email:
    description:
      - Address of the user.
    type: str
  email_verified:
    description:
      - Whether the address is known to be the user's.
    type: bool
  first_name:
    description:
      - First name. Keycloak asks for it at the first log-in if there is none.
    type: str
  last_name:
    description:
      - Last name.
    type: str
  enabled:
    description:
      - Whether the user may log in. A new user may.
    type: bool
  groups:
    description:
      - Names of groups at the top level that the user is in. When left out, memberships stay as they are.
    type: list
    elements: str
  purge_groups:
    description:
      - Whether the user leaves all groups but O(groups).
    type: bool
    default: false
  state:
    description:
      - Whether the user exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_keycloak
  - mlops.tracking.keycloak
seealso:
  - module: community.general.keycloak_user
"""

EXAMPLES = r"""
- name: Make a user who may promote models
  mlops.tracking.keycloak_user:
    keycloak_url: https://kc1.example.com:8443/sso
    admin_client: mlops-tracking
    admin_secret: "{{ platform_keycloak_admin_password }}"
    realm: mlops
    username: grace
    email: grace@example.com
    first_name: Grace
    last_name: Hopper
    password: "{{ password_of_grace }}"
    password_temporary: true
    groups:
      - governance

- name: Lock a leaver out
  mlops.tracking.keycloak_user:
    keycloak_url: https://kc1.example.com:8443/sso
    admin_client: mlops-tracking
    admin_secret: "{{ platform_keycloak_admin_password }}"
    realm: mlops
    username: leaver
    enabled: false
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(user) when the user itself was made or removed.
  returned: success
  type: list
  elements: str
  sample: [user, email, groups]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._keycloak_client import (
    KeycloakApiError,
    KeycloakClient,
    argument_spec,
)
from ansible_collections.mlops.tracking.plugins.module_utils._keycloak_plan import (
    Plan,
    PlanError,
    group_ids,
    plan_user,
)

OPTIONS: dict[str, dict[str, t.Any]] = {
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "no_log": True},
    "password_temporary": {"type": "bool", "default": False, "no_log": False},
    "email": {"type": "str"},
    "email_verified": {"type": "bool"},
    "first_name": {"type": "str"},
    "last_name": {"type": "str"},
    "enabled": {"type": "bool"},
    "groups": {"type": "list", "elements": "str"},
    "purge_groups": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def find_user(client: KeycloakClient, username: str) -> dict[str, t.Any] | None:
    """The user of exactly this name."""
    found = client.get("/users", username=username, exact="true")
    # The list is brief; the user alone has every attribute.
    return t.cast("dict[str, t.Any]", client.get(f"/users/{found[0]['id']}")) if found else None


def make_present(module: AnsibleModule, client: KeycloakClient) -> Plan:
    """Make the user where it is missing, then change what differs."""
    params = module.params
    user = find_user(client, params["username"])
    memberships = client.get(f"/users/{user['id']}/groups") if user else []
    plan = plan_user(user, [group["name"] for group in memberships], params)
    known = client.get("/groups", max="1000", briefRepresentation="true") if plan.join else []
    ids = {**{group["name"]: group["id"] for group in memberships}, **group_ids(known, plan.join)}
    if not module.check_mode:
        identifier = write(client, user, plan, params)
        for name in plan.join:
            client.put(f"/users/{identifier}/groups/{ids[name]}")
        for name in plan.leave:
            client.delete(f"/users/{identifier}/groups/{ids[name]}")
    return plan


def write(client: KeycloakClient, user: t.Mapping[str, t.Any] | None, plan: Plan, params: t.Mapping[str, t.Any]) -> str:
    """Write the user's own properties, and return the user's id."""
    if user is None:
        password = {"type": "password", "value": params["password"], "temporary": params["password_temporary"]}
        credentials = {"credentials": [password]} if params["password"] else {}
        return client.post("/users", {**plan.representation, **credentials})
    if plan.representation:
        client.put(f"/users/{user['id']}", plan.representation)
    return str(user["id"])


def make_absent(module: AnsibleModule, client: KeycloakClient) -> Plan:
    """Remove the user."""
    user = find_user(client, module.params["username"])
    if user and not module.check_mode:
        client.delete(f"/users/{user['id']}")
    return Plan({}, (), (), {"username": module.params["username"]} if user else {}, {})


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**argument_spec(), **OPTIONS}, supports_check_mode=True)
    converge = make_present if module.params["state"] == "present" else make_absent
    try:
        plan = converge(module, KeycloakClient(module.params))
    except (PlanError, KeycloakApiError) as exc:
        module.fail_json(msg=f"User {module.params['username']}: {exc}")
    changes = ["user" if name == "username" else name for name in {**plan.before, **plan.after}]
    module.exit_json(changed=plan.changed, changes=changes, diff={"before": plan.before, "after": plan.after})


if __name__ == "__main__":
    main()
