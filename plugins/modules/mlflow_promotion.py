# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_promotion
short_description: Switch the champion of a registered model, one promotion at a time
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes a version the champion of its model, or goes back to the one before. The alias of the champion is switched
    last and in one transaction of the server, so whoever loads it gets one version or the other.
  - Promotions of one model take turns. A registered model named C(NAME.promotion-lock) is made before and removed
    after, which the server's database lets one of many do. A promotion that finds it fails and names its holder.
  - With O(expected_version), a promotion that was overtaken by another fails and changes nothing.
  - Each promotion is kept as a tag of the version, C(promotion.TIME), with who, why and from where. A promotion that
    was turned away is kept there as well.
options:
  name:
    description:
      - Name of the registered model.
    type: str
    required: true
  version:
    description:
      - The version. With O(state=rolled_back) and without it, the version that O(previous_alias) points at.
      - A rollback goes to versions only that a promotion made the champion once, as nothing looks at it before.
    type: str
  alias:
    description:
      - The alias that production loads.
    type: str
    default: champion
  previous_alias:
    description:
      - The alias that keeps the version before.
    type: str
    default: previous
  expected_version:
    description:
      - The version that O(alias) must still point at, or V("") for none, as it was when the gates were looked at.
    type: str
  reason:
    description:
      - Why.
    type: str
    required: true
  ticket:
    description:
      - The change request.
    type: str
  approved_by:
    description:
      - Who agreed, as RV(mlops.tracking.mlflow_promotion_gates#module:approver) says.
    type: str
  digest:
    description:
      - SHA-256 of the files that were looked at.
    type: str
  state:
    description:
      - What to do. V(rolled_back) always switches when it is not told a version.
    type: str
    choices: [promoted, rolled_back]
    default: promoted
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_mlflow
  - mlops.tracking.mlflow
attributes:
  idempotent:
    support: partial
    details:
      - Promoting the champion changes nothing. A second rollback without a version goes back to where it came from.
notes:
  - When the controller dies in the middle, the champion is the old one or the new one, and the lock stays. Look into
    its description, then remove it with M(mlops.tracking.mlflow_registered_model) and O(state=absent) there.
seealso:
  - module: mlops.tracking.mlflow_promotion_gates
  - module: mlops.tracking.mlflow_model_alias
"""

EXAMPLES = r"""
- name: Promote a version
  mlops.tracking.mlflow_promotion:
    mlflow_url: https://mlflow.example.com
    mlflow_token: "{{ lookup('ansible.builtin.env', 'MLFLOW_TRACKING_TOKEN') }}"
    name: pricing
    version: "4"
    expected_version: "3"
    reason: Trained on the data of November
    ticket: CHG-1042

- name: Go back to the version before
  mlops.tracking.mlflow_promotion:
    mlflow_url: https://mlflow.example.com
    mlflow_token: "{{ lookup('ansible.builtin.env', 'MLFLOW_TRACKING_TOKEN') }}"
    name: pricing
    state: rolled_back
    reason: Wrong prices in the shop
"""

RETURN = r"""
changes:
  description: Names of the aliases that moved.
  returned: success
  type: list
  elements: str
  sample: [previous, champion]
version:
  description: The champion after this run.
  returned: success
  type: str
  sample: "4"
previous_version:
  description: The champion before this run, or an empty text.
  returned: success
  type: str
  sample: "3"
event:
  description: What was written to the version's tag.
  returned: when something changed
  type: dict
  sample: {action: promoted, alias: champion, by: grace, from: "3", reason: Trained on the data of November, to: "4"}
"""

import json
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi, tags_of
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_gates import (
    LOCK_SUFFIX,
    SWITCHES,
    event_key,
    event_value,
    target_version,
    was_champion,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_module import Outcome, run_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    Change,
    PlanError,
    RegisteredModel,
    plan_alias,
)

TAKEN = "RESOURCE_ALREADY_EXISTS"
PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str"},
    "alias": {"type": "str", "default": "champion"},
    "previous_alias": {"type": "str", "default": "previous"},
    "expected_version": {"type": "str"},
    "reason": {"type": "str", "required": True},
    "ticket": {"type": "str"},
    "approved_by": {"type": "str"},
    "digest": {"type": "str"},
    "state": {"type": "str", "choices": list(SWITCHES), "default": "promoted"},
}


class Turned(PlanError):
    """Another promotion came first."""


class Promotion:
    """One switch of one model, by one user."""

    def __init__(self, module: AnsibleModule, api: MlflowApi) -> None:
        self._params = module.params
        self._silent = bool(module.check_mode)
        self._api = api
        self._name: str = module.params["name"]
        self._by = api.current_user()

    def plan(self) -> tuple[str, str, list[Change]]:
        """The version to switch to, the one before, and the aliases that move."""
        params = self._params
        model = self._model()
        current, previous = model.aliases.get(params["alias"]), model.aliases.get(params["previous_alias"])
        target, problem = target_version(params["state"], params["version"], current, previous)
        if problem:
            raise PlanError(problem)
        self._check(target)
        try:
            change = plan_alias(current, "present", target, params["expected_version"])
        except PlanError as exc:
            self._tell(target, "turned away", str(exc))
            raise
        if change is None:
            return target, current or "", []
        moves = [Change(params["alias"], current, target)]
        if current and current != previous:
            moves.insert(0, Change(params["previous_alias"], previous, current))
        return target, current or "", moves

    def _check(self, target: str) -> None:
        """The version exists; one that a rollback names was looked at by the gates once."""
        params = self._params
        found = self._api.model_version(self._name, target)
        if found is None:
            raise PlanError(f"there is no version {target}")
        named_back = params["state"] == "rolled_back" and params["version"]
        if named_back and not was_champion(tags_of(found), params["alias"]):
            raise PlanError(f"version {target} was never made {params['alias']} by a promotion; promote it instead")

    def _model(self) -> RegisteredModel:
        model = self._api.registered_model(self._name)
        if model is None:
            raise PlanError("there is no such model")
        return model

    def _facts(self, target: str, before: str, action: str) -> dict[str, str | None]:
        params = self._params
        return {
            "action": action,
            "alias": params["alias"],
            "by": self._by,
            "from": before,
            "to": target,
            "reason": params["reason"],
            "ticket": params["ticket"],
            "approved_by": params["approved_by"],
            "digest": params["digest"],
        }

    def _tell(self, target: str, action: str, because: str) -> None:
        """Keep on the version that its promotion did not come to pass."""
        value = event_value(**self._facts(target, "", action), because=because)
        if not self._silent:
            self._api.set_model_version_tag(self._name, target, event_key(stamp()), value)

    def switch(self) -> Outcome:
        """Take the turn, look again, write why, move the aliases, look at what is there now."""
        target, dummy, moves = self.plan()
        if not moves:
            return self._outcome(target, target, [], "")
        with self._turn(target):
            target, before, moves = self.plan()
            if not moves:
                return self._outcome(target, before, [], "")
            event = event_value(**self._facts(target, before, self._params["state"]))
            self._api.set_model_version_tag(self._name, target, event_key(stamp()), event)
            # The champion is the last: what production loads changes in one step or not at all.
            for move in moves:
                self._api.set_alias(self._name, move.key, move.after)
            found = self._model().aliases
            wrong = [move.key for move in moves if found.get(move.key) != move.after]
            if wrong:
                raise PlanError(f"somebody moved {', '.join(wrong)} at the same time; look who, then promote again")
        return self._outcome(target, before, moves, event)

    def dry_run(self) -> Outcome:
        """What would move."""
        target, before, moves = self.plan()
        return self._outcome(target, before, moves, "")

    def _outcome(self, target: str, before: str, moves: list[Change], event: str) -> Outcome:
        values: dict[str, t.Any] = {"version": target, "previous_version": before}
        return Outcome(moves, {**values, "event": json.loads(event)} if event else values)

    @contextmanager
    def _turn(self, target: str) -> Iterator[None]:
        """Hold the lock: of all who make a registered model of one name, the database lets one."""
        lock = self._name + LOCK_SUFFIX
        held = f"{self._by} moves {self._params['alias']} to version {target} since {stamp()}: {self._params['reason']}"
        try:
            self._api.create_registered_model(lock, held, {})
        except MlflowApiError as exc:
            if exc.error_code != TAKEN:
                raise
            holder = self._api.registered_model(lock)
            problem = f"another promotion is under way ({holder.description if holder else 'it has just ended'})"
            self._tell(target, "turned away", problem)
            raise Turned(f"{problem}; try again, or remove the registered model {lock} if its holder is dead") from exc
        try:
            yield
        finally:
            self._api.delete_registered_model(lock)


def stamp() -> str:
    """Now, to the microsecond, so that two events have two names."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds)) + f".{nanoseconds // 1000:06d}Z"


def converge(module: AnsibleModule, api: MlflowApi) -> Outcome:
    """Switch, or say what would move."""
    promotion = Promotion(module, api)
    return promotion.dry_run() if module.check_mode else promotion.switch()


def main() -> None:
    """Run the module."""
    run_module("Registered model", PROPERTIES, converge)


if __name__ == "__main__":
    main()
