# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indices and questions of the log search: what to make, what differs, what to ask. Private to this collection."""

from __future__ import annotations

import csv
import io
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

Document = Mapping[str, t.Any]

KEYWORDS = ("host", "service", "level", "run_id", "experiment_id", "request_id", "user")
ACCESS_KEYWORDS = (
    "alias",
    "auth",
    "experiment_id",
    "groups",
    "method",
    "model",
    "operation",
    "outcome",
    "remote_addr",
    "request_id",
    "run_id",
    "upstream",
    "uri",
    "user",
    "version",
)
ACCESS_NUMBERS = {
    "connection": "long",
    "connection_requests": "long",
    "request_bytes": "long",
    "request_time": "float",
    "response_bytes": "long",
    "status": "integer",
}
# From the most to the least severe, as syslog names them.
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
# The options of a question that must be equal to a field.
TERMS = {
    "experiment": "experiment_id",
    "host": "host",
    "operation": "access.operation",
    "outcome": "access.outcome",
    "request": "request_id",
    "run": "run_id",
    "service": "service",
    "user": "user",
}
COLUMNS = ("@timestamp", "host", "service", "level", "user", "run_id", "request_id", "message")
_TIME = re.compile(
    r"now([+-]\d+[smhdwMy])?(/[smhdwMy])?|\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?)?"
)
_WIDEST = 160


class QuestionError(ValueError):
    """A question that cannot be asked; the text says what to write."""


# ---------------------------------------------------------------- indices


def _keyword() -> dict[str, t.Any]:
    # Lucene refuses longer terms; the whole text stays in the document.
    return {"type": "keyword", "ignore_above": 8191}


def template(name: str, shards: int, replicas: int, policy: str = "") -> dict[str, t.Any]:
    """The index template: fields that are searched have types, and nothing in a line can make it unacceptable."""
    settings: dict[str, t.Any] = {
        "number_of_shards": str(shards),
        "number_of_replicas": str(replicas),
        "mapping": {"ignore_malformed": "true"},
    }
    if policy:
        settings["lifecycle"] = {"name": policy}
    access = {
        **{key: _keyword() for key in ACCESS_KEYWORDS},
        **{key: {"type": kind} for key, kind in ACCESS_NUMBERS.items()},
    }
    fields: dict[str, t.Any] = {key: _keyword() for key in KEYWORDS}
    fields |= {
        "@timestamp": {"type": "date"},
        "message": {"type": "text"},
        "access": {"type": "object", "dynamic": "false", "properties": access},
    }
    return {
        "index_patterns": [f"{name}-*"],
        "priority": 200,
        "template": {"settings": {"index": settings}, "mappings": {"dynamic": "false", "properties": fields}},
    }


def ism_policy(name: str, days: int) -> dict[str, t.Any]:
    """OpenSearch's policy that removes an index so many days after it was made."""
    return {
        "policy": {
            "description": f"{name}: removed after {days} days",
            "default_state": "kept",
            "states": [
                {
                    "name": "kept",
                    "actions": [],
                    "transitions": [{"state_name": "removed", "conditions": {"min_index_age": f"{days}d"}}],
                },
                {"name": "removed", "actions": [{"delete": {}}], "transitions": []},
            ],
            "ism_template": [{"index_patterns": [f"{name}-*"], "priority": 200}],
        }
    }


def ilm_policy(days: int) -> dict[str, t.Any]:
    """Elasticsearch's policy that removes an index so many days after it was made."""
    return {"policy": {"phases": {"delete": {"min_age": f"{days}d", "actions": {"delete": {}}}}}}


def covers(current: t.Any, wanted: t.Any) -> bool:
    """Whether what the server has says all that is wanted; it adds defaults, and writes numbers as texts."""
    if isinstance(wanted, Mapping):
        return isinstance(current, Mapping) and all(covers(current.get(key), item) for key, item in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(current) == len(wanted)
            and all(covers(*pair) for pair in zip(current, wanted, strict=True))
        )
    return _scalar(current) == _scalar(wanted)


def _scalar(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def same_template(current: t.Any, wanted: t.Any) -> bool:
    """Whether a template is exactly the wanted one, but for empty parts that the server adds."""
    return covers(current, wanted) and covers(wanted, _without_empty(current))


def _without_empty(value: t.Any) -> t.Any:
    if isinstance(value, Mapping):
        return {key: _without_empty(item) for key, item in value.items() if item not in ([], {}, None)}
    return value


# ---------------------------------------------------------------- questions


def question(options: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The body of a search for the lines that all given options describe, the oldest first."""
    filters: list[dict[str, t.Any]] = [
        {"term": {field: options[name]}} for name, field in sorted(TERMS.items()) if options.get(name)
    ]
    if options.get("level"):
        filters.append({"terms": {"level": list(LEVELS[: LEVELS.index(options["level"]) + 1])}})
    if options.get("text"):
        filters.append({"match_phrase": {"message": options["text"]}})
    span = {key: _time(name, options[name]) for name, key in (("from", "gte"), ("to", "lt")) if options.get(name)}
    if span:
        filters.append({"range": {"@timestamp": span}})
    if not filters:
        raise QuestionError("say what to look for, such as run, request, user, service, level, text, from or to")
    limit = int(options["limit"])
    if not 1 <= limit <= 10_000:
        raise QuestionError(f"limit is {limit}; write 1 to 10000, and narrow the time for more")
    return {
        "size": limit,
        "track_total_hits": True,
        "sort": [{"@timestamp": {"order": "asc", "unmapped_type": "date"}}],
        "query": {"bool": {"filter": filters}},
    }


def _time(name: str, value: str) -> str:
    if not _TIME.fullmatch(value):
        raise QuestionError(f'{name} is "{value}"; write such as 2026-11-25, 2026-11-25T14:00:00+01:00 or now-1h')
    return value.replace(" ", "T")


def documents(answer: Mapping[str, t.Any]) -> tuple[list[dict[str, t.Any]], int]:
    """The documents of an answer, and how many there are in all."""
    hits = answer["hits"]
    return [dict(hit["_source"]) for hit in hits["hits"]], int(hits["total"]["value"])


def text(found: Sequence[Document], kind: str) -> str:
    """The documents as a table for people or as CSV."""
    rows = [[str(item.get(column) or "") for column in COLUMNS] for item in found]
    return _csv(rows) if kind == "csv" else _table(rows)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([COLUMNS, *map(_harmless, rows)])
    return out.getvalue()


def _harmless(row: Sequence[str]) -> list[str]:
    """Cells that no spreadsheet takes for a formula: lines hold what strangers sent."""
    return [f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row]


def _table(rows: Iterable[Sequence[str]]) -> str:
    lines = [list(COLUMNS), *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines) + "\n"


def _cell(value: str) -> str:
    flat = " ".join("".join(character if character.isprintable() else " " for character in value).split())
    return flat if len(flat) <= _WIDEST else flat[: _WIDEST - 3] + "..."
