# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reading connection to the audit database. Private to this collection."""

from __future__ import annotations

import contextlib
import traceback
import typing as t
from collections.abc import Iterator

from ansible.module_utils.basic import missing_required_lib

LIBRARY_ERROR: str | None = None
try:
    import psycopg2
except ImportError:
    LIBRARY_ERROR = traceback.format_exc()


class AuditClientError(Exception):
    """The database is away, or refuses."""


def argument_spec() -> dict[str, dict[str, t.Any]]:
    """The options of the documentation fragment `audit`."""
    return {
        "login_host": {"type": "str", "default": "/var/run/postgresql"},
        "login_port": {"type": "int", "default": 5433},
        "login_user": {"type": "str", "default": "audit_auditor"},
        "login_password": {"type": "str", "required": True, "no_log": True},
        "login_db": {"type": "str", "default": "audit"},
    }


class AuditClient:
    """One transaction that sees the database at one moment, and cannot change it."""

    def __init__(self, params: dict[str, t.Any]) -> None:
        with _errors():
            self._connection = psycopg2.connect(
                host=params["login_host"],
                port=params["login_port"],
                user=params["login_user"],
                password=params["login_password"],
                dbname=params["login_db"],
                connect_timeout=10,
            )
            self._connection.set_session(isolation_level="REPEATABLE READ", readonly=True)

    def query(
        self, statement: str, values: dict[str, t.Any] | None = None
    ) -> tuple[list[str], list[tuple[t.Any, ...]]]:
        """The names of the columns, and the rows."""
        with _errors(), self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return [column.name for column in cursor.description], cursor.fetchall()

    def stream(self, statement: str) -> Iterator[tuple[t.Any, ...]]:
        """The rows, of which only some are in memory at a time."""
        with _errors(), self._connection.cursor(name="mlops_audit") as cursor:
            cursor.itersize = 5000
            cursor.execute(statement)
            yield from cursor

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """The driver's errors as ours."""
    try:
        yield
    except psycopg2.Error as exc:
        raise AuditClientError(str(exc).strip()) from exc


def from_module(module: t.Any) -> AuditClient:
    """The client that a module's options describe; a missing library or no connection ends the module."""
    if LIBRARY_ERROR:
        module.fail_json(msg=missing_required_lib("psycopg2"), exception=LIBRARY_ERROR)
    try:
        return AuditClient(module.params)
    except AuditClientError as exc:
        module.fail_json(msg=f"The audit database cannot be read: {exc}")
        raise AssertionError from exc
