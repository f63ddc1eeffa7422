# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's columns, and whether its chain holds. Pure; private to this collection."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

GENESIS = hashlib.sha256(b"mlops.tracking audit").hexdigest()
# What a row's hash covers, in this order, each as a text.
HASHED = (
    "seq::text", "extract(epoch FROM stored_at)::text", "source", "shipper", "kind", "extract(epoch FROM time)::text",
    "request_id", "connection::text", "connection_requests::text", "remote_addr", "user_name", "auth", "groups",
    "outcome", "operation", "experiment_id", "run_id", "model", "version", "alias", "method", "host", "uri",
    "protocol", "status::text", "request_bytes::text", "response_bytes::text", "duration::text", "upstream",
    "upstream_status", "upstream_time", "user_agent", "detail",
)  # fmt: skip
# Built here from what PostgreSQL has anyway: nobody who can change the database's functions changes this.
ROWS = f"""
SELECT seq, encode(hash, 'hex'), to_jsonb(ARRAY[{", ".join(HASHED)}])::text FROM audit.event ORDER BY seq
"""
HEAD = "SELECT seq, encode(hash, 'hex') FROM audit.head"
RETENTION = "SELECT detail FROM audit.event WHERE kind = 'retention' ORDER BY seq DESC"
GUARDS = """
SELECT c.relname, array_agg(t.tgname::text) FILTER (WHERE t.tgenabled IN ('O', 'A'))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname IN ('refuse_change', 'refuse_truncate')
WHERE n.nspname = 'audit' AND (c.relname = 'event' OR c.relispartition) AND c.relkind IN ('r', 'p')
GROUP BY c.relname
UNION ALL
SELECT 'the database', array_agg(evtname::text) FROM pg_event_trigger WHERE evtenabled IN ('O', 'A')
"""
TABLE_GUARDS = {"refuse_change", "refuse_truncate"}
DATABASE_GUARDS = {"audit_definitions", "audit_drops"}
ANCHOR = re.compile(r"(?P<source>.+)/(?P<time>\d{4}/\d\d/\d\d/\d{6}Z)-(?P<seq>\d{20})-(?P<hash>[0-9a-f]{64})")
MOST_FINDINGS = 50


@dataclass(frozen=True)
class Anchor:
    """What the object store remembers: at this time, the chain ended so."""

    name: str
    seq: int
    hash: str


def anchors_in(names: Iterable[str]) -> list[Anchor]:
    """Return the anchors among the names of objects, in the order of the chain."""
    found = [(name, ANCHOR.fullmatch(name)) for name in names]
    return sorted(
        (Anchor(name, int(match["seq"]), match["hash"]) for name, match in found if match), key=lambda one: one.seq
    )


def base_of(retention: Iterable[str]) -> tuple[int, str]:
    """Return where the chain begins that is still there: after the newest partition that was dropped with rows."""
    for detail in retention:
        dropped = json.loads(detail)
        if dropped.get("last") is not None:
            return int(dropped["last"]), str(dropped["hash"])
    return 0, GENESIS


class Chain:
    """Follows the rows in their order, and keeps what does not hold."""

    def __init__(self, base: tuple[int, str], anchors: Sequence[Anchor] = ()) -> None:
        self.seq, self.hash = base
        self.rows = 0
        self.findings: list[str] = []
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, []).append(anchor)
        self._compare()

    def add(self, seq: int, digest: str, text: str) -> None:
        """Take the next row."""
        if seq != self.seq + 1:
            missing = f"row {self.seq + 1}" if seq == self.seq + 2 else f"rows {self.seq + 1} to {seq - 1}"
            self._found(f"{missing} missing" if seq > self.seq else f"row {seq} is there more than once")
        if hashlib.sha256(bytes.fromhex(self.hash) + text.encode()).hexdigest() != digest:
            self._found(f"row {seq}: its hash does not follow from its content and from row {self.seq}")
        self.seq, self.hash = seq, digest
        self.rows += 1
        self._compare()

    def end(self, head: tuple[int, str]) -> None:
        """Compare the last row with the end that the database and the object store remember."""
        if head != (self.seq, self.hash):
            self._found(f"the chain ends with row {self.seq}, but its recorded end is row {head[0]}")
        beyond = [anchor for seq, anchors in self._anchors.items() if seq > self.seq for anchor in anchors]
        if beyond:
            last = max(beyond, key=lambda one: one.seq)
            self._found(f"row {last.seq} was anchored as {last.name}, but the chain ends with row {self.seq}")

    def _compare(self) -> None:
        for anchor in self._anchors.get(self.seq, ()):
            if anchor.hash != self.hash:
                self._found(f"row {self.seq} was anchored with another hash as {anchor.name}")

    def _found(self, text: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(text)


def missing_guards(guards: Iterable[tuple[str, Sequence[str] | None]]) -> Iterator[str]:
    """Return which triggers are not there or switched off."""
    found = {name: set(triggers or ()) for name, triggers in guards}
    for name in ("event", "the database"):
        found.setdefault(name, set())
    for name, triggers in sorted(found.items()):
        for trigger in sorted((DATABASE_GUARDS if name == "the database" else TABLE_GUARDS) - triggers):
            yield f"{name}: the trigger {trigger} is missing or switched off"


def judged(
    rows: Iterable[tuple[int, str, str]],
    head: tuple[int, str],
    retention: Iterable[str],
    guards: Iterable[tuple[str, Sequence[str] | None]],
    names: Iterable[str],
) -> dict[str, t.Any]:
    """Return what was looked at, and everything that does not hold."""
    base, anchors = base_of(retention), anchors_in(names)
    chain = Chain(base, anchors)
    for row in rows:
        chain.add(*row)
    chain.end(head)
    return {
        "rows": chain.rows,
        "first": base[0] + 1,
        "last": chain.seq,
        "hash": chain.hash,
        "anchors": len([anchor for anchor in anchors if anchor.seq >= base[0]]),
        "findings": chain.findings + list(missing_guards(guards)),
    }


def summary(result: Mapping[str, t.Any]) -> str:
    """Return one line about a verification."""
    said = f"{result['rows']} rows ({result['first']} to {result['last']}), {result['anchors']} anchors"
    return f"the chain holds: {said}" if not result["findings"] else f"{len(result['findings'])} findings in {said}"
