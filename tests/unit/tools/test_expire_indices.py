# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which indices the daily job of the role log_shipping removes; the real server is asked in Molecule."""

from __future__ import annotations

import datetime
import importlib.util
import typing as t
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[3] / "roles" / "log_shipping" / "files" / "expire_indices.py"
TODAY = datetime.date(2026, 11, 25)


@pytest.fixture(name="job")
def loaded_job() -> t.Any:
    spec = importlib.util.spec_from_file_location("expire_indices", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "removed"),
    [
        ("mlops-logs-2026.11.25", False),
        ("mlops-logs-2026.11.11", False),
        ("mlops-logs-2026.11.10", True),
        ("mlops-logs-2020.01.01", True),
        ("mlops-logs-2020.02.30", False),
        ("mlops-logs-2027.01.01", False),
        ("mlops-logs-2020.01", False),
        ("mlops-logs-mine", False),
        ("mlops-logs-2020.01.01-mine", False),
        ("mlops-logs-more-2020.01.01", False),
        ("others-2020.01.01", False),
        (".mlops-logs-2020.01.01", False),
    ],
)
def test_expired(job: t.Any, name: str, removed: bool) -> None:
    assert job.expired([name], "mlops-logs", 14, TODAY) == ([name] if removed else [])
