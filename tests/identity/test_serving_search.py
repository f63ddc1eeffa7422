# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Searches of runs: the pages that are found and answered fast are those of MLflow itself."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.entities import (
    Dataset,
    DatasetInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import SearchRuns
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.proto_json_utils import message_to_json
from mlflow.utils.search_utils import SearchUtils

from mlops_identity.serving import store
from mlops_identity.serving.store import FastStore

RUNS = 60
ODD = """
UPDATE runs SET start_time = NULL WHERE name = 'odd-start';
UPDATE runs SET user_id = NULL WHERE name = 'odd-user';
UPDATE runs SET status = NULL WHERE name = 'odd-status';
"""


@dataclass(frozen=True)
class Query:
    """What is asked."""

    experiments: list[str]
    filter_string: str = ""
    order_by: list[str] = field(default_factory=list)
    view: int = ViewType.ACTIVE_ONLY
    limit: Any = 100
    token: str | None = None

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The arguments of search_runs."""
        return self.experiments, self.filter_string, self.view, self.limit, self.order_by, self.token


@dataclass(frozen=True)
class Stores:
    """MLflow's store and ours on one database, and its experiments."""

    stock: Any
    fast: Any
    plain: str
    linked: str
    odd: str

    @property
    def all(self) -> list[str]:
        """The experiments without odd runs."""
        return [self.plain, self.linked]

    def stock_json(self, query: Query) -> Any:
        """Return what MLflow's own view answers."""
        response = SearchRuns.Response()
        runs = self.stock.search_runs(*query.arguments)
        response.runs.extend(run.to_proto() for run in runs)
        if runs.token:
            response.next_page_token = runs.token
        return json.loads(message_to_json(response))

    def same(self, query: Query) -> bool:
        """Require the same answer or error; returns whether it was ours."""
        error, theirs = outcome(self.stock, query)
        mine_error, mine = outcome(self.fast, query)
        assert mine_error == error
        if theirs is None:
            assert self.fast.search_runs_json(*query.arguments) is None
            return False
        assert mine.token == theirs.token
        assert [in_order(run.to_dictionary()) for run in mine] == [in_order(run.to_dictionary()) for run in theirs]
        assert [str(run.outputs) for run in mine] == [str(run.outputs) for run in theirs]
        text = self.fast.search_runs_json(*query.arguments)
        if text is not None:
            assert in_order(json.loads(text)) == in_order(self.stock_json(query))
        return text is not None


def outcome(asked: Any, query: Query) -> tuple[str | None, Any]:
    """Return the error of a search, or what was found."""
    try:
        return None, asked.search_runs(*query.arguments)
    except MlflowException as error:
        return str(error), None


def in_order(value: Any) -> Any:
    """Return the value with lists of keys and values sorted: their order is the database's, in MLflow as in ours."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return "no number"
    if isinstance(value, list):
        found = [in_order(item) for item in value]
        return sorted(found, key=str) if found and all("key" in item for item in found) else found
    return value


def fill(stock: Any, name: str, numbers: random.Random) -> str:
    """Make an experiment whose runs differ in everything that can be asked for."""
    experiment = str(stock.create_experiment(name))
    values = [0.0, 0.5, 0.5, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e-9]
    for number in range(RUNS):
        tags = [RunTag("team", numbers.choice("abc"))] if number % 4 else []
        run = stock.create_run(
            experiment, f"user{number % 3}", 1000 + number // 2, tags, numbers.choice(["", f"run {number}", "Näme%_"])
        )
        metrics = [
            Metric(key, numbers.choice(values), 1, 0) for key in ("acc", "loss", "created") if numbers.random() < 0.8
        ]
        params = [Param(key, numbers.choice(["0.1", "0.01", "x"])) for key in ("lr", "a b") if numbers.random() < 0.8]
        stock.log_batch(run.info.run_id, metrics, params, [RunTag("empty", "")] if number % 5 == 0 else [])
        if number % 3 == 0:
            stock.update_run_info(run.info.run_id, 3 if number % 2 else 4, 5000 + number, None)
        if number % 10 == 9:
            stock.delete_run(run.info.run_id)
    return experiment


@pytest.fixture(scope="module")
def stores(database: str) -> Iterator[Stores]:
    stock = SqlAlchemyStore(database, "mlflow-artifacts:/")
    numbers = random.Random(1)
    plain, linked = fill(stock, "plain", numbers), fill(stock, "linked", numbers)
    runs = stock.search_runs([linked], "", ViewType.ACTIVE_ONLY)
    dataset = Dataset("data", "digest", "local", "here")
    stock.log_inputs(runs[3].info.run_id, [DatasetInput(dataset, [])])
    model = stock.create_logged_model(linked, "m", runs[5].info.run_id)
    stock.log_outputs(runs[5].info.run_id, [LoggedModelOutput(model.model_id, 2)])
    odd = str(stock.create_experiment("odd"))
    for name in ("odd-start", "odd-user", "odd-status"):
        stock.create_run(odd, "user", 1, [], name)
    with stock.engine.begin() as connection:
        connection.execute(sqlalchemy.text(ODD))
        # As runs of very old versions of MLflow are.
        connection.execute(sqlalchemy.text("UPDATE runs SET name = NULL WHERE name LIKE 'run 1%'"))
        connection.execute(sqlalchemy.text("UPDATE tags SET value = NULL WHERE key = 'empty'"))
    yield Stores(stock, store.build(database, "mlflow-artifacts:/"), plain, linked, odd)
    stock.engine.dispose()


FILTERS = [
    "",
    "metrics.acc > 0.4",
    f"attributes.start_time > {2**70}",
    "metrics.acc = 0.5 and metrics.loss <= 1",
    "metrics.acc != 0.5",
    "metrics.`acc` < 1e300",
    "metrics.created >= 0",
    "params.lr = '0.01'",
    "params.lr != '0.01' and tags.team = 'a'",
    "params.`a b` LIKE '0%'",
    "params.lr ILIKE 'X'",
    "tags.team = 'b'",
    "tags.nothing = 'x'",
    "tags.team IS NULL",
    "params.lr IS NOT NULL",
    "attributes.status = 'RUNNING'",
    "attributes.start_time > 1010",
    "attributes.end_time > 5000",
    "created < 1020",
    "attributes.user_id = 'user1'",
    "attributes.run_name LIKE 'run%'",
    "run_name ILIKE 'näme%'",
    "attributes.run_id IN ('a', 'b')",
    "attributes.artifact_uri LIKE '%artifacts'",
]
ORDERS = [
    [],
    ["attributes.start_time DESC"],
    ["start_time ASC"],
    ["created"],
    ["end_time DESC", "run_name"],
    ["attributes.run_name ASC"],
    ["attributes.run_id DESC"],
    ["metrics.acc DESC"],
    ["metrics.acc ASC"],
    ["metrics.created DESC"],
    ["metrics.acc", "metrics.loss DESC"],
    ["params.lr DESC"],
    ["tags.team", "attributes.start_time"],
    ["attributes.status", "metrics.loss"],
]
WRONG: dict[str, dict[str, Any]] = {
    "a filter": {"filter_string": "metrics.acc >"},
    "a metric that is not there": {"filter_string": "metrics.acc IS NULL"},
    "a comparison": {"filter_string": "metrics.acc LIKE 'x'"},
    "an attribute": {"filter_string": "attributes.nothing = 'x'"},
    "an order": {"order_by": ["metrics.acc SIDEWAYS"]},
    "an attribute to order by": {"order_by": ["attributes.nothing"]},
    "an order twice": {"order_by": ["metrics.acc", "metrics.acc DESC"]},
    "a token": {"token": "nonsense"},
    "a token of something else": {"token": "e30="},
    "a size of 0": {"limit": 0},
    "a size above all": {"limit": 50_001},
    "an experiment and a filter": {"experiments": ["x"], "filter_string": "("},
    "a letter that no database takes": {"filter_string": "params.lr = 'a\0b'"},
}


@pytest.mark.parametrize("text", FILTERS)
def test_filters(stores: Stores, text: str) -> None:
    assert stores.same(Query([stores.plain], text))
    stores.same(Query(stores.all, text, ["metrics.acc DESC"], ViewType.ALL, 7))


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [1, 5, 40, None])
def test_orders_and_pages(stores: Stores, order: list[str], limit: int | None) -> None:
    query = Query([stores.plain], "", order, limit=limit)
    for _page in range(RUNS):
        assert stores.same(query)
        token = stores.stock.search_runs(*query.arguments).token
        if token is None:
            break
        query = Query([stores.plain], "", order, limit=limit, token=token)
        if limit == 1 and _page == 3:
            break


@pytest.mark.parametrize(
    ("text", "order"),
    list(itertools.product(["metrics.acc > 0", "metrics.acc != 0", "metrics.loss > 0"], ["ASC", "DESC"])),
)
def test_an_order_with_a_filter_of_the_same_metric(stores: Stores, text: str, order: str) -> None:
    for limit in (3, 1000):
        assert stores.same(Query([stores.plain], text, [f"metrics.acc {order}"], limit=limit))


@pytest.mark.parametrize("view", [ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL])
def test_views(stores: Stores, view: int) -> None:
    assert stores.same(Query([stores.plain], view=view))
    # It has runs with datasets and models.
    assert stores.same(Query([stores.linked], view=view)) is (view == ViewType.DELETED_ONLY)


def test_nothing_to_look_in(stores: Stores) -> None:
    assert stores.same(Query([]))
    assert stores.same(Query(["999999"]))


def test_datasets_are_left_to_mlflow(stores: Stores) -> None:
    query = Query([stores.linked], "dataset.name = 'data'")
    assert stores.same(query) is False
    assert len(stores.fast.search_runs(*query.arguments)) == 1


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_by_mlflow(stores: Stores, name: str) -> None:
    query = replace(Query([stores.plain]), **WRONG[name])
    with pytest.raises(MlflowException):
        stores.stock.search_runs(*query.arguments)
    assert stores.same(query) is False


def test_odd_runs_are_left_to_mlflow(stores: Stores) -> None:
    for name in ("odd-start", "odd-user", "odd-status"):
        query = Query([stores.odd], f"run_name = '{name}'")
        assert stores.fast.search_runs_json(*query.arguments) is None
        with pytest.raises(MlflowException) as theirs:
            [run.to_proto() for run in stores.stock.search_runs(*query.arguments)]
        with pytest.raises(MlflowException) as mine:
            [run.to_proto() for run in stores.fast.search_runs(*query.arguments)]
        assert str(mine.value) == str(theirs.value)


filters = st.lists(st.sampled_from(FILTERS[1:]), max_size=3).map(" and ".join)
orders = st.lists(st.sampled_from([order for orders in ORDERS for order in orders]), max_size=3)
views = st.sampled_from([ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL])


@settings(max_examples=150, deadline=None)
@given(st.booleans(), filters, orders, views, st.sampled_from([1, 3, 20, 1000]), st.integers(0, 30))
def test_queries_of_all_kinds(
    stores: Stores, both: bool, text: str, order: list[str], view: int, limit: int, offset: int
) -> None:
    token = SearchUtils.create_page_token(offset) if offset else None
    experiments = stores.all if both else [stores.plain]
    stores.same(Query(experiments, text, order, view, limit, token))


def test_our_store_is_the_one_that_is_made(stores: Stores) -> None:
    assert isinstance(stores.fast, FastStore)
