# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _audit_chain as audit_chain

SCHEMA = Path(__file__).resolve().parents[4] / "roles" / "audit" / "files" / "schema.sql"
GUARDS = [
    ("event", ["refuse_change", "refuse_truncate"]),
    ("event_202611", ["refuse_change", "refuse_truncate"]),
    ("the database", ["audit_definitions", "audit_drops"]),
]
Row = tuple[int, str, str]


def rows(count: int, base: tuple[int, str] = (0, audit_chain.GENESIS)) -> list[Row]:
    """A chain that holds."""
    made, (seq, digest) = [], base
    for number in range(seq + 1, seq + count + 1):
        text = json.dumps([str(number)])
        digest = hashlib.sha256(bytes.fromhex(digest) + text.encode()).hexdigest()
        made.append((number, digest, text))
    return made


def end(chain: list[Row]) -> tuple[int, str]:
    return chain[-1][:2]


def name(row: Row) -> str:
    return f"edge1/2026/11/25/050607Z-{row[0]:020d}-{row[1]}"


def found(chain: list[Row], head: tuple[int, str], names: list[str] | None = None) -> list[str]:
    result = audit_chain.judged(chain, head, [], GUARDS, names or [])
    assert isinstance(result["findings"], list)
    return result["findings"]


def test_a_chain_that_holds() -> None:
    chain = rows(10)
    result = audit_chain.judged(chain, end(chain), [], GUARDS, [name(chain[3]), name(chain[9]), "other"])
    assert (result["rows"], result["first"], result["last"], result["anchors"]) == (10, 1, 10, 2)
    assert result["findings"] == []
    assert audit_chain.summary(result) == "the chain holds: 10 rows (1 to 10), 2 anchors"
    assert found([], (0, audit_chain.GENESIS)) == []


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (lambda chain: chain.__setitem__(4, (5, chain[4][1], "[]")), ["row 5: its hash does not follow"]),
        (lambda chain: chain.pop(4), ["row 5 missing", "row 6: its hash"]),
        (lambda chain: chain.__delitem__(slice(3, 6)), ["rows 4 to 6 missing", "row 7: its hash"]),
        (lambda chain: chain.insert(4, chain[4]), ["row 5 is there more than once", "row 5: its hash"]),
        (lambda chain: chain.__delitem__(slice(8, 10)), ["the chain ends with row 8, but its recorded end is row 10"]),
        (
            lambda chain: chain.__setitem__(slice(4, 6), [(5, *chain[5][1:]), (6, *chain[4][1:])]),
            ["row 5: its hash", "row 6: its hash", "row 7: its hash"],
        ),
        (lambda chain: chain.append((11, "00" * 32, "[]")), ["row 11: its hash", "the chain ends with row 11"]),
    ],
)
def test_tampering_is_named(tamper: object, expected: list[str]) -> None:
    chain = rows(10)
    head = end(chain)
    tamper(chain)  # type: ignore[operator]
    said = found(chain, head)
    assert len(said) == len(expected)
    assert all(text.startswith(part) for text, part in zip(said, expected, strict=True)), said


def test_a_rewritten_chain_meets_its_anchors() -> None:
    chain = rows(10)
    anchors = [name(chain[3]), name(chain[9])]
    forged = rows(10, (0, "ff" * 32))
    forged[0] = rows(1)[0]
    rewritten = [*rows(2), *rows(7, (2, "ff" * 32))]
    rewritten[2] = (3, hashlib.sha256(bytes.fromhex(rewritten[1][1]) + b"x").hexdigest(), "x")
    fixed = rewritten[:3]
    for number in range(4, 10):
        text = json.dumps([str(number)])
        fixed.append((number, hashlib.sha256(bytes.fromhex(fixed[-1][1]) + text.encode()).hexdigest(), text))
    said = found(fixed, end(fixed), anchors)
    assert [text.split(" as ")[0] for text in said] == [
        "row 4 was anchored with another hash",
        "row 10 was anchored",
    ]


def test_a_dropped_month_leaves_a_chain_that_holds() -> None:
    chain = rows(10)
    retention = [
        json.dumps({"partition": "event_202510", "rows": 0, "last": None, "hash": None}),
        json.dumps({"partition": "event_202509", "rows": 4, "last": 4, "hash": chain[3][1]}),
        json.dumps({"partition": "event_202508", "rows": 2, "last": 2, "hash": chain[1][1]}),
    ]
    names = [name(chain[1]), name(chain[3]), name(chain[7])]
    result = audit_chain.judged(chain[4:], end(chain), retention, GUARDS, names)
    assert (result["findings"], result["first"], result["anchors"]) == ([], 5, 2)
    assert found(chain[4:], end(chain))[0] == "rows 1 to 4 missing"


def test_guards_are_missed() -> None:
    guards = [("event", ["refuse_change"]), ("event_202611", None)]
    assert list(audit_chain.missing_guards(guards)) == [
        "event: the trigger refuse_truncate is missing or switched off",
        "event_202611: the trigger refuse_change is missing or switched off",
        "event_202611: the trigger refuse_truncate is missing or switched off",
        "the database: the trigger audit_definitions is missing or switched off",
        "the database: the trigger audit_drops is missing or switched off",
    ]


def test_findings_are_bounded() -> None:
    chain = [(number, "00" * 32, "[]") for number in range(1, 200)]
    assert len(found(chain, (199, "00" * 32))) == audit_chain.MOST_FINDINGS


def test_every_column_is_hashed_in_the_order_of_the_table() -> None:
    table = re.search(r"CREATE TABLE IF NOT EXISTS audit\.event \((.*?)\n\) PARTITION", SCHEMA.read_text(), re.DOTALL)
    assert table
    columns = re.findall(r"^    ([a-z_]+) [a-z]", table[1], re.MULTILINE)
    hashed = [re.findall(r"[a-z_]+", text.replace("extract(epoch FROM ", ""))[0] for text in audit_chain.HASHED]
    assert hashed == [column for column in columns if column != "hash"]
