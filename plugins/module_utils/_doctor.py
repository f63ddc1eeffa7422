# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor's findings: results of tasks become rows, rows become a table. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence

Row = dict[str, t.Any]

COLUMNS = ("check", "host", "result", "detail")


def rows(results: Iterable[Mapping[str, t.Any]], host: str) -> list[Row]:
    """Rows from registered results of `endpoint_probe` and `mlflow_smoke_test`, looped or not."""
    return [row for result in results for row in _rows_of(result, host)]


def _rows_of(result: Mapping[str, t.Any], host: str) -> Iterator[Row]:
    if "results" in result:
        yield from rows(result["results"], host)
    elif result.get("skipped"):
        return
    elif "steps" in result:
        for step in result["steps"]:
            detail = f"{step['detail']}, {step['milliseconds']} ms" if step["ok"] else step["detail"]
            yield _row(f"run: {step['name']}", host, step["ok"], detail, "journalctl -u 'mlflow-*' on the MLflow hosts")
    elif "check" in result:
        yield _row(result["check"], host, result["ok"], result["detail"], result.get("hint", ""))
    else:
        yield _row("the check itself", host, False, str(result.get("msg", "no result")), "run again with -vvv")


def _row(check: str, host: str, ok: bool | None, detail: str, hint: str) -> Row:
    return {"check": check, "host": host, "ok": ok, "detail": detail, "hint": hint}


def state_rows(
    found: Mapping[str, t.Any],
    wanted: Mapping[str, str],
    host: str,
    what: str,
    hint: str = "",
    planned: bool = False,
) -> list[Row]:
    """One row for each wanted name: its state must be, or begin with, the wanted one.

    An empty wanted state accepts any; `{name}` in the hint becomes the name.
    """
    result = []
    for name, state in wanted.items():
        if planned:
            ok, detail = None, f"would expect {state}" if state else "would tell it"
        else:
            ok, detail = _compare(_state(found.get(name, "")), str(state))
        result.append(_row(f"{what} {name}", host, ok, detail, hint.replace("{name}", name)))
    return result


def _compare(seen: str, wanted: str) -> tuple[bool, str]:
    ok = _agrees(seen, wanted)
    expected = f"; expected {wanted}" if wanted and not ok else ""
    return ok, (seen or "not found") + expected


def _state(seen: t.Any) -> str:
    """A state in words, also out of the facts about services and packages."""
    if isinstance(seen, Mapping):
        return str(seen.get("state") or seen.get("version") or "")
    if isinstance(seen, (list, tuple)):
        return _state(seen[0]) if seen else ""
    return str(seen)


def _agrees(seen: str, wanted: str) -> bool:
    """A version `17` agrees with 17 and 17.2, and not with 170."""
    return bool(seen) and seen.startswith(wanted) and not (wanted and seen[len(wanted) :][:1].isalnum())


def table(found: Sequence[Mapping[str, t.Any]]) -> str:
    """An aligned table of all rows, and below it what to look at."""
    lines = [COLUMNS] + [(_line(row["check"]), row["host"], _word(row["ok"]), _line(row["detail"])) for row in found]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    rule = tuple("-" * width for width in widths)
    drawn = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [COLUMNS, rule, *lines[1:]]
    ]
    return "\n".join([*drawn, "", _verdict(found), *failures(found)])


def failures(found: Sequence[Mapping[str, t.Any]]) -> list[str]:
    """One sentence about each row that failed."""
    return [
        f"- {_line(row['check'])} ({row['host']}): {_line(row['detail'])}"
        + (f" -> look at: {row['hint']}" if row.get("hint") else "")
        for row in found
        if row["ok"] is False
    ]


def _verdict(found: Sequence[Mapping[str, t.Any]]) -> str:
    passed, failed, planned = (sum(row["ok"] is ok for row in found) for ok in (True, False, None))
    not_run = f", {planned} not run in check mode" if planned else ""
    return f"{passed} passed, {failed} failed{not_run}" + (":" if failed else "")


def _word(ok: bool | None) -> str:
    return {True: "PASS", False: "FAIL", None: "PLAN"}[ok]


def _line(text: object) -> str:
    return " ".join(str(text).split())
