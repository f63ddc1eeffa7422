# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who did what to which experiment, run, model and version: response headers that the edge writes into its log."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from mlops_identity.headers import GATEWAY, GATEWAY_HEADER

PREFIX = "X-Mlops-"
VALUE_LENGTH = 256
BODY_BYTES = 16_384
ENVIRON_KEY = "mlops_identity.trail"
# Of the keys that MLflow's requests and answers use, those that say what a request is about.
KEYS: Mapping[str, str] = {
    "experiment_id": "Experiment",
    "run_id": "Run",
    "run_uuid": "Run",
    "model_id": "Model",
    "version": "Version",
    "alias": "Alias",
}
# In these `name` is a model's, elsewhere an experiment's or a role's.
MODEL_VIEWS = ("registered_model", "model_version", "transition_stage", "latest_versions")
# Where the answers of create calls keep the names.
ANSWERS = ("run", "info", "registered_model", "model_version", "model")


@dataclass
class Trail:
    """What is known of one request so far."""

    user: str = ""
    how: str = "none"
    groups: str = ""
    operation: str = ""
    refused: bool = False
    names: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    body: bytearray = field(default_factory=bytearray)
    body_is_whole: bool = True

    def forget_who(self) -> None:
        """Forget who asked and that it was refused: both are found out again."""
        self.user, self.how, self.groups, self.refused = "", "none", "", False

    def learn(self, names: Mapping[str, str]) -> None:
        """Add names; the first one of a kind stays."""
        for kind, name in names.items():
            self.names.setdefault(kind, name)

    def tee(self, chunk: bytes) -> None:
        """Keep the beginning of the body."""
        room = BODY_BYTES - len(self.body)
        self.body += chunk[:room]
        self.body_is_whole = self.body_is_whole and len(chunk) <= room


# The request of the asynchronous pool that is being answered, and what is known of it.
ASGI_SCOPE: ContextVar[dict[str, Any]] = ContextVar("mlops_identity_scope")
ASGI_TRAIL: ContextVar[Trail] = ContextVar("mlops_identity_trail")


def printable(value: object) -> str:
    """Return a value as printable ASCII of bounded length; what cannot be printed is written as an escape."""
    text = "".join(_escaped(character) for character in str(value)[:VALUE_LENGTH])
    return text[:VALUE_LENGTH]


def _escaped(character: str) -> str:
    if character != "\\" and " " <= character <= "~":
        return character
    return "\\\\" if character == "\\" else f"\\u{{{ord(character):x}}}"


def names_in(document: Any, view: str) -> dict[str, str]:
    """Return what a query, a body or an answer says that the request is about."""
    if not isinstance(document, Mapping):
        return {}
    found = {kind: str(document[key]) for key, kind in KEYS.items() if _says(document.get(key))}
    if any(part in view for part in MODEL_VIEWS) and _says(document.get("name")):
        found["Model"] = str(document["name"])
    return found


def _says(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def names_in_answer(document: Any, view: str) -> dict[str, str]:
    """Return the names that the answer of a create call gives."""
    found = names_in(document, view)
    for key in ANSWERS:
        if isinstance(document, Mapping) and isinstance(document.get(key), Mapping):
            # The model of a version or an answer is its name, wherever it stands.
            inner = names_in_answer(document[key], view if key in ("info", "run", "model") else "registered_model")
            found = {**inner, **found}
    return found


def names_in_path(path: str) -> dict[str, str]:
    """Return the experiment and the run or model that a path in the artifact store begins with."""
    parts = [part for part in unquote(path).split("/") if part]
    found = {}
    if parts and parts[0].isdecimal():
        found["Experiment"] = parts[0]
        if len(parts) > 2 and parts[1] == "models":
            found["Model"] = parts[2]
        elif len(parts) > 2 and parts[2] == "artifacts":
            found["Run"] = parts[1]
    return found


def names_in_body(trail: Trail) -> dict[str, str]:
    """Return what a whole JSON body says."""
    if not trail.body or not trail.body_is_whole or "json" not in trail.content_type.casefold():
        return {}
    try:
        return names_in(json.loads(bytes(trail.body)), trail.operation)
    except (ValueError, RecursionError):
        return {}


def claimed_user(header: str) -> str:
    """Return the name that an Authorization header claims, without any proof."""
    scheme, _space, credentials = header.partition(" ")
    if scheme.casefold() != "basic":
        return ""
    try:
        return base64.b64decode(credentials.strip(), validate=True).decode("utf-8", "replace").partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def claim(trail: Trail, header: str) -> None:
    """Note an unproven name as such."""
    user = claimed_user(header)
    if user and not trail.user:
        trail.user, trail.how = user, "claimed"


def outcome(trail: Trail, status: int) -> str:
    """Return how the request ended."""
    if trail.refused or status in (401, 403):
        return "refused"
    return "allowed" if status < 400 else "failed"


def headers(trail: Trail, status: int) -> list[tuple[str, str]]:
    """Return the headers; what is not known has none."""
    names = {**names_in_body(trail), **trail.names}
    said = {
        "User": trail.user,
        "Auth": trail.how,
        "Groups": trail.groups,
        "Outcome": outcome(trail, status),
        "Operation": trail.operation.rpartition(":")[2].strip("_"),
        **names,
    }
    return [(PREFIX + kind, printable(value)) for kind, value in said.items() if value]


def _clean(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out headers of ours that something else set."""
    return [(name, value) for name, value in given if not name.casefold().startswith(PREFIX.casefold())]


class _Teed:
    """A request body that is copied while it is read."""

    def __init__(self, stream: Any, trail: Trail) -> None:
        self._stream = stream
        self._trail = trail

    def read(self, *size: int) -> bytes:
        return self._kept(self._stream.read(*size))

    def readline(self, *size: int) -> bytes:
        return self._kept(self._stream.readline(*size))

    def __iter__(self) -> Any:
        return map(self._kept, self._stream)

    def readlines(self, *hint: int) -> list[bytes]:
        return list(self)

    def _kept(self, chunk: bytes) -> bytes:
        self._trail.tee(chunk)
        return chunk


def read_small_body(environ: Mapping[str, Any], trail: Trail) -> None:
    """Read a JSON body that nobody has read, because the request was refused before."""
    length = environ.get("CONTENT_LENGTH") or "0"
    small = length.isdecimal() and 0 < int(length) <= BODY_BYTES
    if small and not trail.body and "json" in trail.content_type.casefold():
        environ["wsgi.input"].read(int(length))


class WsgiTrail:
    """Adds the headers to whatever Flask answers, its own error pages included."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        trail = Trail(content_type=environ.get("CONTENT_TYPE", ""))
        environ[ENVIRON_KEY] = trail
        environ["wsgi.input"] = _Teed(environ["wsgi.input"], trail)

        def start(status: str, given: list[tuple[str, str]], *rest: Any) -> Any:
            claim(trail, environ.get("HTTP_AUTHORIZATION", ""))
            read_small_body(environ, trail)
            return start_response(status, _clean(given) + headers(trail, int(status.split(" ", 1)[0])), *rest)

        return self._app(environ, start)


class AsgiTrail:
    """Adds the headers to what the asynchronous pool answers by itself; Flask's answers have them already."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope.get("path", "").startswith(GATEWAY) and given.get(GATEWAY_HEADER.lower()):
            given["authorization"] = given[GATEWAY_HEADER.lower()]
        trail = Trail(content_type=given.get("content-type", ""))
        trail.learn(names_in(dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))), ""))
        started = False

        async def teed() -> Any:
            message = await receive()
            trail.tee(message.get("body", b""))
            return message

        async def sent(message: dict[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _completed(trail, given, message)}
            await send(message)

        ASGI_SCOPE.set(scope)
        ASGI_TRAIL.set(trail)
        try:
            await self.app(scope, teed, sent)
        except Exception:
            # The server would answer this by itself, without the headers.
            if not started:
                plain = [(b"content-type", b"text/plain")]
                await sent({"type": "http.response.start", "status": 500, "headers": plain})
                await send({"type": "http.response.body", "body": b"Internal Server Error"})
            raise


def _completed(trail: Trail, request: Mapping[str, str], message: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    given: list[tuple[bytes, bytes]] = list(message.get("headers", []))
    if any(name.lower().startswith(PREFIX.lower().encode()) for name, _value in given):
        return given
    claim(trail, request.get("authorization", ""))
    ours = headers(trail, int(message["status"]))
    return given + [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in ours]
