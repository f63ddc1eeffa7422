# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lines of Keycloak's log become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_audit import events
from mlops_audit.shipper import Figures, together

LOGIN = (
    'type="LOGIN", realmId="0d1c", realmName="mlops", clientId="mlflow", userId="5f", sessionId="c0de-of-a-session", '
    'ipAddress="192.0.2.7", auth_method="openid-connect", redirect_uri="https://mlflow.example.com/oidc/callback", '
    'code_id="c0de-of-a-session", username="ada"'
)
ADMIN = (
    'operationType="UPDATE", realmId="0d1c", realmName="mlops", clientId="admin-cli", userId="77", '
    'ipAddress="192.0.2.8", resourceType="USER", resourcePath="users/5f"'
)


def line(message: str | None, **changes: Any) -> bytes:
    said = {"timestamp": "2026-11-26T02:00:00.123456789Z", "loggerName": "org.keycloak.events", "message": message}
    return json.dumps({**said, **changes}).encode()


def row(message: str) -> dict[str, Any]:
    found = events.event_row(line(message))
    assert found is not None
    return found


def quoted(value: str) -> str:
    """As Keycloak does it."""
    return '"' + value.replace('"', '\\"') + '"'


def test_a_log_in_has_its_user_and_no_session() -> None:
    assert row(LOGIN) == {
        "kind": "event", "time": "2026-11-26T02:00:00.123456789Z", "operation": "LOGIN", "outcome": "allowed",
        "user_name": "ada", "remote_addr": "192.0.2.7", "uri": None,
        "detail": '{"auth_method": "openid-connect", "client": "mlflow", "realm": "mlops", "user_id": "5f"}',
    }  # fmt: skip


def test_a_change_by_an_administrator_says_of_what() -> None:
    found = row(ADMIN)
    assert (found["operation"], found["uri"], found["user_name"]) == ("UPDATE USER", "users/5f", "77")
    assert found["outcome"] == "allowed"
    # Not the name of who did it.
    joined = row(f'{ADMIN}, username="eve"')
    assert (joined["user_name"], json.loads(joined["detail"])["username"]) == ("77", "eve")


@given(st.text(), st.text())
def test_details_are_whole_json(client: str, error: str) -> None:
    long = {name: quoted((client + error) * 100) for name in events.DETAILS}
    message = ", ".join(f"{name}={value}" for name, value in {"type": '"LOGIN"', "userId": '"5f"', **long}.items())
    assert json.loads(row(message)["detail"])["user_id"] == "5f"


@pytest.mark.parametrize(
    ("message", "operation", "outcome", "user"),
    [
        (LOGIN.replace("LOGIN", "LOGIN_ERROR") + ', error="invalid_user_credentials"', "LOGIN_ERROR", "refused", "ada"),
        ('type="LOGIN_ERROR", userId="null", error="user_not_found", username="eve"', "LOGIN_ERROR", "refused", "eve"),
        ('type="LOGOUT", userId="5f"', "LOGOUT", "allowed", "5f"),
        ('type="CLIENT_LOGIN", clientId="ci"', "CLIENT_LOGIN", "allowed", None),
        ('type="INTROSPECT_TOKEN_ERROR", error="invalid_token"', "INTROSPECT_TOKEN_ERROR", "refused", None),
        (ADMIN + ', error="403"', "UPDATE USER", "refused", "77"),
        ('operationType="ACTION"', "ACTION", "allowed", None),
        ('operationType="UPDATE", resourceType="REALM", resourcePath="null"', "UPDATE REALM", "allowed", None),
        ('type="LOGIN_ERROR", error="user_not_found", username="null"', "LOGIN_ERROR", "refused", "null"),
        (
            r'type="LOGIN_ERROR", clientId="c\", userId="null", error="x", username="u\"',
            "LOGIN_ERROR",
            "refused",
            "u\\",
        ),
        (r'type="LOGIN_ERROR", error="x", username="a\", type="', "LOGIN_ERROR", "refused", 'a", type='),
        (r'type="LOGIN_ERROR", error="x", username="\"", tab="1"', "LOGIN_ERROR", "refused", '"'),
    ],
)
def test_events_in_keycloaks_words(message: str, operation: str, outcome: str, user: str | None) -> None:
    found = row(message)
    assert (found["operation"], found["outcome"], found["user_name"]) == (operation, outcome, user)


@pytest.mark.parametrize("message", ['type="INTROSPECT_TOKEN", clientId="mlflow"', 'type="USER_INFO_REQUEST"'])
def test_questions_about_tokens_are_left_out(message: str) -> None:
    assert events.event_row(line(message)) is None


def test_other_lines_are_no_rows() -> None:
    assert events.event_row(line("Keycloak 26.7.3 started", loggerName="io.quarkus")) is None


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"plain text", b"[]", b"null", b"[" * 100_000, line(LOGIN)[:100], line(""), line("no pairs"),
        line('type="LOGIN" and more'), line('type="LOGIN'), line('realmId="1"'), line(LOGIN, timestamp="yesterday"),
        line(LOGIN, timestamp=None), line(None),
    ],
)  # fmt: skip
def test_a_line_that_nobody_understands_is_a_row_without_its_text(bad: bytes) -> None:
    found = events.event_row(bad)
    assert found is not None
    assert found["kind"] == "unparsable"
    assert "mlops" not in found["detail"]


# What somebody would send who wants to be read as another.
PIECES = ['"', "\\", ", ", "=", '="', "type", "error", "username", "LOGIN", "x"]
FORGED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text()


@given(FORGED, FORGED)
def test_no_name_of_a_user_forges_another_value(username: str, client: str) -> None:
    values = {"type": "LOGIN_ERROR", "clientId": client, "userId": "null", "error": "user_not_found", "code": "1"}
    expected = {**values, "username": username, "tab": "2"}
    message = ", ".join(f"{name}={quoted(value)}" for name, value in expected.items())
    assert events.pairs(message) == expected


def test_the_first_of_a_name_counts() -> None:
    assert events.pairs('type="LOGIN_ERROR", error="x", type="LOGIN"')["type"] == "LOGIN_ERROR"


def test_figures_of_several_logs_are_one() -> None:
    nothing, some = Figures(), Figures(5, 30.0, 2, 1, 60.0, 50.0)
    assert together([nothing, some]) == some
    assert together([some, Figures(1, 20.0, 1, 0, 70.0, None)]) == Figures(6, 20.0, 3, 1, 70.0, 50.0)
    assert together([nothing]) == nothing
