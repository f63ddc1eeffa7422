# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model's files: fetched, digested, loaded and asked for a prediction. Private to this collection.

The module `mlflow_promotion_gates` hands this file's text to a Python that has MLflow, as `python -I - download URI
FOLDER` with the client's credentials in the environment, then as `python -I - predict FOLDER SECONDS MEGABYTES`
without them. So nothing here imports Ansible, and what only that Python has is imported late. The answer is one JSON
line on standard output.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import sys
import typing as t
from collections.abc import Callable, Mapping
from pathlib import Path

# MLflow's client writes it beside what it fetched.
NOT_IN_THE_STORE = ("registered_model_meta",)
CHUNK_BYTES = 1 << 20
WRITTEN_BYTES_MAX = 64 << 20

Json = dict[str, t.Any]


def file_digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file, by its path in the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in NOT_IN_THE_STORE:
            with open(path, "rb") as stream:
                found[path.relative_to(folder).as_posix()] = _sha256(stream)
    return found


def _sha256(stream: t.BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def folder_digest(digests: Mapping[str, str]) -> str:
    """One SHA-256 for all files: of the lines that `sha256sum` prints for them, sorted by path."""
    lines = (f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def download(uri: str, folder: str) -> Json:
    """Fetch a model's files; returns their digest and number."""
    from mlflow.artifacts import download_artifacts

    digests = file_digests(Path(download_artifacts(artifact_uri=uri, dst_path=folder)))
    return {"digest": folder_digest(digests), "files": len(digests)}


def predict(folder: str, seconds: str, megabytes: str) -> Json:
    """Load a model from a folder and let it predict on its own example."""
    limit(int(seconds), int(megabytes))
    from mlflow.models import Model
    from mlflow.pyfunc import load_model

    description = Model.load(folder)
    found: Json = {"signature": description.signature is not None, "example": False, "predicted": ""}
    model = load_model(folder)
    example = description.load_input_example(folder)
    if example is None:
        return found
    answer = model.predict(example)
    return {**found, "example": True, "predicted": type(answer).__name__}


def limit(seconds: int, megabytes: int) -> None:
    """Bound what a model's code may use."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (WRITTEN_BYTES_MAX, WRITTEN_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


ACTIONS: dict[str, Callable[..., Json]] = {"download": download, "predict": predict}


def main(arguments: list[str]) -> Json:
    """Do one action; what it prints goes elsewhere, what it raises becomes the answer."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return ACTIONS[arguments[0]](*arguments[1:])
    except Exception as exc:
        text = str(exc).strip().partition("\n")[0]
        return {"error": f"{type(exc).__name__}: {text[:500]}"}


if __name__ == "__main__":
    # A model's code may print as well, so the answer has a descriptor of its own.
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(main(sys.argv[1:]), answer_to)
    answer_to.close()
