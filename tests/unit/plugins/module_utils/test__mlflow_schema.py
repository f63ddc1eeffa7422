# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the schema helper that need no MLflow."""

from __future__ import annotations

import io
import json
import sys
import typing as t
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_schema
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_schema import Schema, SchemaError, scrub

NEW = Schema("tracking", None, "head", "3.17.2")
OLD = Schema("tracking", "old", "head", "3.17.2")
HEAD = Schema("tracking", "head", "head", "3.17.2")
FOREIGN = Schema("tracking", "future", "head", "3.17.2", known=False)

STATES: list[tuple[Schema, bool]] = [(NEW, False), (OLD, False), (HEAD, True), (FOREIGN, False)]


@pytest.mark.parametrize(("schema", "up_to_date"), STATES)
def test_up_to_date(schema: Schema, up_to_date: bool) -> None:
    assert schema.up_to_date is up_to_date


def test_only_a_foreign_revision_is_refused() -> None:
    for schema in (NEW, OLD, HEAD):
        schema.check_known()
    with pytest.raises(SchemaError, match=r"revision future, which the installed MLflow 3.17.2 .* a newer MLflow"):
        FOREIGN.check_known()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="*<>"), min_size=1))
def test_no_password_is_left(password: str) -> None:
    encoded = quote(password, safe="")
    uri = f"postgresql+psycopg2://user:{encoded}@db.test:5432/mlflow?sslmode=verify-full"
    assert scrub(f"<{encoded}><{password}>", uri) == "<********><********>"


SCRUBBED: list[tuple[str, str, str]] = [
    ("no secret", "postgresql://u:p%40ss@h/d", "no secret"),
    ("it is p%40ss or p@ss", "postgresql://u:p%40ss@h/d", "it is ******** or ********"),
    ("cannot open postgresql://u:p%40ss@h/d", "postgresql://u:p%40ss@h/d", "cannot open (the database URI)"),
    ("plain", "sqlite:////var/lib/x.db", "plain"),
    ("plain", "", "plain"),
]


@pytest.mark.parametrize(("text", "uri", "expected"), SCRUBBED)
def test_scrub(text: str, uri: str, expected: str) -> None:
    assert scrub(text, uri) == expected


class FakeDatabase:
    """Stands in for the class that needs MLflow; the URI says what happens."""

    def __init__(self, uri: str, component: str) -> None:
        if uri == "bad":
            raise SchemaError("bad uri")
        if "pw123" in uri:
            raise RuntimeError("no pw123 (Background on this error at: https://sqlalche.me)")

    def schema(self) -> Schema:
        return OLD

    def migrate(self, lock_timeout_seconds: float) -> tuple[Schema, Schema]:
        assert lock_timeout_seconds == 3.0
        return OLD, HEAD


# action, URI, answer
ANSWERS: list[tuple[str, str, dict[str, t.Any]]] = [
    ("read", "good", {"before": vars(OLD), "after": vars(OLD)}),
    ("migrate", "good", {"before": vars(OLD), "after": vars(HEAD)}),
    ("read", "bad", {"error": "bad uri"}),
    ("read", "postgresql://u:pw123@h/d", {"error": "RuntimeError: no ********"}),
]


@pytest.mark.parametrize(("action", "uri", "expected"), ANSWERS)
def test_answer(monkeypatch: pytest.MonkeyPatch, action: str, uri: str, expected: dict[str, t.Any]) -> None:
    monkeypatch.setattr(_mlflow_schema, "Database", FakeDatabase)
    monkeypatch.setattr(sys, "argv", ["-", action, "tracking", "3"])
    monkeypatch.setenv(_mlflow_schema.URI_VARIABLE, uri)
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    _mlflow_schema.main()
    assert json.loads(output.getvalue()) == expected


def test_wait_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mlflow_schema, "LOCK_POLL_SECONDS", 0.001)
    tries = iter([False, False, True])
    _mlflow_schema._wait(lambda: next(tries), 5.0)
    with pytest.raises(SchemaError, match=r"holds its lock after 0.01 seconds.*lock_timeout_seconds"):
        _mlflow_schema._wait(lambda: False, 0.01)


# texts of migrations, revisions with those before them, the head or a part of the error
MIGRATIONS: list[tuple[list[str], dict[str, tuple[str, ...]], str]] = [
    (["revision = 'a'\ndown_revision = None"], {"a": ()}, "a"),
    (["revision = 'b'\ndown_revision = 'a'", "revision = 'a'"], {"a": (), "b": ("a",)}, "b"),
    (["revision: str = 'b'\ndown_revision: str | None = 'a'", "revision: str = 'a'"], {"a": (), "b": ("a",)}, "b"),
    (
        ["revision = 'c'\ndown_revision = ('a', 'b')", "revision = 'a'", "revision = 'b'"],
        {"a": (), "b": (), "c": ("a", "b")},
        "c",
    ),
    (["import nowhere\n\nrevision = 'a'\nx: int\nrevisions = []", "x = 1"], {"a": ()}, "a"),
    (["revision = 'a'", "revision = 'b'"], {"a": (), "b": ()}, r"end in 2 revisions \(a, b\), not in one"),
    ([], {}, r"end in 0 revisions \(\), not in one"),
]


@pytest.mark.parametrize(("texts", "revisions", "expected"), MIGRATIONS)
def test_revisions(tmp_path: Path, texts: list[str], revisions: dict[str, tuple[str, ...]], expected: str) -> None:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(text)
    assert _mlflow_schema.read_revisions(tmp_path) == revisions
    if expected in revisions:
        assert _mlflow_schema.head(revisions) == expected
    else:
        with pytest.raises(SchemaError, match=expected):
            _mlflow_schema.head(revisions)


def test_without_mlflow_the_answer_names_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "name the interpreter" in _mlflow_schema.answer("read", "tracking", 1.0, "sqlite:///x")["error"]
