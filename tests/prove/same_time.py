# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two MLflow hosts that start at the same moment never migrate twice.

On a running lab with several MLflow hosts the databases are emptied, or put back to an older revision, and the hosts
are brought up at once: by one playbook for all of them, and by one playbook for each, started together. Each database
must have been migrated by exactly one host, and the platform must work afterwards. The lab's data is lost.
"""

from __future__ import annotations

import argparse
import subprocess
import time

from shared import (
    ROOT,
    Lab,
    containers,
    finish,
    inside,
    lab,
    playbook,
    playbook_command,
    read_secrets,
    tool_environment,
)

COMPONENTS = ("tracking", "auth")
TASK = "Bring the databases to this version]"
# Makes the tables of an older MLflow, as the owner, in an empty database.
OLDER = """
import re, sys
import sqlalchemy, mlflow.store.db.utils as utils
from alembic import command
from alembic.script import ScriptDirectory
uri = re.search(r'_MLFLOW_SERVER_FILE_STORE="(.*)"', open("/etc/mlflow/mlflow.env").read())[1]
uri = sqlalchemy.engine.make_url(uri).set(username="mlflow_owner", password=sys.stdin.read())
engine = sqlalchemy.create_engine(uri)
utils.InitialBase.metadata.create_all(engine)
config = utils._get_alembic_config("")
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, ScriptDirectory.from_config(config).get_current_head() + "-3")
"""


def changes(output: str) -> dict[str, list[str]]:
    """Return which hosts reported a migration of each database."""
    found: dict[str, list[str]] = {component: [] for component in COMPONENTS}
    within = False
    for line in output.splitlines():
        if line.startswith(("TASK [", "PLAY ", "RUNNING HANDLER")):
            within = TASK in line
        for component in COMPONENTS:
            if within and line.startswith("changed: [") and f"(item={component})" in line:
                found[component].append(line.split("[")[1].split("]")[0])
    return found


def start(the_lab: Lab, limits: list[str]) -> str:
    """Start the hosts, by one playbook for each limit, all at once; returns what they printed."""
    arguments = ["--extra-vars", "mlflow_migrate_database=true"]
    runs = [
        subprocess.Popen(
            playbook_command(the_lab, "tests/prove/same_time_start.yml", "--limit", limit, *arguments),
            cwd=ROOT, env=tool_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for limit in limits
    ]  # fmt: skip
    outputs = [run.communicate()[0] for run in runs]
    for run, output in zip(runs, outputs, strict=True):
        if run.returncode != 0:
            raise SystemExit(f"a start failed:\n{output[-4000:]}")
    return "\n".join(outputs)


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="prod-lab", help="a running lab, whose data will be lost")
    parser.add_argument("--rounds", nargs="+", default=["one", "each", "older"], choices=["one", "each", "older"])
    parser.add_argument("--once", action="store_true", help="leave out the run after it, and doctor")
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    apps = containers(the_lab, "mlflow-rest.service")
    hosts = [host for host in the_lab.hosts if the_lab.container(host) in apps]
    if len(hosts) < 2:
        raise SystemExit(f"{options.lab} has fewer than two running MLflow hosts.")
    rounds = {}
    for name in options.rounds:
        playbook(the_lab, "tests/prove/same_time_empty.yml", quiet=True)
        if name == "older":
            password = read_secrets(the_lab)["platform_postgres_owner_password"]
            inside(apps[0], "/opt/mlflow/current/bin/python", "-I", "-c", OLDER, data=password)
        rounds[name] = changes(start(the_lab, ["mlflow"] if name == "one" else hosts))
    passed = all(len(who) == 1 for found in rounds.values() for who in found.values())
    second = "left out"
    if not options.once:
        playbook(the_lab, "playbooks/doctor.yml", quiet=True)
        second = playbook(the_lab, "site.yml", quiet=True)
    passed = passed and second in ("left out", "changed=0")
    return finish("same_time", begin, passed, hosts=hosts, migrated_by=rounds, second_run=second)


if __name__ == "__main__":
    raise SystemExit(main())
