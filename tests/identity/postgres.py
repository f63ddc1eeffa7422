# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of the tests' own, in a folder that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL; Debian keeps those of a server off PATH."""
    found = shutil.which(name) or next(
        iter(sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)), None
    )
    if found is None:
        raise RuntimeError(f"{name} is missing: install PostgreSQL, for example Debian's package postgresql")
    return found


@contextmanager
def running() -> Iterator[str]:
    """Run a server and give the URI of a new database."""
    # It refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="identity-postgres-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data = str(folder / "data")
        command = [program("initdb"), "-D", data, "-A", "trust", "-U", "owner", "--no-sync", "--locale=C.UTF-8"]
        subprocess.run(command, user=user, check=True, capture_output=True, cwd=folder)
        options = ["-p", str(port), "-k", name, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        log = folder / "log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                [program("postgres"), "-D", data, *options], user=user, stdout=out, stderr=out, cwd=folder
            )
            try:
                _wait(server, port, log)
                yield f"postgresql+psycopg2://owner:none@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()
                server.wait(20)


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    command = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(command, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(log.read_text())
        time.sleep(0.2)
