# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a connection URL for pgjdbc."""

from __future__ import annotations

DOCUMENTATION = r"""
name: jdbc_uri
short_description: A PostgreSQL JDBC URL from a description
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Builds the C(jdbc:postgresql://) URL that pgjdbc, and through it Keycloak, reads.
  - User and password are not part of it; programs take them as settings of their own.
  - With several hosts C(targetServerType=primary) is added unless the options set it.
options:
  _input:
    description:
      - The database to connect to, described as for P(mlops.tracking.postgres_uri#filter).
    type: dict
    required: true
    suboptions:
      hosts:
        description:
          - Host names or addresses, each with an optional C(:port).
          - An IPv6 address with a port is written C([address]:port).
        type: list
        elements: str
        required: true
      port:
        description: The port of hosts that name none.
        type: int
        default: 5432
      user:
        description: Accepted, so that one description serves every driver, and not written.
        type: str
      password:
        description: Accepted, so that one description serves every driver, and not written.
        type: str
      database:
        description: The name of the database.
        type: str
        required: true
      options:
        description:
          - Further parameters, by libpq's name where pgjdbc has a counterpart (C(sslmode), C(sslrootcert),
            C(connect_timeout), C(target_session_attrs), C(keepalives), C(application_name)), or by pgjdbc's own name
            (C(socketTimeout)).
          - A parameter without a value is left out.
        type: dict
  keepalive:
    description:
      - Add C(connectTimeout) and C(tcpKeepAlive), and with several hosts C(loginTimeout), C(socketTimeout)
        and C(hostRecheckSeconds), where the options do not set them, so that a host that falls silent is noticed.
      - C(socketTimeout=60) also ends any statement that takes longer than a minute; set it higher around migrations.
    type: bool
    default: true
seealso:
  - plugin: mlops.tracking.postgres_uri
    plugin_type: filter
  - plugin: mlops.tracking.sqlalchemy_uri
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the URL of one host
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db.example.com'], 'database': 'keycloak', 'options': {'sslmode': 'verify-full'}}
      | mlops.tracking.jdbc_uri }}"
    # => jdbc:postgresql://db.example.com:5432/keycloak?connectTimeout=10&sslmode=verify-full&tcpKeepAlive=true

- name: Show the URL of a cluster
  ansible.builtin.debug:
    msg: "{{ {'hosts': ['db1.example.com', 'db2.example.com'], 'database': 'keycloak',
      'options': {'connect_timeout': 5}} | mlops.tracking.jdbc_uri(keepalive=false) }}"
    # => jdbc:postgresql://db1.example.com:5432,db2.example.com:5432/keycloak?connectTimeout=5&targetServerType=primary
"""

RETURN = r"""
_value:
  description: The URL, without user and password.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mlops.tracking.plugins.module_utils import _uri


def jdbc_uri(description: Any, keepalive: bool = True) -> str:
    """Return a PostgreSQL JDBC URL."""
    try:
        return _uri.jdbc_uri(description, keepalive=keepalive)
    except _uri.UriError as exc:
        raise AnsibleFilterError(f"mlops.tracking.jdbc_uri: {exc}") from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"jdbc_uri": jdbc_uri}
