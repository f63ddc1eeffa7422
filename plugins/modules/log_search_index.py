# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_search_index
short_description: Index template and retention policy of shipped logs
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes and changes the index template of the documents that the role P(mlops.tracking.log_shipping#role) ships, and
    the policy that removes old indices.
  - Indices that exist keep what they were made with; the next one follows the template.
options:
  name:
    description:
      - Name of the template and of the policy. Both are for indices whose names are this, a hyphen and anything.
    type: str
    required: true
  shards:
    description:
      - Shards of each index.
    type: int
    default: 1
  replicas:
    description:
      - Copies of each shard on other nodes.
    type: int
    default: 1
  retention_days:
    description:
      - Days after which an index is removed by the server itself, by OpenSearch's Index State Management or
        Elasticsearch's Index Lifecycle Management, whichever the server has.
      - V(0) leaves policies alone.
    type: int
    default: 0
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.log_search
seealso:
  - module: mlops.tracking.log_search
"""

EXAMPLES = r"""
- name: Keep logs for thirty days
  mlops.tracking.log_search_index:
    search_url: https://logs.example.com:9200
    search_user: logs-manager
    search_password: "{{ logs_manager_password }}"
    name: mlops-logs
    retention_days: 30
"""

RETURN = r"""
changes:
  description: What was made or changed, in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [template, policy]
distribution:
  description: What the server is, C(opensearch) or C(elasticsearch).
  returned: success
  type: str
  sample: opensearch
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._log_search import (
    covers,
    ilm_policy,
    ism_policy,
    same_template,
    template,
)
from ansible_collections.mlops.tracking.plugins.module_utils._log_search_client import (
    LogSearchClient,
    LogSearchError,
    argument_spec,
)

OPTIONS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "shards": {"type": "int", "default": 1},
    "replicas": {"type": "int", "default": 1},
    "retention_days": {"type": "int", "default": 0},
}
Change = tuple[t.Any, t.Any]


def distribution_of(client: LogSearchClient) -> str:
    """What the server says that it is; Elasticsearch does not."""
    version = (client.get("/") or {}).get("version", {})
    return str(version.get("distribution", "elasticsearch"))


def keep_ism_policy(client: LogSearchClient, name: str, days: int, act: bool) -> Change | None:
    """Make or change OpenSearch's policy."""
    path, wanted = f"/_plugins/_ism/policies/{name}", ism_policy(name, days)
    try:
        current = client.get(path)
    except LogSearchError as exc:
        if exc.status == 400 and "no handler" in exc.message:
            raise LogSearchError(
                0, "this OpenSearch has no Index State Management; remove old indices another way"
            ) from exc
        raise
    if current and covers(current, wanted):
        return None
    if act:
        # Without these a policy that exists is not replaced.
        known = f"?if_seq_no={current['_seq_no']}&if_primary_term={current['_primary_term']}" if current else ""
        client.put(path + known, wanted)
    return (current or {}).get("policy"), wanted["policy"]


def keep_ilm_policy(client: LogSearchClient, name: str, days: int, act: bool) -> Change | None:
    """Make or change Elasticsearch's policy."""
    path, wanted = f"/_ilm/policy/{name}", ilm_policy(days)
    current = (client.get(path) or {}).get(name)
    if current and covers(current, wanted):
        return None
    if act:
        client.put(path, wanted)
    return (current or {}).get("policy"), wanted["policy"]


def keep_template(client: LogSearchClient, name: str, wanted: dict[str, t.Any], act: bool) -> Change | None:
    """Make or change the index template."""
    path = f"/_index_template/{name}"
    listed = (client.get(path) or {}).get("index_templates", [])
    current = listed[0]["index_template"] if listed else None
    if current and same_template(current, wanted):
        return None
    if act:
        client.put(path, wanted)
    return current, wanted


def converge(client: LogSearchClient, params: dict[str, t.Any], act: bool) -> tuple[str, dict[str, Change]]:
    """Keep the policy, then the template that names it."""
    name, days = params["name"], params["retention_days"]
    distribution = distribution_of(client)
    keep_policy = keep_ism_policy if distribution == "opensearch" else keep_ilm_policy
    by_template = name if days and distribution != "opensearch" else ""
    done = {"policy": keep_policy(client, name, days, act) if days else None}
    wanted = template(name, params["shards"], params["replicas"], by_template)
    done["template"] = keep_template(client, name, wanted, act)
    return distribution, {key: change for key, change in done.items() if change}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**argument_spec(), **OPTIONS}, supports_check_mode=True)
    try:
        client = LogSearchClient(module.params)
        distribution, changes = converge(client, module.params, not module.check_mode)
    except LogSearchError as exc:
        module.fail_json(msg=f"Indices {module.params['name']}-*: {exc}")
    module.exit_json(
        changed=bool(changes),
        changes=sorted(changes),
        distribution=distribution,
        diff={
            "before": {key: before for key, (before, _after) in changes.items()},
            "after": {key: after for key, (_before, after) in changes.items()},
        },
    )


if __name__ == "__main__":
    main()
