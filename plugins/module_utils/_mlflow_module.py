# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the MLflow modules that change something begin and end. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_api import MlflowApi
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import (
    MlflowApiError,
    argument_spec,
    from_module,
    module_rules,
)
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import Change, PlanError

STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}


@dataclass(frozen=True)
class Outcome:
    """What changed, what else the module returns, and what its user should hear."""

    changes: Iterable[Change] = ()
    values: dict[str, t.Any] = field(default_factory=dict)
    warnings: Iterable[str] = ()


def run_module(
    what: str,
    properties: dict[str, dict[str, t.Any]],
    converge: Callable[[AnsibleModule, MlflowApi], Outcome],
    **rules: t.Any,
) -> None:
    """Read the options, converge the server, and exit; `name` is the option that names `what`."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), **properties}, supports_check_mode=True, **module_rules(), **rules
    )
    api = MlflowApi(from_module(module))
    try:
        outcome = converge(module, api)
    except MlflowApiError as exc:
        module.fail_json(msg=f"{what} {module.params['name']}: {exc}", status=exc.status, error_code=exc.error_code)
    except PlanError as exc:
        module.fail_json(msg=f"{what} {module.params['name']}: {exc}")
    for warning in outcome.warnings:
        module.warn(f"{what} {module.params['name']}: {warning}")
    changes = list(outcome.changes)
    module.exit_json(
        changed=bool(changes),
        changes=[change.key for change in changes],
        diff={
            "before": {change.key: change.before for change in changes},
            "after": {change.key: change.after for change in changes},
        },
        **outcome.values,
    )
