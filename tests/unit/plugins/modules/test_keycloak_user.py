# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module on a client that remembers what it was told; the real server is asked in Molecule."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._keycloak_client import (
    KeycloakApiError,
    KeycloakClient,
    reason,
)
from ansible_collections.mlops.tracking.plugins.modules import keycloak_user

RunModule = Callable[..., dict[str, t.Any]]
CONNECTION = {
    "keycloak_url": "https://kc.test:8443/sso",
    "admin_client": "ansible",
    "admin_secret": "admin-secret",
    "realm": "mlops",
}
ADA = {"id": "7", "username": "ada", "enabled": True, "email": "ada@example.com"}
GROUPS = [{"id": "g1", "name": "governance"}, {"id": "g2", "name": "team"}]


class FakeClient:
    """Answers reads from its state and records writes."""

    error: t.ClassVar[str] = ""
    user: t.ClassVar[dict[str, t.Any] | None] = None
    groups: t.ClassVar[list[dict[str, str]]] = []
    calls: t.ClassVar[list[tuple[t.Any, ...]]] = []

    def __init__(self, params: Mapping[str, t.Any]) -> None:
        if self.error:
            raise KeycloakApiError(401, self.error)

    def get(self, path: str, **query: str) -> t.Any:
        answers = {
            "/users": [self.user] if self.user and query.get("exact") == "true" else [],
            "/users/7": self.user,
            "/users/7/groups": self.groups,
            "/groups": GROUPS,
        }
        return answers[path]

    def post(self, path: str, body: t.Any) -> str:
        self.calls.append(("POST", path, body))
        return "8"

    def put(self, path: str, body: t.Any = None) -> None:
        self.calls.append(("PUT", path, body))

    def delete(self, path: str) -> None:
        self.calls.append(("DELETE", path))


@pytest.fixture(name="server")
def fake_server(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    class Server(FakeClient):
        calls: t.ClassVar[list[tuple[t.Any, ...]]] = []

    monkeypatch.setattr(keycloak_user, "KeycloakClient", Server)
    return Server


NEW = {"username": "ada", "enabled": True}
PASSWORD = {"credentials": [{"type": "password", "value": "first-password", "temporary": True}]}
# user, memberships, options, writes; without writes nothing may change
CASES: list[tuple[dict[str, t.Any] | None, list[dict[str, str]], dict[str, t.Any], list[tuple[t.Any, ...]]]] = [
    (None, [], {}, [("POST", "/users", NEW)]),
    (
        None,
        [],
        {"password": "first-password", "password_temporary": True, "groups": ["governance"]},
        [("POST", "/users", {**NEW, **PASSWORD}), ("PUT", "/users/8/groups/g1", None)],
    ),
    (ADA, [], {"email": "ada@example.com", "password": "another-password"}, []),
    (ADA, [], {"enabled": False}, [("PUT", "/users/7", {**ADA, "enabled": False})]),
    (
        ADA,
        [GROUPS[1]],
        {"groups": ["governance"], "purge_groups": True},
        [("PUT", "/users/7/groups/g1", None), ("DELETE", "/users/7/groups/g2")],
    ),
    (ADA, [GROUPS[1]], {"groups": ["team"]}, []),
    (ADA, [], {"state": "absent"}, [("DELETE", "/users/7")]),
    (None, [], {"state": "absent"}, []),
]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("user", "groups", "options", "writes"), CASES)
def test_writes(
    run_module: RunModule,
    server: type[FakeClient],
    user: dict[str, t.Any] | None,
    groups: list[dict[str, str]],
    options: dict[str, t.Any],
    writes: list[tuple[t.Any, ...]],
    check: bool,
) -> None:
    server.user, server.groups = user, groups
    result = run_module(keycloak_user.main, {**CONNECTION, "username": "ada", **options}, check=check)
    assert server.calls == ([] if check else writes)
    assert result["changed"] is bool(writes)
    assert (result["diff"]["before"] != result["diff"]["after"]) is bool(writes)
    assert "password" not in str(result["diff"])


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        ("unauthorized_client", {}, "User ada: HTTP 401: unauthorized_client"),
        ("", {"groups": ["nowhere"]}, "User ada: there is no group nowhere in the realm; create it first"),
    ],
)
def test_errors(
    run_module: RunModule, server: type[FakeClient], error: str, options: dict[str, t.Any], message: str
) -> None:
    server.error = error
    result = run_module(keycloak_user.main, {**CONNECTION, "username": "ada", **options})
    assert (result["failed"], result["msg"], server.calls) == (True, message, [])


REASONS: list[tuple[bytes, str]] = [
    (b'{"errorMessage": "User exists with same username"}', "User exists with same username"),
    (b'{"error": "unauthorized_client", "error_description": "Bad secret"}', "unauthorized_client: Bad secret"),
    (b"{}", "no message"),
    (b"[1]", "[1]"),
    (b"", "no message"),
    (b"<html>", "<html>"),
]


@pytest.mark.parametrize(("body", "text"), REASONS)
def test_reason(body: bytes, text: str) -> None:
    assert reason(body) == text


def test_no_secret_leaves_without_tls() -> None:
    with pytest.raises(KeycloakApiError, match="must be an https:// URL"):
        KeycloakClient({**CONNECTION, "keycloak_url": "http://kc.test/sso", "ca_path": None, "timeout": 1.0})
