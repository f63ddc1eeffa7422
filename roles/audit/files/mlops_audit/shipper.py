# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon: reads logs, stores their lines, says how far it is, and anchors the end of the chain."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mlops_audit.anchors import AnchorBucket, AnchorError
from mlops_audit.events import event_row
from mlops_audit.files import Batch, LogFiles, Position
from mlops_audit.lines import Row, gap_row, row, unparsable_row
from mlops_audit.logins import log_in_row
from mlops_audit.webhook import LogInFile, receiver

IDLE_SECONDS = 0.5
METRICS_SECONDS = 5.0
MAINTENANCE_SECONDS = 6 * 3600.0
LONGEST_PAUSE = 15.0
ANCHOR_RETRY_SECONDS = 30.0


class Target(Protocol):
    """What stores rows."""

    def position(self) -> Position | None:
        """Return the position up to which everything is stored."""

    def ingest(self, before: Position | None, batch: Batch, rows: list[Row]) -> tuple[int, str]:
        """Store rows and the position after them in one transaction; returns the end of the chain."""

    def maintain(self) -> tuple[int, int]:
        """Make and drop partitions."""


@dataclass
class Figures:
    """What the metrics say."""

    lag_bytes: int = 0
    oldest_unstored: float | None = None
    stored: int = 0
    rejected: int = 0
    last_batch: float | None = None
    last_anchor: float | None = None


def together(all_figures: Sequence[Figures]) -> Figures:
    """Return what is so for several logs of a host."""

    def known(values: list[float | None]) -> list[float]:
        return [value for value in values if value is not None]

    return Figures(
        sum(figures.lag_bytes for figures in all_figures),
        min(known([figures.oldest_unstored for figures in all_figures]), default=None),
        sum(figures.stored for figures in all_figures),
        sum(figures.rejected for figures in all_figures),
        max(known([figures.last_batch for figures in all_figures]), default=None),
        max(known([figures.last_anchor for figures in all_figures]), default=None),
    )


def metrics_text(figures: Figures, now: float) -> str:
    """Return the metrics in Prometheus' format; what is not known yet is left out."""
    waits = 0.0 if figures.oldest_unstored is None else max(0.0, now - figures.oldest_unstored)
    metrics: list[tuple[str, str, str, float | None]] = [
        ("lag_bytes", "gauge", "Bytes of the logs that are not stored.", figures.lag_bytes),
        ("oldest_unstored_seconds", "gauge", "Age of the oldest line that is not stored.", waits),
        ("rows_stored_total", "counter", "Rows stored since the shipper started.", figures.stored),
        ("rejected_lines_total", "counter", "Lines stored as unparsable.", figures.rejected),
        ("last_batch_timestamp_seconds", "gauge", "When rows were stored last.", figures.last_batch),
        ("last_anchor_timestamp_seconds", "gauge", "When the end of the chain was anchored last.", figures.last_anchor),
    ]
    return "".join(
        f"# HELP mlops_audit_{name} {said}\n# TYPE mlops_audit_{name} {kind}\nmlops_audit_{name} {value}\n"
        for name, kind, said, value in metrics
        if value is not None
    )


def write_whole(path: Path, text: str) -> None:
    """Put a file in place, readable by everybody, in one step."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text)
    temporary.chmod(0o644)
    temporary.replace(path)


def moments(rows: list[Row]) -> list[float]:
    """Return when the requests of rows ended, of those that say so."""
    return [datetime.fromisoformat(found["time"]).timestamp() for found in rows if "time" in found]


class Shipper:
    """Everything but the loop, for one log: one step at a time. `parse` gives a line's row, if it is to have one."""

    def __init__(self, files: LogFiles, target: Target, most: int, parse: Callable[[bytes], Row | None] = row) -> None:
        self._files, self._target, self._parse = files, target, parse
        self._most = self._allowed = most
        self._known = False
        self._position: Position | None = None
        self.head: tuple[int, str] | None = None
        self.figures = Figures()

    def step(self, row_error: type[Exception], store_error: type[Exception]) -> bool:
        """Store the next lines; returns whether there were any. Errors of the database are the caller's."""
        if not self._known:
            self._position = self._target.position()
            self._known = True
        batch = self._files.read(self._position, self._allowed)
        if batch is None:
            self.figures.oldest_unstored = None
            return False
        rows = [found for found in map(self._parse, batch.lines) if found is not None]
        times = moments(rows)
        if times:
            self.figures.oldest_unstored = min(times)
        known = self._position.time if self._position else 0.0
        batch = replace(batch, after=replace(batch.after, time=max([known, *times[-1:]])))
        try:
            self._store(batch, rows)
        except row_error:
            if len(batch.lines) > 1:
                self._allowed = len(batch.lines) // 2
                return True
            self._store(batch, [unparsable_row(batch.lines[0])])
        except store_error:
            # Whether it was stored or not, the database knows.
            self._known = False
            raise
        self._allowed = min(self._most, self._allowed * 2)
        return True

    def _store(self, batch: Batch, rows: list[Row]) -> None:
        gap = [gap_row(batch.missing)] if batch.missing else []
        self.head = self._target.ingest(self._position, batch, gap + rows)
        self._position = batch.after
        self.figures.stored += len(gap + rows)
        self.figures.rejected += sum(found["kind"] == "unparsable" for found in rows)
        self.figures.last_batch = time.time()
        self.figures.oldest_unstored = None

    def measure(self) -> None:
        """Look how much waits."""
        self.figures.lag_bytes = self._files.waiting_bytes(self._position)


def notify(*lines: str) -> None:
    """Tell systemd something, where it is there."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
            channel.connect("\0" + address[1:] if address.startswith("@") else address)
            channel.send("\n".join(lines).encode())


def say(text: str) -> None:
    """Write a line into the journal."""
    print(text, flush=True)


class Daemon:
    """The loop, with what is due from time to time."""

    def __init__(
        self, shippers: Sequence[Shipper], target: Target, bucket: AnchorBucket | None, config: Mapping[str, Any]
    ) -> None:
        self._shippers, self._target, self._bucket, self._config = shippers, target, bucket, config
        self._metrics = Path(config["state_directory"]) / "mlops_audit.prom"
        self._connected = Path(config["runtime_directory"]) / "connected"
        self._stopping = False
        self._pause = IDLE_SECONDS
        self._trouble = ""
        self._due = {"metrics": 0.0, "maintenance": 0.0, "anchor": 0.0}
        self._anchored: tuple[int, str] | None = None

    def stop(self, *dummy: object) -> None:
        """End after the current step."""
        self._stopping = True

    def run(self, row_error: type[Exception], store_error: type[Exception]) -> None:
        """Work until told to stop."""
        notify("READY=1", "STATUS=starts")
        while not self._stopping:
            notify("WATCHDOG=1")
            busy = False
            try:
                self._maintain()
                busy = sum(shipper.step(row_error, store_error) for shipper in self._shippers) > 0
                self._well()
            except store_error as error:
                self._troubled(str(error))
            self._measure()
            self._anchor()
            if not busy:
                self._wait()
        notify("STOPPING=1")
        self._due["anchor"] = 0.0
        self._anchor()

    def _wait(self) -> None:
        until = time.monotonic() + self._pause
        while not self._stopping and time.monotonic() < until:
            time.sleep(min(IDLE_SECONDS, self._pause))

    def _is_due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True

    def _maintain(self) -> None:
        # Due until it has succeeded.
        if time.monotonic() < self._due["maintenance"]:
            return
        made, dropped = self._target.maintain()
        self._due["maintenance"] = time.monotonic() + MAINTENANCE_SECONDS
        if made or dropped:
            say(f"partitions made: {made}, dropped: {dropped}")

    def _well(self) -> None:
        self._pause = IDLE_SECONDS
        if self._trouble or not self._connected.exists():
            say("the database answers")
            self._connected.touch()
            notify("STATUS=stores")
        self._trouble = ""

    def _troubled(self, error: str) -> None:
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._connected.unlink(missing_ok=True)
        notify(f"STATUS=waits for the database: {error[:200]}")
        if error != self._trouble:
            say(f"waits for the database, the log keeps what comes: {error}")
        self._trouble = error

    def _measure(self) -> None:
        if self._is_due("metrics", METRICS_SECONDS):
            for shipper in self._shippers:
                shipper.measure()
            figures = together([shipper.figures for shipper in self._shippers])
            write_whole(self._metrics, metrics_text(figures, time.time()))

    def _anchor(self) -> None:
        head = max((shipper.head for shipper in self._shippers if shipper.head), default=None)
        if self._bucket is None or head is None or head == self._anchored:
            return
        if not self._is_due("anchor", float(self._config["anchor_seconds"])):
            return
        try:
            self._bucket.put(self._config["source"], *head)
        except AnchorError as error:
            self._due["anchor"] = time.monotonic() + ANCHOR_RETRY_SECONDS
            say(f"the end of the chain could not be anchored: {error}")
            return
        self._anchored = head
        self._shippers[0].figures.last_anchor = time.time()


def credential(name: str) -> str:
    """Return a secret that systemd hands over."""
    return (Path(os.environ["CREDENTIALS_DIRECTORY"]) / name).read_text().rstrip("\n")


def read_config(text: str) -> dict[str, Any]:
    """Return the settings: JSON, below lines of comment."""
    config: dict[str, Any] = json.loads("\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return config


def main(arguments: list[str]) -> int:
    """Run the daemon of a configuration file."""
    from mlops_audit.store import RowError, Store, StoreError

    config = read_config(Path(arguments[0]).read_text())
    database = {**config["database"], "password": credential("database-password")}
    parsers: dict[str, Callable[[bytes], Row | None]] = {
        "requests": partial(row, keycloak_path=config["keycloak_path"]),
        "events": event_row,
        "console": log_in_row,
    }
    stores = [Store(log["source"], database) for log in config["logs"]]
    shippers = [
        Shipper(LogFiles(Path(log["file"])), store, config["batch_lines"], parsers[log["holds"]])
        for log, store in zip(config["logs"], stores, strict=True)
    ]
    bucket = None
    if config["bucket"]:
        place = config["bucket"]
        key = (place["access_key"], credential("bucket-secret-key"))
        bucket = AnchorBucket(place["url"], place["name"], place["region"], key, place["ca_file"])
    for log in config["logs"]:
        if log["holds"] == "console":
            webhook = receiver(config["webhook_port"], credential("webhook-token"), LogInFile(Path(log["file"])))
            threading.Thread(target=webhook.serve_forever, daemon=True).start()
    daemon = Daemon(shippers, stores[0], bucket, config)
    signal.signal(signal.SIGTERM, daemon.stop)
    signal.signal(signal.SIGINT, daemon.stop)
    daemon.run(RowError, StoreError)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
