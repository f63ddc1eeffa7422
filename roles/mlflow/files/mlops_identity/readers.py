# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may read a registered model may read its files: a consumer needs no right on the experiment they came from.

MLflow gives them out by the model's name already (`get-artifact` of a version), but its clients load a model by the
address of its files, for which MLflow asks the experiment alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

from flask import Response, g, request
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server import app

from mlops_identity.authorization import registered
from mlops_identity.databases import Databases

READ = "read"
RUNS = "runs:/"
DOWNLOAD_VIEW = "_get_model_version_download_uri"


def _reads_model(auth: Any, username: str, name: str) -> bool:
    """Return whether a user may read the versions of a model, as MLflow decides for the version itself."""
    is_prompt = auth._get_model_registry_store().get_registered_model(name)._is_prompt()
    container = (auth.RESOURCE_TYPE_PROMPT if is_prompt else auth.RESOURCE_TYPE_REGISTERED_MODEL, name)
    version = auth.RESOURCE_TYPE_PROMPT_VERSION if is_prompt else auth.RESOURCE_TYPE_REGISTERED_MODEL_VERSION
    requirements = [auth.Requirement(*container, READ), auth.Requirement(version, "*", auth.ACTION_NOT_DENIED)]
    return bool(auth.authorize(username, container, requirements))


def may_read(auth: Any, username: str, path: str | None) -> bool:
    """Return whether a path of the artifact store is in the folder of a version that the user may read."""
    place = auth._canonical_artifact_proxy_path(path) if path else None
    if place is None or MLFLOW_ENABLE_WORKSPACES.get():
        return False
    versions = registered().holding(place)
    return bool(versions) and any(_reads_model(auth, username, name) for name in Databases().models_with(versions))


def point_at_files(response: Response) -> Response:
    """Name the files of a version themselves: a client would look up the run of `runs:/`, which it may not see."""
    if request.endpoint != DOWNLOAD_VIEW or response.status_code != 200:
        return response
    uri = str(response.get_json().get("artifact_uri", ""))
    run_id, _slash, path = uri.removeprefix(RUNS).partition("/")
    folder = Databases().run_location(run_id) if uri.startswith(RUNS) else None
    if folder is not None:
        response.set_data(json.dumps({"artifact_uri": f"{folder}/{path}"}))
    return response


def install(auth: ModuleType) -> None:
    """Let MLflow's question about a path of the artifact store ask for registered models, too, in both pools."""
    by_flask: Callable[[str], bool] = auth._authorize_flask_artifact_proxy
    by_fastapi: Callable[[str, str, str | None, str], bool] = auth._authorize_fastapi_artifact_proxy

    def flask(action: str) -> bool:
        if by_flask(action):
            return True
        return action == READ and may_read(auth, g.mlflow_authenticated_user, auth._artifact_proxy_path())

    def fastapi(path: str, username: str, query_path: str | None, action: str) -> bool:
        if by_fastapi(path, username, query_path, action):
            return True
        if action != READ:
            return False
        with app.app_context():
            return may_read(auth, username, auth._artifact_proxy_path_from_request_path(path, query_path))

    auth._authorize_flask_artifact_proxy = flask  # type: ignore[attr-defined]
    auth._authorize_fastapi_artifact_proxy = fastapi  # type: ignore[attr-defined]
