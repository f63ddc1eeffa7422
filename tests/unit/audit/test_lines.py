# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of the access log become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlops_audit import lines

WHOLE = {
    "time": "2026-11-25T05:00:00.123+00:00", "request_id": "a" * 32, "connection": 7, "connection_requests": 2,
    "remote_addr": "192.0.2.1", "user": "ada", "auth": "token", "groups": "governance,pricing", "outcome": "allowed",
    "operation": "log_batch", "experiment_id": "1", "run_id": "r1", "model": "", "version": "", "alias": "",
    "method": "POST", "host": "mlflow.example.com", "uri": "/api/2.0/mlflow/runs/log-batch", "protocol": "HTTP/2.0",
    "status": 200, "request_bytes": 100, "response_bytes": 50, "request_time": 0.0125, "upstream": "unix:/run/x.sock",
    "upstream_status": "200", "upstream_time": "0.012", "user_agent": "mlflow/3", "cache": "",
}  # fmt: skip


def row(**changes: Any) -> lines.Row:
    return lines.row(json.dumps({**WHOLE, **changes}).encode())


def test_a_request_has_all_its_columns() -> None:
    assert row() == {
        "kind": "request", "time": "2026-11-25T05:00:00.123+00:00", "request_id": "a" * 32, "connection": 7,
        "connection_requests": 2, "remote_addr": "192.0.2.1", "user_name": "ada", "auth": "token",
        "groups": "governance,pricing", "outcome": "allowed", "operation": "log_batch", "experiment_id": "1",
        "run_id": "r1", "model": None, "version": None, "alias": None, "method": "POST", "host": "mlflow.example.com",
        "uri": "/api/2.0/mlflow/runs/log-batch", "protocol": "HTTP/2.0", "status": 200, "request_bytes": 100,
        "response_bytes": 50, "duration": "0.013" if f"{0.0125:.3f}" == "0.013" else "0.012",
        "upstream": "unix:/run/x.sock", "upstream_status": "200", "upstream_time": "0.012", "user_agent": "mlflow/3",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"", b"plain text", b"[]", b"null", b'{"time":"2026-11-25T05:00:00+00:00"', b"[" * 100_000, b'"text"',
        *(json.dumps({**WHOLE, **changes}).encode() for changes in (
            {"time": None}, {"time": "yesterday"}, {"time": "2026-11-25T05:00:00"}, {"request_id": ""},
            {"status": ""}, {"status": "x"}, {"status": True}, {"status": -1}, {"request_bytes": 2**63},
            {"request_time": "x"}, {"request_time": -1}, {"request_time": True}, {"user": ["ada"]}, {"status": [1]},
        )),
    ],
)  # fmt: skip
def test_a_line_that_nobody_understands_is_a_row_without_its_text(line: bytes) -> None:
    found = lines.row(line)
    assert (found["kind"], found["operation"]) == ("unparsable", "unparsable")
    assert f"{len(line)} bytes" in found["detail"]
    assert "ada" not in found["detail"]


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"user": "caf\\u{e9}"}, "user_name", "caf\u00e9"),
        ({"model": "a\\\\b"}, "model", "a\\b"),
        ({"model": "\\u{110000}"}, "model", "\\u{110000}"),
        ({"user_agent": "a\\u{e9}"}, "user_agent", "a\\u{e9}"),
        ({"user": "a\x00b"}, "user_name", "a\ufffdb"),
        ({"user": "\\u{0}"}, "user_name", "\ufffd"),
        ({"user": "\\u{d800}"}, "user_name", "\ufffd"),
        ({"user": ""}, "user_name", None),
        ({"upstream_time": "-"}, "upstream_time", None),
        ({"uri": "/" + "x" * 9000}, "uri", ("/" + "x" * 9000)[: lines.LONGEST_TEXT]),
        ({"uri": "/a?code=secret"}, "uri", "/a"),
        ({"uri": "/a?x=1&access_token=secret&y=2"}, "uri", "/a"),
        ({"uri": "/a?encode=1"}, "uri", "/a?encode=1"),
        ({"run_id": "", "uri": "/api/2.0/mlflow/runs/get?run_id=r9"}, "run_id", "r9"),
        ({"run_id": "", "uri": "/get-artifact?path=x&run_uuid=r9"}, "run_id", "r9"),
        ({"run_id": "r1", "uri": "/api/2.0/mlflow/runs/get?run_id=r9"}, "run_id", "r1"),
        ({"run_id": "", "uri": "/x?run_id=" + "r" * 300}, "run_id", None),
        ({"experiment_id": "", "uri": "/x?experiment_id=4"}, "experiment_id", "4"),
        ({"connection": "9"}, "connection", 9),
        ({"connection": ""}, "connection", None),
        ({"request_time": ""}, "duration", None),
    ],
)  # fmt: skip
def test_values(changes: dict[str, Any], column: str, expected: Any) -> None:
    assert row(**changes)[column] == expected


def test_bytes_that_are_no_text_are_replaced() -> None:
    line = json.dumps(WHOLE).replace("mlflow/3", "x").encode().replace(b'"x"', b'"\xff"')
    assert lines.row(line)["user_agent"] == "\ufffd"


@pytest.mark.parametrize(
    ("uri", "upstream", "status", "expected"),
    [
        ("/api/2.0/mlflow/runs/log-batch", "u", 200, "runs/log-batch"),
        ("/ajax-api/3.0/mlflow/traces/search", "u", 200, "traces/search"),
        ("/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/x", "u", 200, "artifacts"),
        ("/api/2.0/mlflow-artifacts/mpu/create/1/r", "u", 200, "mpu/create"),
        ("/static-files/main.js", "", 200, "static"),
        ("/sso/realms/mlops/protocol/openid-connect/token", "k", 200, "keycloak/protocol/openid-connect/token"),
        ("/sso/admin/master/console/", "", 404, "keycloak/admin/master/console"),
        ("/", "u", 200, "page"),
        ("/a?b=c", "", 308, "redirect to TLS"),
        ("//metrics", "", 404, "metrics"),
        ("/%6detrics", "", 404, "metrics"),
        ("", "", 400, "no request"),
        ("/" + "x" * 300, "u", 404, "x" * 200),
    ],
)
def test_operations_of_requests_that_mlflow_says_nothing_about(
    uri: str, upstream: str, status: int, expected: str
) -> None:
    assert row(uri=uri, upstream=upstream, status=status, operation="")["operation"] == expected


@pytest.mark.parametrize(
    ("status", "upstream", "expected"),
    [
        (200, "u", "allowed"), (308, "", "allowed"), (401, "u", "refused"), (403, "u", "refused"),
        (429, "", "refused"), (421, "", "refused"), (404, "", "refused"), (400, "", "refused"), (404, "u", "failed"),
        (502, "u", "failed"), (0, "", "given up"), (499, "u", "given up"),
    ],
)  # fmt: skip
def test_outcomes_of_requests_that_mlflow_says_nothing_about(status: int, upstream: str, expected: str) -> None:
    assert row(status=status, upstream=upstream, outcome="")["outcome"] == expected
    assert row(status=status, upstream=upstream, outcome="refused")["outcome"] == "refused"


def test_many_parameters_are_not_read() -> None:
    assert lines.names_in_query("/x?run_id=r" + "&a=b" * 200) == {}


def test_a_gap_says_what_is_missing() -> None:
    assert lines.gap_row("abc") == {
        "kind": "gap", "operation": "gap", "detail": "the log file that began with line abc is gone",
    }  # fmt: skip
