# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret in Ansible's output at -vvv, nor in the arguments of any process meanwhile.

Runs secrets.yml, site.yml and doctor.yml on a lab, and looks for every secret of its inventory in what Ansible
printed and, many times a second, in the command lines of all processes of this machine, the lab's hosts included.
With --log it looks only into outputs that exist.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import yaml
from shared import (
    ROOT,
    Lab,
    finish,
    lab,
    leaks,
    own_lab,
    playbook_command,
    read_secrets,
    secret_texts,
    tool_environment,
)


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
                self.found |= {
                    f"{name} in the arguments of {program}" for text, name in self._texts if text in arguments
                }
            self._seen = present


def run(the_lab: Lab, name: str, path: str, *arguments: str) -> tuple[Path, int]:
    """Run a playbook at -vvv, its output to a file that others cannot read; returns that and the exit code."""
    log = the_lab.logs / f"vvv-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = playbook_command(the_lab, path, "-vvv", *arguments)
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        return log, subprocess.run(
            command, cwd=ROOT, env=tool_environment(), stdout=out, stderr=out, check=False
        ).returncode


def prove(the_lab: Lab, check: bool) -> dict[str, object]:
    """Run everything that sees secrets, and look; returns figures."""
    results = [run(the_lab, "secrets", "playbooks/secrets.yml")]
    texts = secret_texts(read_secrets(the_lab))
    watch = Watch(texts)
    watch.start()
    results.append(run(the_lab, "site", "site.yml"))
    if check:
        results.append(run(the_lab, "check", "site.yml", "--check", "--diff"))
    results.append(run(the_lab, "doctor", "playbooks/doctor.yml"))
    watch.stop.set()
    watch.join()
    for line in sorted(watch.found):
        print(line)
    figures = look([log for log, _code in results], texts)
    for log, code in results:
        if code:
            print(f"{log.name} ended with {code}:\n{ending(log, texts)}")
    codes = {log.stem: code for log, code in results}
    return {**figures, "failed_runs": [name for name, code in codes.items() if code], "process_samples": watch.samples,
            "process_leaks": len(watch.found)}  # fmt: skip


def ending(log: Path, texts: dict[str, str]) -> str:
    """Return the end of an output, without the secrets."""
    text = "\n".join(log.read_text(errors="replace").splitlines()[-60:])
    for secret, name in texts.items():
        text = text.replace(secret, f"({name})")
    return text


def look(logs: list[Path], texts: dict[str, str]) -> dict[str, object]:
    """Look for secrets in outputs; returns figures."""
    found = [f"{log.name}: {leak}" for log in logs for leak in leaks(log.read_text(errors="replace"), texts)]
    for line in found[:50]:
        print(line)
    lines = sum(log.read_text(errors="replace").count("\n") for log in logs)
    return {"texts": len(texts), "lines": lines, "output_leaks": len(found)}


def main() -> int:
    """Run the proof."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lab", default="demo", help="the lab: a running one, or with --fresh one that does not exist yet"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="make the lab, so that secrets are born and hosts are cold, and remove it"
    )
    parser.add_argument("--check", action="store_true", help="also run site.yml with --check --diff")
    parser.add_argument(
        "--log", action="append", type=Path, default=[], help="look only into this output of an earlier run"
    )
    parser.add_argument("--secrets", type=Path, help="the secrets of that run, if they are not the lab's")
    options = parser.parse_args()
    begin = time.monotonic()
    if options.log:
        secrets = yaml.safe_load(options.secrets.read_text()) if options.secrets else read_secrets(lab(options.lab))
        figures = look(options.log, secret_texts(secrets))
    else:
        with own_lab(options.lab) if options.fresh else nullcontext(lab(options.lab)) as the_lab:
            figures = prove(the_lab, options.check)
    passed = not any(figures.get(key) for key in ("output_leaks", "process_leaks", "failed_runs"))
    return finish("secrets_in_output", begin, passed, **figures)


if __name__ == "__main__":
    raise SystemExit(main())
