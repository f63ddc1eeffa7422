# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""syslog-ng's way to the log search: many lines in one request, and the answer for each of them is read.

A bulk request is answered with 200 also when documents in it are refused, which syslog-ng's own HTTP destination does
not see. Here a batch is done when every document is stored, by this request or an earlier one; else it is sent again.
As each document has an id of its own, none is stored twice.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
from typing import Any
from urllib.parse import urlsplit

from syslogng import LogDestination

# Servers refuse requests that are too large, 100 MiB by default; some have a proxy with a lower limit before them.
REQUEST_BYTES = 4 * 1024 * 1024
TIMEOUT_SECONDS = 30
PATH = "/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason"
CREATED, EXISTS, TOO_LARGE = 201, 409, 413
Line = tuple[str, str, str]


class Refused(Exception):
    """The server has not stored something; the text says what and why."""


def text(value: str | bytes) -> str:
    """Return a value as text; releases of syslog-ng differ in what they give."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def action(line: Line) -> bytes:
    """Return the two lines of a bulk request for one document: (index, id, document as JSON)."""
    index, identifier, document = line
    return f"{json.dumps({'create': {'_index': index, '_id': identifier}})}\n{document}\n".encode()


def requests(lines: list[Line], most: int = REQUEST_BYTES) -> list[list[bytes]]:
    """Return the actions of each request: in order, and at most so many bytes unless one action alone has more."""
    groups: list[list[bytes]] = []
    size = 0
    for one in map(action, lines):
        if not groups or size + len(one) > most:
            groups.append([])
            size = 0
        groups[-1].append(one)
        size += len(one)
    return groups


def not_stored(answer: bytes, sent: int) -> str:
    """Return why documents of a request are not stored, empty when all are; raises ValueError for another's answer."""
    results = [result for item in json.loads(answer)["items"] for result in item.values()]
    if len(results) != sent:
        raise ValueError(f"{sent} documents were sent, the answer is about {len(results)}")
    bad = [result for result in results if result["status"] not in (CREATED, EXISTS)]
    reasons = sorted({"{status} {error[type]}: {error[reason]}".format_map(result) for result in bad})
    return f"{len(bad)} of {sent} documents are refused: {'; '.join(reasons[:3])}" if bad else ""


class Bulk(LogDestination):
    """A destination of syslog-ng, which calls these methods and sets what they return."""

    QUEUED: int
    SUCCESS: int
    NOT_CONNECTED: int

    def init(self, options: dict[str, str]) -> bool:
        """Take `url`, `user`, `password` and `ca_file`."""
        url = urlsplit(options["url"])
        self._host = url.hostname or ""
        self._port = url.port
        self._path = url.path.rstrip("/") + PATH
        login = base64.b64encode(f"{options['user']}:{options['password']}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/x-ndjson"}
        self._context = ssl.create_default_context(cafile=options["ca_file"])
        self._connection: http.client.HTTPSConnection | None = None
        self._lines: list[Line] = []
        return True

    def open(self) -> bool:
        """Connect later, with the first request."""
        return True

    def close(self) -> None:
        """Forget the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def send(self, message: dict[str, Any]) -> int:
        """Take one line: its values `index`, `id` and `document`, as bytes or text."""
        index, identifier, document = (text(message[name]) for name in ("index", "id", "document"))
        self._lines.append((index, identifier, document))
        return self.QUEUED

    def flush(self) -> int:
        """Send the lines; syslog-ng gives them again when this says that there is no connection."""
        lines, self._lines = self._lines, []
        try:
            for actions in requests(lines):
                self._store(actions)
        # Whatever it is, the lines must not be lost: syslog-ng drops them after some errors of another kind.
        except Exception as error:
            print(f"log search: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.close()
            return self.NOT_CONNECTED
        return self.SUCCESS

    def _store(self, actions: list[bytes]) -> None:
        body = b"".join(actions)
        try:
            status, answer = self._post(body)
        except (ConnectionError, http.client.RemoteDisconnected):
            # A server ends connections that were idle for a while.
            self.close()
            status, answer = self._post(body)
        if status == TOO_LARGE:
            self.close()
            self._store_in_halves(actions)
        elif status != 200:
            raise Refused(f"the server answers {status}: {answer[:300]!r}")
        elif reason := not_stored(answer, len(actions)):
            raise Refused(reason)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context
            )
        self._connection.request("POST", self._path, body=body, headers=self._headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _store_in_halves(self, actions: list[bytes]) -> None:
        half = len(actions) // 2
        if half:
            self._store(actions[:half])
            self._store(actions[half:])
        else:
            print(f"log search: left out, as the server takes no line of {len(actions[0])} bytes", file=sys.stderr)
