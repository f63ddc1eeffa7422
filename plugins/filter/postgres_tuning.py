# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: settings of PostgreSQL for a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_tuning
short_description: Settings of PostgreSQL from memory, cores and connections
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Returns settings for C(postgresql.conf) that suit a database of MLflow.
  - C(shared_buffers) is a quarter of the memory; more would hold pages twice, here and in the kernel's cache.
  - C(work_mem) is 64 MB, which searching runs sorts in memory, or less, so that all connections at once
    use at most half of the memory.
  - C(maintenance_work_mem) is a sixteenth up to 1 GB, for building indexes; C(autovacuum_work_mem) a 64th up to 256 MB.
  - C(effective_cache_size) is three quarters; it is an estimate and allocates nothing.
  - C(huge_pages) is C(try), which saves page tables where pages are reserved and changes nothing elsewhere.
  - C(random_page_cost) and C(effective_io_concurrency) follow O(storage).
  - C(jit) is off and C(max_parallel_workers_per_gather) 0, because MLflow's queries are short and many at a time.
  - C(max_wal_size) is half of the memory within 1 and 8 GB, C(checkpoint_timeout) 15 minutes and
    C(checkpoint_completion_target) 0.9, so that checkpoints come by time, spread out, and fewer pages are written
    whole;
    C(wal_compression) makes those smaller.
  - Autovacuum starts at 2 % dead rows and works faster than its defaults, because each logged metric updates a row.
options:
  _input:
    description: The memory that PostgreSQL may count on, in MB; on a host shared with other tiers, its part.
    type: int
    required: true
  cores:
    description: The cores of the host.
    type: int
    required: true
  max_connections:
    description: The connections that the server accepts.
    type: int
    required: true
  version:
    description: The major version of PostgreSQL, 13 or newer.
    type: int
    default: 17
  storage:
    description: What the data directory is on.
    type: str
    choices:
      - hdd
      - ssd
    default: ssd
seealso:
  - plugin: mlops.tracking.pool_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the settings of a host
  ansible.builtin.debug:
    msg: "{{ 16384 | mlops.tracking.postgres_tuning(cores=4, max_connections=400) }}"

- name: Show one setting of a host with disks
  ansible.builtin.debug:
    msg: "{{ (8192 | mlops.tracking.postgres_tuning(cores=2, max_connections=100, storage='hdd')).work_mem }}"
    # => 40MB
"""

RETURN = r"""
_value:
  description: Names and values of settings; every value is a string, with its unit where it has one.
  type: dict
  sample:
    jit: "off"
    max_connections: "400"
    shared_buffers: 4096MB
    work_mem: 20MB
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _sizing


def postgres_tuning(
    memory_mb: Any, cores: Any, max_connections: Any, version: Any = 17, storage: str = "ssd"
) -> dict[str, str]:
    """Return settings of PostgreSQL."""
    try:
        return _sizing.postgres_tuning(memory_mb, cores, max_connections, version=version, storage=storage)
    except _sizing.SizingError as exc:
        raise AnsibleFilterError(f"mlops.tracking.postgres_tuning: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_tuning": postgres_tuning}
