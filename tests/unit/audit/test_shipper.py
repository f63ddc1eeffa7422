# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's steps without its database, and what it tells others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_audit import anchors, shipper
from mlops_audit.files import Batch, LogFiles, Position
from mlops_audit.lines import Row
from mlops_audit.shipper import Figures, Shipper


class AwayError(Exception):
    """The database is away."""


class BadRowError(AwayError):
    """A row cannot be stored."""


class Table:
    """Keeps rows and a position together, and fails as it is told to."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.place: Position | None = None
        self.fails: list[str] = []

    def position(self) -> Position | None:
        return self.place

    def ingest(self, before: Position | None, batch: Batch, rows: list[Row]) -> tuple[int, str]:
        how = self.fails.pop(0) if self.fails else ""
        if how == "before":
            raise AwayError
        assert before == self.place
        if any(found.get("uri") == "/poison" for found in rows):
            raise BadRowError
        self.rows += rows
        self.place = batch.after
        if how == "after":
            raise AwayError
        return len(self.rows), "00"

    def maintain(self) -> tuple[int, int]:
        return 0, 0


def line(number: int, uri: str = "/") -> str:
    said = {"time": "2026-11-25T05:00:00+00:00", "request_id": f"r{number}", "status": 200, "uri": uri}
    return json.dumps(said) + "\n"


@pytest.mark.parametrize("fails", [["before"], ["after"], ["", "after", "before", "after"]])
def test_each_line_is_stored_once_whenever_the_database_goes_away(tmp_path: Path, fails: list[str]) -> None:
    log, table = tmp_path / "access.log", Table()
    log.write_text("".join(line(number) for number in range(100)))
    table.fails = fails
    worker = Shipper(LogFiles(log), table, 30)
    for _turn in range(20):
        try:
            worker.step(BadRowError, AwayError)
        except AwayError:
            continue
    assert [found["request_id"] for found in table.rows] == [f"r{number}" for number in range(100)]


def test_a_row_that_cannot_be_stored_blocks_nobody(tmp_path: Path) -> None:
    log, table = tmp_path / "access.log", Table()
    log.write_text("".join(line(number, "/poison" if number == 37 else "/") for number in range(100)) + "no request\n")
    worker = Shipper(LogFiles(log), table, 64)
    while worker.step(BadRowError, AwayError):
        pass
    assert [number for number, found in enumerate(table.rows) if found["kind"] == "unparsable"] == [37, 100]
    assert (worker.figures.stored, worker.figures.rejected, len(table.rows)) == (101, 2, 101)
    worker.measure()
    assert worker.figures.lag_bytes == 0


def test_what_waits_has_an_age(tmp_path: Path) -> None:
    log, table = tmp_path / "access.log", Table()
    log.write_text(line(1))
    table.fails = ["before"]
    worker = Shipper(LogFiles(log), table, 10)
    with pytest.raises(AwayError):
        worker.step(BadRowError, AwayError)
    begin = datetime(2026, 11, 25, 5, 0, 0, tzinfo=UTC).timestamp()
    assert worker.figures.oldest_unstored == begin
    text = shipper.metrics_text(worker.figures, begin + 90)
    assert "mlops_audit_oldest_unstored_seconds 90.0\n" in text
    assert "last_batch" not in text
    worker.step(BadRowError, AwayError)
    text = shipper.metrics_text(worker.figures, begin + 90)
    assert "mlops_audit_oldest_unstored_seconds 0.0\n" in text
    assert "mlops_audit_last_batch_timestamp_seconds 1" in text


def test_metrics_are_put_in_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "mlops_audit.prom"
    shipper.write_whole(path, shipper.metrics_text(Figures(last_anchor=5.0), 0))
    assert "# TYPE mlops_audit_rows_stored_total counter\nmlops_audit_rows_stored_total 0\n" in path.read_text()
    assert "mlops_audit_last_anchor_timestamp_seconds 5.0\n" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_settings_follow_a_comment() -> None:
    assert shipper.read_config('# Ansible managed\n{"a":\n 1}\n') == {"a": 1}


def test_signature_is_that_of_the_published_example() -> None:
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date": "20130524T000000Z",
    }
    key = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    signed = anchors.authorization(key, "us-east-1", ("GET", "/test.txt"), headers, headers["x-amz-content-sha256"])
    assert signed.endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


def test_name_of_an_anchor_says_everything() -> None:
    name = anchors.object_name("edge1", 12, "ab" * 32, datetime(2026, 11, 25, 5, 6, 7, tzinfo=UTC))
    assert name == f"edge1/2026/11/25/050607Z-{12:020d}-{'ab' * 32}"
