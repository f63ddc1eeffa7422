# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that keeps its own log, also when it fails: use `run_with_log()` where you would use `mlflow.start_run()`.

What the program prints, logs by `logging` and warns of, and the traceback that ends it, become the artifact
`logs/run.log`. The tag `ci.status` says `passed`, `failed` or `stopped` (Ctrl-C, or a pipeline that was cancelled), and
`ci.url` where the pipeline is, if GitHub or GitLab runs it. The exception goes on, so that the job fails as well.
What libraries in other languages write past Python's own streams is not in it.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import mlflow

ARTIFACT_FOLDER = "logs"
FILE_NAME = "run.log"
LOGGER = logging.getLogger(__name__)


class Stopped(BaseException):
    """The run was asked to end."""


class Both(io.TextIOBase):
    """A stream that writes to the screen and to the log."""

    def __init__(self, screen: TextIO, log: TextIO) -> None:
        self.screen, self.log = screen, log

    def write(self, text: str) -> int:
        self.log.write(text)
        return self.screen.write(text)

    def flush(self) -> None:
        self.log.flush()
        self.screen.flush()

    def isatty(self) -> bool:
        return self.screen.isatty()


def pipeline_url() -> str:
    """Where the pipeline that runs this is seen, or an empty text."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    if all(name in os.environ for name in names):
        server, repository, number = (os.environ[name] for name in names)
        return f"{server}/{repository}/actions/runs/{number}"
    return os.environ.get("CI_JOB_URL", "")


def stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(f"signal {signal.Signals(number).name}")


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Write to a file what the program prints, logs and warns of, and the traceback if it ends by an exception."""
    with open(path, "w", encoding="utf-8", buffering=1) as log, ExitStack() as stack:
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        stack.enter_context(redirect_stdout(Both(sys.stdout, log)))
        stack.enter_context(redirect_stderr(Both(sys.stderr, log)))
        try:
            yield
        except BaseException:
            log.write(traceback.format_exc())
            raise


def keep(run_id: str, path: Path, status: str) -> None:
    """Give the run its log and its tags. Whatever goes wrong here does not hide how the run ended."""
    client = mlflow.MlflowClient()
    try:
        client.set_tag(run_id, "ci.status", status)
        if url := pipeline_url():
            client.set_tag(run_id, "ci.url", url)
        client.log_artifact(run_id, str(path), ARTIFACT_FOLDER)
    except Exception:
        LOGGER.exception("The log of run %s could not be kept on the server. It was:\n%s", run_id, path.read_text())


@contextmanager
def run_with_log(**options: Any) -> Iterator[mlflow.ActiveRun]:
    """Start a run, with the options of `mlflow.start_run`, that keeps its log."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # Signals are the main thread's; a program may have its own answer to them.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, stop)
            stack.callback(signal.signal, signal.SIGTERM, signal.SIG_DFL)
        path = Path(folder) / FILE_NAME
        run = mlflow.start_run(**options)
        run_id, status = run.info.run_id, ("passed", "FINISHED")
        try:
            with recorded(path):
                yield run
        except (KeyboardInterrupt, Stopped):
            status = ("stopped", "KILLED")
            raise
        except BaseException:
            status = ("failed", "FAILED")
            raise
        finally:
            keep(run_id, path, status[0])
            mlflow.end_run(status[1])
