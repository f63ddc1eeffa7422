# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-ins at MinIO: from an entry of its audit log to a row, through the file that keeps them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_audit import logins, webhook

TOKEN = "token-of-the-webhook"
TIME = "2026-11-26T06:42:15.375058118Z"
SIGNED = "AWS4-HMAC-SHA256 Credential={}/20261126//sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=5ec8e7"


def entry(number: str = "18EB853420AC2FDE", user: str = "root", status: int = 200, **changes: Any) -> dict[str, Any]:
    """As MinIO writes one (7aac2a2c5b7c), without what plays no part."""
    return {
        "version": "1", "time": TIME, "trigger": "incoming",
        "api": {"name": "AssumeRole", "status": "OK" if status == 200 else "Forbidden", "statusCode": status},
        "remotehost": "192.0.2.7", "requestID": number, "requestPath": "/",
        **({"requestClaims": {"accessKey": "49ZK5X8RZH05NYB2TP60", "parent": user}} if status == 200 else {}),
        "requestHeader": {"Authorization": SIGNED.format(user), "X-Forwarded-For": "192.0.2.7"},
        **changes,
    }  # fmt: skip


def body(*entries: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in entries)


def rows(sent: bytes) -> list[dict[str, Any]]:
    return [logins.log_in_row(line) for _number, line in logins.kept(sent)]


def test_a_log_in_is_a_row_with_its_user_and_address() -> None:
    assert rows(body(entry())) == [
        {
            "kind": "event", "time": TIME, "request_id": "18EB853420AC2FDE", "operation": "AssumeRole",
            "outcome": "allowed", "user_name": "root", "remote_addr": "192.0.2.7", "status": 200,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "user", "outcome"),
    [
        (entry(status=403), "root", "refused"),
        (entry(user="team/ada", status=403), "team/ada", "refused"),
        (entry(status=403, requestHeader={}), None, "refused"),
        (entry(status=400), "root", "refused"),
        (entry(status=503), "root", "failed"),
        (entry(api={"name": "AssumeRoleWithLDAPIdentity", "statusCode": 200}), "root", "allowed"),
    ],
)
def test_who_and_with_what_outcome(changed: dict[str, Any], user: str | None, outcome: str) -> None:
    (found,) = rows(body(changed))
    assert (found["kind"], found["user_name"], found["outcome"]) == ("event", user, outcome)


def test_other_requests_are_not_kept_and_no_signature_is() -> None:
    sent = body(entry(api={"name": "PutObject", "statusCode": 200}), entry(api={}), entry("18EB00"))
    ((number, line),) = logins.kept(sent)
    assert number == "18EB00"
    assert b"5ec8e7" not in line
    assert b"Credential" not in line


@pytest.mark.parametrize(
    "bad",
    [
        b"text", b"[]", b"null", b"1", b"{}", b'{"api": null}', b'{"api": {"name": null}}', b"\xff\xfe", b"[" * 100_000,
        body(entry(time=None)), body(entry(time="yesterday")), body(entry(requestHeader=None)),
        body(entry(requestClaims={"parent": {"a": 1}})), body(entry(api={"name": "AssumeRole"})),
        body(entry(api={"name": "AssumeRole", "statusCode": "soon"})),
    ],
)  # fmt: skip
def test_what_nobody_understands_is_a_row_without_its_text(bad: bytes) -> None:
    (found,) = rows(bad)
    assert found["kind"] == "unparsable"
    assert "SHA-256" in found["detail"]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_no_request_is_an_error(lines: list[bytes]) -> None:
    assert all(found["kind"] in ("event", "unparsable") for found in rows(b"\n".join(lines)))


@given(st.text(st.characters(exclude_characters=",", exclude_categories=("C", "Z")), min_size=1, max_size=20))
def test_any_access_key_is_read_from_a_refused_log_in(user: str) -> None:
    (found,) = rows(body(entry(user=user, status=403)))
    assert found["user_name"] == (None if user == "-" else user)


def numbers(path: Path) -> list[str]:
    """The numbers in the files of a log, the oldest first."""
    files = sorted(path.parent.glob("console.log*"), key=lambda file: -int(file.suffix[1:]) if file != path else 0)
    return [json.loads(line)["requestID"] for file in files for line in file.read_bytes().splitlines()]


def test_an_entry_that_comes_again_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    log = webhook.LogInFile(path)
    log.add(body(entry("1"), entry("2"), entry("1")))
    log.add(body(entry("2"), entry("3")))
    webhook.LogInFile(path).add(body(entry("3"), entry("1"), entry("4")))
    assert numbers(path) == ["1", "2", "3", "4"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_files_are_rotated_by_size_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    log = webhook.LogInFile(path, file_bytes=400, files_max=3)
    sent = [str(number) for number in range(30)]
    for number in sent:
        log.add(body(entry(number)))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "console.log", "console.log.1", "console.log.2", "console.log.3",
    ]  # fmt: skip
    found = numbers(path)
    assert found == sent[-len(found) :]
    # Those of the file before are known after a start, too.
    webhook.LogInFile(path, file_bytes=400, files_max=3).add(body(*map(entry, found[-4:])))
    assert numbers(path) == found


def test_half_a_line_goes(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    webhook.LogInFile(path).add(body(entry("1")))
    with path.open("ab") as stream:
        stream.write(b'{"time": "2026')
    webhook.LogInFile(path).add(body(entry("2")))
    assert numbers(path) == ["1", "2"]


@pytest.fixture(name="served")
def as_served(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    path = tmp_path / "logs" / "console.log"
    path.parent.mkdir()
    server = webhook.receiver(0, TOKEN, webhook.LogInFile(path))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], path
    server.shutdown()
    server.server_close()
    thread.join()


def post(port: int, sent: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/", sent, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_only_who_has_the_token_is_heard(served: tuple[int, Path]) -> None:
    port, path = served
    assert post(port, body(entry("1"))) == 403
    assert post(port, body(entry("1")), Authorization="another") == 403
    assert post(port, body(entry("1")), Authorization="t\u00f6ken") == 403
    assert not path.exists()
    assert post(port, body(entry("1")), Authorization=TOKEN) == 200
    assert post(port, body(entry("2")), Authorization=f"Bearer {TOKEN}") == 200
    assert numbers(path) == ["1", "2"]


def test_a_request_that_is_too_long_is_not_read(served: tuple[int, Path]) -> None:
    port, path = served
    headers = {"Authorization": TOKEN, "Content-Length": str(webhook.LONGEST_BODY + 1)}
    assert post(port, b"", **headers) == 413
    assert post(port, b"", Authorization=TOKEN, **{"Content-Length": "many"}) == 413
    assert not path.exists()


def test_what_cannot_be_written_is_not_confirmed(served: tuple[int, Path]) -> None:
    port, path = served
    path.mkdir()
    assert post(port, body(entry("1")), Authorization=TOKEN) == 503
    path.rmdir()
    assert post(port, body(entry("1")), Authorization=TOKEN) == 200
    assert numbers(path) == ["1"]
