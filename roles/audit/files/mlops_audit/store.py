# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit database, as its shipper sees it: three functions."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psycopg2
from psycopg2 import errorcodes

from mlops_audit.files import Batch, Position
from mlops_audit.lines import Row

# What a single row, rather than the database, is to blame for.
ROW_ERRORS = ("22", "23")
CONNECT_SECONDS = 10


class StoreError(Exception):
    """The database is away, or refuses; the same rows are sent again later."""


class RowError(StoreError):
    """The database cannot take one of these rows."""


class PositionError(StoreError):
    """Somebody else has stored these lines, or this process did and never heard of it."""


class Store:
    """A connection that is made when it is needed."""

    def __init__(self, source: str, parameters: dict[str, Any]) -> None:
        self._source = source
        self._parameters = {
            **parameters,
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "mlops-audit-shipper",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            "options": "-c statement_timeout=60s -c synchronous_commit=on",
        }
        self._connection: Any = None

    def _call(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        try:
            if self._connection is None:
                self._connection = psycopg2.connect(**self._parameters)
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(statement, arguments)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
        except psycopg2.Error as error:
            code = error.pgcode or ""
            self.close()
            if code.startswith(ROW_ERRORS):
                raise RowError(str(error).strip()) from error
            if code == errorcodes.OBJECT_NOT_IN_PREREQUISITE_STATE:
                raise PositionError(str(error).strip()) from error
            raise StoreError(str(error).strip().partition("\n")[0]) from error

    def position(self) -> Position | None:
        """Return the position up to which everything is stored."""
        rows = self._call('SELECT file, inode, "offset", generation, "time" FROM audit.position_of(%s)', self._source)
        return Position(*rows[0]) if rows else None

    def ingest(self, before: Position | None, batch: Batch, rows: list[Row]) -> tuple[int, str]:
        """Store rows and the position after them in one transaction; returns the end of the chain."""
        known = json.dumps(asdict(before)) if before else None
        arguments = (self._source, known, json.dumps(asdict(batch.after)), json.dumps(rows))
        sequence, digest = self._call("SELECT seq, hash FROM audit.ingest(%s, %s, %s, %s)", *arguments)[0]
        return sequence, digest

    def maintain(self) -> tuple[int, int]:
        """Let the database make partitions of months to come, and drop those that are too old."""
        made, dropped = self._call("SELECT made, dropped FROM audit.maintain()")[0]
        return made, dropped

    def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            with suppress(psycopg2.Error):
                self._connection.close()
        self._connection = None
