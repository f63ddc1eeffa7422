# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of MLflow's worker pools and of PostgreSQL's memory. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

# A worker process with its share of the preloaded code, under load.
WORKER_MEMORY_MB = 200
# The rest is for the page cache, uploads that are staged, and the other tiers of a shared host.
WORKER_MEMORY_SHARE = 0.5
MIN_WORKERS = 2
MAX_ASGI_WORKERS = 4
# MLflow ignores an overflow of 0 and SQLAlchemy then allows 10, so the smallest that can be written is 1.
MAX_OVERFLOW = 1

STORAGE = ("hdd", "ssd")
OLDEST_POSTGRES = 13
# An in-memory sort of a page of runs needs this much; more gained nothing.
WORK_MEM_MB = 64
AUTOVACUUM_WORKERS = 3


class SizingError(ValueError):
    """No plan fits. The message names the value to change."""


@dataclass(frozen=True)
class Shape:
    """What runs on one host: workers and threads of the REST and the ASGI pool."""

    rest_workers: int
    rest_threads: int
    asgi_workers: int
    asgi_threads: int

    @property
    def workers(self) -> int:
        return self.rest_workers + self.asgi_workers

    def connections(self, engines: int) -> int:
        """The most connections that one host can hold: each engine of each worker has a pool of its own."""
        return engines * (
            self.rest_workers * _pool_connections(self.rest_threads)
            + self.asgi_workers * _pool_connections(self.asgi_threads)
        )


def pool_plan(
    cores: object,
    memory_mb: object,
    hosts: object = 1,
    max_connections: object = 400,
    threads: object = 6,
    reserved_connections: object = 30,
    engines: object = 3,
    asgi_threads: object = 8,
) -> dict[str, object]:
    """Divide the connections of the database among the worker processes of the MLflow hosts.

    Logging a batch holds one connection while it takes a second, so each pool has two for every thread:
    with fewer, threads that hold one wait for each other for ever.
    """
    core_count = _integer("cores", cores)
    memory = _integer("memory_mb", memory_mb)
    host_count = _integer("hosts", hosts)
    reserved = _integer("reserved_connections", reserved_connections, minimum=0)
    available = _integer("max_connections", max_connections) - reserved
    engine_count = _integer("engines", engines)
    workers = int(memory * WORKER_MEMORY_SHARE) // WORKER_MEMORY_MB
    wanted = Shape(
        rest_workers=max(MIN_WORKERS, core_count),
        rest_threads=_integer("threads", threads),
        asgi_workers=_asgi_workers(core_count),
        asgi_threads=_integer("asgi_threads", asgi_threads),
    )
    shape = wanted
    for shape in _smaller(wanted):
        if shape.workers <= workers and host_count * shape.connections(engine_count) <= available:
            return _plan(shape, engine_count, host_count)
    if shape.workers > workers:
        least = int(shape.workers * WORKER_MEMORY_MB / WORKER_MEMORY_SHARE)
        raise SizingError(f"memory_mb: {memory} is too little for one worker of each pool; {least} would fit")
    least = reserved + host_count * shape.connections(engine_count)
    raise SizingError(
        f"platform_max_connections: {available + reserved} is too few for {host_count} MLflow host(s) "
        f"with {reserved} reserved; {least} would fit, "
        f"{reserved + host_count * wanted.connections(engine_count)} would fit the full plan"
    )


def _asgi_workers(cores: int) -> int:
    return min(MAX_ASGI_WORKERS, max(MIN_WORKERS, cores // 2))


def _smaller(shape: Shape) -> Iterator[Shape]:
    """Yield the shape and then ever smaller ones: fewer workers first, because fewer threads cost more of the service.

    The pools shrink to those of a host with fewer cores, the REST pool last, because it carries nearly all requests.
    Each way down thus goes through the start of every shorter one: more cores, memory or connections never give a
    smaller plan.
    """
    yield shape
    while shape.rest_workers > MIN_WORKERS:
        asgi_workers = _asgi_workers(shape.rest_workers - 1)
        if shape.asgi_workers > asgi_workers:
            shape = replace(shape, asgi_workers=shape.asgi_workers - 1)
        else:
            shape = replace(shape, rest_workers=shape.rest_workers - 1)
        yield shape
    for field in ("asgi_workers", "rest_workers"):
        while getattr(shape, field) > 1:
            shape = replace(shape, **{field: getattr(shape, field) - 1})
            yield shape
    while shape.rest_threads > 1 or shape.asgi_threads > 1:
        larger = "rest_threads" if shape.rest_threads > shape.asgi_threads else "asgi_threads"
        shape = replace(shape, **{larger: getattr(shape, larger) - 1})
        yield shape


def _plan(shape: Shape, engines: int, hosts: int) -> dict[str, object]:
    connections = shape.connections(engines)
    return {
        "rest": _pool(shape.rest_workers, shape.rest_threads),
        "asgi": _pool(shape.asgi_workers, shape.asgi_threads),
        "connections_per_host": connections,
        "connections_total": hosts * connections,
    }


def _pool(workers: int, threads: int) -> dict[str, int]:
    """Keep all connections but one open: opening one costs a TLS handshake."""
    return {
        "workers": workers,
        "threads": threads,
        "pool_size": _pool_connections(threads) - MAX_OVERFLOW,
        "max_overflow": MAX_OVERFLOW,
    }


def _pool_connections(threads: int) -> int:
    """Two for each thread, and the overflow for work outside of requests."""
    return 2 * threads + MAX_OVERFLOW


def postgres_tuning(
    memory_mb: object,
    cores: object,
    max_connections: object,
    version: object = 17,
    storage: str = "ssd",
) -> dict[str, str]:
    """Return settings of PostgreSQL for a database of MLflow.

    Memory, in parts of `memory_mb`, which together never exceed it:

    - 1/4 shared_buffers: more would only hold pages twice, here and in the kernel's cache.
    - 1/2 work_mem of all connections at once, at most 64 MB each: searching runs sorts that much.
    - 1/16 maintenance_work_mem, at most 1 GB: one index build at a time.
    - 3/64 autovacuum_work_mem of three workers, at most 256 MB each.
    - the rest for the processes themselves and the kernel.
    """
    memory = _integer("memory_mb", memory_mb, minimum=256)
    core_count = _integer("cores", cores)
    connections = _integer("max_connections", max_connections)
    major = _integer("version", version, minimum=OLDEST_POSTGRES)
    if storage not in STORAGE:
        raise SizingError(f"storage: {storage!r} is not known; use one of {', '.join(STORAGE)}")
    return {
        **_memory_settings(memory, connections),
        **_planner_settings(storage),
        **_write_settings(memory, major),
        **_worker_settings(core_count, storage),
        "max_connections": str(connections),
    }


def _memory_settings(memory: int, connections: int) -> dict[str, str]:
    work_mem = min(WORK_MEM_MB, memory // 2 // connections)
    if work_mem < 1:
        raise SizingError(
            f"max_connections: {connections} would leave less than 1MB of work_mem each with {memory} MB of memory; "
            f"{memory // 2} would fit"
        )
    return {
        "shared_buffers": f"{memory // 4}MB",
        # Only an estimate of what the kernel caches besides; nothing is allocated.
        "effective_cache_size": f"{memory * 3 // 4}MB",
        "work_mem": f"{work_mem}MB",
        "maintenance_work_mem": f"{min(1024, memory // 16)}MB",
        "autovacuum_work_mem": f"{min(256, memory // 64)}MB",
        # Fewer page table entries for shared_buffers; without reserved pages PostgreSQL starts as before.
        "huge_pages": "try",
    }


def _planner_settings(storage: str) -> dict[str, str]:
    ssd = storage == "ssd"
    return {
        # On flash a random page costs as much as a sequential one; the default of 4 avoids indexes.
        "random_page_cost": "1.1" if ssd else "4",
        "effective_io_concurrency": "200" if ssd else "2",
        # MLflow's queries end before compiling them pays.
        "jit": "off",
        # Parallel scans double the CPU of a search while other requests wait for the same cores.
        "max_parallel_workers_per_gather": "0",
    }


def _write_settings(memory: int, major: int) -> dict[str, str]:
    max_wal_size = min(8192, max(1024, memory // 2))
    return {
        # What PostgreSQL would choose itself, 1/32 of shared_buffers up to one WAL segment, but visible.
        "wal_buffers": f"{min(16, max(1, memory // 128))}MB",
        # Checkpoints by time and not by volume: each one makes every page be written whole again.
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "max_wal_size": f"{max_wal_size}MB",
        "min_wal_size": f"{max_wal_size // 4}MB",
        "wal_compression": "lz4" if major >= 15 else "on",
    }


def _worker_settings(cores: int, storage: str) -> dict[str, str]:
    return {
        # Index builds may use half of the cores; they share one maintenance_work_mem.
        "max_parallel_maintenance_workers": str(min(4, cores // 2)),
        "max_worker_processes": str(max(8, cores)),
        "autovacuum_max_workers": str(AUTOVACUUM_WORKERS),
        # latest_metrics is updated at every logged metric: clean in small steps, long before a fifth of it is dead.
        "autovacuum_naptime": "30s",
        "autovacuum_vacuum_scale_factor": "0.02",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.01",
        # The default of 200 is for disks: on flash a vacuum would take ten times as long as it must.
        "autovacuum_vacuum_cost_limit": "2000" if storage == "ssd" else "400",
    }


def _integer(key: str, value: object, minimum: int = 1) -> int:
    """Return a whole number, also from text: facts and extra variables bring both."""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]+", text) or int(text) < minimum:
        raise SizingError(f"{key}: {value!r} is not a whole number of at least {minimum}")
    return int(text)
