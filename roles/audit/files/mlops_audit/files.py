# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the log the shipper is: also when files were rotated, compressed, or removed meanwhile.

A file is known by the digest of its first line, which holds a request's number and stays the same whatever becomes of
the file's name, its inode or its compression.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

LONGEST_LINE = 65_536
BATCH_BYTES = 1 << 20
# An old file counts as finished when nginx has not written to it for so long: its workers reopen one after the other.
LINGER_SECONDS = 2.0
# A file counts as gone when it is not seen for so long: while files are renamed, one may not be seen.
GONE_SECONDS = 5.0
# The kernel dates files by a clock that is a little behind the one of log lines.
CLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Position:
    """A place between two lines: the file that began with a certain line, how far it was read, and that line's time."""

    file: str
    inode: int
    offset: int
    generation: int
    time: float = 0.0


@dataclass(frozen=True)
class LogFile:
    """One of the log's files, and the digest of its first line."""

    path: Path
    inode: int
    identity: str
    size: int
    modified: float


@dataclass(frozen=True)
class Batch:
    """Lines, and the position after them; `missing` is the digest of a file that went away before they came."""

    lines: list[bytes]
    after: Position
    missing: str = ""


def opened(path: Path) -> IO[bytes]:
    """Open a file, whether it is compressed or not."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb")  # type: ignore[return-value]


def identity(path: Path) -> str:
    """Return the digest of a file's first line, or nothing while there is no whole line."""
    try:
        with opened(path) as stream:
            line = stream.readline(LONGEST_LINE)
    except (OSError, EOFError):
        # Being removed, or only half compressed.
        return ""
    return hashlib.sha256(line).hexdigest() if line.endswith(b"\n") or len(line) == LONGEST_LINE else ""


class LogFiles:
    """The files of one log, the oldest first."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._pattern = re.compile(re.escape(path.name) + r"(?:\.(\d+))?(\.gz)?")
        self._identities: dict[tuple[int, int, int], str] = {}
        self._unseen_since: float | None = None

    def listed(self) -> list[LogFile]:
        """Return the files that have a line, the oldest first, each once; the uncompressed one of two."""
        names = sorted(self._names(), key=lambda found: (-found[0], found[1].suffix != ".gz"))
        found: dict[str, LogFile] = {}
        compressed = {}
        for _age, path in names:
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            key = (state.st_ino, state.st_mtime_ns, state.st_size)
            name = self._identities.get(key) or identity(path)
            if name:
                if path.suffix == ".gz":
                    compressed[key] = name
                found[name] = LogFile(path, state.st_ino, name, state.st_size, state.st_mtime)
        # Only those whose first line takes work to find.
        self._identities = compressed
        return list(found.values())

    def _names(self) -> list[tuple[int, Path]]:
        names = []
        for entry in os.scandir(self._path.parent):
            match = self._pattern.fullmatch(entry.name)
            if match:
                names.append((int(match[1] or 0), Path(entry.path)))
        return names

    def steady(self) -> list[LogFile]:
        """Return the files when two looks agree, so that no renaming is under way; otherwise nothing."""
        first = [(file.path, file.identity) for file in self.listed()]
        second = self.listed()
        return second if [(file.path, file.identity) for file in second] == first else []

    def read(self, position: Position | None, most: int) -> Batch | None:
        """Return the next lines, at most so many, or None if there are none (yet)."""
        files = self.listed() if position else self.steady()
        if position is None:
            return self._from_start(files[0], 1, most) if files else None
        current = next((file for file in files if file.identity == position.file), None)
        if current is None or (current.path.suffix != ".gz" and current.size < position.offset):
            return self._after_gap(position, most)
        self._unseen_since = None
        last = current is files[-1] or current.path == self._path
        lines, offset = read_lines(current.path, position.offset, most, whole=not last and self._finished(current))
        if lines:
            return Batch(lines, replace(position, inode=current.inode, offset=offset))
        if last or not self._finished(current):
            return None
        return self._next(position, most)

    def _finished(self, file: LogFile) -> bool:
        return file.path.suffix == ".gz" or self._clock() - file.modified >= LINGER_SECONDS

    def _next(self, position: Position, most: int) -> Batch | None:
        """Go on with the file after a finished one, unless files are being renamed."""
        files = self.steady()
        names = [file.identity for file in files]
        newer = files[names.index(position.file) + 1 :] if position.file in names else []
        # Whatever its name says: a file that nobody has written to since is no newer one.
        newer = [file for file in newer if file.modified >= position.time - CLOCK_SECONDS]
        return self._from_start(newer[0], position.generation + 1, most) if newer else None

    def _from_start(self, file: LogFile, generation: int, most: int) -> Batch | None:
        lines, offset = read_lines(file.path, 0, most)
        return Batch(lines, Position(file.identity, file.inode, offset, generation)) if lines else None

    def _after_gap(self, position: Position, most: int) -> Batch | None:
        """Go on with the oldest file that is newer, once it is certain that the one that was read is gone."""
        now = self._clock()
        self._unseen_since = now if self._unseen_since is None else self._unseen_since
        if now - self._unseen_since < GONE_SECONDS:
            return None
        # What was finished before has not been written to since the last line that was read.
        files = [file for file in self.steady() if file.modified > position.time]
        batch = self._from_start(files[0], position.generation + 1, most) if files else None
        return None if batch is None else replace(batch, missing=position.file)

    def waiting_bytes(self, position: Position | None) -> int:
        """Return how much of the log is not stored; of compressed files their compressed size."""
        files = self.listed()
        names = [file.identity for file in files]
        if position is None or position.file not in names:
            return sum(file.size for file in files)
        here = names.index(position.file)
        of_this = 0 if files[here].path.suffix == ".gz" else max(0, files[here].size - position.offset)
        return of_this + sum(file.size for file in files[here + 1 :])


def read_lines(path: Path, offset: int, most: int, whole: bool = False) -> tuple[list[bytes], int]:
    """Return lines from an offset and the offset after them; with `whole`, a last line without an end counts, too."""
    lines: list[bytes] = []
    taken = 0
    try:
        with opened(path) as stream:
            stream.seek(offset)
            while len(lines) < most and taken < BATCH_BYTES:
                line = stream.readline()
                if not line or not (line.endswith(b"\n") or whole):
                    break
                lines.append(line.rstrip(b"\n"))
                taken += len(line)
    except FileNotFoundError:
        return [], offset
    except (EOFError, gzip.BadGzipFile):
        # Only half compressed: the lines that came are right, the others come later.
        pass
    return lines, offset + taken
