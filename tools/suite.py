# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make check`, `make test` and `make prove` run: phases of groups of steps, two groups side by side.

Each step's output goes to .lab/logs/<step>.log; a failed step prints its end. The last line counts the steps.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lab as lab_module
from lab import ROOT, STATE, LabError, Stages, prepare, tool_environment, venv_directory, without_labs

LOGS = STATE / "logs"
PRINT = threading.Lock()
# Who has only the end of the output must find the reason there.
REASONS = re.compile(r'fatal: |FAILED (?!- RETRY)|ERROR |E  |.*error: |.*: Executed: Failed|\{"proof"')
REASONS_SHOWN = 12
# Each has a scenario that shows it alone, with tests of its own; `prod` has their second runs.
ROLES = ("mlflow", "keycloak", "audit", "postgres", "minio", "pki", "common")
# Alone, these are asked nothing that `single` and `prod` are not asked, too.
SHOWN_TOGETHER = ("nginx_tls", "monitoring", "prometheus_exporter")
# Of the proof whose long form sends 20,000 requests.
AUDIT_SHORT = ("--requests", "1500", "--kills", "5", "--rotations", "2", "--stops", "1")

SCHEMA_TESTS = "tests/integration/test_mlflow_schema.py"

# Files that start servers share them.
IDENTITY_OPTIONS = ("-n", "2", "--dist", "loadfile")
IDENTITY_COVERAGE = ("--cov", "--cov-config=tests/identity/coverage.ini", "--cov-report=term-missing")


@dataclass(frozen=True)
class Step:
    """One command, its name, and whose private /etc/hosts it needs, if any: steps on one lab share one."""

    name: str
    command: tuple[str, ...]
    private_hosts: str = ""


def python(*arguments: str) -> tuple[str, ...]:
    """Return a command of the tools' Python."""
    return (str(venv_directory() / "bin" / "python"), *arguments)


def tool(name: str, *arguments: str) -> tuple[str, ...]:
    """Return a command of the tools' environment."""
    return (str(venv_directory() / "bin" / name), *arguments)


def molecule(scenario: str, script: str = '"$0" test -s "$1" --destroy always') -> Step:
    """Return the step that runs one scenario from nothing and, unless the script leaves that out, to nothing."""
    # An interrupted run leaves hosts, or a note of hosts that are gone: Molecule would go on with either.
    notes = 'ls ~/.ansible/tmp/molecule.*."$1"/state.yml'
    hosts = 'docker ps -aq --filter label=mlops.tracking=molecule-"$1" | grep .'
    script = f'if {{ {notes} || {hosts}; }} 2>&1; then "$0" destroy -s "$1" || exit; fi; {script}'
    return Step(f"molecule {scenario}", ("sh", "-c", script, *tool("molecule"), scenario), scenario)


def molecule_once(scenario: str) -> Step:
    """Return the step that runs one scenario without its second run, and what it has as a side effect."""
    more = '{ [ ! -e molecule/"$1"/side_effect.yml ] || "$0" side-effect -s "$1"; }'
    script = f'"$0" converge -s "$1" && "$0" verify -s "$1" && {more}; code=$?; "$0" destroy -s "$1" && exit $code'
    return molecule(scenario, script)


def molecule_short(scenario: str) -> Step:
    """Return the step that keeps hosts that were converged twice and tested, without dry runs, which `molecule` has."""
    script = 'export SHORT=1; "$0" converge -s "$1" && "$0" idempotence -s "$1" && "$0" verify -s "$1"'
    return molecule(scenario, script)


def molecule_kept(scenario: str) -> Step:
    """Return the step that runs one scenario from nothing and keeps its converged hosts for proofs."""
    return molecule(scenario, '"$0" test -s "$1" --destroy never')


def remove(scenario: str) -> Step:
    """Return the step that removes the hosts of a scenario."""
    return Step(f"remove {scenario}", tool("molecule", "destroy", "-s", scenario), scenario)


def proof(name: str, *arguments: str, hosts: str = "proofs") -> Step:
    """Return the step that runs one of the proofs."""
    return Step(f"proof {name}", python(*arguments), hosts)


def minio_modules() -> tuple[str, ...]:
    """Return the command that runs the object store's modules against a real server."""
    tests = python("-m", "pytest", "tests/integration/test_minio_modules.py", "-q")
    return ("env", f"MINIO_BINARY={lab_module.minio_binary()}", *tests)


def mlflow_modules(scenario: str, *names: str, title: str = "MLflow modules") -> Step:
    """Return the step that asks a running platform for rights and promotions, as its modules and pipelines do."""
    files = [f"tests/integration/test_{name}.py" for name in names]
    tests = python("-m", "pytest", *files, "-q", "-n", str(min(len(files), 2)), "--dist", "loadfile")
    return Step(f"{title} {scenario}", ("env", f"LAB=molecule-{scenario}", *tests), scenario)


def identity(*arguments: str) -> tuple[str, ...]:
    """Return a command of the environment that has MLflow and the identity package's libraries."""
    return (str(lab_module.identity_venv_directory() / "bin" / "python"), *arguments)


def unit() -> Step:
    """Return the unit tests."""
    return Step("unit tests", python("-m", "pytest", "tests/unit", "-q", "-n", "2"))


def lint() -> list[Step]:
    """Return what reads the files."""
    return [
        Step("ruff", tool("ruff", "check", ".")),
        Step("ruff format", tool("ruff", "format", "--check", ".")),
        Step("mypy", tool("mypy")),
        Step("role READMEs", python("tools/role_readme.py", "--check")),
        Step("dashboards", python("tools/dashboards.py", "--check")),
        Step("changelog", tool("antsibull-changelog", "lint")),
        Step("identity mypy", identity("-m", "mypy", "--config-file", "tests/identity/mypy.ini")),
        Step("ansible-lint", tool("ansible-lint", "--profile", "production", "--offline", "--strict")),
    ]


def single() -> list[Step]:
    """Return the scenario `single`, and the short forms of its proofs."""
    lab = lab_module.lab("molecule-single")
    return [
        molecule_kept("single"),
        mlflow_modules("single", "smoke_live", "mlflow_modules", "rights", "run_log", "promotion"),
        # Alone: a pool is killed, and the administrator's password is another one meanwhile.
        mlflow_modules("single", "files_live", title="MLflow files"),
        mlflow_modules("single", "secrets", title="MLflow secrets"),
        proof("audit", "tests/prove/audit.py", "--lab", lab.name, *AUDIT_SHORT, hosts="single"),
        proof("lost secrets", "tests/prove/lost_secrets.py", "--lab", lab.name, hosts="single"),
        proof("unread files", "tests/prove/kills.py", "--lab", lab.name, "--part", "files", hosts="single"),
        # Also the second run after these proofs, and the one after a run that was broken off before its handlers.
        proof("controllers", "tests/prove/controllers.py", "--lab", lab.name, "--restarts", "5", hosts="single"),
    ]


def prod() -> list[Step]:
    """Return the scenario `prod` with its proofs."""
    return [
        molecule_short("prod"),
        mlflow_modules("prod", "promotion"),
        proof("first use", "tests/prove/first_use.py", "--lab", "molecule-prod", "--rounds", "20", hosts="prod"),
        proof("attacks", "tests/prove/attacks.py", "--lab", "molecule-prod", hosts="prod"),
        remove("prod"),
    ]


def quiet() -> list[Step]:
    """Return what measures times, so that nothing else may run beside it."""
    worker_kill = ("tests/prove/worker_kill.py", "--lab", "molecule-single", "--seconds", "20")
    return [proof("worker kill", *worker_kill, hosts="single"), remove("single")]


def phases(command: str) -> list[list[list[Step]]]:
    """Return the phases of a command, one after the other; groups of a phase run side by side, the longest first."""
    if command == "check":
        return [[lint(), [unit()]]]
    if command == "test":
        store = ("env", f"MINIO_BINARY={lab_module.minio_binary()}")
        pytest = identity("-m", "pytest", "tests/identity", "-q", *IDENTITY_OPTIONS, *IDENTITY_COVERAGE)
        tests = Step("identity tests", (*store, *pytest))
        built = [
            Step("ansible-test sanity", python("tools/sanity.py")),
            Step("installed", python("tools/installed.py")),
        ]
        modules = [Step("object store modules", minio_modules())]
        roles = [[molecule_once(role)] for role in ROLES]
        return [
            [[*lint(), unit(), tests], prod(), single(), built, [molecule("log_shipping")], *roles, modules],
            [quiet()],
        ]
    return [[long_proofs()]]


def long_proofs() -> list[Step]:
    """Return what takes hours."""
    single = lab_module.lab("prove-single")
    inventories = f"BAD_INPUTS_INVENTORY={single.source},{single.directory}"
    parts = ("converge", "memory", "load", "artifacts", "pools", "watching")
    prod = ("tests/bench/bench.py", "--lab", "prove-prod", "--parts", *parts[:2], "watching", "--write", "--keep")
    return [
        molecule("bookworm"),
        molecule("prod"),
        *map(molecule, (*ROLES, *SHOWN_TOGETHER)),
        Step("schema", ("env", f"MLFLOW_PYTHON={identity()[0]}", *python("-m", "pytest", SCHEMA_TESTS, "-q"))),
        proof("kills", "tests/prove/kills.py", "--kills", "10"),
        proof("secrets", "tests/prove/secrets_in_output.py", "--lab", "prove-single", "--fresh", "--check"),
        proof("benchmark prod", *prod),
        proof("attacks", "tests/prove/attacks.py", "--lab", "prove-prod"),
        proof("first use tokens", "tests/prove/first_use.py", "--lab", "prove-prod"),
        proof("alerts", "tests/prove/alerts.py", "--lab", "prove-prod"),
        proof("same time", "tests/prove/same_time.py", "--lab", "prove-prod"),
        proof("remove prod", "tools/lab.py", "down", "prove-prod"),
        proof("benchmark", "tests/bench/bench.py", "--lab", "prove-single", "--parts", *parts, "--write", "--keep"),
        proof("worker kill", "tests/prove/worker_kill.py", "--lab", "prove-single", "--seconds", "120"),
        proof("audit", "tests/prove/audit.py", "--lab", "prove-single"),
        proof("renewal", "tests/prove/renewal.py", "--lab", "prove-single"),
        Step("bad inputs", ("env", inventories, *python("-m", "pytest", "tests/bad_inputs", "-q")), "proofs"),
        proof("remove single", "tools/lab.py", "down", "prove-single"),
        proof("sso", "tools/lab.py", "up", "prove-sso"),
        proof("benchmark sso", "tests/bench/bench.py", "--lab", "prove-sso", "--parts", "identity", "--write"),
        proof("keycloak away", "tests/prove/keycloak_away.py", "--lab", "prove-sso"),
        proof("directory", "tests/prove/directory.py", "--lab", "prove-sso"),
        proof("remove sso", "tools/lab.py", "down", "prove-sso"),
        proof("passwords", "tools/lab.py", "up", "prove-passwords"),
        proof("first use passwords", "tests/prove/first_use.py", "--lab", "prove-passwords"),
        proof("remove passwords", "tools/lab.py", "down", "prove-passwords"),
        proof("keycloaks", "tests/prove/keycloaks.py"),
        proof("controllers", "tests/prove/controllers.py"),
    ]


def write_proofs() -> None:
    """Write the last line of figures of each proof into docs/proofs.md."""
    path = ROOT / "docs" / "proofs.md"
    begin, end = "<!-- BEGIN proofs -->", "<!-- END proofs -->"
    rows = []
    for log in sorted(LOGS.glob("proof-*.log")):
        figures = [line for line in log.read_text(errors="replace").splitlines() if line.startswith('{"proof"')]
        if figures:
            rows.append(f"- `{figures[-1]}`")
    if not rows:
        return
    text = path.read_text()
    block = "\n".join([begin, f"Run on {time.strftime('%Y-%m-%d', time.gmtime())}.", "", *rows, end])
    path.write_text(text.partition(begin)[0] + block + text.partition(end)[2])


def with_private_hosts(step: Step) -> tuple[str, ...]:
    """Return the command that runs the step with an /etc/hosts of its lab's own, so that labs do not meet."""
    hosts = LOGS / f"{step.private_hosts}.hosts"
    if not hosts.exists():
        # A demo beside this has the same public name.
        hosts.write_text("\n".join(without_labs(Path("/etc/hosts").read_text())) + "\n")
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(hosts), *step.command)


def slug(name: str) -> str:
    """Return a file name for a step."""
    return name.replace(" ", "-")


def reasons(name: str) -> list[str]:
    """Return the lines of a step's log that say why it failed, or its end where none does."""
    lines = (LOGS / f"{slug(name)}.log").read_text(errors="replace").splitlines()
    chosen = [line[:500] for line in lines if REASONS.match(line)] or lines
    return chosen[-REASONS_SHOWN:]


def run_step(step: Step, start: float) -> bool:
    """Run one step and say how it ended."""
    log = LOGS / f"{slug(step.name)}.log"
    command = with_private_hosts(step) if step.private_hosts else step.command
    begin = time.monotonic()
    environment = {
        **tool_environment(),
        "NO_COLOR": "1",
        "PYTHONPATH": f"{ROOT / '.collections'}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    }
    with open(log, "w", encoding="utf-8") as out:
        result = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    passed = result.returncode == 0
    with PRINT:
        now = time.monotonic()
        print(
            f"[{now - start:7.1f} s] {'ok    ' if passed else 'FAILED'} {step.name} ({now - begin:.1f} s)", flush=True
        )
        if not passed:
            tail = log.read_text(errors="replace").splitlines()[-80:]
            print("\n".join(f"    | {line}" for line in tail), f"    whole output: {log}", sep="\n", flush=True)
    return passed


def run_group(steps: list[Step], start: float) -> dict[str, bool]:
    """Run steps one after the other; returns by name which passed."""
    return {step.name: run_step(step, start) for step in steps}


def run_phase(groups: list[list[Step]], start: float) -> dict[str, bool]:
    """Run groups, two at a time; returns by name which steps passed."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [pool.submit(run_group, group, start) for group in groups]
        return {name: passed for group in running for name, passed in group.result().items()}


MLFLOW_STAGE = ("MLflow, for the tests of the identity package", lab_module.make_identity_venv)


def prepare_labs(stages: Stages, command: str) -> None:
    """Do what a fresh machine needs for the labs."""
    prepare(stages, (13, 12) if command == "test" else (13,))
    if command == "test":
        stages("Log search", lab_module.get_opensearch)


def prepare_tests(stages: Stages, command: str) -> None:
    """Do what a fresh machine needs for tests besides the labs."""
    stages(*MLFLOW_STAGE)
    stages("PostgreSQL, for tests that start one", lab_module.install_postgresql)
    if command == "test":
        stages("A data scientist's Python", lab_module.make_example)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "test", "prove"])
    parser.add_argument("--only", help="run only steps whose name holds this text")
    options = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    for left in LOGS.glob("*.hosts"):
        left.unlink()
    stages = Stages()
    engine_before = lab_module.engine_answers()
    try:
        stages("Packages of this machine", lab_module.install_packages)
        if options.command == "check":
            stages("Ansible and the test tools", lab_module.make_venv)
            stages(*MLFLOW_STAGE)
        else:
            # One waits for downloads while the other compiles.
            stages.beside(*(partial(work, stages, options.command) for work in (prepare_labs, prepare_tests)))
    except LabError as error:
        print(f"\n{error}\n0 passed, 1 failed", flush=True)
        return 1
    start = time.monotonic()
    results: dict[str, bool] = {}
    for phase in phases(options.command):
        chosen = [[step for step in group if not options.only or options.only in step.name] for group in phase]
        results |= run_phase(chosen, start)
    if options.command != "check" and not engine_before:
        lab_module.stop_engine()
    if options.command == "prove":
        write_proofs()
    failed = [name for name, passed in results.items() if not passed]
    for name in failed:
        print(f"failed: {name}", *(f"    | {line}" for line in reasons(name)), sep="\n", flush=True)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed or not results else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
