# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: minio_metrics_token
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The bearer token by which Prometheus reads MinIO's metrics
description:
  - Makes the JSON web token of a MinIO user that may do C(admin:Prometheus). It is always the same for the same key.
positional: _input, secret_key
options:
  _input:
    description: The user's access key.
    type: str
    required: true
  secret_key:
    description: The user's secret key, which signs the token.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A token
  ansible.builtin.debug:
    msg: "{{ 'metrics' | mlops.tracking.minio_metrics_token(metrics_secret_key) | length }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The token.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring


def minio_metrics_token(access_key: str, secret_key: str) -> str:
    """Return the token."""
    try:
        return _monitoring.minio_metrics_token(access_key, secret_key)
    except _monitoring.MonitoringError as exc:
        raise AnsibleFilterError(f"minio_metrics_token: {exc}") from exc
    except (AttributeError, TypeError) as exc:
        raise AnsibleFilterError("minio_metrics_token needs two texts") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"minio_metrics_token": minio_metrics_token}
