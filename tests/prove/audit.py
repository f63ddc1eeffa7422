# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request is one row, whatever happens to the shipper, the log and the audit database meanwhile.

Clients send requests through the edge, each on a connection of its own: allowed, refused, without a name, with a wrong
password, and for pages that never reach MLflow. Meanwhile the shipper gets SIGKILL, the logs are rotated and the audit
database is stopped. In the end each answer's request number must be a row, once, with the right user, operation, run
and experiment, in the order of its connection, and the chain must hold.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import requests
from shared import (
    DOMAIN,
    Lab,
    address,
    authority,
    containers,
    finish,
    inside,
    lab,
    new_client,
    playbook_command,
    read_secrets,
    resolve,
    tool_environment,
)

SHIPPER = "mlops-audit-shipper.service"
API = f"https://{DOMAIN}/api/2.0/mlflow"
CLIENTS = 8
AWAY_SECONDS = 8.0
COLUMNS = ("user_name", "auth", "outcome", "operation", "run_id", "experiment_id")


@dataclass(frozen=True)
class Kind:
    """A request, and what the row of it must say, in the order of COLUMNS; None is not looked at."""

    method: str
    url: str
    expected: tuple[str | None, ...]
    user: tuple[str, str] | None = None
    body: dict[str, object] | None = None


@dataclass
class Sent:
    """What is known of one answer."""

    number: str
    kind: Kind
    connection: int


@dataclass
class Load:
    """Clients that share a number of requests."""

    kinds: list[Kind]
    certificate: str
    most: int
    sent: list[Sent] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    started: int = 0

    def take(self) -> int | None:
        """Return the number of the next request, or None after the last one."""
        with self.lock:
            if self.started >= self.most:
                return None
            self.started += 1
            return self.started

    def client(self, connection: int) -> None:
        """Send requests until there are enough."""
        session = new_client(self.certificate)
        while (turn := self.take()) is not None:
            kind = self.kinds[turn % len(self.kinds)]
            try:
                answer = session.request(kind.method, kind.url, auth=kind.user, json=kind.body, timeout=60)
            except requests.RequestException as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:200])
                continue
            with self.lock:
                self.sent.append(Sent(answer.headers["X-Request-Id"], kind, connection))


def call(certificate: str, user: tuple[str, str], method: str, path: str, **arguments: object) -> dict[str, object]:
    """Call MLflow and return what it answers."""
    answer = new_client(certificate).request(method, f"{API}/{path}", auth=user, timeout=60, **arguments)  # type: ignore[arg-type]
    answer.raise_for_status()
    found: dict[str, object] = answer.json()
    return found


def kinds(certificate: str, password: str) -> list[Kind]:
    """Make an experiment and a run, and return the kinds of requests."""
    admin = ("admin", password)
    experiment = str(
        call(certificate, admin, "POST", "experiments/create", json={"name": f"audit {time.time()}"})["experiment_id"]
    )
    run = call(certificate, admin, "POST", "runs/create", json={"experiment_id": experiment})["run"]
    run_id = str(run["info"]["run_id"])  # type: ignore[index]
    metric = {"run_id": run_id, "key": "loss", "value": 1.0, "step": 0, "timestamp": int(time.time() * 1000)}
    allowed, search = ("admin", "basic", "allowed"), f"{API}/experiments/search?max_results=1"
    get, searched = f"{API}/experiments/get?experiment_id={experiment}", ("refused", "search_experiments", None, None)
    return [
        Kind("POST", f"{API}/runs/log-metric", (*allowed, "log_metric", run_id, None), admin, metric),
        Kind("GET", get, (*allowed, "get_experiment", None, experiment), admin),
        Kind("GET", f"{API}/runs/get?run_id={run_id}", (*allowed, "get_run", run_id, None), admin),
        Kind("GET", search, ("", "none", *searched)),
        Kind("GET", search, ("admin", "claimed", *searched), ("admin", "wrong")),
        Kind("GET", f"https://{DOMAIN}/metrics", ("", "none", "refused", "metrics", None, None)),
        Kind("GET", f"https://{DOMAIN}/static-files/favicon.ico", ("", None, None, "serve_static_file", None, None)),
    ]  # fmt: skip


@dataclass
class Trouble(threading.Thread):
    """Spreads the kills, rotations and stops evenly over the requests."""

    load: Load
    edge: str
    database: str
    unit: str
    plan: Counter[str]
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        """Threads are known by what they are."""
        return id(self)

    def run(self) -> None:
        """Do everything that is planned; what is left when the requests are over comes then."""
        due = sorted(((turn + 0.5) / number, what) for what, number in self.plan.items() for turn in range(number))
        for share, what in due:
            while len(self.load.sent) < share * self.load.most and self.load.started < self.load.most:
                time.sleep(0.1)
            getattr(self, what)()
            self.done[what] += 1

    def kills(self) -> None:
        """End the shipper without a warning, when it runs."""
        for _attempt in range(100):
            if inside(self.edge, "systemctl", "is-active", SHIPPER, check=False).strip() == "active":
                break
            time.sleep(0.1)
        inside(self.edge, "systemctl", "kill", "--signal=KILL", SHIPPER)

    def rotations(self) -> None:
        """Rotate the logs of nginx as Debian does."""
        inside(self.edge, "logrotate", "--force", "/etc/logrotate.d/nginx")

    def stops(self) -> None:
        """Take the audit database away for some time."""
        inside(self.database, "systemctl", "stop", self.unit)
        time.sleep(AWAY_SECONDS)
        inside(self.database, "systemctl", "start", self.unit)


def rows_since(database: str, first: int) -> list[dict[str, str]]:
    """Return the rows of requests after one, in their order."""
    columns = f"seq, source, request_id, connection, connection_requests, {', '.join(COLUMNS)}"
    chosen = f"SELECT {columns} FROM audit.event WHERE kind = 'request' AND seq > {first} ORDER BY seq"
    statement = f"COPY ({chosen}) TO STDOUT CSV HEADER"
    text = inside(database, "psql", "-p", "5433", "-d", "audit", "-qAt", "-c", statement, user="postgres")
    return list(csv.DictReader(io.StringIO(text)))


def newest(database: str) -> int:
    """Return the number of the newest row."""
    head = inside(
        database, "psql", "-p", "5433", "-d", "audit", "-qAt", "-c", "SELECT seq FROM audit.head", user="postgres"
    )
    return int(head)


def out_of_order(rows: list[dict[str, str]]) -> int:
    """Return how many rows come before an earlier request of their connection."""
    last: dict[tuple[str, str], int] = {}
    found = 0
    for row in rows:
        key, turn = (row["source"], row["connection"]), int(row["connection_requests"])
        found += turn <= last.get(key, 0)
        last[key] = max(turn, last.get(key, 0))
    return found


def wrong(sent: list[Sent], rows: dict[str, dict[str, str]]) -> list[str]:
    """Return what rows say that is not so."""
    found = []
    for one in sent:
        row = rows.get(one.number)
        for column, expected in zip(COLUMNS, one.kind.expected, strict=True):
            if row is not None and expected is not None and row[column] != expected:
                found.append(f"{one.number} {one.kind.url}: {column} is {row[column]!r}, not {expected!r}")
    return found


def verified(the_lab: Lab) -> str:
    """Return what the playbook says of the chain and its anchors."""
    command = playbook_command(the_lab, "playbooks/audit.yml")
    result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
    said = (line.strip() for line in (result.stdout + result.stderr).splitlines())
    lines = [line for line in said if "the chain holds:" in line]
    return (
        lines[0].partition("msg: ")[2].strip("'\"") or lines[0]
        if result.returncode == 0 and lines
        else result.stdout[-3000:]
    )


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prove-single")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rotations", type=int, default=10)
    parser.add_argument("--stops", type=int, default=2)
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    secrets = read_secrets(the_lab)
    edge = containers(the_lab, SHIPPER)[0]
    unit = "postgresql@17-audit.service"
    database = containers(the_lab, unit)[0]
    resolve(DOMAIN, address(edge))
    certificate = authority(the_lab, secrets)
    made = kinds(certificate, secrets["platform_mlflow_admin_password"])
    first = newest(database)
    load = Load(made, certificate, options.requests)
    plan = Counter(kills=options.kills, rotations=options.rotations, stops=options.stops)
    trouble = Trouble(load, edge, database, unit, plan)
    clients = [threading.Thread(target=load.client, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in (*clients, trouble):
        thread.start()
    for thread in (*clients, trouble):
        thread.join()
    loaded = time.monotonic()
    numbers = {one.number for one in load.sent}
    rows: list[dict[str, str]] = []
    while time.monotonic() - loaded < 600:
        rows = [row for row in rows_since(database, first) if row["request_id"] in numbers]
        if len({row["request_id"] for row in rows}) == len(numbers):
            break
        time.sleep(1)
    caught_up = time.monotonic()
    counted = Counter(row["request_id"] for row in rows)
    faults = wrong(load.sent, {row["request_id"]: row for row in rows})
    chain = verified(the_lab)
    figures = {
        "requests": len(load.sent), "failed_requests": len(load.failures), "first_failure": load.failures[:1],
        "rows": len(rows), "missing": len(numbers - set(counted)),
        "doubled": sum(number > 1 for number in counted.values()), "out_of_order": out_of_order(rows),
        "wrong": len(faults), "first_wrong": faults[:2], **dict(trouble.done),
        "requests_per_second": round(len(load.sent) / (loaded - begin)), "behind_seconds": round(caught_up - loaded, 1),
        "chain": chain,
    }  # fmt: skip
    passed = (
        len(load.sent) == options.requests
        and trouble.done == plan
        and "the chain holds:" in chain
        and not any(figures[name] for name in ("failed_requests", "missing", "doubled", "out_of_order", "wrong"))
    )
    return finish("audit", begin, passed, **json.loads(json.dumps(figures)))


if __name__ == "__main__":
    raise SystemExit(main())
