# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a configuration file, as the role calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_servers import PACKAGE

from identity_material import DOCUMENT


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({}, ""), ({"session_key": "short"}, "session_key"), ({"rights_cache_seconds": 0}, "rights_cache_seconds")],
)
def test_a_file_is_checked(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    path = tmp_path / "identity.json"
    path.write_text(json.dumps({**DOCUMENT, **changes}))
    command = [sys.executable, "-B", "-m", "mlops_identity.check", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == (1 if problem else 0)
    assert problem in result.stderr
    assert str(DOCUMENT["client_secret"]) not in result.stderr + result.stdout
