# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that keep their log, however they end, by the helper of the examples."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

if t.TYPE_CHECKING:
    from conftest import Platform

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools")]

from lab import example_python  # noqa: E402

PROGRAM = """
import logging, os, signal, sys, warnings
import mlflow
from run_log import run_with_log
# Ignored in whatever a shell starts in the background, and so in all that this starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
mlflow.set_experiment(sys.argv[1])
with run_with_log() as run:
    print("RUN", run.info.run_id, flush=True)
    logging.getLogger("training").warning("slow data")
    print("half way", file=sys.stderr)
    {ending}
"""
# How the program ends, its exit code, the run's status, the tag, and what else the log says.
ENDINGS: list[tuple[str, int, str, str, str]] = [
    ("print('done')", 0, "FINISHED", "passed", "done"),
    ("raise ValueError('bad row 7')", 1, "FAILED", "failed", "ValueError: bad row 7"),
    ("sys.exit(3)", 3, "FAILED", "failed", "SystemExit: 3"),
    ("os.kill(os.getpid(), signal.SIGTERM)", 1, "KILLED", "stopped", "Stopped: signal SIGTERM"),
    ("os.kill(os.getpid(), signal.SIGINT)", -2, "KILLED", "stopped", "KeyboardInterrupt"),
]


@pytest.mark.parametrize(("ending", "code", "status", "tag", "said"), ENDINGS)
def test_a_run_keeps_its_log(
    platform: Platform, tidy: None, mark: str, ending: str, code: int, status: str, tag: str, said: str
) -> None:
    environment = {
        **platform.environment("ada"),
        "PYTHONPATH": str(ROOT / "examples"),
        "GITHUB_SERVER_URL": "https://git.example.com",
        "GITHUB_REPOSITORY": "team/model",
        "GITHUB_RUN_ID": "17",
    }
    command = [str(example_python()), "-c", PROGRAM.format(ending=ending), f"log-{mark}"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    run_id = next(line.split()[1] for line in ended.stdout.splitlines() if line.startswith("RUN "))
    client = platform.client("ada")
    run = client.request("GET", "/api/2.0/mlflow/runs/get", query={"run_id": run_id}).json["run"]
    assert run["info"]["status"] == status
    tags = {item["key"]: item["value"] for item in run["data"]["tags"]}
    assert (tags["ci.status"], tags["ci.url"]) == (tag, "https://git.example.com/team/model/actions/runs/17")
    log = client.request("GET", "/get-artifact", query={"run_uuid": run_id, "path": "logs/run.log"}).body.decode()
    for text in ("WARNING training: slow data", "half way", said):
        assert text in log
