# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes the indices of days that are older than the retention; what is named otherwise is left alone."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60


def expired(names: Iterable[str], index: str, retention_days: int, today: datetime.date) -> list[str]:
    """Return the indices whose day ended before the retention began."""
    found = []
    for name in names:
        match = re.fullmatch(re.escape(index) + r"-(\d{4})\.(\d\d)\.(\d\d)", name)
        if not match:
            continue
        try:
            day = datetime.date(*map(int, match.groups()))
        except ValueError:
            continue
        if (today - day).days > retention_days:
            found.append(name)
    return sorted(found)


def ask(job: Mapping[str, Any], method: str, path: str) -> Any:
    """Return the answer of the server, None if there is nothing at the path."""
    credentials = base64.b64encode(f"{job['user']}:{job['password']}".encode()).decode()
    request = urllib.request.Request(
        f"{job['url']}{path}", method=method, headers={"Authorization": f"Basic {credentials}"}
    )
    context = ssl.create_default_context(cafile=job["ca_file"])
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def main() -> int:
    """Run the job that the service's credential describes."""
    job = json.loads((Path(os.environ["CREDENTIALS_DIRECTORY"]) / "expire.json").read_text())
    if not job["url"].startswith("https://"):
        print("url must be https://", file=sys.stderr)
        return 1
    listed = ask(job, "GET", f"/_cat/indices/{job['index']}-*?format=json&h=index") or []
    today = datetime.datetime.now(tz=datetime.UTC).date()
    doomed = expired((item["index"] for item in listed), job["index"], job["retention_days"], today)
    for name in doomed:
        ask(job, "DELETE", f"/{name}")
        print(f"removed {name}")
    print(f"{len(listed)} indices, {len(doomed)} of them older than {job['retention_days']} days and removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
