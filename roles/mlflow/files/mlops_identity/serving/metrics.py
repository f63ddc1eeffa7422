# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of a run, written by one statement."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

LARGEST = 1.7976931348623157e308

# Rows that are there already stay, and only new ones can be the latest: what MLflow reaches by trying, rolling back and
# asking what was there. Sorted, so that two writers wait for each other in the same order.
WRITE = """
WITH run AS (
  SELECT lifecycle_stage FROM runs WHERE run_uuid = :run_id
), made AS (
  INSERT INTO metrics (key, value, "timestamp", step, is_nan, run_uuid)
  SELECT key, value, "timestamp", step, is_nan, :run_id
  FROM unnest(CAST(:keys AS varchar[]), CAST(:values AS float8[]), CAST(:timestamps AS bigint[]),
              CAST(:steps AS bigint[]), CAST(:nans AS boolean[])) AS given (key, value, "timestamp", step, is_nan)
  WHERE EXISTS (SELECT FROM run WHERE lifecycle_stage = 'active')
  ORDER BY key, step, "timestamp", value, is_nan
  ON CONFLICT DO NOTHING
  RETURNING key, value, "timestamp", step, is_nan
), latest AS (
  INSERT INTO latest_metrics AS known (key, value, "timestamp", step, is_nan, run_uuid)
  SELECT DISTINCT ON (key) key, value, "timestamp", step, is_nan, :run_id
  FROM made ORDER BY key, step DESC, "timestamp" DESC, value DESC
  ON CONFLICT (key, run_uuid) DO UPDATE
    SET value = EXCLUDED.value, "timestamp" = EXCLUDED."timestamp", step = EXCLUDED.step, is_nan = EXCLUDED.is_nan
    WHERE (EXCLUDED.step, EXCLUDED."timestamp", EXCLUDED.value) > (known.step, known."timestamp", known.value)
)
SELECT lifecycle_stage FROM run
"""


class Metric(Protocol):
    """What is used of a metric."""

    key: str
    value: float
    timestamp: int
    step: int


def stored(value: float) -> float:
    """Return what the database keeps of a value: it has no infinity, and 0 stands for what is no number."""
    if math.isnan(value):
        return 0.0
    return math.copysign(LARGEST, value) if math.isinf(value) else float(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parameters(run_id: str, metrics: Iterable[Metric]) -> dict[str, Any] | None:
    """Return what WRITE takes, or None for metrics that it does not know how to write as MLflow does."""
    rows = []
    zeros: dict[tuple[str, int, int], tuple[bool, float]] = {}
    for metric in metrics:
        if not (_whole(metric.step) and _whole(metric.timestamp) and isinstance(metric.value, float)):
            return None
        value, is_nan = stored(metric.value), math.isnan(metric.value)
        kind = (is_nan, math.copysign(1, value))
        if value == 0 and zeros.setdefault((metric.key, metric.step, metric.timestamp), kind) != kind:
            # Several that the database takes for 0, at once: the one that was given first counts.
            return None
        rows.append((metric.key, value, metric.timestamp, metric.step, is_nan))
    columns = map(list, zip(*rows, strict=True))
    return {"run_id": run_id, **dict(zip(("keys", "values", "timestamps", "steps", "nans"), columns, strict=True))}
