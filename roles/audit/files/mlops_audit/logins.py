# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-ins at MinIO: what of its audit log is kept, and the rows that this becomes. Pure.

The console logs somebody in by the call AssumeRole, whose address is the browser's; a log-in by LDAP or OpenID has a
name that begins so. Each other request to the object store is an entry of that log, too, and is not kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_audit.lines import REFUSALS, Row, Unparsable, moment, number, text, unparsable_row

LOG_IN = "AssumeRole"
# An access key may hold slashes.
ACCESS_KEY = re.compile(r"Credential=(.+)/\d{8}/[^/,]*/[^/,]*/aws4_request\b")


def kept(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield number and line of each log-in among the entries of a request, one a line, without what proved it.

    A line that is no entry is kept as it is, under its digest.
    """
    for line in body.splitlines():
        if not line.strip():
            continue
        try:
            found = log_in(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield hashlib.sha256(line).hexdigest(), line
            continue
        if found:
            yield str(found["requestID"]), json.dumps(found).encode()


def log_in(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is kept of an entry; None for one that is no log-in."""
    api = entry["api"]
    if not api.get("name", "").startswith(LOG_IN):
        return None
    claimed = ACCESS_KEY.search(entry.get("requestHeader", {}).get("Authorization", ""))
    return {
        "time": entry["time"],
        "requestID": entry["requestID"],
        "name": api["name"],
        "status": api.get("status"),
        "statusCode": api.get("statusCode"),
        "user": entry.get("requestClaims", {}).get("parent") or (claimed[1] if claimed else None),
        "remotehost": entry.get("remotehost"),
    }


def log_in_row(line: bytes) -> Row:
    """Return the row of a kept line; one that nobody understands becomes a row, too."""
    try:
        said = json.loads(line.decode("utf-8", "replace"))
        if not isinstance(said, Mapping):
            raise Unparsable("no object")
        status = number(said["statusCode"])
        if status is None:
            raise Unparsable("no status")
        return {
            "kind": "event",
            "time": moment(said.get("time")),
            "request_id": text(said["requestID"]),
            "operation": text(said["name"]),
            "outcome": outcome(status),
            "user_name": text(said["user"]),
            "remote_addr": text(said["remotehost"]),
            "status": status,
        }
    except (Unparsable, ValueError, KeyError, RecursionError):
        return unparsable_row(line)


def outcome(status: int) -> str:
    """Return the outcome of a log-in by its status; MinIO answers 400 to what it cannot read."""
    if status < 300:
        return "allowed"
    return "refused" if status == 400 or status in REFUSALS else "failed"
