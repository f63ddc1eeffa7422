# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_anchors
short_description: List the anchors of the audit in its bucket
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Lists the names of all objects of a bucket, those behind a delete marker included. The name of an anchor says when
    which row ended the chain with which hash, so that nothing is read and an overwritten object hides nothing.
options:
  bucket:
    description:
      - Name of the bucket.
    type: str
    default: audit
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
seealso:
  - module: mlops.tracking.audit_verify
"""

EXAMPLES = r"""
- name: List the anchors
  mlops.tracking.audit_anchors:
    minio_url: https://minio.example.com:9000
    minio_access_key: root
    minio_secret_key: "{{ minio_root_password }}"
  register: anchors
"""

RETURN = r"""
names:
  description: Names of the objects.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClientError,
    argument_spec,
    from_module,
)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), "bucket": {"type": "str", "default": "audit"}},
        supports_check_mode=True,
    )
    client = from_module(module)
    try:
        names = client.object_names(module.params["bucket"])
    except MinioClientError as exc:
        module.fail_json(msg=f"Bucket {module.params['bucket']}: {exc}")
    module.exit_json(changed=False, names=names)


if __name__ == "__main__":
    main()
