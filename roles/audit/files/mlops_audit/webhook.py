# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes MinIO's audit log, which it sends by HTTP, and writes the log-ins in it into a log that the shipper reads.

MinIO keeps what was not answered with 200 and sends it again, so an answer is given when the lines are on disk, and a
number that is there already is not written again.
"""

from __future__ import annotations

import hmac
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mlops_audit.logins import kept, log_in_row

LONGEST_BODY = 16 << 20
FILE_BYTES = 1 << 20
FILES_MAX = 20
NUMBERS_MAX = 20_000
SECONDS = 30


class LogInFile:
    """A log of whole lines, rotated by size: `console.log`, `console.log.1`, and so on."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES, files_max: int = FILES_MAX) -> None:
        self._path, self._file_bytes, self._files_max = path, file_bytes, files_max
        self._lock = threading.Lock()
        self._numbers: dict[str, None] = {}
        for file in (self._named(1), path):
            for line in self._lines(file):
                self._know(log_in_row(line).get("request_id"))
        self._cut()

    def add(self, body: bytes) -> None:
        """Write the log-ins of a request that are not there yet; they are on disk afterwards."""
        with self._lock:
            new = {number: line for number, line in kept(body) if number not in self._numbers}
            if not new:
                return
            if self._path.exists() and self._path.stat().st_size > self._file_bytes:
                self._rotate()
            try:
                self._append(b"".join(line + b"\n" for line in new.values()))
            except OSError:
                # MinIO sends all of it again.
                self._cut()
                raise
            for number in new:
                self._know(number)

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(lines)
            stream.flush()
            os.fsync(descriptor)

    def _know(self, number: str | None) -> None:
        if number:
            self._numbers[number] = None
        if len(self._numbers) > NUMBERS_MAX:
            del self._numbers[next(iter(self._numbers))]

    def _named(self, age: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{age}")

    def _rotate(self) -> None:
        for age in range(self._files_max - 1, 0, -1):
            if self._named(age).exists():
                self._named(age).replace(self._named(age + 1))
        self._path.replace(self._named(1))

    def _cut(self) -> None:
        """Remove half a line, which nobody has read and nobody was answered for."""
        if self._path.exists():
            os.truncate(self._path, self._path.read_bytes().rfind(b"\n") + 1)

    @staticmethod
    def _lines(path: Path) -> list[bytes]:
        return path.read_bytes().splitlines() if path.exists() else []


def receiver(port: int, token: str, log: LogInFile) -> ThreadingHTTPServer:
    """Return a server on the loopback address that writes log-ins into the log; its thread is the caller's."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS

        def do_POST(self) -> None:
            """Take entries."""
            said = self.headers.get("Authorization", "").removeprefix("Bearer ").encode("latin-1", "replace")
            length = self.headers.get("Content-Length", "")
            if not hmac.compare_digest(said, token.encode()):
                self._answer(403)
            elif not length.isdecimal() or int(length) > LONGEST_BODY:
                self._answer(413)
            else:
                self._take(int(length))

        def _take(self, length: int) -> None:
            body = self.rfile.read(length)
            if len(body) < length:
                return
            try:
                log.add(body)
            except OSError as error:
                print(f"log-ins of the object store wait there: {error}", flush=True)
                self._answer(503)
                return
            self._answer(200)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *dummy: object) -> None:
            """Say nothing of each request."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)
