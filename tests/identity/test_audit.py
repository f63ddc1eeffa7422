# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit headers say, and that they are printable, bounded and honest."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_identity import audit
from mlops_identity.audit import BODY_BYTES, VALUE_LENGTH, AsgiTrail, Trail, WsgiTrail


def basic(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:secret".encode()).decode()


@given(st.text(max_size=400))
def test_every_value_is_printable_and_bounded(text: str) -> None:
    said = audit.printable(text)
    assert len(said) <= VALUE_LENGTH
    assert all(" " <= character <= "~" for character in said)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("credit", "credit"),
        ('a "quoted" name', 'a "quoted" name'),
        ("a\r\nSet-Cookie: x", "a\\u{d}\\u{a}Set-Cookie: x"),
        ("caf\u00e9", "caf\\u{e9}"),
        ("back\\slash", "back\\\\slash"),
        ("\\u{d}", "\\\\u{d}"),
        (12, "12"),
        ("x" * 300, "x" * VALUE_LENGTH),
    ],
)
def test_escapes_are_unambiguous(value: object, expected: str) -> None:
    assert audit.printable(value) == expected


@pytest.mark.parametrize(
    ("document", "view", "expected"),
    [
        ({"experiment_id": "1", "run_id": "r"}, "_log_metric", {"Experiment": "1", "Run": "r"}),
        ({"run_uuid": "r"}, "_log_metric", {"Run": "r"}),
        ({"name": "credit", "version": 3}, "_delete_model_version", {"Model": "credit", "Version": "3"}),
        (
            {"name": "credit", "alias": "champion"},
            "_set_registered_model_alias",
            {"Model": "credit", "Alias": "champion"},
        ),
        ({"name": "an experiment"}, "_create_experiment", {}),
        ({"run_id": "", "version": True, "alias": None, "experiment_id": ["1"]}, "x", {}),
        (["run_id"], "x", {}),
        (None, "x", {}),
    ],
)
def test_names_in_requests(document: Any, view: str, expected: dict[str, str]) -> None:
    assert audit.names_in(document, view) == expected


@pytest.mark.parametrize(
    ("document", "view", "expected"),
    [
        ({"experiment_id": "5"}, "_create_experiment", {"Experiment": "5"}),
        ({"run": {"info": {"run_id": "r", "experiment_id": "5"}}}, "_create_run", {"Run": "r", "Experiment": "5"}),
        ({"registered_model": {"name": "credit"}}, "_create_registered_model", {"Model": "credit"}),
        (
            {"model_version": {"name": "credit", "version": "2", "run_id": "r"}},
            "_create_model_version",
            {"Model": "credit", "Version": "2", "Run": "r"},
        ),
        ({"model": {"info": {"model_id": "m-1", "name": "m"}}}, "_create_logged_model", {"Model": "m-1"}),
        ("text", "_create_run", {}),
    ],
)
def test_names_in_answers(document: Any, view: str, expected: dict[str, str]) -> None:
    assert audit.names_in_answer(document, view) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("1/abc/artifacts/model/MLmodel", {"Experiment": "1", "Run": "abc"}),
        ("/1//models/m-1/artifacts/x", {"Experiment": "1", "Model": "m-1"}),
        ("1%2Fmodels%2Fm-1", {"Experiment": "1", "Model": "m-1"}),
        ("1/abc", {"Experiment": "1"}),
        ("1/abc/other/x", {"Experiment": "1"}),
        ("team/abc/artifacts", {}),
        ("", {}),
    ],
)
def test_names_in_paths(path: str, expected: dict[str, str]) -> None:
    assert audit.names_in_path(path) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (basic("maker"), "maker"),
        ("basic " + basic("maker").partition(" ")[2], "maker"),
        (basic("a:b"), "a"),
        ("Bearer abc", ""),
        ("Basic ?", ""),
        ("Basic a", ""),
        ("", ""),
    ],
)
def test_a_claimed_name_is_no_more_than_that(header: str, expected: str) -> None:
    assert audit.claimed_user(header) == expected
    trail = Trail()
    audit.claim(trail, header)
    assert (trail.user, trail.how) == ((expected, "claimed") if expected else ("", "none"))
    proven = Trail(user="root", how="token")
    audit.claim(proven, header)
    assert (proven.user, proven.how) == ("root", "token")


@pytest.mark.parametrize(
    ("status", "refused", "expected"),
    [
        (200, False, "allowed"),
        (302, False, "allowed"),
        (401, False, "refused"),
        (403, False, "refused"),
        (404, False, "failed"),
        (500, False, "failed"),
        (400, True, "refused"),
        (200, True, "refused"),
    ],
)
def test_outcomes(status: int, refused: bool, expected: str) -> None:
    assert audit.outcome(Trail(refused=refused), status) == expected


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b'{"run_id": "r"}', "application/json", {"Run": "r"}),
        (b'{"run_id": "r"}', "application/json; charset=utf-8", {"Run": "r"}),
        (b'{"run_id": "r"}', "text/plain", {}),
        (b'{"run_id": ', "application/json", {}),
        (b"\xff\xfe", "application/json", {}),
        (b"[" * 9000, "application/json", {}),
        (b"[1]", "application/json", {}),
        (b"", "application/json", {}),
        (b'{"run_id": "r", "x": "' + b"x" * BODY_BYTES + b'"}', "application/json", {}),
    ],
)
def test_names_in_bodies(body: bytes, content_type: str, expected: dict[str, str]) -> None:
    trail = Trail(content_type=content_type)
    trail.tee(body[:3])
    trail.tee(body[3:])
    assert audit.names_in_body(trail) == expected
    assert len(trail.body) <= BODY_BYTES


def test_the_first_name_stays_and_a_verified_one_goes_before_the_body() -> None:
    operation = "mlflow.server.artifact_router:upload_artifact"
    trail = Trail("maker", "token", "governance,pricing", operation, content_type="application/json")
    trail.learn({"Run": "from the path"})
    trail.learn({"Run": "later", "Model": "m"})
    trail.tee(b'{"run_id": "from the body", "alias": "a"}')
    assert dict(audit.headers(trail, 200)) == {
        "X-Mlops-User": "maker",
        "X-Mlops-Auth": "token",
        "X-Mlops-Groups": "governance,pricing",
        "X-Mlops-Outcome": "allowed",
        "X-Mlops-Operation": "upload_artifact",
        "X-Mlops-Run": "from the path",
        "X-Mlops-Model": "m",
        "X-Mlops-Alias": "a",
    }


def served(environ: dict[str, Any], reader: str | None) -> dict[str, str]:
    """Run a WSGI application that reads its body in one way, and return the headers."""
    found: dict[str, str] = {}

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        stream = environ["wsgi.input"]
        if reader == "iterate":
            assert b"".join(stream)
        elif reader is not None:
            assert getattr(stream, reader)()
        start("403 FORBIDDEN", [("X-Mlops-User", "forged"), ("Content-Type", "text/plain")])
        return [b""]

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> None:
        found.update(headers)

    WsgiTrail(app)(environ, start)
    return found


@pytest.mark.parametrize("reader", [None, "read", "readline", "readlines", "iterate"])
@pytest.mark.parametrize("length", ["17", "", "none", str(BODY_BYTES + 1)])
def test_a_body_is_kept_however_it_is_read(reader: str | None, length: str) -> None:
    environ = {
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": length,
        "HTTP_AUTHORIZATION": basic("maker"),
        "wsgi.input": io.BytesIO(b'{"run_id": "abc"}'),
    }
    found = served(environ, reader)
    assert found["X-Mlops-User"] == "maker"
    assert found["X-Mlops-Auth"] == "claimed"
    assert found.get("X-Mlops-Run") == ("abc" if reader or length == "17" else None)


def test_a_body_that_is_no_json_is_left_alone() -> None:
    body = io.BytesIO(b"a,b")
    served({"CONTENT_TYPE": "text/csv", "CONTENT_LENGTH": "3", "wsgi.input": body}, None)
    assert body.read() == b"a,b"


def asked(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Run an ASGI application, and return what it sent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps({"run_id": "r"}).encode()}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    try:
        asyncio.run(AsgiTrail(app)(scope, receive, send))
    except ZeroDivisionError:
        sent.append({"type": "raised"})
    return sent


SCOPE = {
    "type": "http",
    "headers": [(b"content-type", b"application/json"), (b"authorization", basic("maker").encode())],
    "query_string": b"experiment_id=7",
}


async def reads(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


async def has_them(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Mlops-User", b"root")]})


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ZeroDivisionError


async def fails_late(scope: Any, receive: Any, send: Any) -> None:
    await reads(scope, receive, send)
    raise ZeroDivisionError


async def other(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "lifespan.startup.complete"})


def test_answers_of_the_asynchronous_pool() -> None:
    headers = dict(asked(reads, SCOPE)[0]["headers"])
    assert headers[b"a"] == b"b"
    assert headers[b"x-mlops-user"] == b"maker"
    assert headers[b"x-mlops-auth"] == b"claimed"
    assert (headers[b"x-mlops-run"], headers[b"x-mlops-experiment"]) == (b"r", b"7")
    assert asked(has_them, SCOPE)[0]["headers"] == [(b"X-Mlops-User", b"root")]
    assert asked(other, {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]


def test_an_unhandled_error_of_the_asynchronous_pool_has_the_headers_too() -> None:
    sent = asked(fails, SCOPE)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-mlops-outcome"]) == (500, b"failed")
    assert sent[-1] == {"type": "raised"}
    assert [message["type"] for message in asked(fails_late, SCOPE)].count("http.response.start") == 1
