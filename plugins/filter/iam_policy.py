# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the policy of a user for some buckets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: iam_policy
short_description: The policy of an S3 user for some buckets
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Builds the policy document of a MinIO user or group from a list of buckets, folders and access levels.
  - No statement matches another bucket whose name begins alike.
  - Destroying versions, bypassing retention, deleting a bucket, and changing its versioning, lifecycle, object lock
    or policy are denied by name on every bucket of the list, so that another policy of the same user cannot allow them.
    C(s3:DeleteObject) alone would let a user destroy versions on MinIO.
options:
  _input:
    description:
      - What the user may do.
    type: list
    elements: dict
    required: true
    suboptions:
      bucket:
        description: The name of the bucket.
        type: str
        required: true
      prefix:
        description:
          - Only this folder of the bucket. Listing then needs a prefix that begins with the folder and a slash,
            and unfinished uploads cannot be listed, because S3 cannot limit that to a folder.
        type: str
      access:
        description:
          - V(read) gets and lists objects.
          - V(write) creates objects, also in several parts.
          - V(readwrite) does both.
        type: str
        choices:
          - read
          - readwrite
          - write
        required: true
      delete:
        description:
          - Whether objects may be deleted, which leaves their versions.
          - By default V(true) with O(_input[].access=readwrite), otherwise V(false).
        type: bool
seealso:
  - plugin: mlops.tracking.bucket_policy
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the policy of the user that MLflow stores artifacts with
  ansible.builtin.debug:
    msg: "{{ [{'bucket': 'mlflow', 'access': 'readwrite'}] | mlops.tracking.iam_policy }}"

- name: Show the policy of a job that reads data and only adds results
  ansible.builtin.debug:
    msg: "{{ [{'bucket': 'datasets', 'prefix': 'housing', 'access': 'read'},
      {'bucket': 'results', 'access': 'readwrite', 'delete': false}] | mlops.tracking.iam_policy | to_json }}"
"""

RETURN = r"""
_value:
  description: The policy document. The order of the list does not matter to it.
  type: dict
  sample:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Action:
          - s3:GetBucketLocation
        Resource:
          - arn:aws:s3:::mlflow
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _policy


def iam_policy(grants: Any) -> dict[str, Any]:
    """Return the policy of a user for some buckets."""
    try:
        return _policy.iam_policy(grants)
    except _policy.PolicyError as exc:
        raise AnsibleFilterError(f"mlops.tracking.iam_policy: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"iam_policy": iam_policy}
