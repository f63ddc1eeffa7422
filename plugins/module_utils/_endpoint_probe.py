# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one endpoint does when it is spoken to. Private to this collection."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import struct
import time
import typing as t
from collections.abc import Collection
from dataclasses import dataclass, replace

POSTGRES_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
POSTGRES_PROTOCOL = 196608
DAY_SECONDS = 86400

# How an endpoint may take a request. Only `answered` and `refused` tell something about the endpoint.
ANSWERED = "answered"
REFUSED = "refused"
UNTRUSTED = "untrusted"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Endpoint:
    """Where to connect and what to say there."""

    protocol: str = "http"
    tls: bool = True
    host: str = ""
    port: int = 0
    address: str = ""
    unix_socket: str = ""
    ca_path: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    path: str = "/"
    username: str = ""
    password: str = ""
    database: str = ""
    timeout: float = 10.0

    def __str__(self) -> str:
        if self.unix_socket:
            return f"{self.unix_socket} {self.path}"
        where = f"{self.host}:{self.port}"
        if self.protocol == "postgres":
            return f"postgresql://{where} {'with' if self.tls else 'without'} TLS"
        return f"{'https' if self.tls else 'http'}://{where}{self.path}"


@dataclass(frozen=True)
class Outcome:
    """What the endpoint did."""

    kind: str
    detail: str
    status: int | None = None
    location: str = ""
    tls_version: str = ""
    days_left: int | None = None


def judge(outcome: Outcome, expect: str, status: Collection[int], minimum_days: int) -> tuple[bool, str]:
    """Whether the outcome is what was expected, and what to say about it."""
    detail = _describe(outcome)
    if outcome.kind == UNTRUSTED or outcome.kind == UNKNOWN:
        return False, detail
    if outcome.days_left is not None and outcome.days_left < minimum_days:
        return False, f"{detail}; fewer than {minimum_days} days"
    if outcome.kind == REFUSED:
        return expect == "refusal", detail
    if outcome.status is None:
        return expect == "answer", detail
    if outcome.status not in status:
        wanted = ", ".join(map(str, status)) or "a refusal"
        return False, f"{detail}; expected {wanted}"
    if 300 <= outcome.status < 400 and not outcome.location.startswith("https://"):
        return False, f"{detail}; redirects to {outcome.location or 'nowhere'} instead of https://"
    return True, detail


def _describe(outcome: Outcome) -> str:
    parts = [outcome.detail]
    if outcome.tls_version:
        parts.append(outcome.tls_version)
    if outcome.days_left is not None:
        parts.append(f"certificate for {outcome.days_left} more days")
    return ", ".join(parts)


def days_left(certificate: t.Mapping[str, t.Any], now: float) -> int:
    """Whole days until a certificate, as `getpeercert` tells it, expires."""
    return int((ssl.cert_time_to_seconds(certificate["notAfter"]) - now) // DAY_SECONDS)


def probe(endpoint: Endpoint) -> Outcome:
    """Connect, speak, and tell what happened; never raises for what a network can do."""
    try:
        connection = _connect(endpoint)
    except socket.gaierror as exc:
        return Outcome(UNKNOWN, f"the name {endpoint.address or endpoint.host} does not resolve: {exc.strerror}")
    except FileNotFoundError:
        return Outcome(REFUSED, "no such socket")
    except OSError as exc:
        return Outcome(REFUSED, f"no connection: {_reason(exc)}")
    with connection:
        speak = _speak_postgres if endpoint.protocol == "postgres" else _speak_http
        return speak(endpoint, connection)


def _connect(endpoint: Endpoint) -> socket.socket:
    if not endpoint.unix_socket:
        return socket.create_connection((endpoint.address or endpoint.host, endpoint.port), endpoint.timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(endpoint.timeout)
    try:
        connection.connect(endpoint.unix_socket)
    except OSError:
        connection.close()
        raise
    return connection


def _secure(endpoint: Endpoint, connection: socket.socket) -> tuple[ssl.SSLSocket | None, Outcome]:
    """Wrap the connection; the outcome tells of the certificate, or why there is no secure connection."""
    context = ssl.create_default_context(cafile=endpoint.ca_path)
    if endpoint.client_certificate:
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    try:
        secured = context.wrap_socket(connection, server_hostname=endpoint.host)
    except ssl.SSLCertVerificationError as exc:
        return None, Outcome(UNTRUSTED, f"certificate not valid for {endpoint.host}: {exc.verify_message}")
    except OSError as exc:
        return None, Outcome(REFUSED, f"no TLS: {_reason(exc)}")
    left = days_left(t.cast("dict[str, t.Any]", secured.getpeercert()), time.time())
    return secured, Outcome(ANSWERED, "TLS", tls_version=secured.version() or "", days_left=left)


def _speak_http(endpoint: Endpoint, connection: socket.socket) -> Outcome:
    outcome = Outcome(ANSWERED, "")
    if endpoint.tls:
        secured, outcome = _secure(endpoint, connection)
        if secured is None:
            return outcome
        connection = secured
    client = http.client.HTTPConnection(endpoint.host or "localhost", endpoint.port or None)
    client.sock = connection
    headers = {"User-Agent": "mlops.tracking"}
    if endpoint.username:
        credentials = f"{endpoint.username}:{endpoint.password}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode("ascii")
    try:
        client.request("GET", endpoint.path, headers=headers)
        answer = client.getresponse()
    except (OSError, http.client.HTTPException) as exc:
        return replace(outcome, kind=REFUSED, detail=f"no answer: {_reason(exc)}")
    finally:
        client.close()
    return replace(
        outcome,
        detail=f"HTTP {answer.status}",
        status=answer.status,
        location=answer.getheader("Location") or "",
    )


def _speak_postgres(endpoint: Endpoint, connection: socket.socket) -> Outcome:
    try:
        if not endpoint.tls:
            connection.sendall(postgres_startup(endpoint.username, endpoint.database))
            return postgres_answer(connection.recv(4096))
        connection.sendall(POSTGRES_SSL_REQUEST)
        if connection.recv(1) != b"S":
            return Outcome(REFUSED, "the server does not offer TLS")
    except OSError as exc:
        return Outcome(REFUSED, f"no answer: {_reason(exc)}")
    secured, outcome = _secure(endpoint, connection)
    if secured is not None:
        secured.close()
    return outcome


def postgres_startup(user: str, database: str) -> bytes:
    """The message with which a PostgreSQL client begins without TLS."""
    body = struct.pack("!i", POSTGRES_PROTOCOL)
    for name, value in (("user", user), ("database", database)):
        body += name.encode() + b"\0" + value.encode() + b"\0"
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def postgres_answer(answer: bytes) -> Outcome:
    """What PostgreSQL's first message says: ask for a password, or refuse."""
    if answer[:1] == b"R":
        return Outcome(ANSWERED, "the server goes on to ask for a password")
    fields = {item[:1]: item[1:].decode("utf-8", "replace") for item in answer[5:].split(b"\0") if item}
    return Outcome(REFUSED, "refused: " + fields.get(b"M", "connection closed"))


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "timed out"
    reason = getattr(exc, "reason", None) or getattr(exc, "strerror", None) or str(exc)
    return str(reason or type(exc).__name__)
