# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An MLflow that the guards were not made for is not served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_servers import Server


@pytest.mark.parametrize(
    ("pool", "change", "words"),
    [
        ("rest", "renamed_view", ["the guarded view _set_registered_model_alias has no rule", "_assign_alias"]),
        ("asgi", "renamed_view", ["the guarded view _set_registered_model_alias has no rule", "_assign_alias"]),
        ("rest", "new_view", ["_promote_everything", "may change something and is unknown"]),
    ],
)
def test_another_mlflow_is_refused_at_the_start(tmp_path: Path, pool: str, change: str, words: list[str]) -> None:
    server = Server(tmp_path, pool)
    server.write_settings()
    result = subprocess.run(
        [sys.executable, "-c", f"import changed_mlflow; changed_mlflow.start({change!r})"],
        env=server.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode != 0
    assert "MLflow upgrade guard" in result.stderr
    for word in words:
        assert word in result.stderr
    assert "views.py" in result.stderr
