# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The MLflow client against a small real HTTP server."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_client
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowClient, Route

Answer = tuple[int, dict[str, str], bytes]
JSON = {"Content-Type": "application/json"}


class Server(ThreadingHTTPServer):
    """Gives the prepared answers one by one, the last one again and again, and keeps the requests."""

    answers: list[Answer]
    requests: list[dict[str, t.Any]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(
            {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        )
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, format: str, *args: t.Any) -> None:
        del format, args


@pytest.fixture(name="server")
def fixture_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(_mlflow_client, "RETRY_DELAY_SECONDS", 0.001)
    server = Server(("127.0.0.1", 0), Handler)
    server.answers, server.requests = [(200, JSON, b"{}")], []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


# request arguments, path as sent, body, content type
REQUESTS: list[tuple[dict[str, t.Any], str, bytes, str | None]] = [
    ({"method": "GET", "path": "/version"}, "/version", b"", None),
    ({"method": "GET", "path": "a b/ü"}, "/a%20b/%C3%BC", b"", None),
    ({"method": "GET", "path": "/a%2Fb"}, "/a%2Fb", b"", None),
    ({"method": "GET", "path": "/s", "query": {"n": 1, "tag": ["a&", "b"]}}, "/s?n=1&tag=a%26&tag=b", b"", None),
    ({"method": "POST", "path": "/p", "json": {"k": "v"}}, "/p", b'{"k": "v"}', "application/json"),
    ({"method": "PUT", "path": "/f", "data": b"\x00\xff"}, "/f", b"\x00\xff", "application/octet-stream"),
    ({"method": "DELETE", "path": "/f"}, "/f", b"", None),
]


@pytest.mark.parametrize(("arguments", "path", "body", "content_type"), REQUESTS)
def test_request(server: Server, arguments: dict[str, t.Any], path: str, body: bytes, content_type: str | None) -> None:
    response = MlflowClient(url(server)).request(**arguments)
    sent = server.requests[0]
    assert (sent["method"], sent["path"], sent["body"]) == (arguments["method"], path, body)
    assert sent["headers"].get("Content-Type") == content_type
    assert "Authorization" not in sent["headers"]
    assert (response.status, response.json, response.body) == (200, {}, b"{}")
    assert response.headers["content-type"] == "application/json"


LOGINS: list[tuple[dict[str, str], str]] = [
    ({"username": "ann", "password": "p:ä"}, "Basic " + base64.b64encode("ann:p:ä".encode()).decode()),
    ({"token": "abc"}, "Bearer abc"),
]


@pytest.mark.parametrize(("login", "header"), LOGINS)
def test_login(server: Server, login: dict[str, str], header: str) -> None:
    MlflowClient(url(server), **login).request("GET", "/")
    assert server.requests[0]["headers"]["Authorization"] == header


# answer, status, error code, part of the message
ERRORS: list[tuple[Answer, int, str, str]] = [
    ((400, JSON, b'{"error_code": "BAD_VALUE", "message": "bad"}'), 400, "BAD_VALUE", "bad"),
    ((401, {}, b"Log in first"), 401, "Unauthorized", "Log in first"),
    ((404, JSON, b"[]"), 404, "Not Found", "[]"),
    ((502, JSON, b"not json"), 502, "Bad Gateway", "not json"),
    ((500, {}, b""), 500, "Internal Server Error", "no message"),
    ((302, {"Location": "https://elsewhere.test/"}, b""), 302, "Found", "no message"),
    ((599, {}, b"?"), 599, "UNKNOWN", "?"),
]


@pytest.mark.parametrize(("answer", "status", "error_code", "message"), ERRORS)
def test_error(server: Server, answer: Answer, status: int, error_code: str, message: str) -> None:
    server.answers = [answer]
    with pytest.raises(MlflowApiError) as caught:
        MlflowClient(url(server), token="very-secret").request("GET", "/x")
    error = caught.value
    assert (error.status, error.error_code, error.message) == (status, error_code, message)
    assert str(error) == f"HTTP {status} {error_code}: {message}"
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.answers = [(503, {}, b""), (503, {}, b""), (200, JSON, b'{"ok": true}')]
    assert MlflowClient(url(server)).request("POST", "/x", json={}).json == {"ok": True}
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_an_error(server: Server) -> None:
    server.answers = [(503, {}, b"starting")]
    with pytest.raises(MlflowApiError, match="HTTP 503 Service Unavailable: starting"):
        MlflowClient(url(server)).request("GET", "/x")
    assert len(server.requests) == _mlflow_client.RETRY_ATTEMPTS


def test_no_answer(server: Server) -> None:
    address = url(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(MlflowApiError, match=r"NO_ANSWER: .* did not answer") as caught:
        MlflowClient(address, token="very-secret").request("GET", "/x")
    assert caught.value.status == 0
    assert "very-secret" not in str(caught.value)


def test_text_is_not_json(server: Server) -> None:
    server.answers = [(200, {"Content-Type": "text/plain"}, b"3.17.2")]
    response = MlflowClient(url(server)).request("GET", "/version")
    assert (response.json, response.body) == (None, b"3.17.2")


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"url": "mlflow.test"}, "absolute URL"),
    ({"url": "ftp://mlflow.test"}, "absolute URL"),
    ({"url": "https://ann:hidden@mlflow.test"}, "must not hold credentials"),
    ({"url": "http://mlflow.test", "token": "hidden"}, "must be https://"),
    ({"url": "http://mlflow.test", "username": "a", "password": "hidden"}, "must be https://"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        MlflowClient(**arguments)
    assert "hidden" not in str(caught.value)


def test_the_body_is_what_json_says(server: Server) -> None:
    MlflowClient(url(server)).request("POST", "/x", json={"name": "ü"})
    assert json.loads(server.requests[0]["body"]) == {"name": "ü"}


def test_a_socket_takes_the_place_of_the_network(tmp_path: Path) -> None:
    """Credentials may go to a name over http there, as they do not leave the host."""
    seen: list[str] = []

    class SocketHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                if line == b"\r\n":
                    break
                seen.append(line.decode().strip())
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

    path = tmp_path / "server.sock"
    with socketserver.UnixStreamServer(str(path), SocketHandler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        client = MlflowClient("http://mlflow.test", token="hidden", route=Route(unix_socket=str(path)))
        assert client.request("GET", "/health").body == b"OK"
        thread.join()
    assert "Host: mlflow.test" in seen
    assert "Authorization: Bearer hidden" in seen


def test_the_name_that_the_server_knows_itself_by_is_sent(server: Server) -> None:
    MlflowClient(url(server), route=Route(host_header="mlflow.test")).request("GET", "/health")
    assert server.requests[0]["headers"]["Host"] == "mlflow.test"
