# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_bucket
short_description: Manage buckets of a MinIO server
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Makes, changes and removes buckets with their versioning, lifecycle, encryption, quota and policy.
  - A property whose option is left out stays as it is.
options:
  name:
    description:
      - Name of the bucket.
    type: str
    required: true
  state:
    description:
      - Whether the bucket exists.
    type: str
    choices: [present, absent]
    default: present
  versioning:
    description:
      - Whether overwritten and deleted objects are kept as old versions.
    type: bool
  object_lock:
    description:
      - Whether versions can be locked against destruction. Can only be chosen when the bucket is made, and brings
        versioning with it.
    type: bool
  lifecycle:
    description:
      - The bucket's whole lifecycle. An empty dictionary removes all rules.
      - MinIO does not know C(AbortIncompleteMultipartUpload). Use the server's own setting C(api stale_uploads_expiry)
        instead.
    type: dict
    suboptions:
      noncurrent_expire_days:
        description:
          - Days after which an old version is destroyed. V(0) keeps old versions for good.
        type: int
        default: 0
      expired_object_delete_marker:
        description:
          - Whether a delete marker without older versions is removed.
        type: bool
        default: false
  encryption:
    description:
      - Default encryption of new objects.
    type: str
    choices: [none, sse-s3, sse-kms]
  kms_key:
    description:
      - Name of the server's key for O(encryption=sse-kms).
    type: str
  quota_bytes:
    description:
      - Size that the bucket may grow to. V(0) is no limit. MinIO enforces it with some delay.
    type: int
  retention_days:
    description:
      - Days for which nobody can remove a new object, the administrator included (retention mode C(COMPLIANCE)).
        Needs a bucket that was made with O(object_lock=true). V(0) is none. Older objects keep what they have.
    type: int
  policy:
    description:
      - Bucket policy document. An empty dictionary removes it.
    type: dict
  force:
    description:
      - Whether O(state=absent) destroys all objects and versions in the bucket. Otherwise a bucket that is not empty is
        an error.
    type: bool
    default: false
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
seealso:
  - module: mlops.tracking.minio_policy
  - module: mlops.tracking.minio_user
"""

EXAMPLES = r"""
- name: Keep artifacts with thirty days of old versions, encrypted
  mlops.tracking.minio_bucket:
    minio_url: https://minio.example.com:9000
    minio_access_key: admin
    minio_secret_key: "{{ minio_root_password }}"
    ca_path: /etc/mlops-tracking/tls/ca.crt
    name: mlflow
    versioning: true
    lifecycle:
      noncurrent_expire_days: 30
      expired_object_delete_marker: true
    encryption: sse-kms
    kms_key: mlflow

- name: Remove an empty bucket
  mlops.tracking.minio_bucket:
    minio_url: https://minio.example.com:9000
    minio_access_key: admin
    minio_secret_key: "{{ minio_root_password }}"
    name: scratch
    state: absent
"""

RETURN = r"""
changes:
  description: Names of the properties that changed, C(bucket) when the bucket itself was made or removed.
  returned: success
  type: list
  elements: str
  sample: [bucket, versioning]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClient,
    MinioClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import (
    Bucket,
    Change,
    PlanError,
    plan_bucket,
    wanted_encryption,
    wanted_lifecycle,
)

PROPERTIES: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "versioning": {"type": "bool"},
    "object_lock": {"type": "bool"},
    "lifecycle": {
        "type": "dict",
        "options": {
            "noncurrent_expire_days": {"type": "int", "default": 0},
            "expired_object_delete_marker": {"type": "bool", "default": False},
        },
    },
    "encryption": {"type": "str", "choices": ["none", "sse-s3", "sse-kms"]},
    "kms_key": {"type": "str", "no_log": False},
    "quota_bytes": {"type": "int"},
    "retention_days": {"type": "int"},
    "policy": {"type": "dict"},
    "force": {"type": "bool", "default": False},
}


def wanted_bucket(params: dict[str, t.Any]) -> Bucket:
    """The bucket that the options describe."""
    if (params["quota_bytes"] or 0) < 0:
        raise PlanError(f"quota_bytes is {params['quota_bytes']}; use 0 (no limit) or a number of bytes")
    if (params["retention_days"] or 0) < 0:
        raise PlanError(f"retention_days is {params['retention_days']}; use 0 (none) or a number of days")
    return Bucket(
        versioning=params["versioning"],
        object_lock=params["object_lock"],
        lifecycle=wanted_lifecycle(params["lifecycle"]),
        encryption=wanted_encryption(params["encryption"], params["kms_key"]),
        quota_bytes=params["quota_bytes"],
        retention_days=params["retention_days"],
        policy=params["policy"],
    )


def make_present(module: AnsibleModule, client: MinioClient) -> list[Change]:
    """Make the bucket where it is missing, then change what differs."""
    name = module.params["name"]
    wanted = wanted_bucket(module.params)
    current = client.bucket(name)
    changes = plan_bucket(current, wanted)
    if not module.check_mode:
        if current is None:
            client.make_bucket(name, object_lock=bool(wanted.object_lock))
        setters: dict[str, t.Callable[[str, t.Any], None]] = {
            "versioning": client.set_versioning,
            "encryption": client.set_encryption,
            "lifecycle": client.set_lifecycle,
            "quota_bytes": client.set_quota_bytes,
            "retention_days": client.set_retention_days,
            "policy": client.set_bucket_policy,
        }
        for change in changes:
            setters[change.key](name, change.after)
    return changes if current else [Change("bucket", "absent", "present"), *changes]


def make_absent(module: AnsibleModule, client: MinioClient) -> list[Change]:
    """Remove the bucket; what is in it only by force."""
    name = module.params["name"]
    if client.bucket(name) is None:
        return []
    empty = client.is_bucket_empty(name)
    if not empty and not module.params["force"]:
        raise PlanError(f"bucket {name} is not empty; set force to true to destroy all its objects and versions")
    if not module.check_mode:
        if not empty:
            client.empty_bucket(name)
        client.remove_bucket(name)
    return [Change("bucket", "present", "absent")]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**argument_spec(), **PROPERTIES},
        required_if=[("encryption", "sse-kms", ["kms_key"])],
        supports_check_mode=True,
    )
    client = from_module(module)
    converge = make_present if module.params["state"] == "present" else make_absent
    try:
        changes = converge(module, client)
    except (PlanError, MinioClientError) as exc:
        module.fail_json(msg=f"Bucket {module.params['name']}: {exc}")
    module.exit_json(
        changed=bool(changes),
        changes=[change.key for change in changes],
        diff={
            "before": {change.key: change.before for change in changes},
            "after": {change.key: change.after for change in changes},
        },
    )


if __name__ == "__main__":
    main()
