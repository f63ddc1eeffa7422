# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_copy_store
short_description: Copy buckets with all versions from one MinIO server to another
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Copies every version of every object and every delete marker, oldest first, with content type and user metadata.
    The new server encrypts them with its own key.
  - A copy has another version id and a new time. The user metadata C(mlops-copy-of) holds the source's version id.
    Object tags, legal holds and the end of a retention are not copied. A retention begins anew by the bucket's default.
  - What is there already is compared by SHA-256 and not copied again, so an interrupted run can simply be run again.
  - Nobody else may write to the buckets before all is copied. What is written later stays.
  - MinIO does not list an object whose name is below that of another (V(a/b) where there is V(a)), so such an object is
    not copied.
  - Nothing is removed from the source.
options:
  buckets:
    description: Buckets to copy. They must exist on the new server. One that the source does not have is left out.
    type: list
    elements: str
    required: true
  source_url:
    description: Scheme, host and port of the server to copy from, which O(minio_access_key) opens, too.
    type: str
    required: true
  source_server_name:
    description: The name that must be in the certificate of O(source_url), if it is another than that of the URL.
    type: str
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.actiongroup_minio
  - mlops.tracking.minio
"""

EXAMPLES = r"""
- name: Copy the objects of the previous store
  mlops.tracking.minio_copy_store:
    minio_url: https://minio.example.com:9000
    minio_access_key: root
    minio_secret_key: "{{ minio_root_password }}"
    source_url: https://localhost:9009
    buckets: [mlflow]
"""

RETURN = r"""
objects:
  description: How many objects the source has in these buckets, deleted ones included.
  returned: success
  type: int
  sample: 12
versions:
  description: How many versions and delete markers were copied, or would be.
  returned: success
  type: int
  sample: 30
bytes:
  description: How many bytes were copied, or would be.
  returned: success
  type: int
  sample: 20971520
verified:
  description: How many versions have the same SHA-256 on both sides.
  returned: success
  type: int
  sample: 28
"""

import typing as t
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import (
    MinioClient,
    MinioClientError,
    argument_spec,
    from_module,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_copy import Version, by_name, remaining
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import PlanError


@dataclass
class Counts:
    """What was seen and done."""

    objects: int = 0
    versions: int = 0
    bytes: int = 0
    verified: int = 0


def compare(source: t.Any, target: t.Any, bucket: str, pair: tuple[Version, Version]) -> None:
    """Read a version on both sides."""
    before, after = pair
    if source.digest(bucket, before.name, before.version_id) != target.digest(bucket, after.name, after.version_id):
        raise PlanError(f"{after.name}, version {after.version_id}, differs from its source {before.version_id}")


def copy_version(source: t.Any, target: t.Any, bucket: str, version: Version) -> bool:
    """Copy one version or delete marker; returns whether there were bytes to compare."""
    if version.is_delete_marker:
        target.add_delete_marker(bucket, version.name)
        return False
    version_id = target.put_copy(source, bucket, version)
    copied = Version(version.name, version_id, copy_of=version.version_id)
    compare(source, target, bucket, (version, copied))
    return True


def copy_bucket(source: t.Any, target: t.Any, bucket: str, check_mode: bool, counts: Counts) -> None:
    """Copy what is missing in one bucket, object by object."""
    for history in by_name(source.versions(bucket)):
        counts.objects += 1
        found = remaining(history, target.history(bucket, history[0].name))
        for pair in found.pairs:
            compare(source, target, bucket, pair)
            counts.verified += 1
        for version in found.missing:
            if not check_mode and copy_version(source, target, bucket, version):
                counts.verified += 1
            counts.versions += 1
            counts.bytes += version.size


def copy_store(source: t.Any, target: t.Any, buckets: list[str], check_mode: bool) -> Counts:
    """Copy all buckets that the source has."""
    counts = Counts()
    for bucket in buckets:
        if source.has_bucket(bucket):
            try:
                copy_bucket(source, target, bucket, check_mode, counts)
            except (PlanError, MinioClientError) as exc:
                raise PlanError(f"Bucket {bucket}: {exc}. {counts.versions} versions were copied before") from exc
    return counts


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **argument_spec(),
            "buckets": {"type": "list", "elements": "str", "required": True},
            "source_url": {"type": "str", "required": True},
            "source_server_name": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    target = from_module(module)
    try:
        source = MinioClient(
            params["source_url"],
            params["minio_access_key"],
            params["minio_secret_key"],
            ca_path=params["ca_path"],
            region=params["region"],
            server_name=params["source_server_name"],
        )
        counts = copy_store(source, target, params["buckets"], module.check_mode)
    except (PlanError, MinioClientError, ValueError, OSError) as exc:
        module.fail_json(msg=f"The store is not copied: {exc}. Run again: what is copied stays.")
    module.exit_json(
        changed=counts.versions > 0,
        diff={"before": "", "after": f"{counts.versions} versions copied\n" if counts.versions else ""},
        **vars(counts),
    )


if __name__ == "__main__":
    main()
