# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill ansible-playbook at random moments of a cold converge: run again, the platform ends whole, its secrets the same.

First a converge without a kill measures how long it takes (or --seconds says so). Then, on fresh hosts, each run is
killed with SIGKILL, with all its descendants, a random time after it has come further than any run before, so that
all kills fall into the work of one cold converge. What runs on the hosts at that moment goes on, as it would behind a
lost connection. In the end: a whole run, a second one that changes nothing, and doctor. Last, files that
no service has read, as a run leaves them that is broken off before its handlers: the next run puts them in force.

--part does one part on a lab that somebody else has made and looks at afterwards: `kills` on bare hosts, `files` on
converged ones, which only leaves such files.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import time
from collections.abc import Callable

from shared import (
    ROOT,
    Lab,
    changed_tasks,
    finish,
    fresh_hosts,
    inside,
    kill_tree,
    lab,
    own_lab,
    playbook,
    playbook_command,
    task_name,
    tool_environment,
)

# What one run does without further progress before the proof gives it up, in seconds.
PATIENCE = 1800


class Run:
    """One run of a playbook, which can be broken off."""

    def __init__(self, the_lab: Lab, path: str, log_name: str) -> None:
        self._log = the_lab.logs / log_name
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._out = open(self._log, "wb")  # noqa: SIM115
        # A session of its own, so that nothing of this proof is hit.
        self._process = subprocess.Popen(
            playbook_command(the_lab, path),
            cwd=ROOT,
            # What runs on the hosts must not end with it.
            env=tool_environment() | {"LAB_EXEC": "engine"},
            stdout=self._out,
            stderr=self._out,
            start_new_session=True,
        )

    def tasks(self) -> list[str]:
        """Return the tasks that have begun."""
        return [task_name(line) for line in self.text().splitlines() if line.startswith("TASK [")]

    def text(self) -> str:
        """Return what it has printed."""
        return self._log.read_text(errors="replace")

    def ended(self) -> bool:
        """Return whether it ended by itself."""
        return self._process.poll() is not None

    def kill(self) -> int:
        """Kill it and everything that it started here, unless it has ended; returns its exit code."""
        if not self.ended():
            kill_tree(self._process.pid)
        self._out.close()
        return self._process.wait()


def broken_off(the_lab: Lab, path: str, number: int, furthest: int, delay: float) -> tuple[int, str] | None:
    """Run a playbook and kill it, `delay` seconds after it has begun more tasks than `furthest`.

    Returns how many tasks had begun and the name of the last one, or nothing if it ended before.
    """
    run = Run(the_lab, path, f"kill-{number:02d}.log")
    deadline = time.monotonic() + PATIENCE
    moment = None
    while not run.ended() and time.monotonic() < deadline:
        if moment is None and len(run.tasks()) >= furthest:
            moment = time.monotonic() + delay
        if moment is not None and time.monotonic() >= moment:
            run.kill()
            tasks = run.tasks()
            return len(tasks), tasks[-1] if tasks else "before the first task"
        time.sleep(0.05)
    code, tail = run.kill(), "\n".join(run.text().splitlines()[-30:])
    if code != 0:
        raise SystemExit(f"run {number} did not end well by itself ({code}):\n{tail}")
    return None


def spread(count: int, seconds: float) -> list[float]:
    """Return random delays that make so many kills fit into the given time."""
    moments = sorted(random.uniform(0, seconds) for _number in range(count))
    return [later - earlier for earlier, later in zip([0.0, *moments], moments, strict=False)]


def digest(the_lab: Lab) -> str:
    """Return the checksum of the secrets' file."""
    return hashlib.sha256(the_lab.secrets_file.read_bytes()).hexdigest()


def kill_secrets(the_lab: Lab, count: int) -> int:
    """Break off the making of secrets; what a broken-off run leaves is nothing or a whole file that stays as it is."""
    kills = 0
    kept = ""
    for number in range(count):
        kills += broken_off(the_lab, "playbooks/secrets.yml", 90 + number, 0, random.uniform(0.5, 5)) is not None
        if kept and digest(the_lab) != kept:
            raise SystemExit("secrets.yml was whole and has changed")
        kept = digest(the_lab) if the_lab.secrets_file.exists() else ""
    playbook(the_lab, "playbooks/secrets.yml", quiet=True)
    if kept and digest(the_lab) != kept:
        raise SystemExit("secrets.yml was whole and has changed")
    return kills


# For each service a file that a run may have written just before it was broken off.
CHANGED_FILES = (
    "/etc/postgresql/17/main/pg_hba.conf",
    "/etc/default/minio",
    "/etc/mlflow/auth.ini",
    "/etc/nginx/nginx.conf",
    "/etc/mlops-tracking/exporter-web.yml",
)


def leave_files(the_lab: Lab) -> None:
    """Leave files that no service has read, as a run does that ends before its handlers."""
    for host in the_lab.hosts:
        inside(the_lab.container(host), "touch", "--no-create", *CHANGED_FILES)


def forgotten_handlers(the_lab: Lab) -> list[str]:
    """Leave files that no service has read; returns what a run changes."""
    leave_files(the_lab)
    log = the_lab.logs / "forgotten-handlers.log"
    playbook(the_lab, "site.yml", log=log, quiet=True)
    return changed_tasks(log.read_text())


def timed(work: Callable[[], object]) -> float:
    """Return how long something took, in seconds."""
    begin = time.monotonic()
    work()
    return round(time.monotonic() - begin, 1)


def kill_converge(the_lab: Lab, kills: int, seconds: float) -> list[str]:
    """Break off runs on fresh hosts until one ends by itself or all kills are done; returns where each one hit."""
    places: list[str] = []
    furthest = 0
    for number, delay in enumerate(spread(kills, seconds), 1):
        hit = broken_off(the_lab, "site.yml", number, furthest, delay)
        if hit is None:
            break
        furthest = max(furthest, hit[0])
        places.append(hit[1])
        print(f"kill {number}: after {delay:.1f} s of new work, in task {hit[0]}: {hit[1]}", flush=True)
    return places


def kills_part(the_lab: Lab, kills: int, seconds: float) -> tuple[bool, dict[str, object]]:
    """Break off runs on bare hosts; whoever called this runs the playbook again."""
    the_lab.secrets_file.unlink(missing_ok=True)
    kills_of_secrets = kill_secrets(the_lab, 1)
    before = digest(the_lab)
    places = kill_converge(the_lab, kills, seconds)
    unchanged = digest(the_lab) == before
    figures = {"kills": len(places), "kills_of_secrets": kills_of_secrets, "places": places}
    return len(places) == kills and unchanged, {**figures, "secrets_unchanged": unchanged}


def handlers_part(the_lab: Lab) -> tuple[bool, dict[str, object]]:
    """Forget handlers on converged hosts and run the playbook."""
    forgotten = forgotten_handlers(the_lab)
    return len(forgotten) == len(CHANGED_FILES), {"changed_after_forgotten_handlers": forgotten}


def prove(the_lab: Lab, kills: int, seconds: float) -> tuple[bool, dict[str, object]]:
    """Break off so many runs and look at what comes of it; returns whether all is well, and figures."""
    kills_of_secrets = kill_secrets(the_lab, max(1, kills // 4))
    before = digest(the_lab)
    places: list[str] = []
    finals: list[float] = []
    seconds_runs: list[str] = []
    while len(places) < kills and len(finals) < 4:
        if finals:
            # What a broken-off run had begun on the hosts went on, so that the work was done before all kills were.
            fresh_hosts(the_lab)
            seconds /= 2
        places += kill_converge(the_lab, kills - len(places), seconds)
        finals.append(timed(lambda: playbook(the_lab, "site.yml", log=the_lab.logs / "after-kills.log", quiet=True)))
        seconds_runs.append(playbook(the_lab, "site.yml", log=the_lab.logs / "second.log", quiet=True))
        playbook(the_lab, "playbooks/doctor.yml", quiet=True)
    made_up_for, forgotten = handlers_part(the_lab)
    seconds_runs.append(playbook(the_lab, "site.yml", log=the_lab.logs / "second.log", quiet=True))
    unchanged = digest(the_lab) == before
    passed = len(places) == kills and set(seconds_runs) == {"changed=0"} and unchanged and made_up_for
    return passed, {
        "kills": len(places),
        **forgotten,
        "kills_of_secrets": kills_of_secrets,
        "places": places,
        "final_run_seconds": finals,
        "second_run": sorted(set(seconds_runs)),
        "secrets_unchanged": unchanged,
    }


def cold_seconds(the_lab: Lab) -> float:
    """Measure a cold converge, and make the hosts bare again."""
    playbook(the_lab, "playbooks/secrets.yml", quiet=True)
    seconds = timed(lambda: playbook(the_lab, "site.yml", quiet=True))
    print(f"a cold converge takes {seconds:.0f} s", flush=True)
    fresh_hosts(the_lab)
    the_lab.secrets_file.unlink()
    return seconds


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prove-single", help="a lab that does not exist yet")
    parser.add_argument("--part", choices=["kills", "files"], help="only this, on a lab that exists")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--seconds", type=float, default=0, help="how long a cold converge takes here; 0 measures it first"
    )
    parser.add_argument("--seed", type=int, default=None, help="the seed of an earlier run, to repeat its moments")
    parser.add_argument("--keep", action="store_true", help="leave the lab for a look")
    options = parser.parse_args()
    begin = time.monotonic()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    if options.part == "kills":
        passed, figures = kills_part(lab(options.lab), options.kills, (options.seconds or 150) * 0.7)
        return finish("kills", begin, passed, seed=seed, **figures)
    if options.part == "files":
        leave_files(lab(options.lab))
        return finish("unread_files", begin, True, files=len(CHANGED_FILES))
    with own_lab(options.lab, options.keep) as the_lab:
        seconds = options.seconds or cold_seconds(the_lab)
        passed, figures = prove(the_lab, options.kills, seconds * 0.7)
    return finish("kills", begin, passed, seed=seed, cold_seconds=seconds, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
