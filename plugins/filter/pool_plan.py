# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: workers, threads and connection pools of an MLflow host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pool_plan
short_description: Workers, threads and connection pools of an MLflow host
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Plans the two pools of an MLflow host, REST (threads) and ASGI, from its cores and memory,
    so that all hosts together never open more connections than the database accepts.
  - The plan begins with one REST worker for each core (at least two) and one ASGI worker for two cores (two to four).
    Where memory or connections do not suffice, workers are taken away down to one in each pool, then threads.
  - Each pool of connections has two for every thread and one more, because logging a batch holds one connection
    while it takes a second; with fewer, threads wait for each other for ever.
  - A worker is counted with 200 MB, and all workers with at most half of the memory.
  - Fails when not even one worker of each pool with one thread fits, and says what would.
options:
  _input:
    description: The cores of the host.
    type: int
    required: true
  memory_mb:
    description: The memory of the host.
    type: int
    required: true
  hosts:
    description: How many MLflow hosts share the database.
    type: int
    default: 1
  max_connections:
    description: The connections that the database accepts.
    type: int
    default: 400
  threads:
    description: The threads of a REST worker, at most.
    type: int
    default: 6
  reserved_connections:
    description: Connections that are left to superusers, exporters, migrations and backups.
    type: int
    default: 30
  engines:
    description: The SQLAlchemy engines of a worker (tracking, registry, authentication), each with its own pool.
    type: int
    default: 3
  asgi_threads:
    description: The threads of an ASGI worker, at most; the server must be limited to the planned number.
    type: int
    default: 8
seealso:
  - plugin: mlops.tracking.postgres_tuning
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the plan of each of two hosts
  ansible.builtin.debug:
    msg: "{{ 2 | mlops.tracking.pool_plan(memory_mb=4096, hosts=2) }}"
    # => rest: {workers: 2, threads: 6, pool_size: 12, max_overflow: 1}
    #    asgi: {workers: 2, threads: 8, pool_size: 16, max_overflow: 1}
    #    connections_per_host: 180, connections_total: 360

- name: Show the plan of a host with many cores and a small database
  ansible.builtin.debug:
    msg: "{{ 16 | mlops.tracking.pool_plan(memory_mb=32768, max_connections=200) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    rest:
      description:
        - The pool of REST workers, with the keys V(workers), V(threads) of each, V(pool_size) and V(max_overflow)
          of each of its engines.
      type: dict
    asgi:
      description: The pool of ASGI workers, with the same keys.
      type: dict
    connections_per_host:
      description: The most connections that one host opens.
      type: int
    connections_total:
      description: The most connections that all hosts open.
      type: int
  sample:
    rest: {workers: 2, threads: 6, pool_size: 12, max_overflow: 1}
    asgi: {workers: 2, threads: 8, pool_size: 16, max_overflow: 1}
    connections_per_host: 180
    connections_total: 360
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _sizing


def pool_plan(
    cores: Any,
    memory_mb: Any,
    hosts: Any = 1,
    max_connections: Any = 400,
    threads: Any = 6,
    reserved_connections: Any = 30,
    engines: Any = 3,
    asgi_threads: Any = 8,
) -> dict[str, object]:
    """Return the plan of an MLflow host."""
    try:
        return _sizing.pool_plan(
            cores,
            memory_mb,
            hosts=hosts,
            max_connections=max_connections,
            threads=threads,
            reserved_connections=reserved_connections,
            engines=engines,
            asgi_threads=asgi_threads,
        )
    except _sizing.SizingError as exc:
        raise AnsibleFilterError(f"mlops.tracking.pool_plan: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"pool_plan": pool_plan}
