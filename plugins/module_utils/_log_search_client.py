# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP access to OpenSearch and Elasticsearch. Private to this collection."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error
from collections.abc import Mapping
from urllib.parse import urlsplit

from ansible.module_utils.urls import Request


class LogSearchError(Exception):
    """An answer that is not 2xx, or none at all (status 0); the text never holds a credential."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"HTTP {self.status}: {self.message}" if self.status else self.message


def argument_spec() -> dict[str, dict[str, t.Any]]:
    """The options of the documentation fragment `log_search`."""
    return {
        "search_url": {"type": "str", "required": True},
        "search_user": {"type": "str", "required": True},
        "search_password": {"type": "str", "required": True, "no_log": True},
        "ca_path": {"type": "path"},
        "timeout": {"type": "float", "default": 30.0},
    }


class LogSearchClient:
    """Bounded requests to one server. The certificate is always verified."""

    def __init__(self, params: Mapping[str, t.Any]) -> None:
        parts = urlsplit(params["search_url"])
        if parts.scheme != "https" or not parts.hostname or parts.username:
            raise LogSearchError(
                0, "search_url must be an https:// URL without a user, such as https://logs.example.com:9200"
            )
        self._base = params["search_url"].rstrip("/")
        self._open = Request(
            url_username=params["search_user"],
            url_password=params["search_password"],
            force_basic_auth=True,
            # A redirect would carry the credentials elsewhere; it is reported as an error instead.
            follow_redirects="none",
            validate_certs=True,
            ca_path=params["ca_path"],
            timeout=params["timeout"],
            http_agent="mlops.tracking",
        ).open

    def get(self, path: str) -> t.Any:
        """What is at a path, None if there is nothing."""
        try:
            return self._send("GET", path)
        except LogSearchError as exc:
            if exc.status == 404:
                return None
            raise

    def put(self, path: str, body: t.Any) -> t.Any:
        """Make or replace something."""
        return self._send("PUT", path, body)

    def post(self, path: str, body: t.Any) -> t.Any:
        """Ask with a body."""
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: t.Any = None) -> t.Any:
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            with self._open(method, self._base + path, data=data, headers=headers, use_netrc=False) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as exc:
            with exc:
                raise LogSearchError(exc.code, reason(exc.read())) from exc
        except (OSError, http.client.HTTPException) as exc:
            why = getattr(exc, "reason", None) or exc
            raise LogSearchError(0, f"{self._base} did not answer: {why}") from exc
        except ValueError as exc:
            raise LogSearchError(0, f"{self._base} did not answer in JSON") from exc


def reason(body: bytes) -> str:
    """What the server says is wrong: an object, or in older paths a text."""
    try:
        error = json.loads(body).get("error")
    except (AttributeError, ValueError):
        return body[:200].decode("utf-8", "replace").strip() or "no message"
    if isinstance(error, Mapping):
        return f"{error.get('type', 'error')}: {error.get('reason', 'no reason given')}"
    return str(error)[:400]
