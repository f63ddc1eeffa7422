# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's tracking store with fewer statements for what clients ask most: PostgreSQL, without workspaces."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy
from mlflow.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
)
from mlflow.entities.experiment_tag import ExperimentTag
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.exceptions import MlflowException
from mlflow.server import handlers
from mlflow.server.constants import READ_REPLICA_BACKEND_STORE_URI_ENV_VAR
from mlflow.store.tracking import sqlalchemy_store as stock
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlExperimentTag
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_metric,
    _validate_run_id,
)

from mlops_identity.memory import Once
from mlops_identity.serving import metrics as metric_rows
from mlops_identity.serving import search as searches
from mlops_identity.serving.answer import OddRun, name_of, runs_json
from mlops_identity.serving.search import Found, Search

LOG = logging.getLogger(__name__)
SAY = Once(60.0)
Result = TypeVar("Result")
SCHEME = "postgresql"
ACTIVE = "active"
WRITE_METRICS = sqlalchemy.text(metric_rows.WRITE)
EXPERIMENT_COLUMNS = (
    "experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time", "workspace",
)  # fmt: skip


class Pings(threading.local):
    """Whether this thread wants a connection of the pool to be asked first whether it is alive."""

    wanted = True


PINGS = Pings()


def _ping_where_wanted(dialect: Any) -> None:
    ping = dialect.do_ping
    dialect.do_ping = lambda connection: ping(connection) if PINGS.wanted else True


class FastStore(stock.SqlAlchemyStore):
    """The store; what it does not know how to do fast it does as MLflow does."""

    def __init__(self, db_uri: str, default_artifact_root: str, read_db_uri: str | None = None) -> None:
        super().__init__(db_uri, default_artifact_root, read_db_uri)
        for engine in filter(None, (self.engine, self.read_engine)):
            _ping_where_wanted(engine.dialect)

    @contextmanager
    def _statements(self, engine: Any) -> Iterator[Any]:
        """Give a connection on which each statement is a transaction: none of them needs another's.

        It is not asked whether it is alive. If it is not, the statement fails, and MLflow's own code does all of it
        again, on a connection that was asked.
        """
        PINGS.wanted = False
        try:
            connection = engine.connect()
        finally:
            PINGS.wanted = True
        with connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def get_experiment(self, experiment_id: str) -> Any:
        """Return an experiment, with one statement."""
        if self._get_effective_experiment_trace_archival_retention_context() is None:
            rows = _unless_it_fails(self._experiment_rows, experiment_id or self.DEFAULT_EXPERIMENT_ID)
            if rows:
                fields = dict(zip(EXPERIMENT_COLUMNS, rows[0], strict=False))
                tags = [ExperimentTag(key, value) for *_fields, key, value in rows if key is not None]
                return Experiment(**{**fields, "experiment_id": str(rows[0][0]), "tags": tags})
        return super().get_experiment(experiment_id)

    def _experiment_rows(self, experiment_id: str) -> list[Any]:
        columns: Any = SqlExperiment
        tags: Any = SqlExperimentTag
        wanted = (
            sqlalchemy.select(*(getattr(columns, name) for name in EXPERIMENT_COLUMNS), tags.key, tags.value)
            .outerjoin(tags, tags.experiment_id == columns.experiment_id)
            .where(columns.experiment_id == stock._parse_experiment_id(experiment_id))
        )
        with self._statements(self.read_engine or self.engine) as connection:
            return list(connection.execute(wanted).all())

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        """Log what belongs together; of metrics alone nothing but the writing needs the database."""
        if params or tags or not metrics or any(metric.model_id is not None for metric in metrics):
            super().log_batch(run_id, metrics, params, tags)
            return
        _validate_run_id(run_id)
        _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        if not _unless_it_fails(self._written, run_id, metrics):
            super().log_batch(run_id, metrics, params, tags)

    def _log_metrics_once(self, run_id: str, metrics: Any) -> None:
        for index, metric in enumerate(metrics):
            path = "" if len(metrics) == 1 else f"metrics[{index}]"
            _validate_metric(metric.key, metric.value, metric.timestamp, metric.step, path=path)
        if not _unless_it_fails(self._written, run_id, metrics):
            super()._log_metrics_once(run_id, metrics)

    def _written(self, run_id: str, metrics: Any) -> bool:
        """Write metrics and return whether they are written.

        Writing them again does no harm: what is there already stays.
        """
        rows = metric_rows.parameters(run_id, metrics) if metrics else None
        if rows is None:
            return False
        with self._statements(self.engine) as connection:
            return bool(connection.execute(WRITE_METRICS, rows).scalar() == ACTIVE)

    def _search_runs(
        self,
        experiment_ids: Collection[str],
        filter_string: str,
        run_view_type: Any,
        max_results: int | None,
        order_by: Any,
        page_token: str | None,
    ) -> Any:
        arguments = (experiment_ids, filter_string, run_view_type, max_results, order_by, page_token)
        result = _unless_it_fails(self._runs, *arguments)
        return super()._search_runs(*arguments) if result is None else result

    def _runs(self, *arguments: Any) -> tuple[list[Any], Any] | None:
        search = self._search(*arguments)
        with self._statements(self.read_engine or self.engine) as connection:
            found = searches.find(connection, search, self._get_dialect())
            if found is None:
                return None
            loaded = searches.load(connection, found.ids)
        with self.ManagedSessionMaker() as session:
            inputs = self._get_run_inputs(run_uuids=found.ids, session=session)
            outputs = self._get_model_outputs_bulk(run_ids=found.ids, session=session)
        runs = [
            Run(*_entity(row, loaded), RunInputs(dataset_inputs=given), RunOutputs(outputs[row[0]]))
            for row, given in zip(found.runs, inputs, strict=True)
        ]
        return runs, _next_page(search, found)

    def _search(
        self,
        experiment_ids: Any,
        filter_string: str,
        run_view_type: Any,
        max_results: int | None,
        order_by: Any,
        page_token: str | None,
    ) -> Search:
        self._validate_max_results_param(max_results, allow_null=True)
        return Search(
            stock._parse_experiment_ids(experiment_ids),
            set(LifecycleStage.view_type_to_stages(run_view_type)),
            filter_string,
            tuple(order_by or ()),
            max_results,
            SearchUtils.parse_start_offset_from_page_token(page_token),
        )

    def search_runs_json(self, *arguments: Any) -> str | None:
        """Return the answer to a search, or None for one that MLflow's own code has to do.

        The arguments are those of search_runs; no run of the answer has inputs, outputs or models.
        """
        return _unless_it_fails(self._runs_json, *arguments)

    def _runs_json(self, *arguments: Any) -> str | None:
        search = self._search(*arguments)
        with self._statements(self.read_engine or self.engine) as connection:
            found = searches.find(connection, search, self._get_dialect())
            if found is None or searches.are_linked(connection, found.ids):
                return None
            loaded = searches.load(connection, found.ids)
        token = _next_page(search, found)
        return runs_json(found, loaded, token and token.decode())


def _unless_it_fails(call: Callable[..., Result | None], *arguments: Any) -> Result | None:
    """Return what the call returns, or None: MLflow's own code then does it, or says in its own words why not."""
    try:
        return call(*arguments)
    except (MlflowException, OddRun):
        return None
    except Exception as error:
        if SAY():
            LOG.warning("%s is left to MLflow: %s", call.__name__, type(error).__name__)
        return None


def _next_page(search: Search, found: Found) -> Any:
    return SearchUtils.create_page_token(search.offset + len(found.runs)) if found.more else None


def _entity(row: Any, loaded: searches.Loaded) -> tuple[Any, Any]:
    run_id, _name, experiment_id, user_id, status, start_time, end_time, stage, artifact_uri = row[:9]
    tags = loaded.tags[run_id]
    info = RunInfo(
        run_id=run_id,
        run_name=name_of(row, tags),
        experiment_id=str(experiment_id),
        user_id=user_id,
        status=status,
        start_time=start_time,
        end_time=end_time,
        lifecycle_stage=stage,
        artifact_uri=artifact_uri,
    )
    data = RunData(
        metrics=[
            Metric(key, float("nan") if is_nan else value, timestamp, step)
            for key, value, timestamp, step, is_nan in loaded.metrics[run_id]
        ],
        params=[Param(key, value) for key, value in loaded.params[run_id]],
        tags=[RunTag(key, value) for key, value in tags],
    )
    return info, data


def build(store_uri: str, artifact_uri: str) -> Any:
    """Return the store for a database; with workspaces it is MLflow's own."""
    if MLFLOW_ENABLE_WORKSPACES.get():
        return handlers.TrackingStoreRegistryWrapper._get_sqlalchemy_store(store_uri, artifact_uri)
    return FastStore(store_uri, artifact_uri, read_db_uri=os.environ.get(READ_REPLICA_BACKEND_STORE_URI_ENV_VAR))


def install() -> None:
    """Let the server make this store. Before anything has asked for one."""
    handlers._tracking_store_registry.register(SCHEME, build)
