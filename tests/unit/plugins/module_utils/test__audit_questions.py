# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _audit_questions as questions


@pytest.mark.parametrize("question", sorted(questions.QUESTIONS))
def test_every_question_has_values_and_a_limit(question: str) -> None:
    statement = questions.limited(question)
    values = {**questions.parameters({}), "limit": 5}
    assert statement % dict.fromkeys(values, "NULL")
    assert statement.endswith("LIMIT %(limit)s + 1")
    assert all(f"%({name})s" in statement for name in questions.QUESTIONS[question].needs)


def test_what_is_not_given_is_null() -> None:
    values = questions.parameters({"model": "price", "user": "", "run": None})
    assert (values["model"], values["user"], values["run"], values["from"]) == ("price", None, None, None)


def test_a_table_has_aligned_columns_and_no_empty_ones() -> None:
    text = questions.as_table(["a", "empty", "b"], [("x", None, 1), ("long\ntext", None, 22)])
    assert text == "a          b\nx          1\nlong text  22"
    assert questions.as_table(["a", "b"], []) == "a  b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("=1+1", "'=1+1"), ("-x", "'-x"), ("@x", "'@x"), ('a,"b"', '"a,""b"""'), (None, ""), (3, "3")],
)
def test_no_formula_gets_into_a_spreadsheet(value: object, expected: str) -> None:
    assert questions.as_csv(["a", "b"], [(value, "x")]) == f"a,b\n{expected},x\n"
