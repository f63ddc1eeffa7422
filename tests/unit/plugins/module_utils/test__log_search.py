# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What indices are made like, when they differ, and what a question becomes."""

from __future__ import annotations

import copy
import csv
import io
import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._log_search import (
    ACCESS_KEYWORDS,
    QuestionError,
    covers,
    documents,
    ilm_policy,
    ism_policy,
    question,
    same_template,
    template,
    text,
)

LINE = {"@timestamp": "2026-11-25T07:04:00.123+00:00", "host": "edge1", "service": "nginx", "message": "GET / 200"}


def test_template_lets_no_line_be_refused() -> None:
    made = template("mlops-logs", 2, 1)["template"]
    index, mappings = made["settings"]["index"], made["mappings"]
    assert (index["number_of_shards"], index["mapping"]["ignore_malformed"]) == ("2", "true")
    assert "lifecycle" not in index
    assert (mappings["dynamic"], mappings["properties"]["access"]["dynamic"]) == ("false", "false")
    assert set(ACCESS_KEYWORDS) < set(mappings["properties"]["access"]["properties"])
    keywords = [field for field in mappings["properties"].values() if field["type"] == "keyword"]
    assert all(field["ignore_above"] * 4 < 32766 for field in keywords)


def test_template_names_its_policy() -> None:
    made = template("mlops-logs", 1, 0, "mlops-logs")
    assert made["template"]["settings"]["index"]["lifecycle"] == {"name": "mlops-logs"}
    assert made["index_patterns"] == ["mlops-logs-*"]


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        ({"a": 1, "more": 2}, {"a": 1}, True),
        ({"a": "1"}, {"a": 1}, True),
        ({"a": "true"}, {"a": True}, True),
        ({"a": 2}, {"a": 1}, False),
        ({}, {"a": 1}, False),
        (None, {"a": 1}, False),
        ([1, 2], [1, 2], True),
        ([1], [1, 2], False),
        ("x", [1], False),
        ([{"a": 1, "b": 2}], [{"a": 1}], True),
    ],
)
def test_covers(current: t.Any, wanted: t.Any, expected: bool) -> None:
    assert covers(current, wanted) is expected


def test_same_template_sees_what_is_missing_and_what_is_too_much() -> None:
    wanted = template("mlops-logs", 1, 1)
    served = {**copy.deepcopy(wanted), "composed_of": []}
    assert same_template(served, wanted)
    del served["template"]["mappings"]["properties"]["run_id"]
    assert not same_template(served, wanted)
    served = copy.deepcopy(wanted)
    served["template"]["mappings"]["properties"]["mine"] = {"type": "text"}
    assert not same_template(served, wanted)


def test_policies_remove_after_the_days() -> None:
    states = ism_policy("mlops-logs", 30)["policy"]["states"]
    assert states[0]["transitions"][0]["conditions"] == {"min_index_age": "30d"}
    assert states[1]["actions"] == [{"delete": {}}]
    assert ilm_policy(7)["policy"]["phases"]["delete"]["min_age"] == "7d"


def asked(**options: t.Any) -> list[dict[str, t.Any]]:
    filters: list[dict[str, t.Any]] = question({"limit": 10, **options})["query"]["bool"]["filter"]
    return filters


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"run": "r1"}, [{"term": {"run_id": "r1"}}]),
        ({"user": "ada", "experiment": "7"}, [{"term": {"experiment_id": "7"}}, {"term": {"user": "ada"}}]),
        ({"outcome": "refused"}, [{"term": {"access.outcome": "refused"}}]),
        ({"level": "err"}, [{"terms": {"level": ["emerg", "alert", "crit", "err"]}}]),
        ({"text": "out of memory"}, [{"match_phrase": {"message": "out of memory"}}]),
        ({"from": "now-1h"}, [{"range": {"@timestamp": {"gte": "now-1h"}}}]),
        (
            {"from": "2026-11-25 14:00:00+01:00", "to": "2026-11-26"},
            [{"range": {"@timestamp": {"gte": "2026-11-25T14:00:00+01:00", "lt": "2026-11-26"}}}],
        ),
    ],
)
def test_question(options: dict[str, t.Any], expected: list[dict[str, t.Any]]) -> None:
    assert asked(**options) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to look for"),
        ({"run": "r", "limit": 0}, "limit is 0"),
        ({"run": "r", "limit": 10001}, "narrow the time"),
        ({"from": "yesterday"}, 'from is "yesterday"'),
        ({"to": "25.11.2026"}, 'to is "25.11.2026"'),
    ],
)
def test_questions_that_cannot_be_asked(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        asked(**options)


def test_documents() -> None:
    answer = {"hits": {"total": {"value": 12}, "hits": [{"_id": "x", "_source": LINE}]}}
    assert documents(answer) == ([LINE], 12)


def test_text_as_a_table_is_one_line_a_document() -> None:
    rows = text([LINE, {**LINE, "message": "a\n\x1b[31mb" + "x" * 500}], "table").splitlines()
    assert len(rows) == 3
    assert rows[1].endswith("GET / 200")
    assert "\x1b" not in rows[2]
    assert len(rows[2]) < 300


def test_text_as_csv_runs_nothing_in_a_spreadsheet() -> None:
    line = {**LINE, "message": '=HYPERLINK("x"),\n"y"'}
    rows = list(csv.DictReader(io.StringIO(text([line], "csv"))))
    assert rows[0]["message"] == "'" + line["message"]
    assert rows[0]["service"] == "nginx"
