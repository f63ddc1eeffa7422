# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._endpoint_probe import (
    ANSWERED,
    REFUSED,
    UNKNOWN,
    UNTRUSTED,
    Endpoint,
    Outcome,
    days_left,
    judge,
    postgres_answer,
    postgres_startup,
    probe,
)

OK = Outcome(ANSWERED, "HTTP 200", status=200, tls_version="TLSv1.3", days_left=90)
REDIRECT = Outcome(ANSWERED, "HTTP 301", status=301, location="https://mlflow.example.com/")

TEST_JUDGE: list[tuple[str, Outcome, str, list[int], bool]] = [
    ("answers", OK, "answer", [200], True),
    ("wrong status", OK, "answer", [401], False),
    ("expires soon", Outcome(ANSWERED, "", status=200, days_left=13), "answer", [200], False),
    ("does not answer", Outcome(REFUSED, ""), "answer", [200], False),
    ("handshake is the answer", Outcome(ANSWERED, "TLS", days_left=90), "answer", [200], True),
    ("refuses", Outcome(REFUSED, ""), "refusal", [], True),
    ("should refuse", OK, "refusal", [], False),
    ("refuses by status", Outcome(ANSWERED, "", status=403), "refusal", [403], True),
    ("asks for a password", Outcome(ANSWERED, ""), "refusal", [], False),
    ("redirects", REDIRECT, "refusal", [301], True),
    ("redirects to plain text", Outcome(ANSWERED, "", status=301, location="http://x/"), "refusal", [301], False),
    ("a certificate that is not trusted refuses nothing", Outcome(UNTRUSTED, ""), "refusal", [], False),
    ("a name that does not resolve refuses nothing", Outcome(UNKNOWN, ""), "refusal", [], False),
]


@pytest.mark.parametrize(
    ("name", "outcome", "expect", "status", "ok"), TEST_JUDGE, ids=[case[0] for case in TEST_JUDGE]
)
def test_judge(name: str, outcome: Outcome, expect: str, status: list[int], ok: bool) -> None:
    assert judge(outcome, expect, status, minimum_days=14)[0] is ok


def test_judge_tells_the_days() -> None:
    assert judge(OK, "answer", [200], 14)[1] == "HTTP 200, TLSv1.3, certificate for 90 more days"
    assert judge(OK, "answer", [200], 91)[1].endswith("; fewer than 91 days")


def test_days_left() -> None:
    certificate = {"notAfter": "Jan  3 00:00:00 2027 GMT"}
    assert days_left(certificate, ssl.cert_time_to_seconds("Jan  1 12:00:00 2027 GMT")) == 1
    assert days_left(certificate, ssl.cert_time_to_seconds("Jan  4 00:00:00 2027 GMT")) == -1


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES, NAMES)
def test_postgres_startup_round_trips(user: str, database: str) -> None:
    message = postgres_startup(user, database)
    length, protocol = struct.unpack("!ii", message[:8])
    assert (length, protocol) == (len(message), 3 << 16)
    assert message[8:].decode().split("\0") == ["user", user, "database", database, "", ""]


def test_postgres_answer() -> None:
    refused = b"E\0\0\0\x40SFATAL\0C28000\0Mno pg_hba.conf entry for host\0\0"
    assert postgres_answer(refused) == Outcome(REFUSED, "refused: no pg_hba.conf entry for host")
    assert postgres_answer(b"") == Outcome(REFUSED, "refused: connection closed")
    assert postgres_answer(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0").kind == ANSWERED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and key for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30, hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener on loopback that serves one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _address = listener.accept()
            with connection:
                try:
                    serve(connection)
                except OSError:
                    pass

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


def answer_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def https(certificate: Path, client_required: bool = False) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_required:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(certificate)
        with context.wrap_socket(connection, server_side=True) as secured:
            answer_http(secured)

    return serve


def endpoint(port: int, **options: object) -> Endpoint:
    return Endpoint(**{"host": "localhost", "address": "127.0.0.1", "port": port, "timeout": 5.0, **options})  # type: ignore[arg-type]


def test_https_answers(certificate: Path) -> None:
    with server(https(certificate)) as port:
        outcome = probe(endpoint(port, ca_path=str(certificate)))
    assert (outcome.kind, outcome.status, outcome.days_left) == (ANSWERED, 200, 30)


@pytest.mark.parametrize("options", [{"ca_path": None}, {"host": "other.example.com"}])
def test_a_certificate_that_is_not_trusted(certificate: Path, options: dict[str, object]) -> None:
    with server(https(certificate)) as port:
        outcome = probe(endpoint(port, **{"ca_path": str(certificate), **options}))
    assert outcome.kind == UNTRUSTED


def test_client_certificate_missing(certificate: Path) -> None:
    with server(https(certificate, client_required=True)) as port:
        assert probe(endpoint(port, ca_path=str(certificate))).kind == REFUSED


def test_client_certificate_given(certificate: Path) -> None:
    own = {"client_certificate": str(certificate), "client_key": str(certificate)}
    with server(https(certificate, client_required=True)) as port:
        assert probe(endpoint(port, ca_path=str(certificate), **own)).status == 200


def test_plain_text_where_tls_is_expected(certificate: Path) -> None:
    with server(answer_http) as port:
        assert probe(endpoint(port, ca_path=str(certificate))).kind == REFUSED


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert probe(endpoint(port)).kind == REFUSED


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=lambda: answer_http(listener.accept()[0]))
        thread.start()
        outcome = probe(Endpoint(tls=False, unix_socket=path, timeout=5.0))
        thread.join(timeout=10)
    assert outcome.status == 200
    assert probe(Endpoint(tls=False, unix_socket=str(tmp_path / "none"))).detail == "no such socket"


def test_a_name_that_does_not_resolve() -> None:
    assert probe(Endpoint(host="no-such-host.invalid", port=1)).kind == UNKNOWN


def postgres_with_tls(certificate: Path) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        assert connection.recv(8) == struct.pack("!ii", 8, 80877103)
        connection.sendall(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.wrap_socket(connection, server_side=True).close()

    return serve


def test_postgres_with_tls(certificate: Path) -> None:
    with server(postgres_with_tls(certificate)) as port:
        outcome = probe(endpoint(port, protocol="postgres", ca_path=str(certificate)))
    assert (outcome.kind, outcome.days_left) == (ANSWERED, 30)


def test_postgres_without_tls(certificate: Path) -> None:
    with server(lambda connection: (connection.recv(8), connection.sendall(b"N"))[1]) as port:  # type: ignore[func-returns-value]
        outcome = probe(endpoint(port, protocol="postgres", ca_path=str(certificate)))
    assert outcome == Outcome(REFUSED, "the server does not offer TLS")


def test_postgres_refuses_plain_text() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"E\0\0\0\x10SFATAL\0Mno encryption\0\0")

    with server(serve) as port:
        outcome = probe(endpoint(port, protocol="postgres", tls=False, username="u", database="d"))
    assert outcome == Outcome(REFUSED, "refused: no encryption")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Endpoint(host="a", port=1, path="/x"), "https://a:1/x"),
        (Endpoint(host="a", port=1, protocol="postgres", tls=False), "postgresql://a:1 without TLS"),
        (Endpoint(unix_socket="/run/s", tls=False), "/run/s /"),
    ],
)
def test_endpoint_in_words(value: Endpoint, text: str) -> None:
    assert str(value) == text
