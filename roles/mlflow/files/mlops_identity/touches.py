# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the current request would write or remove, read with MLflow's own parsers so that both see the same."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import request
from mlflow.exceptions import MlflowException
from mlflow.protos.mlflow_artifacts_pb2 import AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload
from mlflow.protos.model_registry_pb2 import CreateModelVersion, DeleteModelVersionTag, SetModelVersionTag
from mlflow.protos.service_pb2 import CreatePresignedUploadUrl, DeleteExperiment, DeleteRun
from mlflow.server import handlers
from mlflow.utils.uri import validate_path_is_safe

from mlops_identity.content import Registered, Registry, Touch, spellings

WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"
TAG_MESSAGES: Mapping[str, Any] = {
    "_set_model_version_tag": SetModelVersionTag,
    "_delete_model_version_tag": DeleteModelVersionTag,
}


def meanings(path: str, workspace: str | None) -> frozenset[str]:
    """Return every place in the artifact store that a path of a request can mean."""
    texts = {path}
    try:
        texts.add(validate_path_is_safe(path))
    except MlflowException:
        # The view will refuse it for the same reason; until then it means what it says.
        pass
    found = frozenset[str]().union(*(spellings(text) for text in texts))
    return found | {f"workspaces/{workspace}/{place}".casefold() for place in found} if workspace else found


def _places(paths: Iterable[str]) -> frozenset[str]:
    workspace = request.headers.get(WORKSPACE_HEADER)
    return frozenset[str]().union(*(meanings(path, workspace) for path in paths))


class Touches:
    """Knows what each view of CONTENT touches."""

    def __init__(self, registry: Registry, registered: Registered) -> None:
        self._registry = registry
        self._registered = registered
        self._of: Mapping[str, Callable[[], Touch]] = {
            "_upload_artifact": self._file,
            "_delete_artifact_mlflow_artifacts": self._folder,
            "_create_multipart_upload_artifact": lambda: self._multipart(CreateMultipartUpload()),
            "_complete_multipart_upload_artifact": lambda: self._multipart(CompleteMultipartUpload()),
            "_abort_multipart_upload_artifact": lambda: self._multipart(AbortMultipartUpload()),
            "serve_upload_artifact": self._file_of_run,
            "_create_presigned_upload_url": self._presigned,
            "_delete_logged_model": self._logged_model,
            "_delete_run": self._run,
            "_delete_experiment": self._experiment,
            # Files are not theirs, and their keys were judged before.
            **dict.fromkeys(TAG_MESSAGES, Touch),
        }

    def version_tags(self, view: str) -> list[str]:
        """Return the keys of the tags that the view would write or remove on a version."""
        if view == "_create_model_version":
            return [str(tag.key) for tag in handlers._get_request_message(CreateModelVersion()).tags]
        message = TAG_MESSAGES.get(view)
        return [] if message is None else [str(handlers._get_request_message(message()).key)]

    def of(self, view: str, native_path: str | None) -> Touch:
        """Return what the view touches; the asynchronous pool has decoded the path of its upload already."""
        if native_path is not None:
            return Touch(_places([native_path]))
        return self._of[view]()

    def source(self) -> str:
        """Return the source that a new version names."""
        return str(handlers._get_request_message(CreateModelVersion()).source)

    def _file(self) -> Touch:
        return Touch(_places([_artifact_path()]))

    def _folder(self) -> Touch:
        return Touch(_places([_artifact_path()]), recursive=True)

    def _multipart(self, message: Any) -> Touch:
        # MLflow puts the last part of the name that the body gives into the folder that the path gives.
        name = str(handlers._get_request_message(message).path)
        folder = _artifact_path()
        return Touch(_places([folder, f"{folder}/{name}", f"{folder}/{posixpath.basename(name)}"]))

    def _file_of_run(self) -> Touch:
        return self._below_run(request.args.get("run_uuid", ""), request.args.get("path", ""))

    def _presigned(self) -> Touch:
        message = handlers._get_request_message(CreatePresignedUploadUrl())
        if message.run_id:
            return self._below_run(message.run_id, message.path)
        return Touch(self._below(self._registry.model_location(message.model_id), message.path))

    def _logged_model(self) -> Touch:
        model_id = str((request.view_args or {})["model_id"])
        return Touch(self._below(self._registry.model_location(model_id), ""), recursive=True)

    def _run(self) -> Touch:
        run_id = str(handlers._get_request_message(DeleteRun()).run_id)
        folders = self._below(self._registry.run_location(run_id), "")
        return Touch(folders, recursive=True, runs=frozenset({run_id}))

    def _experiment(self) -> Touch:
        experiment_id = str(handlers._get_request_message(DeleteExperiment()).experiment_id)
        if not experiment_id.isdecimal():
            return Touch()
        folders = self._below(self._registry.experiment_location(experiment_id), "")
        return Touch(folders | {experiment_id}, recursive=True)

    def _below_run(self, run_id: str, path: str) -> Touch:
        return Touch(self._below(self._registry.run_location(run_id), path))

    def _below(self, root: str | None, path: str) -> frozenset[str]:
        folder = None if root is None else self._registered.folder(root)
        return frozenset() if folder is None else _places([f"{folder}/{path}"])


def _artifact_path() -> str:
    return str((request.view_args or {})["artifact_path"])
