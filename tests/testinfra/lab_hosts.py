# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab under test, and how its Prometheus is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from shared import Lab, lab, tool_environment

# Asks over one connection: each line of the input behind the first is a path, each line of the output an answer.
ASK = """
import base64, http.client, json, socket, ssl, sys
port, login, *paths = sys.stdin.read().splitlines()
context = ssl.create_default_context(cafile="/etc/mlops-tracking/tls/ca.crt")
connection = http.client.HTTPSConnection(socket.gethostname(), int(port), timeout=60, context=context)
for path in paths:
    headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
"""
Ask = Callable[..., list[tuple[int, Any]]]


@cache
def tested_lab() -> Lab:
    """Return the lab under test."""
    scenario = os.environ.get("MOLECULE_SCENARIO_NAME")
    return lab(os.environ.get("LAB") or (f"molecule-{scenario}" if scenario else "demo"))


@cache
def inventory() -> dict[str, Any]:
    """Return the lab's inventory as Ansible sees it."""
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "--list"]
    command += ["-i", str(tested_lab().source), "-i", str(tested_lab().directory)]
    result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=True)
    listed: dict[str, Any] = json.loads(result.stdout)
    return listed


def host_name(host: Any) -> str:
    """Return the name of a host in the inventory."""
    return str(host.backend.name).removeprefix(f"{tested_lab().name}-")
