# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill workers of MLflow under a steady load: no acknowledged metric is lost, and an answer comes within two seconds.

Clients log metrics through the edge, with TLS, a password and the retries of MLflow's own client, each as fast as
--rate says. Every few seconds a random worker of a random MLflow host gets SIGKILL. Then every metric that was
answered with 200 is read back. A watcher without retries asks for the experiment all the while: the clients of a killed
worker wait for seconds by their own choice before they ask again. The pause is the longest time in which neither it
nor any client got an answer.
"""

from __future__ import annotations

import argparse
import itertools
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from shared import DOMAIN, Lab, address, authority, containers, finish, inside, lab, new_client, read_secrets, resolve
from urllib3.util import Retry

API = f"https://{DOMAIN}/api/2.0/mlflow"
UNIT = "mlflow-rest.service"
# As mlflow.utils.request_utils has it with its defaults.
RETRIES = Retry(
    total=7,
    backoff_factor=2,
    backoff_jitter=1.0,
    status_forcelist=(408, 429, 500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)


def new_session(certificate: str, password: str) -> requests.Session:
    """Return a client as MLflow's own would be."""
    session = new_client(certificate)
    session.mount("https://", HTTPAdapter(max_retries=RETRIES))
    session.auth = ("admin", password)
    return session


def call(session: requests.Session, method: str, path: str, **arguments: Any) -> dict[str, Any]:
    """Call MLflow and return what it answers."""
    response = session.request(method, f"{API}/{path}", timeout=120, **arguments)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


@dataclass
class Client(threading.Thread):
    """Logs one metric after the other to its own run, and remembers which were acknowledged."""

    session: requests.Session
    run_id: str
    pause: float
    stop: threading.Event
    acknowledged: dict[int, float] = field(default_factory=dict)
    answers: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0

    def __post_init__(self) -> None:
        """Become a thread."""
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        """Threads are known by what they are."""
        return id(self)

    def run(self) -> None:
        """Log until told to stop."""
        step = 0
        while not self.stop.wait(self.pause):
            step += 1
            value = random.random()
            metric = {
                "run_id": self.run_id,
                "key": "loss",
                "value": value,
                "step": step,
                "timestamp": int(time.time() * 1000),
            }
            begin = time.monotonic()
            try:
                call(self.session, "POST", "runs/log-metric", json=metric)
            except requests.RequestException as error:
                self.failures.append(f"{type(error).__name__}: {error}"[:200])
                continue
            self.acknowledged[step] = value
            self.answers.append(time.monotonic())
            self.slowest = max(self.slowest, self.answers[-1] - begin)


@dataclass
class Watcher(threading.Thread):
    """Asks for an experiment ten times a second, each time anew, and remembers when there was an answer."""

    session: requests.Session
    experiment: str
    stop: threading.Event
    answers: list[float] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        """Become a thread that asks once and takes no for an answer."""
        super().__init__(daemon=True)
        self.session.mount("https://", HTTPAdapter(max_retries=0))

    def __hash__(self) -> int:
        """Threads are known by what they are."""
        return id(self)

    def run(self) -> None:
        """Ask until told to stop."""
        while not self.stop.wait(0.1):
            try:
                call(self.session, "GET", "experiments/get", params={"experiment_id": self.experiment})
            except requests.RequestException:
                self.refused += 1
                continue
            self.answers.append(time.monotonic())


def kill_worker(container: str) -> bool:
    """Kill a random worker of a host; returns whether there was one."""
    master = inside(container, "systemctl", "show", "--property=MainPID", "--value", UNIT).strip()
    workers = inside(container, "pgrep", "--parent", master, check=False).split()
    if workers:
        inside(container, "kill", "-KILL", random.choice(workers), check=False)
    return bool(workers)


def history(session: requests.Session, run_id: str) -> dict[int, float]:
    """Return every metric that a run has, by step."""
    found: dict[int, float] = {}
    token = ""
    while True:
        page = call(
            session,
            "GET",
            "metrics/get-history",
            params={"run_id": run_id, "metric_key": "loss", "max_results": 1000, "page_token": token},
        )
        found |= {int(metric["step"]): float(metric["value"]) for metric in page.get("metrics", [])}
        token = page.get("next_page_token", "")
        if not token:
            return found


def longest_pause(moments: list[float], begin: float, end: float) -> tuple[float, float]:
    """Return the longest time without an answer between two moments, and when it began."""
    points = [begin, *sorted(moment for moment in moments if begin < moment < end), end]
    return max((later - earlier, earlier) for earlier, later in itertools.pairwise(points))


def kill_for(seconds: float, every: float, hosts: list[str]) -> list[float]:
    """Kill a worker now and then; returns when."""
    end = time.monotonic() + seconds
    killed = []
    while time.monotonic() < end:
        time.sleep(random.uniform(0.5, 1.5) * every)
        if kill_worker(random.choice(hosts)):
            killed.append(time.monotonic())
    return killed


def prove(the_lab: Lab, options: argparse.Namespace) -> tuple[bool, dict[str, object]]:
    """Load, kill, read back."""
    secrets = read_secrets(the_lab)
    certificate = authority(the_lab, secrets)
    hosts = containers(the_lab, UNIT)
    resolve(DOMAIN, address(containers(the_lab, "nginx.service")[0]))

    def session() -> requests.Session:
        return new_session(certificate, secrets["platform_mlflow_admin_password"])

    first = session()
    experiment = call(first, "POST", "experiments/create", json={"name": f"worker-kill-{uuid.uuid4().hex}"})[
        "experiment_id"
    ]
    runs = [
        call(first, "POST", "runs/create", json={"experiment_id": experiment})["run"]["info"]["run_id"]
        for _client in range(options.clients)
    ]
    stop = threading.Event()
    clients = [Client(session(), run, 1 / options.rate, stop) for run in runs]
    watcher = Watcher(session(), experiment, stop)
    for thread in (*clients, watcher):
        thread.start()
    # The first answers are slow, as every worker checks the password once; then what this machine does without a kill.
    time.sleep(5)
    calm = time.monotonic()
    time.sleep(options.calm)
    begin = time.monotonic()
    killed = kill_for(options.seconds, options.every, hosts)
    end = time.monotonic()
    stop.set()
    for thread in (*clients, watcher):
        thread.join(180)
    wrong = 0
    for client in clients:
        stored = history(first, client.run_id)
        wrong += sum(stored.get(step) != value for step, value in client.acknowledged.items())
    call(first, "POST", "experiments/delete", json={"experiment_id": experiment})
    acknowledged = sum(len(client.acknowledged) for client in clients)
    answers = [moment for thread in (*clients, watcher) for moment in thread.answers]
    pause, paused_at = longest_pause(answers, begin, end)
    failures = [failure for client in clients for failure in client.failures]
    passed = bool(acknowledged and killed) and wrong == 0 and pause < options.limit
    return passed, {
        "clients": len(clients),
        "workers_killed": len(killed),
        "acknowledged": acknowledged,
        "lost": wrong,
        "longest_pause_seconds": round(pause, 3),
        "seconds_from_a_kill_to_that_pause": round(min(abs(paused_at - moment) for moment in killed), 3)
        if killed
        else None,
        "longest_pause_without_kills_seconds": round(longest_pause(answers, calm, begin)[0], 3),
        "slowest_answer_seconds": round(max(client.slowest for client in clients), 3),
        "watcher_refused": f"{watcher.refused} of {watcher.refused + len(watcher.answers)}",
        "given_up": len(failures),
        "first_failure": failures[:1],
    }


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo", help="a running lab")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rate", type=float, default=5, help="metrics per second that each client tries")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--every", type=float, default=3, help="seconds between kills, on average")
    parser.add_argument("--calm", type=float, default=10, help="seconds of load before the first kill, to compare with")
    parser.add_argument("--limit", type=float, default=2, help="the longest pause that is allowed, in seconds")
    options = parser.parse_args()
    begin = time.monotonic()
    passed, figures = prove(lab(options.lab), options)
    return finish("worker_kill", begin, passed, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
