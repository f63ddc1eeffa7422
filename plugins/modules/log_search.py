# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_search
short_description: Search shipped logs
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Finds the lines that the role P(mlops.tracking.log_shipping#role) shipped. A line must agree with all options given.
options:
  index:
    description:
      - What the names of the indices begin with.
    type: str
    default: mlops-logs
  run:
    description:
      - Id of a run.
    type: str
  experiment:
    description:
      - Id of an experiment.
    type: str
  request:
    description:
      - Id of a request, as the header C(X-Request-Id) of its answer says.
    type: str
  user:
    description:
      - Who asked.
    type: str
  host:
    description:
      - Host that wrote the line.
    type: str
  service:
    description:
      - Service that wrote the line, such as V(nginx), V(mlflow-rest) or V(postgresql).
    type: str
  operation:
    description:
      - What a request did, in MLflow's words.
    type: str
  outcome:
    description:
      - How a request ended.
    type: str
    choices: [allowed, refused, failed]
  level:
    description:
      - The least severe level.
    type: str
    choices: [emerg, alert, crit, err, warning, notice, info, debug]
  text:
    description:
      - Words that follow each other in the line.
    type: str
  from:
    description:
      - Time of the first line, such as V(2026-11-25), V(2026-11-25T14:00:00+01:00) or V(now-1h).
    type: str
  to:
    description:
      - Time before which the last line is.
    type: str
  limit:
    description:
      - The most lines to return, the oldest first.
    type: int
    default: 1000
  format:
    description:
      - What RV(text) is.
    type: str
    choices: [table, csv]
    default: table
  wait_seconds:
    description:
      - How long to ask again while nothing is found.
    type: int
    default: 0
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.log_search
seealso:
  - module: mlops.tracking.log_search_index
"""

EXAMPLES = r"""
- name: Find the requests of a run
  mlops.tracking.log_search:
    search_url: https://logs.example.com:9200
    search_user: logs-reader
    search_password: "{{ logs_reader_password }}"
    run: 0123456789abcdef0123456789abcdef

- name: Find what went wrong in the last hour
  mlops.tracking.log_search:
    search_url: https://logs.example.com:9200
    search_user: logs-reader
    search_password: "{{ logs_reader_password }}"
    level: err
    from: now-1h
"""

RETURN = r"""
documents:
  description: The lines, the oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{"@timestamp": "2026-11-25T07:04:00.123000+00:00", "service": "nginx", "message": "GET /health 200"}]
total:
  description: How many lines there are, returned or not.
  returned: success
  type: int
  sample: 1
text:
  description: The lines as a table or as CSV.
  returned: success
  type: str
  sample: ""
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 1.2
"""

import time
import typing as t
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._log_search import (
    LEVELS,
    QuestionError,
    documents,
    question,
    text,
)
from ansible_collections.mlops.tracking.plugins.module_utils._log_search_client import (
    LogSearchClient,
    LogSearchError,
    argument_spec,
)

OPTIONS: dict[str, dict[str, t.Any]] = {
    "index": {"type": "str", "default": "mlops-logs"},
    **{name: {"type": "str"} for name in ("run", "experiment", "request", "user", "host", "service", "operation")},
    "outcome": {"type": "str", "choices": ["allowed", "refused", "failed"]},
    "level": {"type": "str", "choices": list(LEVELS)},
    **{name: {"type": "str"} for name in ("text", "from", "to")},
    "limit": {"type": "int", "default": 1000},
    "format": {"type": "str", "choices": ["table", "csv"], "default": "table"},
    "wait_seconds": {"type": "int", "default": 0},
}
PAUSE_SECONDS = 0.5


def find(client: LogSearchClient, params: dict[str, t.Any]) -> tuple[list[dict[str, t.Any]], int]:
    """Ask, again while nothing is found and there is time."""
    body = question(params)
    path = f"/{quote(params['index'], safe='')}*/_search?ignore_unavailable=true&allow_no_indices=true"
    deadline = time.monotonic() + params["wait_seconds"]
    while True:
        found, total = documents(client.post(path, body))
        if total or time.monotonic() >= deadline:
            return found, total
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**argument_spec(), **OPTIONS}, supports_check_mode=True)
    begin = time.monotonic()
    try:
        found, total = find(LogSearchClient(module.params), module.params)
    except (LogSearchError, QuestionError) as exc:
        module.fail_json(msg=f"Log search: {exc}")
    module.exit_json(
        changed=False,
        documents=found,
        total=total,
        text=text(found, module.params["format"]),
        seconds=round(time.monotonic() - begin, 1),
    )


if __name__ == "__main__":
    main()
