# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_keys
short_description: Bring what MLflow encrypts in its database under given keys
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Looks at what MLflow holds encrypted in its tracking database, the API keys of its gateway and the secrets of its
    webhooks, and tries the keys at hand. No secret is shown.
  - What the former keys or the constant of MLflow's source encrypt is brought under the given keys if told to. For the
    gateway that is MLflow's own command C(crypto rotate-kek), in one transaction for each version, while nobody can
    change a row.
  - A gateway's API key that no key opens is an error. A webhook whose secret no key reads stays as it is and is
    returned.
options:
  gateway_key:
    description:
      - What the server has as C(MLFLOW_CRYPTO_KEK_PASSPHRASE).
    type: str
    required: true
  gateway_key_version:
    description:
      - What the server has as C(MLFLOW_CRYPTO_KEK_VERSION). A new key needs a higher version than the one before.
      - V(1) is the version under which a server without a key of its own uses the constant of MLflow's source.
    type: int
    default: 2
  gateway_previous_key:
    description:
      - The key before O(gateway_key), if what it encrypts is to be brought under the new one.
    type: str
    default: ""
  webhook_key:
    description:
      - What the server has as C(MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY), a Fernet key.
    type: str
    required: true
  webhook_previous_key:
    description:
      - The key before O(webhook_key), if what it encrypts is to be brought under the new one.
    type: str
    default: ""
  state:
    description:
      - V(current) only reads. V(rotated) brings everything under O(gateway_key) and O(webhook_key).
    type: str
    choices: [current, rotated]
    default: current
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.mlflow_python
requirements:
  - MLflow in the environment of O(python)
"""

EXAMPLES = r"""
- name: Bring what MLflow encrypts under the platform's keys
  mlops.tracking.mlflow_keys:
    python: /opt/mlflow/current/bin/python
    database_uri: "{{ mlflow_backend_store_uri }}"
    gateway_key: "{{ platform_mlflow_gateway_key }}"
    webhook_key: "{{ platform_mlflow_webhook_key }}"
    state: rotated
"""

RETURN = r"""
pending:
  description: Whether something is under another key that is at hand, after the run.
  returned: success
  type: bool
  sample: false
rotated_gateway_secrets:
  description: The gateway's API keys that were, or in check mode would be, brought under the key.
  returned: success
  type: list
  elements: str
  sample: [openai (s-1953836af37046aab745f7b1f9eaf2df)]
rotated_webhooks:
  description: The webhooks whose secret was, or in check mode would be, brought under the key.
  returned: success
  type: list
  elements: str
  sample: []
unreadable_webhooks:
  description: The webhooks whose secret no key reads. Nothing is sent to them until their secret is set again.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: ID of the webhook.
      type: str
    name:
      description: Name of the webhook.
      type: str
  sample: []
"""

import json
import typing as t
from dataclasses import asdict, dataclass

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_secrets
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_python import (
    PYTHON_ARGUMENTS,
    HelperError,
    ask,
    cannot_run,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_secrets import (
    INPUT_VARIABLE,
    GatewaySecret,
    Keys,
    SecretsError,
    Step,
    Webhook,
    plan_steps,
)

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    **PYTHON_ARGUMENTS,
    "gateway_key": {"type": "str", "required": True, "no_log": True},
    "gateway_key_version": {"type": "int", "default": 2, "no_log": False},
    "gateway_previous_key": {"type": "str", "default": "", "no_log": True},
    "webhook_key": {"type": "str", "required": True, "no_log": True},
    "webhook_previous_key": {"type": "str", "default": "", "no_log": True},
    "state": {"type": "str", "choices": ["current", "rotated"], "default": "current"},
}
UNDER = {"current": "the key", "previous": "the previous key", "default": "the constant of MLflow's source"}


@dataclass(frozen=True)
class Found:
    """What is encrypted, and what brings all of it under the keys."""

    gateway: list[GatewaySecret]
    webhooks: list[Webhook]
    steps: list[Step]

    def gateway_to_rotate(self, version: int) -> list[GatewaySecret]:
        """The gateway's API keys that are under another key or version."""
        return [secret for secret in self.gateway if (secret.key, secret.version) != ("current", version)]

    def webhooks_to_rotate(self) -> list[Webhook]:
        """The webhooks that the previous key reads."""
        return [webhook for webhook in self.webhooks if webhook.key == "previous"]


def read(module: AnsibleModule) -> Found:
    """Look at the database; raises where a gateway's API key is lost."""
    answer = ask(module, _mlflow_secrets, ["read_keys"], given(module))
    gateway = [GatewaySecret(**secret) for secret in answer["gateway"]]
    webhooks = [Webhook(**webhook) for webhook in answer["webhooks"]]
    return Found(gateway, webhooks, plan_steps(gateway, module.params["gateway_key_version"]))


def given(module: AnsibleModule, **more: t.Any) -> dict[str, str]:
    """What the helper gets by its environment."""
    names = [name for name in ARGUMENT_SPEC if name not in ("python", "state")]
    keys = asdict(Keys(**{name: module.params[name] for name in names}))
    return {INPUT_VARIABLE: json.dumps({"keys": keys, **more})}


def converge(module: AnsibleModule) -> dict[str, t.Any]:
    """Read, and rotate where that is wanted and needed."""
    version = module.params["gateway_key_version"]
    before = read(module)
    gateway, webhooks = before.gateway_to_rotate(version), before.webhooks_to_rotate()
    wanted = module.params["state"] == "rotated" and bool(gateway or webhooks)
    if wanted and not module.check_mode:
        steps = [asdict(step) for step in before.steps]
        ask(module, _mlflow_secrets, ["rotate_keys"], given(module, steps=steps, webhooks=bool(webhooks)))
        after = read(module)
    else:
        after = before
    places: list[GatewaySecret | Webhook] = [*gateway, *webhooks] if wanted else []
    return {
        "changed": wanted,
        "pending": bool(after.steps or after.webhooks_to_rotate()),
        "rotated_gateway_secrets": [f"{secret.name} ({secret.id})" for secret in gateway if wanted],
        "rotated_webhooks": [f"{webhook.name} ({webhook.id})" for webhook in webhooks if wanted],
        "unreadable_webhooks": [{"id": each.id, "name": each.name} for each in after.webhooks if each.key is None],
        "diff": {
            "before": {f"{place.name} ({place.id})": UNDER[str(place.key)] for place in places},
            "after": {f"{place.name} ({place.id})": UNDER["current"] for place in places},
        },
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        result = converge(module)
    except (SecretsError, HelperError) as exc:
        module.fail_json(msg=f"Keys of MLflow: {exc}")
    except OSError as exc:
        module.fail_json(msg=cannot_run(module, exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
