# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow would say or make that does not hold on this platform: mended, or refused with the reason."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request
from mlflow.protos.model_registry_pb2 import CreateModelVersion
from mlflow.protos.service_pb2 import CreateExperiment
from mlflow.server import handlers

from mlops_identity import answers
from mlops_identity.config import Config
from mlops_identity.content import is_unclear

SOURCE_MESSAGE = (
    "source is {source!r}, which different readers take for different places: it has, plain or encoded, a control "
    "character, one of ? # \\, or a part that is . or .."
)
LOCATION_MESSAGE = (
    "artifact_location is {location!r}, but this platform keeps the files of an experiment in a place of its own, "
    "where the rights on the experiment hold. Leave artifact_location out."
)


def unusable() -> Response | None:
    """Return the refusal of a call that would make something that nobody could use, its maker least of all."""
    reason = ""
    if request.endpoint == "_create_experiment":
        location = str(handlers._get_request_message(CreateExperiment()).artifact_location)
        reason = LOCATION_MESSAGE.format(location=location) if location else ""
    if request.endpoint == "_create_model_version":
        source = str(handlers._get_request_message(CreateModelVersion()).source)
        reason = SOURCE_MESSAGE.format(source=source) if is_unclear(source) else ""
    return answers.error(400, "INVALID_PARAMETER_VALUE", reason) if reason else None


def says_who_keeps_passwords(config: Config) -> Any:
    """Return the hook that tells the pages whether a user can log out, and change a password, here.

    MLflow takes every authorization function but its own for one that is not about its passwords.
    """

    def told(response: Response) -> Response:
        if request.endpoint == "get_current_user" and response.status_code == 200:
            response.set_data(json.dumps({**response.get_json(), "is_basic_auth": config.mode == "basic"}))
        return response

    return told
