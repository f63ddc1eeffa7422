# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the policy of a bucket for anonymous callers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bucket_policy
short_description: The policy of a bucket for callers without credentials
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Builds the S3 policy document that opens a bucket, or a folder of it, to anonymous callers.
  - No statement matches another bucket whose name begins alike.
  - Deleting is never part of it. MinIO does not ask for C(s3:DeleteObjectVersion) when the caller is anonymous,
    so the right to delete would be the right to destroy versions for good.
options:
  _input:
    description:
      - What to open.
    type: dict
    required: true
    suboptions:
      bucket:
        description: The name of the bucket.
        type: str
        required: true
      prefix:
        description: Only this folder of the bucket.
        type: str
      access:
        description:
          - V(none) gives a policy without statements.
          - V(read) gets and lists objects.
          - V(write) creates objects, also in several parts.
          - V(readwrite) does both.
        type: str
        choices:
          - none
          - read
          - readwrite
          - write
        required: true
      principals:
        description:
          - Who is meant. MinIO knows only everybody here; other S3 servers also take ARNs of users.
        type: list
        elements: str
        default:
          - "*"
seealso:
  - plugin: mlops.tracking.iam_policy
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the policy of a public folder
  ansible.builtin.debug:
    msg: "{{ {'bucket': 'datasets', 'prefix': 'public', 'access': 'read'} | mlops.tracking.bucket_policy }}"

- name: Show the policy of a closed bucket as JSON
  ansible.builtin.debug:
    msg: "{{ {'bucket': 'datasets', 'access': 'none'} | mlops.tracking.bucket_policy | to_json }}"
"""

RETURN = r"""
_value:
  description: The policy document. The same description always gives the same order.
  type: dict
  sample:
    Version: "2012-10-17"
    Statement:
      - Effect: Allow
        Action:
          - s3:GetBucketLocation
        Resource:
          - arn:aws:s3:::datasets
        Principal:
          AWS:
            - "*"
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _policy


def bucket_policy(description: Any) -> dict[str, Any]:
    """Return the policy of a bucket for anonymous callers."""
    try:
        return _policy.bucket_policy(description)
    except _policy.PolicyError as exc:
        raise AnsibleFilterError(f"mlops.tracking.bucket_policy: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"bucket_policy": bucket_policy}
