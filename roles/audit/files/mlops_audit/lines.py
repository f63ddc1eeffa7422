# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of the edge's access log means. Pure: no files, no network."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Row = dict[str, Any]

LONGEST_TEXT = 2048
LARGEST_NUMBER = 2**63 - 1
# Keys of the log, and the columns that have another name.
COLUMNS = {"user": "user_name", "request_time": "duration"}
TEXTS = (
    "request_id", "remote_addr", "user", "auth", "groups", "outcome", "operation", "experiment_id", "run_id", "model",
    "version", "alias", "method", "host", "uri", "protocol", "upstream", "upstream_status", "upstream_time",
    "user_agent",
)  # fmt: skip
NUMBERS = ("connection", "connection_requests", "status", "request_bytes", "response_bytes")
# MLflow's server writes what is no printable ASCII as an escape.
ESCAPED = ("user", "groups", "operation", "experiment_id", "run_id", "model", "version", "alias")
ESCAPE = re.compile(r"\\(?:\\|u\{([0-9a-f]{1,6})\})")
# What cannot be stored as text: NUL, and halves of surrogate pairs.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Never stored, should the edge's own rule for its log ever miss one.
SECRET_QUERY = re.compile(r"(?i)[?&](?:access_token|code|id_token|password|refresh_token|session_state|state|token)=")
QUERY_NAMES = {"run_id": "run_id", "run_uuid": "run_id", "experiment_id": "experiment_id"}
REFUSALS = (401, 403, 421, 429)
API = re.compile(r"/(?:ajax-)?api/\d\.0/(?:mlflow/|mlflow-artifacts/)?(.+)")
STORE = re.compile(r"/(?:ajax-)?api/\d\.0/mlflow-artifacts/(artifacts|mpu/[a-z]+|presigned)(?:/|$)")


class Unparsable(ValueError):
    """A line that is no request."""


def row(line: bytes, keycloak_path: str = "/sso") -> Row:
    """Return the row of a line; one that nobody understands becomes a row, too."""
    try:
        return request_row(line, keycloak_path)
    except (Unparsable, ValueError, RecursionError):
        return unparsable_row(line)


def unparsable_row(line: bytes) -> Row:
    """Return a row that says which line nobody understood, without its text: that may hold a secret."""
    digest = hashlib.sha256(line).hexdigest()
    detail = f"a line of {len(line)} bytes with the SHA-256 {digest}"
    return {"kind": "unparsable", "operation": "unparsable", "detail": detail}


def gap_row(missing: str) -> Row:
    """Return a row that says that a log file went away before it was stored."""
    return {"kind": "gap", "operation": "gap", "detail": f"the log file that began with line {missing} is gone"}


def request_row(line: bytes, keycloak_path: str) -> Row:
    """Return the row of a request."""
    said = json.loads(line.decode("utf-8", "replace"))
    if not isinstance(said, Mapping):
        raise Unparsable("no object")
    found: Row = {"kind": "request", "time": moment(said.get("time"))}
    for key in TEXTS:
        found[COLUMNS.get(key, key)] = text(said.get(key), escaped=key in ESCAPED)
    for key in NUMBERS:
        found[key] = number(said.get(key))
    found["duration"] = seconds(said.get("request_time"))
    if not found["request_id"] or found["status"] is None:
        raise Unparsable("no request")
    return complete(found, keycloak_path)


def complete(found: Row, keycloak_path: str) -> Row:
    """Add what the edge did not know, and take away what is nobody's business."""
    uri = found["uri"] or ""
    if SECRET_QUERY.search(uri):
        found["uri"] = uri.partition("?")[0]
    found["operation"] = found["operation"] or operation(found, keycloak_path)
    found["outcome"] = found["outcome"] or outcome(found["status"], bool(found["upstream"]))
    for name, value in names_in_query(uri).items():
        found[name] = found[name] or value
    return found


def moment(value: Any) -> str:
    """Return a time with its offset as it is, if it is one."""
    if not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is None:
        raise Unparsable("no time")
    return value


def text(value: Any, escaped: bool = False) -> str | None:
    """Return a text of bounded length that a database can store; None for an empty one."""
    if value is None or value == "" or value == "-":
        return None
    if not isinstance(value, str | int | float):
        raise Unparsable("no text")
    plain = ESCAPE.sub(_unescaped, str(value)) if escaped else str(value)
    return UNSTORABLE.sub("\ufffd", plain)[:LONGEST_TEXT]


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return "\\"
    code = int(found[1], 16)
    return chr(code) if code < 0x110000 else found[0]


def number(value: Any) -> int | None:
    """Return a whole number, which nginx may have written as a text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unparsable("no number")
    found = int(value)
    if not 0 <= found <= LARGEST_NUMBER:
        raise Unparsable("no number that can be stored")
    return found


def seconds(value: Any) -> str | None:
    """Return a duration in seconds."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not 0 <= float(value) < 1e9:
        raise Unparsable("no duration")
    return f"{float(value):.3f}"


def outcome(status: int, upstream: bool) -> str:
    """Return how a request ended that MLflow says nothing about."""
    if status in REFUSALS or (not upstream and 400 <= status < 500):
        return "refused"
    if status == 0 or status == 499:
        return "given up"
    return "allowed" if status < 400 else "failed"


def operation(found: Row, keycloak_path: str) -> str:
    """Return what was asked for, from the path alone."""
    path = unquote(urlsplit((found["uri"] or "").replace("//", "/")).path)
    if not path.startswith("/"):
        return "no request"
    if not found["upstream"] and found["status"] == 308:
        return "redirect to TLS"
    if path.startswith("/static-files/"):
        return "static"
    if path.startswith(keycloak_path + "/"):
        rest = re.sub(r"^/realms/[^/]+/", "/", path.removeprefix(keycloak_path))
        return f"keycloak{rest}"[:200].rstrip("/")
    stored = STORE.match(path)
    if stored:
        return stored[1]
    api = API.match(path)
    return (api[1] if api else path.strip("/") or "page")[:200]


def names_in_query(uri: str) -> dict[str, str]:
    """Return the run and the experiment that a query names."""
    query = parse_qsl(uri.partition("?")[2], max_num_fields=100) if uri.count("&") < 100 else []
    return {QUERY_NAMES[key]: text(value) or "" for key, value in query if key in QUERY_NAMES and len(value) <= 256}
