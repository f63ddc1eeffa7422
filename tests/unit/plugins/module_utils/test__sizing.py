# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._sizing import (
    SizingError,
    pool_plan,
    postgres_tuning,
)

Plan = dict[str, Any]

PROPERTY = settings(deadline=None)

PLAN_INPUT = st.fixed_dictionaries(
    {
        "cores": st.integers(1, 64),
        "memory_mb": st.integers(1, 65536),
        "hosts": st.integers(1, 8),
        "max_connections": st.integers(1, 2000),
        "threads": st.integers(1, 40),
        "reserved_connections": st.integers(0, 100),
        "engines": st.integers(1, 4),
        "asgi_threads": st.integers(1, 40),
    }
)
MEMORY = st.integers(256, 1_000_000)
CORES = st.integers(1, 128)
CONNECTIONS = st.integers(1, 2000)


def plan_or_none(**values: Any) -> Plan | None:
    try:
        return pool_plan(**values)
    except SizingError:
        return None


def shape(plan: Plan | None) -> tuple[int, ...]:
    """Workers and threads of both pools; nothing at all is smaller than any plan."""
    if plan is None:
        return (0, 0, 0, 0)
    return tuple(plan[pool][key] for pool in ("rest", "asgi") for key in ("workers", "threads"))


def not_smaller(plan: Plan | None, other: Plan | None) -> bool:
    return all(mine >= theirs for mine, theirs in zip(shape(plan), shape(other), strict=True))


@PROPERTY
@given(PLAN_INPUT)
def test_a_plan_keeps_its_promises(values: dict[str, int]) -> None:
    plan: Any = plan_or_none(**values)
    if plan is None:
        return
    held = 0
    for name, threads in (("rest", values["threads"]), ("asgi", values["asgi_threads"])):
        pool = plan[name]
        assert pool["workers"] >= 1
        assert 1 <= pool["threads"] <= threads
        assert pool["max_overflow"] >= 1
        assert pool["pool_size"] + pool["max_overflow"] >= 2 * pool["threads"]
        held += pool["workers"] * values["engines"] * (pool["pool_size"] + pool["max_overflow"])
    assert plan["connections_per_host"] == held
    assert plan["connections_total"] == held * values["hosts"]
    assert plan["connections_total"] <= values["max_connections"] - values["reserved_connections"]
    assert 200 * (plan["rest"]["workers"] + plan["asgi"]["workers"]) <= values["memory_mb"] / 2


@PROPERTY
@given(PLAN_INPUT, st.sampled_from(["cores", "memory_mb", "max_connections"]), st.integers(1, 500))
def test_more_never_gives_a_smaller_plan(values: dict[str, int], key: str, more: int) -> None:
    assert not_smaller(plan_or_none(**{**values, key: values[key] + more}), plan_or_none(**values))


@PROPERTY
@given(PLAN_INPUT, st.sampled_from(["hosts", "reserved_connections", "engines"]), st.integers(1, 50))
def test_more_of_what_takes_connections_never_gives_a_larger_plan(values: dict[str, int], key: str, more: int) -> None:
    assert not_smaller(plan_or_none(**values), plan_or_none(**{**values, key: values[key] + more}))


@PROPERTY
@given(PLAN_INPUT)
def test_the_number_that_an_error_names_would_fit(values: dict[str, int]) -> None:
    values["memory_mb"] = 65536
    least = values["reserved_connections"] + values["hosts"] * values["engines"] * 6
    if values["max_connections"] >= least:
        assert plan_or_none(**values) is not None
        return
    with pytest.raises(SizingError, match=rf"^platform_max_connections: .*; {least} would fit, "):
        pool_plan(**values)
    assert shape(plan_or_none(**{**values, "max_connections": least})) == (1, 1, 1, 1)


TEST_PLANS: list[tuple[dict[str, Any], tuple[int, ...], int]] = [
    ({"cores": 2, "memory_mb": 4096}, (2, 6, 2, 8), 180),
    ({"cores": "2", "memory_mb": "4096", "hosts": 2}, (2, 6, 2, 8), 360),
    ({"cores": 1, "memory_mb": 4096}, (2, 6, 2, 8), 180),
    ({"cores": 4, "memory_mb": 8192}, (4, 6, 2, 8), 258),
    ({"cores": 16, "memory_mb": 65536, "max_connections": 2000}, (16, 6, 4, 8), 828),
    ({"cores": 16, "memory_mb": 65536}, (6, 6, 2, 8), 336),
    ({"cores": 8, "memory_mb": 2048}, (3, 6, 2, 8), 219),
    ({"cores": 8, "memory_mb": 800}, (1, 6, 1, 8), 90),
    ({"cores": 2, "memory_mb": 4096, "hosts": 4}, (1, 6, 1, 8), 360),
    ({"cores": 2, "memory_mb": 4096, "hosts": 5}, (1, 6, 1, 5), 360),
    ({"cores": 2, "memory_mb": 4096, "max_connections": 48}, (1, 1, 1, 1), 18),
]


@pytest.mark.parametrize(("values", "expected", "total"), TEST_PLANS)
def test_pool_plan(values: dict[str, Any], expected: tuple[int, ...], total: int) -> None:
    plan = pool_plan(**values)
    assert shape(plan) == expected
    assert plan["connections_total"] == total


TEST_PLAN_ERRORS: list[tuple[dict[str, Any], str]] = [
    (
        {"cores": 2, "memory_mb": 4096, "hosts": 2, "max_connections": 50},
        r"^platform_max_connections: 50 is too few for 2 MLflow host\(s\) with 30 reserved; 66 would fit, 390 would ",
    ),
    ({"cores": 2, "memory_mb": 799}, r"^memory_mb: 799 is too little for one worker of each pool; 800 would fit$"),
    ({"cores": 0, "memory_mb": 4096}, r"^cores: 0 is not a whole number of at least 1$"),
    ({"cores": True, "memory_mb": 4096}, r"^cores: True is not"),
    ({"cores": 2.5, "memory_mb": 4096}, r"^cores: 2.5 is not"),
    ({"cores": 2, "memory_mb": "4G"}, r"^memory_mb: '4G' is not"),
    ({"cores": 2, "memory_mb": 4096, "hosts": 0}, r"^hosts: 0 is not"),
    ({"cores": 2, "memory_mb": 4096, "threads": None}, r"^threads: None is not"),
    ({"cores": 2, "memory_mb": 4096, "reserved_connections": -1}, r"^reserved_connections: -1 is not .* at least 0$"),
]


@pytest.mark.parametrize(("values", "message"), TEST_PLAN_ERRORS)
def test_pool_plan_error(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SizingError, match=message):
        pool_plan(**values)


def megabytes(text: str) -> int:
    assert text.endswith("MB")
    return int(text.removesuffix("MB"))


def tuning_or_none(memory: int, cores: int, connections: int) -> dict[str, str] | None:
    try:
        return postgres_tuning(memory, cores, connections)
    except SizingError:
        return None


@PROPERTY
@given(MEMORY, CORES, CONNECTIONS)
def test_the_sum_of_memory_is_bounded(memory: int, cores: int, connections: int) -> None:
    tuning = tuning_or_none(memory, cores, connections)
    if tuning is None:
        assert memory // 2 < connections
        return
    assert 1 <= megabytes(tuning["work_mem"]) <= 64
    total = sum(
        (
            megabytes(tuning["shared_buffers"]),
            megabytes(tuning["wal_buffers"]),
            megabytes(tuning["maintenance_work_mem"]),
            megabytes(tuning["autovacuum_work_mem"]) * int(tuning["autovacuum_max_workers"]),
            megabytes(tuning["work_mem"]) * connections,
        )
    )
    assert total <= memory
    assert all(isinstance(value, str) for value in tuning.values())


@PROPERTY
@given(MEMORY, CORES, CONNECTIONS, st.integers(0, 100_000))
def test_more_memory_never_lowers_a_setting(memory: int, cores: int, connections: int, more: int) -> None:
    small, large = tuning_or_none(memory, cores, connections), tuning_or_none(memory + more, cores, connections)
    if small is None:
        return
    assert large is not None
    for name, value in small.items():
        if value.endswith("MB"):
            assert megabytes(large[name]) >= megabytes(value)
        else:
            assert large[name] == value


TEST_TUNING: list[tuple[tuple[Any, ...], dict[str, Any], dict[str, str]]] = [
    (
        (16384, 4, 400),
        {},
        {
            "autovacuum_analyze_scale_factor": "0.01",
            "autovacuum_max_workers": "3",
            "autovacuum_naptime": "30s",
            "autovacuum_vacuum_cost_limit": "2000",
            "autovacuum_vacuum_insert_scale_factor": "0.05",
            "autovacuum_vacuum_scale_factor": "0.02",
            "autovacuum_work_mem": "256MB",
            "checkpoint_completion_target": "0.9",
            "checkpoint_timeout": "15min",
            "effective_cache_size": "12288MB",
            "effective_io_concurrency": "200",
            "huge_pages": "try",
            "jit": "off",
            "maintenance_work_mem": "1024MB",
            "max_connections": "400",
            "max_parallel_maintenance_workers": "2",
            "max_parallel_workers_per_gather": "0",
            "max_wal_size": "8192MB",
            "max_worker_processes": "8",
            "min_wal_size": "2048MB",
            "random_page_cost": "1.1",
            "shared_buffers": "4096MB",
            "wal_buffers": "16MB",
            "wal_compression": "lz4",
            "work_mem": "20MB",
        },
    ),
    (("65536", "32", "400"), {"version": "15"}, {"work_mem": "64MB", "max_parallel_maintenance_workers": "4"}),
    ((65536, 32, 400), {}, {"max_worker_processes": "32", "max_wal_size": "8192MB"}),
    ((1024, 1, 100), {"version": 14}, {"wal_compression": "on", "work_mem": "5MB", "max_wal_size": "1024MB"}),
    ((1024, 1, 100), {}, {"wal_buffers": "8MB", "max_parallel_maintenance_workers": "0"}),
    (
        (8192, 2, 100),
        {"storage": "hdd"},
        {"random_page_cost": "4", "effective_io_concurrency": "2", "autovacuum_vacuum_cost_limit": "400"},
    ),
]


@pytest.mark.parametrize(("values", "keywords", "expected"), TEST_TUNING)
def test_postgres_tuning(values: tuple[Any, ...], keywords: dict[str, Any], expected: dict[str, str]) -> None:
    tuning = postgres_tuning(*values, **keywords)
    assert {name: tuning[name] for name in expected} == expected


def test_postgres_tuning_has_the_same_names_everywhere() -> None:
    large = postgres_tuning(65536, 32, 400)
    assert set(postgres_tuning(256, 1, 10, version=13, storage="hdd")) == set(large) == set(TEST_TUNING[0][2])


TEST_TUNING_ERRORS: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((100, 1, 10), {}, r"^memory_mb: 100 is not a whole number of at least 256"),
    ((512, 1, 400), {}, r"^max_connections: 400 would leave less than 1MB of work_mem each .*; 256 would fit$"),
    ((1024, 0, 10), {}, r"^cores: 0 is not"),
    ((1024, 1, 10), {"version": 12}, r"^version: 12 is not a whole number of at least 13"),
    ((1024, 1, 10), {"storage": "nvme"}, r"^storage: 'nvme' is not known; use one of hdd, ssd"),
]


@pytest.mark.parametrize(("values", "keywords", "message"), TEST_TUNING_ERRORS)
def test_postgres_tuning_error(values: tuple[Any, ...], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(SizingError, match=message):
        postgres_tuning(*values, **keywords)
