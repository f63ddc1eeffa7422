# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log search is sent and what of its answers lets lines go; syslog-ng itself runs in Molecule."""

from __future__ import annotations

import base64
import datetime
import http.server
import importlib.util
import json
import ssl
import sys
import threading
import types
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FILE = Path(__file__).resolve().parents[3] / "roles" / "log_shipping" / "files" / "mlops_log_search.py"
QUEUED, SUCCESS, NOT_CONNECTED = "queued", "success", "not connected"


@pytest.fixture(name="module")
def loaded_module(monkeypatch: pytest.MonkeyPatch) -> t.Any:
    # syslog-ng brings this module, and sets what the methods return.
    program = types.ModuleType("syslogng")
    constants = {"QUEUED": QUEUED, "SUCCESS": SUCCESS, "NOT_CONNECTED": NOT_CONNECTED}
    program.__dict__["LogDestination"] = type("LogDestination", (), constants)
    monkeypatch.setitem(sys.modules, "syslogng", program)
    spec = importlib.util.spec_from_file_location("mlops_log_search", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(*identifiers: str) -> list[tuple[str, str, str]]:
    return [("logs-2026.11.25", identifier, json.dumps({"message": identifier})) for identifier in identifiers]


def test_an_action_is_two_lines_of_json(module: t.Any) -> None:
    written = module.action(("logs", 'quoted " id', '{"message":"é"}'))
    first, second, nothing = written.decode().split("\n")
    assert json.loads(first) == {"create": {"_index": "logs", "_id": 'quoted " id'}}
    assert (second, nothing) == ('{"message":"é"}', "")


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(0, 1000, []), (1, 1000, [1]), (3, 10_000, [3]), (3, 1, [1, 1, 1]), (4, 180, [2, 2]), (5, 180, [2, 2, 1])],
)
def test_requests_are_no_larger_than_told(module: t.Any, count: int, most: int, sizes: list[int]) -> None:
    sent = lines(*map(str, range(count)))
    groups = module.requests(sent, most)
    assert [len(group) for group in groups] == sizes
    assert [action for group in groups for action in group] == [module.action(line) for line in sent]


def item(status: int, reason: str = "") -> dict[str, t.Any]:
    return {"create": {"status": status, **({"error": {"type": "refused", "reason": reason}} if reason else {})}}


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([item(201)], ""),
        ([item(201), item(409, "exists")], ""),
        ([item(201), item(429, "busy")], "1 of 2 documents are refused: 429 refused: busy"),
        ([item(400, "no"), item(400, "no")], "2 of 2 documents are refused: 400 refused: no"),
        ([item(503, "a"), item(429, "b")], "2 of 2 documents are refused: 429 refused: b; 503 refused: a"),
    ],
)
def test_a_request_is_done_when_every_document_is_there(module: t.Any, items: list[t.Any], reason: str) -> None:
    assert module.not_stored(json.dumps({"items": items}).encode(), len(items)) == reason


@pytest.mark.parametrize("answer", [b"", b"<html>", b'{"items": []}', b'{"items": [{"create": {"status": 201}}] * 2}'])
def test_an_answer_about_something_else_is_no_success(module: t.Any, answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Extra data|1 documents were sent"):
        module.not_stored(answer, 1)


class Server:
    """A server that stores documents, and can be told to answer otherwise."""

    def __init__(self, folder: Path) -> None:
        self.stored: dict[str, t.Any] = {}
        self.logins: set[str] = set()
        self.status = 200
        self.largest = 10**9
        self.refused: set[str] = set()
        self.certificate = folder / "ca.pem"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.logins.add(base64.b64decode(self.headers["Authorization"].split()[1]).decode())
                status = 413 if len(body) > outer.largest else outer.status
                answer = json.dumps({"items": outer.store(body) if status == 200 else []}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        self.server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, make_certificate(self.certificate))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def store(self, body: bytes) -> list[t.Any]:
        answers = []
        texts = body.decode().split("\n")
        for action, document in zip(texts[::2], texts[1::2], strict=False):
            identifier = json.loads(action)["create"]["_id"]
            if identifier in self.refused:
                answers.append(item(429, "busy"))
                continue
            answers.append(item(409, "exists") if identifier in self.stored else item(201))
            self.stored[identifier] = json.loads(document)
        return answers


def make_certificate(path: Path) -> Path:
    """Write a certificate for localhost; returns the file of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path = path.with_suffix(".key")
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return key_path


@pytest.fixture(name="server")
def running_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    thread = threading.Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(name="bulk")
def destination(module: t.Any, server: Server) -> t.Any:
    bulk = module.Bulk()
    url = f"https://localhost:{server.server.server_port}"
    options = {"url": url, "user": "ada", "password": 'p"w:é', "ca_file": str(server.certificate)}
    assert bulk.init(options) is True
    assert bulk.open() is True
    return bulk


def send(bulk: t.Any, *identifiers: str) -> t.Any:
    """Send lines as syslog-ng does, and again when it says that there was no connection."""
    for index, identifier, document in lines(*identifiers):
        values = {"index": index.encode(), "id": identifier, "document": document.encode()}
        assert bulk.send(values) == QUEUED
    return bulk.flush()


def test_lines_are_stored_once_each(bulk: t.Any, server: Server) -> None:
    assert send(bulk) == SUCCESS
    assert send(bulk, "a", "b") == SUCCESS
    assert send(bulk, "b", "c") == SUCCESS
    assert server.stored == {name: {"message": name} for name in "abc"}
    assert server.logins == {'ada:p"w:é'}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_lines_wait_whatever_else_the_server_says(
    bulk: t.Any, server: Server, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    server.status = status
    assert send(bulk, "a", "b") == NOT_CONNECTED
    assert f"the server answers {status}" in capsys.readouterr().err
    server.status = 200
    assert send(bulk, "a", "b") == SUCCESS
    assert sorted(server.stored) == ["a", "b"]


def test_one_refused_document_holds_its_request(
    bulk: t.Any, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refused = {"b"}
    assert send(bulk, "a", "b", "c") == NOT_CONNECTED
    assert "1 of 3 documents are refused: 429 refused: busy" in capsys.readouterr().err
    server.refused = set()
    assert send(bulk, "a", "b", "c") == SUCCESS
    assert sorted(server.stored) == ["a", "b", "c"]


def test_a_request_that_is_too_large_is_sent_in_halves(
    bulk: t.Any, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.largest = 200
    assert send(bulk, *"abcdefg", "x" * 100, "y") == SUCCESS
    assert sorted(server.stored) == [*"abcdefg", "y"]
    assert "takes no line of 269 bytes" in capsys.readouterr().err


def test_a_server_with_another_authority_gets_nothing(module: t.Any, server: Server, tmp_path: Path) -> None:
    make_certificate(tmp_path / "other.pem")
    bulk = module.Bulk()
    url = f"https://localhost:{server.server.server_port}"
    bulk.init({"url": url, "user": "ada", "password": "x", "ca_file": str(tmp_path / "other.pem")})
    assert send(bulk, "a") == NOT_CONNECTED
    assert server.stored == {}
    assert server.logins == set()


def test_a_server_that_is_away_is_waited_for(bulk: t.Any, server: Server) -> None:
    server.server.server_close()
    assert send(bulk, "a") == NOT_CONNECTED
