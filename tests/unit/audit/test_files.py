# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is lost and nothing comes twice, whatever becomes of the log's files."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

from mlops_audit.files import LogFiles, Position, read_lines

NOW = 1_800_000_000.0


class Log:
    """A log that is written, rotated and read; its clock moves by hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.log"
        self.now = NOW
        self.files = LogFiles(self.path, lambda: self.now)
        self.position: Position | None = None
        self.seen: list[str] = []
        self.missing: list[str] = []
        self.times: dict[str, float] = {}

    def write(self, *lines: str, end: str = "\n") -> None:
        with open(self.path, "a") as stream:
            stream.write("".join(line + end for line in lines))
        os.utime(self.path, (self.now, self.now))
        self.times |= dict.fromkeys(lines, self.now)

    def rotate(self, compress: bool = True) -> None:
        """As logrotate does with `delaycompress`."""
        for age in range(9, 0, -1):
            for suffix in (".gz", ""):
                old = self.path.with_name(f"access.log.{age}{suffix}")
                if old.exists():
                    old.rename(self.path.with_name(f"access.log.{age + 1}{suffix}"))
        second = self.path.with_name("access.log.2")
        if compress and second.exists():
            self.compress(second)
        self.path.rename(self.path.with_name("access.log.1"))
        self.path.touch()

    def compress(self, path: Path) -> None:
        times = path.stat()
        with open(path, "rb") as plain, gzip.open(f"{path}.gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
        os.utime(f"{path}.gz", (times.st_atime, times.st_mtime))
        path.unlink()

    def read(self, most: int = 100, files: LogFiles | None = None) -> None:
        """Read until there is nothing more."""
        while batch := (files or self.files).read(self.position, most):
            assert batch.lines
            self.seen += [line.decode() for line in batch.lines]
            self.missing += [batch.missing] if batch.missing else []
            time = self.times.get(self.seen[-1], batch.after.time)
            self.position = Position(**{**vars(batch.after), "time": time})

    def wait(self, seconds: float = 10.0) -> None:
        self.now += seconds


@pytest.fixture(name="log")
def written_log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("read_at", [set(), {0}, {1}, {0, 1, 2, 3}, {2}])
def test_rotations_while_it_reads_or_not(log: Log, most: int, compress: bool, read_at: set[int]) -> None:
    expected = []
    for turn in range(5):
        names = [f"{turn}-{number}" for number in range(4)]
        expected += names
        log.write(*names[:2])
        if turn in read_at:
            log.read(most)
        log.write(*names[2:])
        log.wait()
        if turn < 4:
            log.rotate(compress)
    log.read(most, LogFiles(log.path, lambda: log.now))
    assert log.seen == expected
    assert log.missing == []


def test_a_line_comes_when_it_is_whole(log: Log) -> None:
    log.write("one")
    log.write("tw", end="")
    log.read()
    assert log.seen == ["one"]
    log.write("o", "three")
    log.read()
    assert log.seen == ["one", "two", "three"]


def test_an_old_file_is_left_only_when_nobody_writes_to_it_any_more(log: Log) -> None:
    log.write("one")
    log.read()
    log.rotate()
    log.write("three")
    log.read()
    with open(log.path.with_name("access.log.1"), "a") as old:
        old.write("two\n")
    os.utime(old.name, (log.now, log.now))
    log.read()
    assert log.seen == ["one", "two"]
    log.wait()
    log.read()
    assert log.seen == ["one", "two", "three"]


def test_the_rest_of_an_old_file_is_a_line_too(log: Log) -> None:
    log.write("one")
    log.write("broken off", end="")
    log.read()
    log.rotate()
    log.write("two")
    log.wait()
    log.read()
    assert log.seen == ["one", "broken off", "two"]


def test_empty_and_missing_files_are_no_trouble(log: Log) -> None:
    log.read()
    log.write()
    log.read()
    assert (log.seen, log.position, log.files.waiting_bytes(None)) == ([], None, 0)
    log.write("one")
    log.rotate()
    log.rotate()
    log.wait()
    log.read()
    assert log.seen == ["one"]


def test_a_file_that_is_gone_is_a_gap_and_older_ones_do_not_come_again(log: Log) -> None:
    log.write("old")
    log.wait()
    log.rotate()
    log.write("one")
    log.read()
    log.wait()
    log.write("lost")
    log.rotate()
    log.path.with_name("access.log.1").unlink()
    log.write("two")
    log.read()
    assert log.seen == ["old", "one"], "it may only have been renamed just now"
    log.wait()
    log.read()
    assert log.seen == ["old", "one", "two"]
    assert len(log.missing) == 1


def test_a_half_compressed_file_is_read_as_far_as_it_goes(log: Log) -> None:
    log.write(*(f"line {number} {os.urandom(20).hex()}" for number in range(2000)))
    log.compress(log.path)
    packed = log.path.with_name("access.log.gz")
    packed.write_bytes(packed.read_bytes()[:-40_000])
    lines, offset = read_lines(packed, 0, 5000)
    assert 0 < len(lines) < 2000
    assert offset == sum(len(line) + 1 for line in lines)
    assert read_lines(packed.with_name("none"), 5, 10) == ([], 5)


def test_what_waits_is_told(log: Log) -> None:
    log.write("one", "two")
    assert log.files.waiting_bytes(None) == 8
    log.read()
    assert log.files.waiting_bytes(log.position) == 0
    log.write("three")
    log.rotate()
    log.write("four")
    assert log.files.waiting_bytes(log.position) == 11
