# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in Ansible's output at -vvv, nor in the arguments of any process meanwhile.

Runs site.yml on a lab, and looks for every secret of the lab's inventory in what Ansible printed and, many times a
second, in the command lines of all processes of this machine, the lab's hosts included. With --log it looks only
into files that exist.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import threading
import time
from pathlib import Path

import yaml
from shared import ROOT, finish, lab, leaks, playbook_command, read_secrets, secret_texts, tool_environment


class Watch(threading.Thread):
    """Looks for secrets in the arguments of processes until it is told to stop."""

    def __init__(self, texts: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._texts = [(text.encode(), name) for text, name in texts.items()]
        self._seen: set[tuple[str, bytes]] = set()
        self.found: set[str] = set()
        self.samples = 0
        self.stop = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        while not self.stop.wait(0.1):
            self.samples += 1
            present = set()
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    present.add((pid, Path("/proc", pid, "cmdline").read_bytes()))
                except OSError:
                    continue
            for _pid, arguments in present - self._seen:
                program = os.path.basename(arguments.split(b"\0")[0]).decode(errors="replace")
                self.found |= {f"{name} in the arguments of {program}" for text, name in self._texts if text in arguments}
            self._seen = present


def converge(command: list[str], log: Path) -> int:
    """Run a playbook, its output to a file that others cannot read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        return subprocess.run(command, cwd=ROOT, env=tool_environment(), stdout=out, stderr=out, check=False).returncode


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", default="demo", help="a running lab, bare or converged")
    parser.add_argument("--check", action="store_true", help="also run it with --check --diff")
    parser.add_argument("--log", action="append", type=Path, default=[], help="look only into this output of an earlier run")
    parser.add_argument("--secrets", type=Path, help="the secrets of that run, if they are not the lab's")
    options = parser.parse_args()
    begin = time.monotonic()
    the_lab = lab(options.lab)
    secrets = yaml.safe_load(options.secrets.read_text()) if options.secrets else read_secrets(the_lab)
    texts = secret_texts(secrets)
    codes = []
    watch = Watch(texts)
    logs: list[Path] = options.log
    if not logs:
        watch.start()
        for name, arguments in {"vvv": ["-vvv"], "vvv-check": ["-vvv", "--check", "--diff"]}.items():
            if name == "vvv" or options.check:
                command = playbook_command(the_lab, "site.yml", *arguments)
                logs.append(the_lab.logs / f"site-{name}.log")
                codes.append(converge(command, logs[-1]))
        watch.stop.set()
        watch.join()
    found = [f"{log.name}: {leak}" for log in logs for leak in leaks(log.read_text(errors="replace"), texts)]
    for line in [*found[:50], *sorted(watch.found)]:
        print(line)
    passed = not found and not watch.found and not any(codes)
    return finish(
        "secrets_in_output", begin, passed, exit_codes=codes, texts=len(texts), leaks=len(found),
        lines=sum(len(log.read_text(errors="replace").splitlines()) for log in logs),
        process_samples=watch.samples, process_leaks=len(watch.found),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
