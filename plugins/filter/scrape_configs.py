# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: scrape_configs
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The jobs of Prometheus, from the hosts of each exporter
description:
  - Writes the section C(scrape_configs) of C(prometheus.yml). Every target is asked over TLS and with a password or
    token that is read from a file.
  - Each target's label C(instance) is the name of its host.
options:
  _input:
    description:
      - C(exporters) (hosts by exporter), C(minio_hosts), C(prometheus_host), C(ports) (by exporter, and those of
        C(gateway), C(minio), C(keycloak), C(prometheus) and C(alertmanager)), C(public_url), C(ca_file), C(credentials)
        (a directory with C(exporter_password), C(monitoring_password) and C(minio_token)), C(exporter_user) and
        C(monitoring_user).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what Prometheus would ask
  ansible.builtin.debug:
    msg: "{{ monitoring_settings | mlops.tracking.scrape_configs | map(attribute='job_name') }}"
"""

RETURN = r"""
_value:
  description: The jobs.
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _monitoring


def scrape_configs(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the jobs of Prometheus."""
    try:
        return _monitoring.scrape_configs(settings)
    except (AttributeError, KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"scrape_configs: the settings are not complete: {exc!r}") from exc


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"scrape_configs": scrape_configs}
