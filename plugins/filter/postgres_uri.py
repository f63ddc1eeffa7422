# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a connection URI for libpq."""

from __future__ import annotations

DOCUMENTATION = r"""
name: postgres_uri
short_description: A libpq connection URI from a description
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Builds the C(postgresql://) URI that C(psql), C(pg_dump), psycopg and everything else on libpq reads.
  - User, password and database may hold any character; they are percent-encoded.
  - With several hosts C(target_session_attrs=read-write) is added unless the options set it,
    because libpq otherwise stays on the first host that answers, which may be a replica.
options:
  _input:
    description:
      - The database to connect to.
    type: dict
    required: true
    suboptions:
      hosts:
        description:
          - Host names, addresses, or directories of Unix sockets, each with an optional C(:port).
          - An IPv6 address with a port is written C([address]:port).
        type: list
        elements: str
        required: true
      port:
        description: The port of hosts that name none.
        type: int
        default: 5432
      user:
        description: The role to connect as.
        type: str
        required: true
      password:
        description: Its password; empty means none.
        type: str
      database:
        description: The name of the database.
        type: str
        required: true
      options:
        description:
          - Further parameters of libpq, such as C(sslmode) and C(sslrootcert).
          - A parameter without a value is left out.
        type: dict
  keepalive:
    description:
      - Add C(connect_timeout), C(keepalives_idle), C(keepalives_interval), C(keepalives_count) and C(tcp_user_timeout)
        where the options do not set them, so that a host that falls silent is noticed.
      - With several hosts that takes about three seconds, with one host half a minute.
      - Set it to V(false) for programs that are not built on libpq; drivers in Go take these for settings of the
        server.
    type: bool
    default: true
seealso:
  - plugin: mlops.tracking.sqlalchemy_uri
    plugin_type: filter
  - plugin: mlops.tracking.jdbc_uri
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the URI of one host
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db.example.com'], 'user': 'mlflow', 'password': 'p@ss/word', 'database': 'mlflow',
      'options': {'sslmode': 'verify-full'}} | mlops.tracking.postgres_uri(keepalive=false) }}"
    # => postgresql://mlflow:p%40ss%2Fword@db.example.com:5432/mlflow?sslmode=verify-full

- name: Show the URI of a cluster
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db1.example.com', 'db2.example.com:5433'], 'user': 'mlflow', 'database': 'mlflow'}
      | mlops.tracking.postgres_uri }}"
    # => postgresql://mlflow@db1.example.com:5432,db2.example.com:5433/mlflow?connect_timeout=2&keepalives_count=3
    #    &keepalives_idle=5&keepalives_interval=2&target_session_attrs=read-write&tcp_user_timeout=3000 (one line)
"""

RETURN = r"""
_value:
  description: The URI. It holds the password.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _uri


def postgres_uri(description: Any, keepalive: bool = True) -> str:
    """Return a libpq connection URI."""
    try:
        return _uri.postgres_uri(description, keepalive=keepalive)
    except _uri.UriError as exc:
        raise AnsibleFilterError(f"mlops.tracking.postgres_uri: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"postgres_uri": postgres_uri}
