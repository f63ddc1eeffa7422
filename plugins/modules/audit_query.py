# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_query
short_description: Ask the audit database
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Answers one of the questions that auditors ask, as rows and as a text.
options:
  question:
    description:
      - What to ask.
    type: str
    required: true
    choices:
      who_promoted: Who moved an alias or a stage of O(model), and who was refused.
      requests_of_user: Everything that O(user) did or tried, log-ins included.
      keycloak_events: Log-ins, log-outs, refusals and what administrators changed; of O(user) alone, if given.
      console_log_ins: Log-ins at MinIO's console, refused ones included; of O(user) alone, if given.
      refused_requests: Every request that was refused, whoever sent it.
      requests_of_run: Every request about the run O(run).
      requests_to: Every request whose path or query holds O(text).
      runs_per_user: How many runs each user made, this month or since O(from).
      slowest_runs: Runs by the time between their beginning and the last thing that they wrote.
      other_rows: What is neither a request nor an event, such as unparsable lines and dropped months.
  model:
    description:
      - Name of a registered model.
    type: str
  user:
    description:
      - Name of a user.
    type: str
  run:
    description:
      - Number of a run.
    type: str
  text:
    description:
      - Part of a path or query.
    type: str
  from:
    description:
      - Time of the first requests that count, such as V(2026-11-01) or V(2026-11-01T12:00:00+01:00).
    type: str
  to:
    description:
      - Time after the last requests that count.
    type: str
  limit:
    description:
      - Rows at most.
    type: int
    default: 10000
  format:
    description:
      - How RV(text) is written.
    type: str
    choices: [table, csv]
    default: table
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.audit
seealso:
  - module: mlops.tracking.audit_verify
"""

EXAMPLES = r"""
- name: Who promoted a model
  mlops.tracking.audit_query:
    login_password: "{{ audit_auditor_password }}"
    question: who_promoted
    model: pricing
"""

RETURN = r"""
columns:
  description: Names of the columns.
  returned: success
  type: list
  elements: str
rows:
  description: The rows, each a dictionary of texts by column; null for what is not known.
  returned: success
  type: list
  elements: dict
text:
  description: The rows as a table or as CSV.
  returned: success
  type: str
more:
  description: Whether there are more rows than O(limit).
  returned: success
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._audit_client import (
    AuditClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._audit_questions import (
    QUESTIONS,
    as_csv,
    as_table,
    limited,
    parameters,
)


def as_texts(columns: list[str], row: tuple[t.Any, ...]) -> dict[str, str | None]:
    """A row as a dictionary of texts."""
    return {name: None if value is None else str(value) for name, value in zip(columns, row, strict=True)}


def main() -> None:
    """Run the module."""
    texts = ("model", "user", "run", "text", "from", "to")
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "question": {"type": "str", "required": True, "choices": sorted(QUESTIONS)},
            **{name: {"type": "str"} for name in texts},
            "limit": {"type": "int", "default": 10000},
            "format": {"type": "str", "choices": ["table", "csv"], "default": "table"},
        },
        required_if=[("question", name, list(asked.needs)) for name, asked in QUESTIONS.items() if asked.needs],
        supports_check_mode=True,
    )
    limit = module.params["limit"]
    if limit < 1:
        module.fail_json(msg=f"limit is {limit}; write 1 or more.")
    client = from_module(module)
    try:
        values = {**parameters(module.params), "limit": limit}
        columns, found = client.query(limited(module.params["question"]), values)
    except AuditClientError as exc:
        module.fail_json(msg=f"The audit database cannot answer: {exc}")
    rows = found[:limit]
    written = as_csv if module.params["format"] == "csv" else as_table
    module.exit_json(
        changed=False,
        columns=columns,
        rows=[as_texts(columns, row) for row in rows],
        text=written(columns, rows),
        more=len(found) > limit,
    )


if __name__ == "__main__":
    main()
