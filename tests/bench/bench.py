# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform costs and gives, measured on a lab: converge times, memory, requests per second, files.

Every part adds its figures to tests/output/bench-<scenario>.json and, with --write, all of them go into
docs/benchmarks.md. `converge` makes a lab of its own, which the other parts then use; without it they use --lab.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "prove"))

from report import write_report
from serving import PLAIN, Bench, measure_identity, measure_load, measure_pools, measure_watching
from shared import (
    DOMAIN,
    ROOT,
    Lab,
    Stages,
    address,
    containers,
    create,
    destroy,
    fresh_hosts,
    lab,
    playbook,
    prepare,
    read_secrets,
    resolve,
)
from sign_on import Platform

OUTPUT = ROOT / "tests" / "output"
PARTS = ("converge", "memory", "load", "artifacts", "pools", "watching", "identity")


@dataclass
class ColdLab(Lab):
    """A lab whose hosts find no Python package that an earlier lab has downloaded."""

    cache: str = ""

    def facts(self) -> dict[str, object]:
        """Return the facts of the lab with a cache of its own."""
        facts = super().facts()
        volumes: Any = facts["volumes"]
        return {
            **facts,
            "volumes": [volume for volume in volumes if "/root/.cache/pip" not in volume]
            + [f"{self.cache}:/root/.cache/pip:rw"],
        }


def measure_converge(the_lab: Lab) -> dict[str, Any]:
    """Converge bare hosts twice and once more; the first finds no downloaded package, the last nothing to do."""
    os.environ["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.posix.profile_tasks"
    os.environ["PROFILE_TASKS_TASK_OUTPUT_LIMIT"] = "all"
    playbook(the_lab, "playbooks/secrets.yml", quiet=True)
    figures: dict[str, Any] = {}
    for name in ("cold", "warm", "second"):
        if name == "warm":
            fresh_hosts(the_lab)
        log = the_lab.logs / f"bench-{name}.log"
        begin = time.monotonic()
        changed = playbook(the_lab, "site.yml", log=log, quiet=True)
        figures[name] = {"seconds": round(time.monotonic() - begin), "changed": changed, **slowest(log.read_text())}
    return figures


def slowest(log: str) -> dict[str, Any]:
    """Return where the time of a run went, by role and by task."""
    tasks = [(name, float(seconds)) for name, seconds in re.findall(r"^(\S.*?) -+ ([\d.]+)s$", log, re.MULTILINE)]
    roles: dict[str, float] = {}
    for name, seconds in tasks:
        role = name.split(" : ")[0].removeprefix("mlops.tracking.") if " : " in name else "playbooks"
        roles[role] = round(roles.get(role, 0) + seconds, 1)
    return {
        "roles": dict(sorted(roles.items(), key=lambda item: -item[1])),
        "tasks": sorted(tasks, key=lambda item: -item[1])[:8],
    }


def measure_memory(the_lab: Lab) -> dict[str, dict[str, int]]:
    """Return the memory of each service of each host: proportional set size in MiB, all its processes together."""
    ids = {
        host: subprocess.check_output(
            ["docker", "inspect", "--format", "{{.Id}}", the_lab.container(host)], text=True
        ).strip()
        for host in the_lab.hosts
    }
    kilobytes: dict[str, dict[str, int]] = {host: {} for host in ids}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            group = (process / "cgroup").read_text()
            found = next((host for host, container in ids.items() if container in group), None)
            unit = re.search(r"/([^/\n]+)\.service", group)
            if found and unit:
                share = int(
                    (re.search(r"^Pss: +(\d+)", (process / "smaps_rollup").read_text(), re.MULTILINE) or [0, 0])[1]
                )
                kilobytes[found][unit[1]] = kilobytes[found].get(unit[1], 0) + share
        except OSError:
            continue
    return {
        host: {unit: round(size / 1024) for unit, size in sorted(units.items(), key=lambda item: -item[1])}
        for host, units in kilobytes.items()
    }


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": processor[1] if processor else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else None,
        "kernel": platform.release(),
    }


def single_host(the_lab: Lab, seconds: int) -> Bench:
    """Return the lab's only host for measurements."""
    if len(the_lab.hosts) != 1 or not containers(the_lab, "mlflow-rest.service"):
        raise SystemExit(f"load and artifacts need a running lab of one host, which {the_lab.name} is not.")
    return Bench(the_lab.container(the_lab.hosts[0]), read_secrets(the_lab)["platform_mlflow_admin_password"], seconds)


def whole_platform(the_lab: Lab, seconds: int) -> Bench:
    """Return all hosts of the lab, of which one is the edge and one has MLflow's database."""
    if len(the_lab.hosts) == 1:
        return single_host(the_lab, seconds)
    edge = containers(the_lab, "nginx.service")[0]
    bench = Bench(edge, read_secrets(the_lab)["platform_mlflow_admin_password"], seconds)
    hosts = {host: the_lab.container(host) for host in the_lab.hosts}
    bench = replace(bench, database=containers(the_lab, "postgresql@*-main.service")[0], hosts=hosts)
    return signed_on(bench, the_lab) if containers(the_lab, "keycloak.service") else bench


def signed_on(bench: Bench, the_lab: Lab) -> Bench:
    """Return the same host, asked by an ordinary user of single sign-on."""
    resolve(DOMAIN, address(bench.container))
    realm = Platform(the_lab)
    realm.person("bench", "data-scientists")
    return replace(bench, token=realm.token_of("bench"))


def measure(the_lab: Lab, part: str, options: argparse.Namespace) -> Any:
    """Measure one part."""
    if part == "converge":
        return measure_converge(the_lab)
    if part == "memory":
        return measure_memory(the_lab)
    if part == "watching":
        bench = whole_platform(the_lab, options.seconds)
        figures = measure_watching(bench, options.rounds, print)
        return {"seconds": options.seconds, "rounds": options.rounds, **figures, "memory": measure_memory(the_lab)}
    bench = single_host(the_lab, options.seconds)
    if part == "identity":
        return {"seconds": options.seconds, "rows": measure_identity(signed_on(bench, the_lab), options.runs[0], print)}
    if part == "pools":
        return {"seconds": options.seconds, "rows": measure_pools(bench, options.runs[0], print)}
    with bench.plain():
        if part == "load":
            rows = measure_load(bench, options.runs, print)
            return {"seconds": options.seconds, "rows": rows, "memory": measure_memory(the_lab)}
        return {
            "mib": options.mib,
            "platform": bench.file(f"https://{DOMAIN}", options.mib),
            "plain": bench.file(PLAIN, options.mib),
        }


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[], help="what to measure, always in this order")
    parser.add_argument(
        "--lab", default="prove-single", help="the lab to measure; with `converge` one that does not exist yet"
    )
    parser.add_argument("--seconds", type=int, default=10, help="length of each measurement of requests")
    parser.add_argument(
        "--runs", type=int, nargs="+", default=[15_000, 200_000], help="sizes of the experiments that are searched"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often `watching` is switched off and on")
    parser.add_argument("--mib", type=int, default=1024, help="size of the file")
    parser.add_argument("--write", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument("--keep", action="store_true", help="leave the lab that `converge` made")
    options = parser.parse_args()
    the_lab = lab(options.lab)
    scenario = "prod" if len(the_lab.hosts) > 1 else "sso" if the_lab.sign_on else "single"
    path = OUTPUT / f"bench-{scenario}.json"
    OUTPUT.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    own = "converge" in options.parts
    with tempfile.TemporaryDirectory() if own else nullcontext("") as cache:
        if own:
            the_lab = ColdLab(**vars(the_lab), cache=str(cache))
            prepare(Stages(), [the_lab.release])
            destroy(the_lab)
            create(the_lab)
        try:
            for part in sorted(options.parts, key=PARTS.index):
                figures = measure(the_lab, part, options)
                results[part] = {
                    "figures": figures,
                    "machine": machine(),
                    "command": " ".join(["python3", "tests/bench/bench.py", *sys.argv[1:]]),
                }
                path.write_text(json.dumps(results, indent=1) + "\n")
                print(f"{part}: {json.dumps(figures)[:2000]}", flush=True)
        finally:
            if own and not options.keep:
                destroy(the_lab)
    if options.write:
        write_report(
            ROOT / "docs" / "benchmarks.md",
            {
                name: json.loads(file.read_text())
                for name in ("single", "prod", "sso")
                if (file := OUTPUT / f"bench-{name}.json").exists()
            },
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
