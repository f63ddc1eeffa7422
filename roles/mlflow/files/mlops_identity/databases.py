# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's own databases, asked for no more than where files are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy
from mlflow.server import handlers
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun

from mlops_identity.content import Version

DELETED = "Deleted_Internal"


def _one(table: Any, wanted: str, key: str, value: str | int) -> str | None:
    """Return one field of the row with this key."""
    store: Any = handlers._get_tracking_store()
    statement: Any = sqlalchemy.select(getattr(table, wanted)).where(getattr(table, key) == value)
    with store.engine.connect() as connection:
        found = connection.execute(statement).scalar()
    return None if found is None else str(found)


class Databases:
    """The stores of the running server."""

    def versions(self, since: int | None) -> Iterable[Version]:
        """Return the versions that were made since then (milliseconds), or all."""
        # MLflow's tables say nothing to a type checker.
        columns: Any = SqlModelVersion
        wanted: Any = sqlalchemy.select(
            columns.source, columns.storage_location, columns.run_id, columns.creation_time
        ).where(columns.current_stage != DELETED)
        if since is not None:
            wanted = wanted.where(columns.creation_time >= since)
        registry: Any = handlers._get_model_registry_store()
        with registry.engine.connect() as connection:
            rows = connection.execute(wanted).all()
        return [Version(row[0] or "", row[1] or "", row[2] or "", row[3] or 0) for row in rows]

    def models_with(self, versions: Collection[Version]) -> list[str]:
        """Return the names of the models that have any of these versions now."""
        columns: Any = SqlModelVersion
        wanted: Any = sqlalchemy.select(columns.name, columns.source, columns.storage_location).where(
            columns.current_stage != DELETED,
            columns.creation_time.in_({version.creation_time for version in versions}),
        )
        registry: Any = handlers._get_model_registry_store()
        with registry.engine.connect() as connection:
            rows = connection.execute(wanted).all()
        places = {(version.source, version.storage_location) for version in versions}
        return sorted({row[0] for row in rows if (row[1] or "", row[2] or "") in places})

    def run_location(self, run_id: str) -> str | None:
        """Return the artifact URI of a run."""
        return _one(SqlRun, "artifact_uri", "run_uuid", run_id)

    def run_experiment(self, run_id: str) -> str | None:
        """Return the experiment of a run."""
        return _one(SqlRun, "experiment_id", "run_uuid", run_id)

    def model_location(self, model_id: str) -> str | None:
        """Return the artifact URI of a logged model."""
        return _one(SqlLoggedModel, "artifact_location", "model_id", model_id)

    def experiment_location(self, experiment_id: str) -> str | None:
        """Return the artifact URI of an experiment."""
        return _one(SqlExperiment, "artifact_location", "experiment_id", int(experiment_id))
