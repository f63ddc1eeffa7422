# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP access to MLflow's REST API. Private to this collection."""

from __future__ import annotations

import http.client
import json as json_codec
import time
import typing as t
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.urls import Request

RETRY_STATUS = 503
RETRY_ATTEMPTS = 4
RETRY_DELAY_SECONDS = 1.0
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class MlflowApiError(Exception):
    """An answer that is not 2xx, or none at all (status 0)."""

    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(status, error_code, message)
        self.status = status
        self.error_code = error_code
        self.message = message

    def __str__(self) -> str:
        status = f"HTTP {self.status} " if self.status else ""
        return f"{status}{self.error_code}: {self.message}"


@dataclass(frozen=True)
class MlflowResponse:
    """One answer; `json` is None when the body is not JSON, header names are lower case."""

    status: int
    json: t.Any
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def argument_spec() -> dict[str, dict[str, t.Any]]:
    """The options of the documentation fragment `mlflow`."""
    return {
        "mlflow_url": {"type": "str", "required": True},
        "mlflow_username": {"type": "str"},
        "mlflow_password": {"type": "str", "no_log": True},
        "mlflow_token": {"type": "str", "no_log": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path"},
        "unix_socket": {"type": "path"},
        "host_header": {"type": "str"},
        "timeout": {"type": "float", "default": 30.0},
    }


def module_rules() -> dict[str, t.Any]:
    """The rules between the options of `argument_spec`, as AnsibleModule arguments."""
    return {
        "required_together": [("mlflow_username", "mlflow_password"), ("client_cert", "client_key")],
        "mutually_exclusive": [("mlflow_token", "mlflow_password"), ("unix_socket", "client_cert")],
    }


def from_module(module: t.Any) -> MlflowClient:
    """The client that a module's options describe; bad options end the module."""
    params = module.params
    try:
        return MlflowClient(
            params["mlflow_url"],
            username=params["mlflow_username"],
            password=params["mlflow_password"],
            token=params["mlflow_token"],
            timeout=params["timeout"],
            route=route_of(params),
        )
    except ValueError as exc:
        module.fail_json(msg=str(exc))
        raise AssertionError("fail_json does not return") from exc


def route_of(params: Mapping[str, t.Any]) -> Route:
    """How a module's options reach the server."""
    names = ("ca_path", "client_cert", "client_key", "unix_socket", "host_header")
    return Route(**{name: params[name] for name in names})


@dataclass(frozen=True)
class Route:
    """How to reach a server: whom to trust, what to show, and which socket instead of the network."""

    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    unix_socket: str | None = None
    host_header: str | None = None


class MlflowClient:
    """Signed, bounded requests to one MLflow server. The certificate is always verified."""

    def __init__(
        self,
        url: str,
        username: str | None = None,
        password: str | None = None,
        token: str | None = None,
        timeout: float = 30,
        route: Route = Route(),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("mlflow_url must be an absolute URL such as https://mlflow.example.com")
        if parts.username is not None or parts.password is not None:
            raise ValueError("mlflow_url must not hold credentials; use mlflow_username and mlflow_password")
        local = route.unix_socket is not None or parts.hostname in LOOPBACK_HOSTS
        if (password or token) and parts.scheme == "http" and not local:
            raise ValueError("mlflow_url must be https:// when credentials are sent to another host")
        self._base = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if route.host_header:
            self._headers["Host"] = route.host_header
        self._open = Request(
            url_username=username if password else None,
            url_password=password,
            force_basic_auth=bool(password),
            # A redirect would carry the credentials elsewhere; it is reported as an error instead.
            follow_redirects="none",
            validate_certs=True,
            ca_path=route.ca_path,
            client_cert=route.client_cert,
            client_key=route.client_key,
            unix_socket=route.unix_socket,
            timeout=timeout,
            http_agent="mlops.tracking",
        ).open

    def request(
        self,
        method: str,
        path: str,
        json: t.Any = None,
        data: bytes | None = None,
        query: Mapping[str, t.Any] | None = None,
    ) -> MlflowResponse:
        """Send one request; a busy or restarting server (503) is asked again a few times.

        `json` and `data` exclude each other. Raises MlflowApiError.
        """
        url = self._base + "/" + quote(path.lstrip("/"), safe="/%:@!$&'()*+,;=~")
        if query:
            url += "?" + urlencode(query, doseq=True)
        headers = dict(self._headers)
        if json is not None:
            data = json_codec.dumps(json).encode("utf-8")
            headers["Content-Type"] = "application/json"
        elif data is not None:
            headers["Content-Type"] = "application/octet-stream"
        for attempt in range(1, RETRY_ATTEMPTS + 1):
            try:
                return self._send(method, url, data, headers)
            except MlflowApiError as exc:
                if exc.status != RETRY_STATUS or attempt == RETRY_ATTEMPTS:
                    raise
            time.sleep(RETRY_DELAY_SECONDS * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, url: str, data: bytes | None, headers: dict[str, str]) -> MlflowResponse:
        try:
            with self._open(method, url, data=data, headers=headers, use_netrc=False) as answer:
                return _response(answer.status, answer.read(), dict(answer.headers))
        except urllib.error.HTTPError as exc:
            with exc:
                raise _api_error(_response(exc.code, exc.read(), dict(exc.headers))) from exc
        except (OSError, http.client.HTTPException) as exc:
            reason = getattr(exc, "reason", None) or exc
            raise MlflowApiError(0, "NO_ANSWER", f"{self._base} did not answer: {reason}") from exc


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> MlflowResponse:
    lowered = {name.lower(): value for name, value in headers.items()}
    decoded = None
    if "json" in lowered.get("content-type", ""):
        try:
            decoded = json_codec.loads(body)
        except ValueError:
            decoded = None
    return MlflowResponse(status, decoded, body, lowered)


def _api_error(response: MlflowResponse) -> MlflowApiError:
    """MLflow says {"error_code", "message"}; whatever stands before it may say anything."""
    answer = response.json if isinstance(response.json, dict) else {}
    error_code = str(answer.get("error_code") or http.client.responses.get(response.status, "UNKNOWN"))
    message = answer.get("message") or response.body[:200].decode("utf-8", "replace").strip()
    return MlflowApiError(response.status, error_code, str(message or "no message"))
