# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics and experiments: what is written and read with few statements is what MLflow itself writes and reads."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import ExperimentTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.server import handlers
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from mlops_identity.serving import metrics, store
from mlops_identity.serving.store import FastStore

NAN = float("nan")
INFINITY = float("inf")


def plain(value: Any) -> Any:
    """Return a value of the database; MLflow does not see that -0 became 0, which are one number."""
    return value + 0.0 if isinstance(value, float) else value


@dataclass(frozen=True)
class Both:
    """MLflow's store and ours on one database."""

    stock: Any
    fast: Any
    experiment: str

    def run(self) -> str:
        """Make a run."""
        made = self.stock.create_run(self.experiment, "somebody", 1, [], "run")
        return str(made.info.run_id)

    def rows(self, run: str) -> dict[str, list[Any]]:
        """Return what the database has of a run."""
        found = {}
        with self.stock.engine.connect() as connection:
            for table in ("metrics", "latest_metrics", "params", "tags", "logged_model_metrics"):
                column = "run_id" if table == "logged_model_metrics" else "run_uuid"
                statement = sqlalchemy.text(f"SELECT * FROM {table} WHERE {column} = :run")
                rows = connection.execute(statement, {"run": run}).mappings().all()
                found[table] = sorted(
                    str({key: plain(value) for key, value in row.items() if value != run and key != "experiment_id"})
                    for row in rows
                )
        return found

    def told(self, call: Any, run: str, *arguments: Any) -> str | None:
        """Return the error of a call without what differs by run and statement."""
        try:
            call(run, *arguments)
        except MlflowException as error:
            return f"{error.error_code}: {re.sub(r'(?s)Background on.*', '', str(error)).replace(run, 'RUN')}"
        return None

    def same(self, name: str, *calls: tuple[Any, ...]) -> dict[str, list[Any]]:
        """Make calls on a run of each, and require the same rows and errors; returns the rows."""
        mine, theirs = self.run(), self.run()
        for arguments in calls:
            told = self.told(getattr(self.fast, name), mine, *arguments)
            assert told == self.told(getattr(self.stock, name), theirs, *arguments)
            assert self.rows(mine) == self.rows(theirs)
        return self.rows(mine)


@pytest.fixture(scope="module")
def both(database: str) -> Iterator[Both]:
    stock = SqlAlchemyStore(database, "mlflow-artifacts:/")
    fast = store.build(database, "mlflow-artifacts:/")
    assert isinstance(fast, FastStore)
    yield Both(stock, fast, stock.create_experiment("writes"))
    stock.engine.dispose()


def metric(key: str = "loss", value: Any = 0.5, timestamp: Any = 10, step: Any = 0, **more: Any) -> Metric:
    return Metric(key, value, timestamp, step, **more)


BATCHES: dict[str, list[list[Metric]]] = {
    "one": [[metric()]],
    "nothing": [[]],
    "the same again": [[metric()], [metric()]],
    "twice in a batch": [[metric(), metric()]],
    "part of it was there": [[metric()], [metric(), metric(step=1), metric("other")]],
    "an earlier step": [[metric(step=5)], [metric(step=4, value=9.0)]],
    "an earlier time": [[metric(timestamp=5)], [metric(timestamp=4, value=9.0)]],
    "a lower value": [[metric(value=5.0)], [metric(value=4.0)], [metric(value=6.0)]],
    "the latest is in the middle": [[metric(step=1), metric(step=7), metric(step=3)]],
    "no number": [[metric(value=NAN)], [metric(value=NAN)], [metric(value=NAN), metric(value=NAN)]],
    "no number and 0": [[metric(value=NAN), metric(value=0.0)], [metric(value=0.0), metric(value=NAN)]],
    "0 and then no number": [[metric(value=0.0)], [metric(value=NAN)], [metric(value=NAN, step=1)]],
    "0 and -0": [[metric(value=0.0), metric(value=-0.0)], [metric(value=-0.0)]],
    "infinite": [[metric(value=INFINITY)], [metric(value=-INFINITY, step=1), metric(value=INFINITY, step=1)]],
    "whole numbers": [[metric(value=3)], [metric(value=3, step=1), metric(value=3.0, step=1)]],
    "a negative step": [[metric(step=-3)], [metric(step=-4)]],
    "a step as a fraction": [[metric(step=1.5)]],
    "a time as a fraction": [[metric(timestamp=1.5)]],
    "of a model": [[metric(model_id="m-1")], [metric(model_id="m-1"), metric("other")]],
    "names of all kinds": [[metric(key) for key in ("a/b", "a.b", "a b", "ä", "A", "a")]],
    "many": [[metric(f"m{number}", float(number), step=number % 3) for number in range(1000)]],
}
REFUSED: dict[str, list[Metric]] = {
    "a bad name": [metric("../x")],
    "a name with bad characters": [metric("a$b")],
    "a long name": [metric("x" * 251)],
    "no value": [metric(value=None)],
    "a text": [metric(value="high")],
    "a truth": [metric(value=True)],
    "a negative time": [metric(timestamp=-1)],
    "a text as step": [metric(step="1")],
    "a good one before a bad one": [metric(), metric("/x")],
    "too many": [metric(step=step) for step in range(1001)],
    "a step that no database takes": [metric(step=2**70)],
    "a time that no database takes": [metric(timestamp=2**70)],
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches(both: Both, name: str) -> None:
    rows = both.same("log_batch", *((batch, [], []) for batch in BATCHES[name]))
    assert bool(rows["metrics"]) is (name != "nothing")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_batches(both: Both, name: str) -> None:
    assert both.same("log_batch", (REFUSED[name], [], []))["metrics"] == []


@pytest.mark.parametrize("name", [*BATCHES, *(name for name in REFUSED if name != "too many")])
def test_one_after_the_other(both: Both, name: str) -> None:
    batches = BATCHES.get(name) or [REFUSED[name]]
    both.same("log_metric", *((one,) for batch in batches for one in batch[:20]))


def test_batches_with_more_than_metrics(both: Both) -> None:
    params, tags = [Param("p", "1")], [RunTag("t", "1")]
    rows = both.same("log_batch", ([metric()], params, tags), ([metric(step=1)], [Param("p", "2")], tags))
    assert len(rows["metrics"]) == 1
    assert rows["params"]


@pytest.mark.parametrize("run", ["f" * 32, "no id", "0" * 300])
def test_a_run_that_there_is_not(both: Both, run: str) -> None:
    for name, arguments in (("log_batch", ([metric()], [], [])), ("log_metric", (metric(),))):
        told = both.told(getattr(both.fast, name), run, *arguments)
        assert told is not None
        assert told == both.told(getattr(both.stock, name), run, *arguments)


def test_a_deleted_run_takes_nothing(both: Both) -> None:
    run = both.run()
    both.stock.delete_run(run)
    for name, arguments in (("log_batch", ([metric()], [], [])), ("log_metric", (metric(),))):
        told = both.told(getattr(both.fast, name), run, *arguments)
        assert told is not None
        assert "must be in the 'active' state" in told
        assert told == both.told(getattr(both.stock, name), run, *arguments)
    assert both.rows(run)["metrics"] == []


numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, NAN, INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308]), st.floats()
)
made = st.builds(
    metric, st.sampled_from(["a", "b", "c/d"]), numbers, st.integers(0, 3), st.integers(-2, 3)
)  # fmt: skip
batches = st.lists(st.lists(made, max_size=8), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(batches)
def test_batches_of_all_kinds(both: Both, batches: list[list[Metric]]) -> None:
    both.same("log_batch", *((batch, [], []) for batch in batches))


def test_writers_of_one_key_at_the_same_time(both: Both) -> None:
    run = both.run()
    batches = [[metric("k", float(n), step=s) for s in (n % 7, n % 5, 3)] + [metric(f"k{n % 3}")] for n in range(60)]
    writers = [both.fast, both.stock]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: writers[n % 4 == 3].log_batch(run, batches[n], [], []), range(60)))
    expected = {(one.key, one.value, one.step) for batch in batches for one in batch}
    found = [point for key in ("k", "k0", "k1", "k2") for point in both.stock.get_metric_history(run, key)]
    assert {(point.key, point.value, point.step) for point in found} == expected
    assert len(found) == len(expected)
    latest = both.stock.get_run(run).data.metrics
    step = max(step for key, _value, step in expected if key == "k")
    assert latest["k"] == max(value for key, value, at in expected if key == "k" and at == step)


def test_an_outage_is_said_in_the_words_of_mlflow(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_engine: Any) -> Any:
        raise sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("away"))

    monkeypatch.setattr(both.fast, "_statements", away)
    # MLflow's own way is open still.
    assert both.same("log_batch", ([metric()], [], []))["metrics"]
    assert both.fast.get_experiment(both.experiment).name == "writes"
    assert both.fast.search_runs_json([both.experiment], "", 1, 10, [], None) is None
    assert both.fast.search_runs([both.experiment], "", 1, 10, [], None)


CALLS: dict[str, Any] = {
    "a metric": lambda both, run: both.fast.log_metric(run, metric()),
    "a batch": lambda both, run: both.fast.log_batch(run, [metric()], [], []),
    "an experiment": lambda both, run: both.fast.get_experiment(both.experiment),
    "a search": lambda both, run: both.fast.search_runs([both.experiment], "", 1, 10, [], None),
}


@pytest.mark.parametrize("name", CALLS)
def test_connections_that_the_database_has_ended_are_replaced(both: Both, name: str) -> None:
    run = both.run()
    other = sqlalchemy.create_engine(both.stock.db_uri, poolclass=sqlalchemy.NullPool)
    end = sqlalchemy.text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )
    for _time in range(3):
        with other.connect() as connection:
            assert connection.execute(end).all()
        CALLS[name](both, run)
    if name in ("a metric", "a batch"):
        assert len(both.rows(run)["metrics"]) == 1


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (NAN, 0.0), (INFINITY, metrics.LARGEST)])
def test_stored(value: float, expected: float) -> None:
    assert metrics.stored(value) == expected
    assert math.copysign(1, metrics.stored(-INFINITY)) == -1


def test_experiments(both: Both) -> None:
    tagged = both.stock.create_experiment("tagged", tags=[ExperimentTag("a", "1"), ExperimentTag("b", "")])
    deleted = both.stock.create_experiment("deleted")
    both.stock.delete_experiment(deleted)
    for experiment in (both.experiment, tagged, deleted, "0", "", None, int(tagged)):
        mine, theirs = both.fast.get_experiment(experiment), both.stock.get_experiment(experiment)
        assert dict(mine) == dict(theirs)
        assert mine.to_proto() == theirs.to_proto()
    for experiment in ("999999", "x", "9" * 30):
        with pytest.raises(MlflowException) as theirs_error:
            both.stock.get_experiment(experiment)
        with pytest.raises(MlflowException, match=re.escape(str(theirs_error.value)[:40])):
            both.fast.get_experiment(experiment)


def test_archived_traces_are_left_to_mlflow(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_get_effective_experiment_trace_archival_retention_context"
    monkeypatch.setattr(both.fast, name, lambda: ("30d", set()))
    assert both.fast.get_experiment(both.experiment).effective_trace_archival_retention == "30d"


def test_with_workspaces_the_store_is_the_stock_one(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def ask(*_arguments: Any) -> Any:
        raise Asked

    monkeypatch.setattr(handlers.TrackingStoreRegistryWrapper, "_get_sqlalchemy_store", ask)
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    with pytest.raises(Asked):
        store.build("postgresql://nowhere", "x")
