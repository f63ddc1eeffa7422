# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests per second and files, through the platform's edge and beside it plain `mlflow server`, on one lab host."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from shared import DOMAIN, inside

CA = "/etc/mlops-tracking/tls/ca.crt"
PLAIN_PORT = 5999
PLAIN = f"http://127.0.0.1:{PLAIN_PORT}"
SHIPPED_PORT = 5998
SHIPPED = f"http://127.0.0.1:{SHIPPED_PORT}"
SHIPPED_ADMIN = ("admin", "only-for-this-measurement")
API = "/api/2.0/mlflow"
CLIENTS = (1, 16, 64)
WRITTEN_RUNS = 64
# Processor time that all processes of a host have used, in hundredths of a second, and what an idle one uses a second.
TICKS = "cat /proc/[0-9]*/stat 2>/dev/null | awk '{used += $14 + $15} END {print used}'"
IDLE_TICKS = 25
# What watches: everything that could be stopped while users go on.
WATCHING = re.compile(r"(prometheus.*|mtail|mlops-metrics-gateway|mlops-audit-shipper|postgresql@.+-audit)[.]service")
# Processor time of each unit's processes, and of those of them that have ended, in hundredths of a second.
UNIT_TICKS = """
import collections, glob, json, re
used = collections.Counter()
for path in glob.glob("/proc/[0-9]*"):
    try:
        with open(path + "/cgroup") as group, open(path + "/stat") as stat:
            unit = re.findall(r"/([^/\\n]+[.]service)", group.read())
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        continue
    if unit:
        used[unit[-1]] += sum(map(int, fields[11:15]))
print(json.dumps(used))
"""
# As the columns of MLflow's tables are named; every run has 5 parameters, 5 metrics and 4 tags.
SEED = """
CREATE TEMP TABLE seeded AS SELECT md5('{name}-' || n) AS run_uuid, n FROM generate_series(1, {runs}) n;
INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace)
  VALUES ('{name}', 'mlflow-artifacts:/{name}', 'active', 1700000000000, 1700000000000, 'default')
  ON CONFLICT DO NOTHING;
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                  source_version, lifecycle_stage, artifact_uri, experiment_id)
  SELECT run_uuid, 'run-' || n, 'LOCAL', 'train.py', '', 'user' || n % 50, 'FINISHED', 1700000000000 + n * 1000::bigint,
         1700000060000 + n * 1000::bigint, '', 'active', 'mlflow-artifacts:/{name}/' || run_uuid || '/artifacts',
         experiment_id
  FROM seeded, experiments WHERE experiments.name = '{name}';
INSERT INTO params (key, value, run_uuid)
  SELECT 'param' || k, n * k % 100, run_uuid FROM seeded, generate_series(1, 5) k;
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
  SELECT 'metric' || k, random(), 1700000000000, run_uuid, 0, false FROM seeded, generate_series(1, 5) k;
INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan)
  SELECT key, value, timestamp, run_uuid, step, is_nan FROM metrics JOIN seeded USING (run_uuid);
INSERT INTO tags (key, value, run_uuid)
  SELECT key, value, run_uuid FROM seeded, LATERAL (VALUES
    ('mlflow.runName', 'run-' || n), ('mlflow.user', 'user' || n % 50),
    ('mlflow.source.name', 'train.py'), ('team', 'team' || n % 10)) AS tag (key, value);
ANALYZE;
"""
# What creates the index pack again as it was; read before it is dropped.
PACK = """
SELECT pg_get_indexdef(indexrelid) || ';' FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
  WHERE relname LIKE 'ops\\_%';
SELECT pg_get_statisticsobjdef(oid) || '; ALTER STATISTICS ' || stxname || ' SET STATISTICS ' || stxstattarget || ';'
  FROM pg_statistic_ext WHERE stxname LIKE 'ops\\_%';
"""
DROP_PACK = """
SELECT format('DROP INDEX %I;', relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'ops\\_%';
SELECT format('DROP STATISTICS %I;', stxname) FROM pg_statistic_ext WHERE stxname LIKE 'ops\\_%';
"""
LUA = """
local authorization, method, path, kind = %(authorization)s, %(method)s, %(path)s, %(kind)s
local runs = {%(runs)s}
local threads, n = 0, 0
function setup(thread) threads = threads + 1; thread:set("id", threads) end
function init()
  math.randomseed(os.time() + id)
  wrk.headers["Content-Type"] = "application/json"
  if authorization ~= "" then wrk.headers["Authorization"] = authorization end
end
local function metric(key)
  return string.format('{"key":"%%s","value":%%.6f,"timestamp":%%d,"step":%%d}', key, math.random(), os.time() * 1000,
    id * 10000000 + n)
end
function request()
  n = n + 1
  local body = %(body)s
  if kind == "log-metric" then
    body = '{"run_id":"' .. runs[math.random(#runs)] .. '",' .. metric("loss"):sub(2)
  elseif kind == "log-batch" then
    local metrics = {}
    for i = 1, 100 do metrics[i] = metric("m" .. i) end
    body = '{"run_id":"' .. runs[math.random(#runs)] .. '","metrics":[' .. table.concat(metrics, ",") .. ']}'
  end
  return wrk.format(method, path, nil, body)
end
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format('{"rps":%%.1f,"p50":%%.1f,"p95":%%.1f,"errors":%%d}', summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, e.connect + e.read + e.write + e.timeout + e.status))
end
"""


def basic(user: str, password: str) -> str:
    """Return the header of a user with a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass
class Bench:
    """A lab's edge and database, on one host or two, and how it is asked."""

    container: str
    password: str
    seconds: int = 10
    # Of an ordinary user of single sign-on, who takes the administrator's place.
    token: str = ""
    database: str = ""
    # Containers by the names of their hosts, where there is more than one.
    hosts: Mapping[str, str] = field(default_factory=dict)

    @property
    def containers(self) -> Mapping[str, str]:
        """Return the containers of all hosts by name."""
        return self.hosts or {"": self.container}

    @property
    def authorization(self) -> str:
        """Return the header of the platform's administrator, or of the user of single sign-on."""
        return f"Bearer {self.token}" if self.token else basic("admin", self.password)

    def authorization_at(self, base: str) -> str:
        """Return the header for one of the servers."""
        return {PLAIN: "", SHIPPED: basic(*SHIPPED_ADMIN)}.get(base, self.authorization)

    def sql(self, statements: str) -> list[str]:
        """Run SQL as the superuser and return the lines of the answer."""
        return inside(
            self.database or self.container,
            "psql",
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "mlflow",
            data=statements,
            user="postgres",
        ).splitlines()

    def seed(self, name: str, runs: int) -> str:
        """Make an experiment with so many runs, once; returns its id."""
        query = f"SELECT experiment_id FROM experiments WHERE name = '{name}'"
        if not self.sql(f"SELECT 1 FROM runs WHERE experiment_id IN ({query}) LIMIT 1"):
            if self.token:
                # Who makes an experiment may write to it.
                self.ask("experiments/create", {"name": name, "artifact_location": f"mlflow-artifacts:/{name}"})
            self.sql(SEED.format(name=name, runs=runs))
        return self.sql(query)[0]

    def ask(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call MLflow through the edge and return what it answers."""
        settings = f'header = "Authorization: {self.authorization}"\nheader = "Content-Type: application/json"\n'
        url = f"https://{DOMAIN}/api/2.0/mlflow/{call}"
        command = ["curl", "-sSf", "-K", "-", "--cacert", CA, "-d", json.dumps(body), url]
        answer: dict[str, Any] = json.loads(inside(self.container, *command, data=settings))
        return answer

    def load(
        self,
        base: str,
        kind: str,
        clients: int,
        method: str = "POST",
        path: str = "",
        body: dict[str, Any] | None = None,
    ) -> dict[str, float]:
        """Ask for some seconds with so many clients; returns requests per second and percentiles in milliseconds."""
        values = {
            "authorization": json.dumps(self.authorization_at(base)),
            "method": json.dumps(method), "path": json.dumps(path), "kind": json.dumps(kind),
            "runs": ",".join(json.dumps(run) for run in self.written),
            "body": f"[==[{json.dumps(body)}]==]" if body else "nil",
        }  # fmt: skip
        inside(self.container, "sh", "-c", "umask 077; cat > /run/bench.lua", data=LUA % values)
        options = [
            "-t",
            str(min(2, clients)),
            "-c",
            str(clients),
            "-d",
            f"{self.seconds}s",
            "--timeout",
            "60s",
            "-s",
            "/run/bench.lua",
        ]
        answer: dict[str, float] = json.loads(inside(self.container, "wrk", *options, base).splitlines()[-1])
        return answer

    def settle(self) -> None:
        """Wait until what was asked before is answered: servers finish even what nobody waits for any more."""
        used = 0
        for _attempt in range(120):
            before = used
            used = sum(int(inside(container, "sh", "-c", TICKS)) for container in self.containers.values())
            if used - before < IDLE_TICKS * len(self.containers):
                return
            time.sleep(1)

    @property
    def written(self) -> list[str]:
        """Return the runs that take new metrics."""
        experiment = self.seed("bench-write", WRITTEN_RUNS)
        return self.sql(f"SELECT run_uuid FROM runs WHERE experiment_id = {experiment}")

    @contextmanager
    def plain(self) -> Iterator[None]:
        """Run `mlflow server` with its defaults on the same database and bucket."""
        with self.server("bench-plain", PLAIN, PLAIN_PORT):
            yield

    @contextmanager
    def shipped(self) -> Iterator[None]:
        """Run `mlflow server` with the basic auth that it comes with, on the same database and bucket."""
        more = (
            " --setenv=MLFLOW_FLASK_SERVER_SECRET_KEY=only-for-this-measurement"
            f" --setenv=MLFLOW_AUTH_ADMIN_USERNAME={SHIPPED_ADMIN[0]}"
            f" --setenv=MLFLOW_AUTH_ADMIN_PASSWORD={SHIPPED_ADMIN[1]}"
        )
        with self.server("bench-shipped", SHIPPED, SHIPPED_PORT, more, " --app-name basic-auth"):
            yield

    @contextmanager
    def server(self, unit: str, base: str, port: int, settings: str = "", options: str = "") -> Iterator[None]:
        """Run one more `mlflow server` in a folder of its own, where basic auth keeps its users."""
        script = (
            "umask 077; grep -E '^(AWS_|MLFLOW_S3_|MLFLOW_BOTO_)' /etc/mlflow/mlflow.env > /run/bench.env;"
            " sed -n 's/^_MLFLOW_SERVER_FILE_STORE=/MLFLOW_BACKEND_STORE_URI=/p' /etc/mlflow/mlflow.env"
            " >> /run/bench.env;"
            f" install -d -o mlflow /var/tmp/{unit};"
            f" systemd-run --quiet --collect --unit={unit} --uid=mlflow --property=EnvironmentFile=/run/bench.env"
            f" --setenv=HOME=/var/lib/mlflow{settings}"
            f" --working-directory=/var/tmp/{unit} /opt/mlflow/current/bin/mlflow server --host 127.0.0.1"
            f" --port {port} --artifacts-destination s3://mlflow{options}"
        )
        try:
            inside(self.container, "sh", "-c", script)
            for _attempt in range(120):
                if inside(self.container, "curl", "-sS", f"{base}/health", check=False) == "OK":
                    break
                time.sleep(1)
            else:
                raise SystemExit(f"mlflow server did not start; see journalctl -u {unit}")
            yield
        finally:
            inside(self.container, "systemctl", "stop", unit, check=False)
            inside(self.container, "rm", "-rf", "/run/bench.env", "/run/bench.lua", f"/var/tmp/{unit}")

    @contextmanager
    def without_pack(self) -> Iterator[None]:
        """Take the index pack away meanwhile."""
        pack = self.sql(PACK)
        self.sql("\n".join(self.sql(DROP_PACK)) + "\nANALYZE;")
        try:
            yield
        finally:
            self.sql("SET ROLE mlflow_owner;\n" + "\n".join(pack) + "\nANALYZE;")

    @contextmanager
    def one_pool(self) -> Iterator[None]:
        """Let the asynchronous pool, grown by the workers of the thread pool, answer everything."""
        count = "pgrep --parent $(systemctl show --property=MainPID --value mlflow-rest.service) | wc -l"
        workers = int(inside(self.container, "sh", "-c", count))
        conf, kept = "/etc/nginx/nginx.conf", "/run/bench-nginx.conf"

        def resize(signal: str) -> None:
            for _worker in range(workers):
                inside(
                    self.container, "systemctl", "kill", "--kill-whom=main", f"--signal={signal}", "mlflow-asgi.service"
                )
            time.sleep(20)

        resize("TTIN")
        try:
            script = f"cp -p {conf} {kept}; sed -i 's#://mlflow_rest;#://mlflow_asgi;#' {conf}; systemctl reload nginx"
            inside(self.container, "sh", "-ec", script)
            yield
        finally:
            inside(self.container, "sh", "-ec", f"mv {kept} {conf}; systemctl reload nginx")
            resize("TTOU")

    def units(self) -> dict[str, list[str]]:
        """Return the running units that watch, by host."""
        command = ("systemctl", "list-units", "--plain", "--no-legend", "--state=running")
        lines = {host: inside(container, *command).splitlines() for host, container in self.containers.items()}
        return {
            host: [name for line in said if WATCHING.fullmatch(name := line.split()[0])] for host, said in lines.items()
        }

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Let nobody measure or store what happens meanwhile."""
        units = {self.containers[host]: names for host, names in self.units().items() if names}
        for container, names in units.items():
            inside(container, "systemctl", "stop", *names)
        try:
            yield
        finally:
            for container, names in units.items():
                inside(container, "systemctl", "start", *names)

    def ticks(self) -> dict[tuple[str, str], int]:
        """Return the processor time that each unit of each host has used, in hundredths of a second."""
        return {
            (host, unit): used
            for host, container in self.containers.items()
            for unit, used in json.loads(inside(container, "python3", "-c", UNIT_TICKS)).items()
        }

    @contextmanager
    def uploads(self, clients: int, megabytes: int) -> Iterator[None]:
        """Let some clients upload files meanwhile, one after the other."""
        path = f"/var/tmp/bench-{megabytes}.bin"
        inside(self.container, "sh", "-c", f"head -c {megabytes}M /dev/urandom > {path}")
        stop = threading.Event()
        experiment, run = self.seed("bench-write", WRITTEN_RUNS), self.written[0]

        def upload(number: int) -> None:
            url = f"https://{DOMAIN}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/{number}.bin"
            settings = f'header = "Authorization: {self.authorization}"\n'
            while not stop.is_set():
                inside(
                    self.container, "curl", "-sSf", "-K", "-", "--cacert", CA, "-T", path, "-o", "/dev/null", url,
                    data=settings,
                )  # fmt: skip

        threads = [threading.Thread(target=upload, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def file(self, base: str, megabytes: int) -> dict[str, float]:
        """Send a file to the artifact store and get it back; returns MiB per second."""
        experiment = self.seed("bench-write", WRITTEN_RUNS)
        name = "plain.bin" if base == PLAIN else "edge.bin"
        url = f"{base}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{self.written[0]}/artifacts/{name}"
        inside(
            self.container,
            "sh",
            "-c",
            f"test -s /var/tmp/bench.bin || head -c {megabytes}M /dev/urandom > /var/tmp/bench.bin",
        )
        settings = f'header = "Authorization: {self.authorization}"\n' if base != PLAIN else ""
        speeds = {}
        for direction, options in {
            "upload": ["-T", "/var/tmp/bench.bin", "-o", "/dev/null"],
            "download": ["-o", "/dev/null"],
        }.items():
            command = [
                "curl",
                "-sSf",
                "-K",
                "-",
                "--cacert",
                CA,
                "--max-time",
                "900",
                "-w",
                "%{time_total}",
                *options,
                url,
            ]
            speeds[direction] = round(megabytes / float(inside(self.container, *command, data=settings)), 1)
        return speeds


def install_wrk(bench: Bench) -> None:
    """Install the program that asks."""
    script = "command -v wrk || { apt-get update -qq && apt-get install -y -qq --no-install-recommends wrk; }"
    inside(bench.container, "sh", "-c", script)


def search_body(bench: Bench, size: int) -> dict[str, Any]:
    """Return what a client sends that wants the newest hundred of so many runs."""
    return {
        "experiment_ids": [bench.seed(f"bench-{size}", size)],
        "max_results": 100,
        "order_by": ["attributes.start_time DESC"],
    }


def measure_load(bench: Bench, sizes: list[int], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Ask everything of both servers; returns one row for each call, number of clients and state of the index pack."""
    install_wrk(bench)
    experiment = bench.seed("bench-write", WRITTEN_RUNS)
    calls: list[tuple[str, bool, dict[str, Any]]] = [
        ("get-experiment", True, {"method": "GET", "path": f"{API}/experiments/get?experiment_id={experiment}"}),
        ("log-metric", True, {"path": f"{API}/runs/log-metric"}),
        ("log-batch", True, {"path": f"{API}/runs/log-batch"}),
    ]
    rows: list[dict[str, Any]] = []

    def ask(kind: str, pack: bool, arguments: dict[str, Any], label: str = "") -> None:
        for clients in CLIENTS:
            row: dict[str, Any] = {"call": label or kind, "clients": clients, "index_pack": pack}
            for name, base in {"platform": f"https://{DOMAIN}", "plain": PLAIN}.items():
                bench.settle()
                row[name] = bench.load(base, kind, clients, **arguments)
            rows.append(row)
            say(json.dumps(row))

    for kind, pack, arguments in calls:
        ask(kind, pack, arguments)
    for size in sizes:
        search = {"path": f"{API}/runs/search", "body": search_body(bench, size)}
        ask("search-runs", True, search, f"search-runs, {size:,} runs")
        with bench.without_pack():
            ask("search-runs", False, search, f"search-runs, {size:,} runs")
    return rows


def short_calls(bench: Bench) -> dict[str, dict[str, Any]]:
    """Return how a read and a write of one thing are asked for."""
    experiment = bench.seed("bench-write", WRITTEN_RUNS)
    return {
        "get-experiment": {"method": "GET", "path": f"{API}/experiments/get?experiment_id={experiment}"},
        "log-metric": {"path": f"{API}/runs/log-metric"},
    }


def long_calls(bench: Bench, size: int) -> dict[str, dict[str, Any]]:
    """Return how a hundred metrics are written and an experiment of so many runs is searched."""
    return {
        "log-batch": {"path": f"{API}/runs/log-batch"},
        f"search-runs, {size:,} runs": {"path": f"{API}/runs/search", "body": search_body(bench, size)},
    }


def measure_identity(bench: Bench, size: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Ask as an ordinary user of single sign-on, and beside it both servers that MLflow comes with."""
    install_wrk(bench)
    calls = {**short_calls(bench), **long_calls(bench, size)}
    sides: dict[str, tuple[str, Any]] = {
        "platform": (f"https://{DOMAIN}", nullcontext),
        "plain": (PLAIN, bench.plain),
        "basic auth": (SHIPPED, bench.shipped),
    }
    figures: dict[str, dict[str, Any]] = {call: {} for call in calls}
    # One server at a time, so that none takes memory or processor time from another.
    for name, (base, running) in sides.items():
        with running():
            for call, arguments in calls.items():
                bench.settle()
                figures[call][name] = bench.load(base, call, CLIENTS[1], **arguments)
                say(f"{call}, {name}: {json.dumps(figures[call][name])}")
    return [{"call": call, "clients": CLIENTS[1], **found} for call, found in figures.items()]


def measure_pools(bench: Bench, size: int, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Ask the platform with its two pools and with one asynchronous pool of as many workers, and during uploads."""
    install_wrk(bench)
    calls = {**short_calls(bench), **long_calls(bench, size)}
    figures: dict[str, dict[str, Any]] = {}
    for name, arrangement in {"two pools": nullcontext, "one pool": bench.one_pool}.items():
        with arrangement():
            for call, arguments in calls.items():
                bench.settle()
                figures.setdefault(call, {})[name] = bench.load(f"https://{DOMAIN}", call, CLIENTS[1], **arguments)
            label = "log-metric, while 6 clients upload 64 MiB files"
            with bench.uploads(6, 64):
                figures.setdefault(label, {})[name] = bench.load(
                    f"https://{DOMAIN}", "log-metric", CLIENTS[1], **calls["log-metric"]
                )
            bench.settle()
    rows = [{"call": call, "clients": CLIENTS[1], **sides} for call, sides in figures.items()]
    for row in rows:
        say(json.dumps(row))
    return rows


def measure_watching(bench: Bench, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Ask the platform with everything that watches it and without, in turns; also what each unit uses meanwhile."""
    install_wrk(bench)
    calls = short_calls(bench)
    found: dict[str, dict[str, list[dict[str, float]]]] = {call: {"watched": [], "unwatched": []} for call in calls}
    used: Counter[tuple[str, str]] = Counter()
    watched_seconds = 0.0
    for _round in range(rounds):
        for name, arrangement in {"watched": nullcontext, "unwatched": bench.unwatched}.items():
            with arrangement():
                for call, arguments in calls.items():
                    bench.settle()
                    before, begin = bench.ticks(), time.monotonic()
                    found[call][name].append(bench.load(f"https://{DOMAIN}", call, CLIENTS[1], **arguments))
                    say(f"{call}, {name}: {json.dumps(found[call][name][-1])}")
                    if name == "watched":
                        watched_seconds += time.monotonic() - begin
                        after = bench.ticks()
                        used.update({unit: ticks - before.get(unit, 0) for unit, ticks in after.items()})
    rows = [
        {"call": call, "clients": CLIENTS[1], **{name: middle(answers) for name, answers in sides.items()}}
        for call, sides in found.items()
    ]
    units = bench.units()
    percent = [
        (host, unit.removesuffix(".service"), round(ticks / watched_seconds, 1), unit in units[host])
        for (host, unit), ticks in used.most_common()
        if ticks > 0
    ]
    return {"rows": rows, "percent_of_a_core": percent}


def middle(answers: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure."""
    return {name: median(answer[name] for answer in answers) for name in answers[0]}
