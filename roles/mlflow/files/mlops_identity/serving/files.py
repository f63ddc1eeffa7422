# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files go through this server, whose hosts alone reach and trust the object store, and leave nothing behind in it."""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import tempfile
from collections.abc import Generator
from types import ModuleType
from typing import Any

from fastapi.responses import JSONResponse, StreamingResponse
from mlflow.exceptions import MlflowException
from mlflow.server import artifact_router, handlers
from mlflow.store.artifact.artifact_repo import ARTIFACT_STREAM_CHUNK_SIZE
from mlflow.utils.mime_type_utils import _guess_mime_type
from mlflow.utils.uri import validate_path_is_safe

OFFERS = ("MultipartUploadMixin", "MultipartDownloadMixin", "PresignedUploadMixin")
DOWNLOAD = "download_artifact"


class NotOffered:
    """What no artifact repository is: MLflow then says, and offers, nothing that needs the object store itself."""


def _chunks(path: str) -> Generator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(ARTIFACT_STREAM_CHUNK_SIZE):
            yield chunk


class Copy(StreamingResponse):
    """A file that is gone when it was sent, or when nobody reads it any more."""

    def __init__(self, folder: tempfile.TemporaryDirectory[str], path: str, name: str) -> None:
        headers = {
            "Content-Type": _guess_mime_type(path),
            "Content-Disposition": handlers._content_disposition_attachment(name),
            "X-Content-Type-Options": "nosniff",
            "Content-Length": str(os.path.getsize(path)),
        }
        self._content = _chunks(path)
        super().__init__(self._content, headers=headers)
        self._folder = folder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()
            self._folder.cleanup()


def _fetched(repository: Any, path: str, folder: str) -> str:
    """Fetch one file, and nothing that is none: a folder would be fetched whole before that is seen."""
    if not path or repository.list_artifacts(path):
        raise MlflowException.invalid_parameter_value(f"This is a folder, not a file: {path!r}")
    return str(os.path.abspath(repository.download_artifacts(path, folder)))


async def download_artifact(artifact_path: str) -> Any:
    """Answer a download as MLflow does, with a copy that goes with its reader."""
    try:
        path = handlers._get_workspace_scoped_repo_path_if_enabled(validate_path_is_safe(artifact_path))
        repository = artifact_router._get_artifact_repo()
        if repository.get_local_path(path) is not None:
            return await STOCK_DOWNLOAD(artifact_path)
        folder = tempfile.TemporaryDirectory()
        try:
            # Not of the threads that the database's connections are counted by.
            copied = await asyncio.to_thread(_fetched, repository, path, folder.name)
        except BaseException:
            folder.cleanup()
            raise
        return Copy(folder, copied, posixpath.basename(path))
    except MlflowException as error:
        return JSONResponse(json.loads(error.serialize_as_json()), error.get_http_status_code())


STOCK_DOWNLOAD = artifact_router.download_artifact


def _replace_download(router: Any) -> None:
    paths = [route.path for route in router.routes if route.endpoint is STOCK_DOWNLOAD]
    router.routes[:] = [route for route in router.routes if route.endpoint is not STOCK_DOWNLOAD]
    for path in paths:
        router.add_api_route(path, download_artifact, methods=["GET"])


def install(server: ModuleType) -> None:
    """Put both in place, before the asynchronous application is made of its routers."""
    for name in OFFERS:
        setattr(server, name, NotOffered)
    _replace_download(artifact_router.artifact_router)
