# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's search of runs, answered without messages; its rights, checks and refusals are MLflow's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from flask import Flask, Response
from mlflow.entities import ViewType
from mlflow.protos.service_pb2 import SearchRuns
from mlflow.server import auth, handlers

from mlops_identity.serving.store import FastStore

VIEW = "_search_runs"
# As the stock view has it.
SCHEMA = {
    "experiment_ids": [handlers._assert_array],
    "filter": [handlers._assert_string],
    "max_results": [
        handlers._assert_intlike,
        lambda value: handlers._assert_less_than_or_equal(int(value), 50000),
    ],
    "order_by": [handlers._assert_array, handlers._assert_item_type_string],
}


class UnlinkedRuns(Response):
    """An answer in which no run names a model, so that there is none to withhold."""


def _answer() -> str | None:
    """Return the answer, or None where MLflow's own view has to give it."""
    message = handlers._get_request_message(SearchRuns(), schema=SCHEMA)
    store = handlers._get_tracking_store()
    if not isinstance(store, FastStore):
        return None
    view_type = ViewType.ACTIVE_ONLY
    if message.HasField("run_view_type"):
        view_type = ViewType.from_proto(message.run_view_type)
    return store.search_runs_json(
        auth.filter_experiment_ids(list(message.experiment_ids)),
        message.filter,
        view_type,
        message.max_results,
        message.order_by,
        message.page_token or None,
    )


def replacing(stock: Callable[[], Response]) -> Callable[[], Response]:
    """Return the view that takes the place of MLflow's own."""

    # It keeps the name, too, by which the start-up checks know the view.
    @functools.wraps(stock)
    def search_runs() -> Response:
        text = _answer()
        return stock() if text is None else UnlinkedRuns(text, mimetype="application/json")

    answered: Callable[[], Response] = handlers.catch_mlflow_exception(handlers._disable_if_artifacts_only(search_runs))
    return answered


def unless_unlinked(withhold: Callable[[Response], Any]) -> Callable[[Response], Any]:
    """Return what takes the place of the handler that withholds models that a user may not see."""

    def looked_at(response: Response) -> None:
        if not isinstance(response, UnlinkedRuns):
            withhold(response)

    return looked_at


def install(app: Flask) -> None:
    """Put the view in place, for all its paths."""
    app.view_functions[VIEW] = replacing(cast(Callable[[], Response], app.view_functions[VIEW]))
    # Looked for once: MLflow's table is by path.
    handler = unless_unlinked(auth.redact_search_runs_model_links)
    for key, present in auth.AFTER_REQUEST_HANDLERS.items():
        if present is auth.redact_search_runs_model_links:
            auth.AFTER_REQUEST_HANDLERS[key] = handler
