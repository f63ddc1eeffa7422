# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_read_back
short_description: Read objects of a bucket that others wrote
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Looks at the first objects of a bucket, and reads the beginning of the oldest and of the newest of them. What was
    written with another KMS key, or what lost its data, cannot be read, although writing and reading anew works.
  - An empty bucket is no failure.
options:
  bucket:
    description: Name of the bucket.
    type: str
    required: true
  objects:
    description: How many objects are looked at, in the order of their names.
    type: int
    default: 1000
  bytes:
    description: How much of an object is read.
    type: int
    default: 1048576
  hint:
    description: Where to look if an object cannot be read; it is returned as it is.
    type: str
    default: ""
extends_documentation_fragment:
  - mlops.tracking.attributes.info
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
"""

EXAMPLES = r"""
- name: Read an artifact back
  mlops.tracking.minio_read_back:
    minio_url: https://minio.example.com:9000
    minio_access_key: root
    minio_secret_key: "{{ minio_root_password }}"
    bucket: mlflow
"""

RETURN = r"""
check:
  description: What was looked at.
  returned: always
  type: str
  sample: old objects of mlflow
ok:
  description: Whether they can be read.
  returned: always
  type: bool
  sample: true
detail:
  description: What was read, or why it cannot be.
  returned: always
  type: str
  sample: "oldest of 12, 2026-11-28: 4096 bytes; newest, 2026-11-28: 1048576 bytes"
hint:
  description: O(hint).
  returned: always
  type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import Stored, oldest_and_newest


def read_back(client: t.Any, bucket: str, most: int, length: int) -> tuple[bool, str]:
    """Whether the objects can be read, and a sentence about it."""
    try:
        found = client.first_objects(bucket, most)
    except MinioClientError as exc:
        return False, f"cannot be listed: {exc}"
    parts = []
    for item in oldest_and_newest(found):
        try:
            parts.append(f"{item.name} of {item.modified:%Y-%m-%d}: {_read(client, bucket, item, length)} bytes read")
        except MinioClientError as exc:
            return False, f"{item.name} of {item.modified:%Y-%m-%d} cannot be read: {exc}"
    return True, "; ".join(parts) or "nothing there yet"


def _read(client: t.Any, bucket: str, item: Stored, length: int) -> int:
    wanted = min(length, item.size)
    count: int = client.read_object(bucket, item.name, wanted)
    if count != wanted:
        raise MinioClientError("Incomplete", f"{count} of {wanted} bytes came")
    return count


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "bucket": {"type": "str", "required": True},
            "objects": {"type": "int", "default": 1000},
            "bytes": {"type": "int", "default": 1048576},
            "hint": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    params = module.params
    client = from_module(module)
    ok, detail = read_back(client, params["bucket"], params["objects"], params["bytes"])
    result = {"check": f"old objects of {params['bucket']}", "ok": ok, "detail": detail, "hint": params["hint"]}
    if not ok:
        module.fail_json(msg=f"Bucket {params['bucket']}: {detail}", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
