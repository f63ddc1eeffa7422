# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page of runs, found without MLflow's DISTINCT and loaded without its object mapping."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from mlflow.store.tracking import sqlalchemy_store as stock
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlRun
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy.orm import Session

COLUMNS = (
    "run_uuid", "name", "experiment_id", "user_id", "status", "start_time", "end_time", "lifecycle_stage",
    "artifact_uri",
)  # fmt: skip
LINKED = sqlalchemy.text("""
SELECT EXISTS (SELECT FROM inputs WHERE destination_type = 'RUN' AND destination_id = ANY(:ids))
    OR EXISTS (SELECT FROM inputs WHERE source_type = 'RUN_OUTPUT' AND source_id = ANY(:ids))
""")
METRICS = sqlalchemy.text(
    'SELECT run_uuid, key, value, "timestamp", step, is_nan FROM latest_metrics WHERE run_uuid = ANY(:ids)'
)
PARAMS = sqlalchemy.text("SELECT run_uuid, key, value FROM params WHERE run_uuid = ANY(:ids)")
TAGS = sqlalchemy.text("SELECT run_uuid, key, value FROM tags WHERE run_uuid = ANY(:ids)")


@dataclass(frozen=True)
class Search:
    """What is searched for; `limit` is the size of a page."""

    experiment_ids: Collection[int]
    stages: Collection[str]
    filter_string: str
    order_by: tuple[str, ...]
    limit: int | None
    offset: int


@dataclass(frozen=True)
class Found:
    """The rows of runs in their order, columns as COLUMNS; and whether there is another page."""

    runs: list[Any]
    more: bool

    @property
    def ids(self) -> list[str]:
        """The ids of the runs."""
        return [row[0] for row in self.runs]


@dataclass(frozen=True)
class Loaded:
    """What runs hold, rows by id: (key, value, timestamp, step, is_nan) of metrics, (key, value) of the others."""

    metrics: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    params: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))


def find(connection: Any, search: Search, dialect: str) -> Found | None:
    """Return a page, or None for a search that MLflow's own code has to do. Raises what MLflow raises."""
    parsed = SearchUtils.parse_search_filter(search.filter_string)
    # It builds parts of statements, and is bound to nothing.
    session = Session()
    cases, order, order_joins = stock._get_orderby_clauses(search.order_by, session)
    attributes, joins, datasets = stock._get_sqlalchemy_filter_clauses(parsed, session, dialect)
    if datasets:
        return None
    wanted: Any = sqlalchemy.select(*(getattr(SqlRun, column) for column in COLUMNS))
    for joined in joins:
        wanted = wanted.join(joined, joined.c.run_uuid == SqlRun.run_uuid)
    wanted = wanted.where(
        SqlRun.experiment_id.in_(search.experiment_ids), SqlRun.lifecycle_stage.in_(search.stages), *attributes
    ).offset(search.offset)
    if search.limit is not None:
        wanted = wanted.limit(search.limit + 1)
        by_metric = _by_metric(search.order_by)
        if by_metric is not None:
            # Numbers come before what is no number and before runs without the metric: a full page of them is the page.
            rows = connection.execute(_ordered_by_metric(wanted, *by_metric)).all()
            if len(rows) > search.limit or _has_it_anyway(parsed, by_metric[0]):
                return _found(rows, search.limit)
    for joined in order_joins:
        wanted = wanted.outerjoin(joined, joined.c.run_uuid == SqlRun.run_uuid)
    return _found(connection.execute(wanted.add_columns(*cases).order_by(*order)).all(), search.limit)


def _found(rows: list[Any], limit: int | None) -> Found:
    more = limit is not None and len(rows) > limit
    return Found(rows[:limit] if more else rows, more)


def _by_metric(order_by: Collection[str]) -> tuple[str, bool] | None:
    """Return the metric that alone gives the order, and whether it rises."""
    if len(order_by) != 1:
        return None
    kind, key, ascending = SearchUtils.parse_order_by_for_search_runs(next(iter(order_by)))
    return (SearchUtils.translate_key_alias(key), ascending) if SearchUtils.is_metric(kind, "=") else None


def _ordered_by_metric(wanted: Any, key: str, ascending: bool) -> Any:
    latest: Any = sqlalchemy.orm.aliased(SqlLatestMetric)
    on = sqlalchemy.and_(latest.run_uuid == SqlRun.run_uuid, latest.key == key, latest.is_nan == sqlalchemy.false())
    value = latest.value.asc() if ascending else latest.value.desc()
    return wanted.join(latest, on).order_by(value, SqlRun.start_time.desc(), SqlRun.run_uuid)


def _has_it_anyway(parsed: Iterable[Any], key: str) -> bool:
    """Return whether a filter leaves only runs in which the metric is a number."""
    return any(
        part["type"] == "metric"
        and SearchUtils.translate_key_alias(part["key"]) == key
        and part["comparator"] in (">", ">=", "<", "<=", "=")
        for part in parsed
    )


def are_linked(connection: Any, ids: list[str]) -> bool:
    """Return whether any of the runs has datasets or logged models."""
    return bool(ids) and bool(connection.execute(LINKED, {"ids": ids}).scalar())


def load(connection: Any, ids: list[str]) -> Loaded:
    """Return what the runs hold."""
    loaded = Loaded()
    if ids:
        for statement, kept in ((METRICS, loaded.metrics), (PARAMS, loaded.params), (TAGS, loaded.tags)):
            for row in connection.execute(statement, {"ids": ids}):
                kept[row[0]].append(row[1:])
    return loaded
