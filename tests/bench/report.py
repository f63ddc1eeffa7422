# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes figures as Markdown tables, between markers, so that the text around them stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

PAGE = """# Benchmarks

Figures between the markers are written by `tests/bench/bench.py`; compare them with each other, not with those of
other machines. `cold` is a converge of bare hosts; `warm` the same with Python packages that were downloaded before;
`second` finds nothing to do. Load comes from the measured host itself, so clients, MLflow, PostgreSQL and MinIO share
its cores. `plain` is `mlflow server` with its defaults (four workers, no log-in, no TLS) on the same database and
bucket, so it has the platform's tuned PostgreSQL and, where it says so, its index pack. `one pool` is the platform's
asynchronous pool, with the workers of both, behind the same edge: why MLflow runs in two.

```console
$ make prove                                     # all of it, with the other proofs
$ $(python3 tools/lab.py python) tests/bench/bench.py --lab prove-single --parts converge memory load --write --keep
$ python3 tools/lab.py down prove-single         # what --keep left
```
"""


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def provenance(result: dict[str, Any]) -> str:
    """Return where figures come from."""
    facts = result["machine"]
    return (
        f"`{result['command']}`, {facts['date']}, {facts['cores']} cores of {facts['processor']},"
        f" {facts['memory_gib']} GiB, Linux {facts['kernel']}."
    )


def converge_tables(figures: dict[str, Any]) -> str:
    """Return the times of the three runs, and where the time of the first two went."""
    runs = table(("run", "seconds", "tasks"), ((name, run["seconds"], run["changed"]) for name, run in figures.items()))
    roles = [role for role, seconds in figures["cold"]["roles"].items() if seconds >= 1]
    by_role = table(
        ("role", *figures), ((role, *(run["roles"].get(role, 0) for run in figures.values())) for role in roles)
    )
    tasks = table(
        ("slowest tasks of the cold run", "seconds"),
        (("`" + name + "`", seconds) for name, seconds in figures["cold"]["tasks"]),
    )
    return f"{runs}\n\nSeconds by role:\n\n{by_role}\n\n{tasks}"


def memory_table(figures: dict[str, dict[str, int]]) -> str:
    """Return the memory of every service above 1 MiB, with the sum of each host."""
    rows = [(host, unit, size) for host, units in figures.items() for unit, size in units.items() if size > 1]
    return table(
        ("host", "service", "MiB (PSS)"),
        [*rows, *((host, "**all services**", sum(units.values())) for host, units in figures.items())],
    )


def cells(side: dict[str, float]) -> tuple[object, object]:
    """Return the two cells of one measurement."""
    errors = f" ({side['errors']:.0f} errors)" if side["errors"] else ""
    return f"{side['rps']:.1f}{errors}", f"{side['p50']:.0f} / {side['p95']:.0f}" if side["rps"] else "no answer"


def load_table(figures: dict[str, Any]) -> str:
    """Return requests per second and percentiles of both servers."""
    head = ("call", "index pack", "clients", "platform req/s", "p50 / p95 ms", "plain req/s", "p50 / p95 ms")
    rows = (
        (
            row["call"],
            "yes" if row["index_pack"] else "no",
            row["clients"],
            *cells(row["platform"]),
            *cells(row["plain"]),
        )
        for row in figures["rows"]
    )
    memory = f"Memory after that load; `bench-plain` is plain `mlflow server`:\n\n{memory_table(figures['memory'])}"
    return f"{table(head, rows)}\n\n{memory}"


def pools_table(figures: dict[str, Any]) -> str:
    """Return requests per second and percentiles with two pools and with one."""
    head = ("call", "clients", "two pools req/s", "p50 / p95 ms", "one pool req/s", "p50 / p95 ms")
    return table(
        head,
        ((row["call"], row["clients"], *cells(row["two pools"]), *cells(row["one pool"])) for row in figures["rows"]),
    )


def artifacts_table(figures: dict[str, Any]) -> str:
    """Return the speed of files in both directions."""
    rows = ((name, figures[name]["upload"], figures[name]["download"]) for name in ("platform", "plain"))
    return table((f"{figures['mib']} MiB", "upload MiB/s", "download MiB/s"), rows)


def identity_table(figures: dict[str, Any]) -> str:
    """Return requests per second and percentiles of a user of single sign-on and of MLflow's own servers."""
    names = ("platform", "plain", "basic auth")
    head = (
        "call",
        "clients",
        *(column for name in names for column in (f"{name} req/s", "p50 / p95 ms")),
        "platform / plain",
    )
    return table(
        head,
        (
            (
                row["call"],
                row["clients"],
                *(cell for name in names for cell in cells(row[name])),
                f"{row['platform']['rps'] / row['plain']['rps']:.2f}" if row["plain"]["rps"] else "",
            )
            for row in figures["rows"]
        ),
    )


def watching_table(figures: dict[str, Any]) -> str:
    """Return requests with and without all that watches, and what each watching unit used meanwhile."""
    head = ("call", "clients", "with req/s", "p50 / p95 ms", "without req/s", "p50 / p95 ms")
    rows = [(row["call"], row["clients"], *cells(row["watched"]), *cells(row["unwatched"])) for row in figures["rows"]]
    memory = figures["memory"]
    only = next(iter(memory))
    units = [
        (host or only, unit, percent, memory[host or only].get(unit, ""))
        for host, unit, percent, watches in figures["percent_of_a_core"]
        if watches
    ]
    return f"{table(head, rows)}\n\n{table(('host', 'service', '% of a core under that load', 'MiB (PSS)'), units)}"


SCENARIOS = {"sso": "`inventories/single` with single sign-on"}
TABLES = {
    "converge": ("Converge", converge_tables),
    "memory": ("Memory", memory_table),
    "load": ("Requests", load_table),
    "artifacts": ("Artifacts", artifacts_table),
    "pools": ("Two pools or one", pools_table),
    "watching": ("With and without metrics and audit", watching_table),
    "identity": (
        "An ordinary user of single sign-on, MLflow without log-in, MLflow's basic auth as shipped",
        identity_table,
    ),
}


def write_report(path: Path, results: dict[str, dict[str, Any]]) -> None:
    """Put every figure into the page; what is not between markers stays."""
    text = path.read_text() if path.exists() else PAGE
    for scenario, parts in results.items():
        place = SCENARIOS.get(scenario, f"`inventories/{scenario}`")
        for part, (title, render) in TABLES.items():
            if part not in parts:
                continue
            begin, end = f"<!-- BEGIN {part} {scenario} -->", f"<!-- END {part} {scenario} -->"
            block = f"{begin}\n{provenance(parts[part])}\n\n{render(parts[part]['figures'])}\n{end}"
            if begin in text:
                before, _begin, rest = text.partition(begin)
                text = before + block + rest.partition(end)[2]
            else:
                text = f"{text.rstrip()}\n\n## {title}, {place}\n\n{block}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
