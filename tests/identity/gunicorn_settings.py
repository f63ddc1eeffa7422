# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of gunicorn in the tests: the role's way to fork, and an end that coverage survives."""

from __future__ import annotations

import signal
import sys
from typing import Any

preload_app = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Give the worker connections of its own, as the role does."""
    from mlops_identity.app import after_fork

    after_fork()


def post_worker_init(worker: Any) -> None:
    """Let the asynchronous worker end by itself: the signal that ends it would kill it, and what coverage knows."""
    if worker.cfg.worker_class_str.startswith("uvicorn"):
        signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(0))
