# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a database URL for SQLAlchemy."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sqlalchemy_uri
short_description: A SQLAlchemy database URL from a description
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Builds the URL that C(sqlalchemy.create_engine) and C(MLFLOW_BACKEND_STORE_URI) read.
  - The driver is always written, because a bare C(postgresql://) means psycopg2 to SQLAlchemy 2.0 and psycopg to 2.1.
  - Several hosts are written C(?host=a:5432&host=b:5432), with C(target_session_attrs=read-write)
    unless the options set it, because libpq otherwise stays on the first host that answers, which may be a replica.
notes:
  - A database name with characters other than letters, digits and C(_.-~) needs SQLAlchemy 2.1 or newer;
    2.0 does not decode that part of the URL.
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
          - Required with every O(driver) but V(sqlite); V(mysql+pymysql) takes one, without sockets.
        type: list
        elements: str
      port:
        description: The port of hosts that name none; 3306 with V(mysql+pymysql), otherwise 5432.
        type: int
      user:
        description: The role to connect as; required with every O(driver) but V(sqlite).
        type: str
      password:
        description: Its password; empty means none.
        type: str
      database:
        description: The name of the database; with V(sqlite) the absolute path of its file.
        type: str
        required: true
      options:
        description:
          - Further parameters of the driver, such as C(sslmode) and C(sslrootcert).
          - A parameter without a value is left out.
        type: dict
  driver:
    description: The dialect of SQLAlchemy and its driver.
    type: str
    choices:
      - postgresql+psycopg2
      - postgresql+psycopg
      - mysql+pymysql
      - sqlite
    default: postgresql+psycopg2
  keepalive:
    description:
      - With V(postgresql+psycopg2) and V(postgresql+psycopg), add C(connect_timeout), C(keepalives_idle),
        C(keepalives_interval), C(keepalives_count) and C(tcp_user_timeout) where the options do not set them, so that a
        host that falls silent is noticed. With several hosts that takes about three seconds, with one half a minute.
      - With V(mysql+pymysql), add C(connect_timeout) and C(charset=utf8mb4) in the same way.
    type: bool
    default: true
seealso:
  - plugin: mlops.tracking.postgres_uri
    plugin_type: filter
  - plugin: mlops.tracking.jdbc_uri
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the URL of one host
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db.example.com'], 'user': 'mlflow', 'password': 'p@ss/word', 'database': 'mlflow',
      'options': {'sslmode': 'verify-full'}} | mlops.tracking.sqlalchemy_uri(keepalive=false) }}"
    # => postgresql+psycopg2://mlflow:p%40ss%2Fword@db.example.com:5432/mlflow?sslmode=verify-full

- name: Show the URL of a cluster
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db1.example.com', 'db2.example.com'], 'user': 'mlflow', 'database': 'mlflow'}
      | mlops.tracking.sqlalchemy_uri(keepalive=false) }}"
    # => postgresql+psycopg2://mlflow@/mlflow?host=db1.example.com:5432&host=db2.example.com:5432
    #    &target_session_attrs=read-write (one line)

- name: Show the URL of a file
  ansible.builtin.debug:
    msg: "{{ {'database': '/var/lib/mlflow/mlflow.db'} | mlops.tracking.sqlalchemy_uri(driver='sqlite') }}"
    # => sqlite:////var/lib/mlflow/mlflow.db
"""

RETURN = r"""
_value:
  description: The URL. It holds the password.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _uri


def sqlalchemy_uri(description: Any, driver: str = "postgresql+psycopg2", keepalive: bool = True) -> str:
    """Return a SQLAlchemy database URL."""
    try:
        return _uri.sqlalchemy_uri(description, driver=driver, keepalive=keepalive)
    except _uri.UriError as exc:
        raise AnsibleFilterError(f"mlops.tracking.sqlalchemy_uri: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sqlalchemy_uri": sqlalchemy_uri}
