# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's rights, asked of the database once in some seconds instead of several times for each request."""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server.auth.sqlalchemy_store import RoleGrantRow, SqlAlchemyStore

from mlops_identity.memory import may_use

# For 10,000 people with a handful of kinds of rights each, and for the runs that they work on.
ANSWERS = 50_000
# What the auth store can change; each of them makes this worker forget every right.
CHANGES: frozenset[str] = frozenset(
    {
        "add_role_permission",
        "assign_role_to_user",
        "create_experiment_permission",
        "create_gateway_endpoint_permission",
        "create_gateway_model_definition_permission",
        "create_gateway_secret_permission",
        "create_mcp_server_permission",
        "create_registered_model_permission",
        "create_role",
        "create_scorer_permission",
        "create_user",
        "delete_experiment_permission",
        "delete_gateway_endpoint_permission",
        "delete_gateway_model_definition_permission",
        "delete_gateway_secret_permission",
        "delete_grants_for_resource",
        "delete_mcp_server_permission",
        "delete_registered_model_permission",
        "delete_role",
        "delete_roles_for_workspace",
        "delete_scorer_permission",
        "delete_user",
        "delete_workspace_permission",
        "delete_workspace_permissions_for_workspace",
        "grant_user_permission",
        "grant_user_resource_permission",
        "init_db",
        "remove_role_permission",
        "rename_grants_for_resource",
        "revoke_user_resource_permission",
        "set_workspace_permission",
        "unassign_role_from_user",
        "update_experiment_permission",
        "update_gateway_endpoint_permission",
        "update_gateway_model_definition_permission",
        "update_gateway_secret_permission",
        "update_mcp_server_permission",
        "update_registered_model_permission",
        "update_role",
        "update_role_permission",
        "update_scorer_permission",
        "update_user",
    }
)
READING_PREFIXES = ("authenticate_", "get_", "has_", "is_", "list_", "user_has_")


class Remembered:
    """Answers that are good for some seconds from when they were asked for, unless the request wants newer ones.

    The oldest go first.
    """

    def __init__(self, seconds: float, limit: int = ANSWERS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._limit = limit
        self._clock = clock
        self._answers: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._generation = 0

    def get(self, key: Hashable, ask: Callable[[], Any]) -> Any:
        """Return a good answer, or ask. What `ask` raises is not remembered."""
        asked_at = self._clock()
        with self._lock:
            known = self._answers.get(key)
            generation = self._generation
        if known is not None and asked_at < known[0] + self._seconds and may_use(known[0]):
            return known[1]
        value = ask()
        with self._lock:
            # An answer from before a change must not outlive it.
            if generation == self._generation:
                self._answers[key] = (asked_at, value)
                self._answers.move_to_end(key)
                if len(self._answers) > self._limit:
                    self._answers.popitem(last=False)
        return value

    def forget(self) -> None:
        """Drop every answer, and those that are just being asked for."""
        with self._lock:
            self._generation += 1
            self._answers.clear()


class CachedAuthStore(SqlAlchemyStore):
    """MLflow's auth store with users and grants remembered."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._remembered = Remembered(seconds, clock=clock)
        for name in CHANGES:
            setattr(self, name, self._forgetting(getattr(self, name)))

    def _forgetting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(change)
        def changed(*args: Any, **kwargs: Any) -> Any:
            try:
                return change(*args, **kwargs)
            finally:
                self._remembered.forget()

        return changed

    def get_user(self, username: str) -> Any:
        """Return a user as of the last few seconds."""
        ask = functools.partial(super().get_user, username)
        return self._remembered.get(("user", username), ask)

    def list_grants(self, user_id: int, workspace: str, resource_types: Collection[str]) -> list[RoleGrantRow]:
        """Return grants as of the last few seconds."""
        ask = functools.partial(super().list_grants, user_id, workspace, resource_types)
        # A copy, so that nobody can change what the next one gets.
        return list(self._remembered.get(("grants", user_id, workspace, frozenset(resource_types)), ask))


@dataclass(frozen=True)
class RunInfo:
    """Of a run, what decides about rights."""

    run_id: str
    experiment_id: str


@dataclass(frozen=True)
class RunStub:
    """A run without its metrics, parameters and tags."""

    info: RunInfo


class TrackingStoreForRights:
    """The tracking store as MLflow's rights see it: a run's experiment never changes, so it is read once."""

    def __init__(self, store: Any, run_experiment: Callable[[str], str | None], known: Remembered) -> None:
        self._store = store
        self._run_experiment = run_experiment
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get_run(self, run_id: str) -> Any:
        """Return the run with no more than its experiment."""
        # With workspaces the store knows whether the request's workspace has this run; what is no id is its to refuse.
        if MLFLOW_ENABLE_WORKSPACES.get() or not isinstance(run_id, str):
            return self._store.get_run(run_id)
        experiment_id = self._known.get(("run", run_id), lambda: self._asked(run_id))
        return RunStub(RunInfo(run_id, experiment_id))

    def _asked(self, run_id: str) -> str:
        experiment_id = self._run_experiment(run_id)
        if experiment_id is None:
            # Its error is the one that MLflow expects for a run that there is not.
            return str(self._store.get_run(run_id).info.experiment_id)
        return experiment_id


# Long enough to cost nothing, and short enough that a run that `mlflow gc` removed is forgotten.
RUN_SECONDS = 600.0


def install(auth: ModuleType, seconds: float, run_experiment: Callable[[str], str | None]) -> None:
    """Let MLflow's auth module, and nothing else, ask these stores. Before its create_app, which keeps the store."""
    ask_for_store: Callable[[], Any] = auth._get_tracking_store
    known = Remembered(RUN_SECONDS)

    def tracking_store_for_rights() -> TrackingStoreForRights:
        return TrackingStoreForRights(ask_for_store(), run_experiment, known)

    auth.store = CachedAuthStore(seconds)  # type: ignore[attr-defined]
    auth._get_tracking_store = tracking_store_for_rights  # type: ignore[attr-defined]


def unknown_methods() -> list[str]:
    """Return methods of MLflow's auth store that neither read nor are known to change."""
    public = (name for name in vars(SqlAlchemyStore) if not name.startswith("_"))
    return sorted(name for name in public if name not in CHANGES and not name.startswith(READING_PREFIXES))
