# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_verify
short_description: Verify the chain of the audit
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Computes the hash of every row from its content and from the row before, and compares the end of the chain with what
    the database recorded, and the rows with the anchors that the object store keeps.
  - Looks whether the triggers that refuse changes are there and switched on.
  - Changes nothing, and fails if anything does not hold.
options:
  anchors:
    description:
      - Names of the anchors, as M(mlops.tracking.audit_anchors) lists them.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.audit
seealso:
  - module: mlops.tracking.audit_anchors
  - module: mlops.tracking.audit_query
"""

EXAMPLES = r"""
- name: Verify the audit
  mlops.tracking.audit_verify:
    login_password: "{{ audit_auditor_password }}"
    anchors: "{{ anchors.names }}"
"""

RETURN = r"""
rows:
  description: Number of rows that were verified.
  returned: always
  type: int
first:
  description: Sequence number of the first row; the rows before were dropped by the retention.
  returned: always
  type: int
last:
  description: Sequence number of the last row.
  returned: always
  type: int
hash:
  description: Hash of the last row.
  returned: always
  type: str
anchors:
  description: Number of anchors that concern these rows.
  returned: always
  type: int
findings:
  description: What does not hold, at most fifty faults of the chain.
  returned: always
  type: list
  elements: str
  sample: ["row 12: its hash does not follow from its content and from row 11"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._audit_chain import (
    GUARDS,
    HEAD,
    RETENTION,
    ROWS,
    judged,
    summary,
)
from ansible_collections.mlops.tracking.plugins.module_utils._audit_client import (
    AuditClientError,
    argument_spec,
    from_module,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), "anchors": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    client = from_module(module)
    try:
        heads = client.query(HEAD)[1]
        retention = [row[0] for row in client.query(RETENTION)[1]]
        guards = client.query(GUARDS)[1]
        head = heads[0] if heads else (0, "")
        result = judged(client.stream(ROWS), head, retention, guards, module.params["anchors"])
    except AuditClientError as exc:
        module.fail_json(msg=f"The audit database cannot be read: {exc}")
    if result["findings"]:
        module.fail_json(msg=f"The audit does not hold: {'; '.join(result['findings'])}", **result)
    module.exit_json(changed=False, msg=summary(result), **result)


if __name__ == "__main__":
    main()
