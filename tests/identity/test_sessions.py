# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser's session."""

from __future__ import annotations

import contextvars
from dataclasses import asdict, replace
from typing import Any

import pytest

from identity_material import NOW, SESSION_KEY, Clock, config
from mlops_identity.keycloak import GrantRefused, KeycloakAway
from mlops_identity.memory import ask_anew, remembering
from mlops_identity.sealing import Sealer
from mlops_identity.sessions import (
    AWAY_SECONDS,
    COOKIE,
    COOKIE_CHARACTERS,
    SECOND_COOKIE,
    Session,
    SessionEnded,
    Sessions,
    new_session,
    renewed_session,
    session_from,
    split_cookie,
)
from mlops_identity.tokens import Claims, TokenRefused

CLAIMS = Claims("alice", "sub-1", frozenset({"team-a", "data-scientists"}), NOW + 300, 0)
TOKENS = {"access_token": "access", "refresh_token": "refresh-1", "refresh_expires_in": 1800}


def said(answer: Any) -> Any:
    """Return an answer, or raise it."""
    if isinstance(answer, Exception):
        raise answer
    return answer


class Realm:
    """What Keycloak says about refresh tokens, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: dict[str, Any] | Exception = {**TOKENS, "refresh_token": "refresh-2"}
        self.claims: Claims | Exception = replace(CLAIMS, groups=frozenset({"governance"}))

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        self.asked.append(refresh_token)
        tokens: dict[str, Any] = said(self.tokens)
        return tokens

    def verify(self, _token: str) -> Claims:
        claims: Claims = said(self.claims)
        return claims


@pytest.fixture
def realm() -> Realm:
    """A realm in which all is well."""
    return Realm()


def worker(realm: Realm, clock: Clock) -> Sessions:
    """Return the sessions of one worker."""
    return Sessions(config(), realm.refresh, realm.verify, clock=clock, now=clock)


def test_a_new_session_has_an_id_of_its_own() -> None:
    first, second = (new_session(CLAIMS, TOKENS, NOW) for _time in range(2))
    assert first.id != second.id
    assert len(first.id) >= 32
    assert first.groups == ("data-scientists", "team-a")
    assert (first.started, first.renewed, first.expires) == (NOW, NOW, NOW + 1800)


@pytest.mark.parametrize(
    ("tokens", "expires"),
    [
        ({**TOKENS, "refresh_expires_in": 60}, NOW + 60),
        ({**TOKENS, "refresh_expires_in": 0}, NOW + 300),
        ({**TOKENS, "refresh_expires_in": "soon"}, NOW + 300),
        ({"refresh_token": "refresh-1"}, NOW + 300),
    ],
)
def test_a_session_lives_as_long_as_its_refresh_token(tokens: dict[str, Any], expires: float) -> None:
    assert new_session(CLAIMS, tokens, NOW).expires == expires


@pytest.mark.parametrize("token", [None, "", 7])
def test_no_session_without_a_refresh_token(token: Any) -> None:
    with pytest.raises(TokenRefused):
        new_session(CLAIMS, {**TOKENS, "refresh_token": token}, NOW)


def test_a_renewed_session_keeps_its_id_and_its_token_when_there_is_no_new_one() -> None:
    session = new_session(CLAIMS, TOKENS, NOW)
    renewed = renewed_session(session, replace(CLAIMS, groups=frozenset()), {"refresh_expires_in": 9}, NOW + 60)
    assert renewed == replace(session, groups=(), renewed=NOW + 60, expires=NOW + 69)


def test_cookies_carry_a_session_to_another_host(realm: Realm, clock: Clock) -> None:
    here, there = worker(realm, clock), worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    cookies = here.cookies(session)
    assert cookies[SECOND_COOKIE] == ""
    assert there.from_cookies(cookies) == session


def test_a_large_session_takes_two_cookies(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, {**TOKENS, "refresh_token": "r" * 4000})
    cookies = here.cookies(session)
    assert all(0 < len(value) <= COOKIE_CHARACTERS for value in cookies.values())
    assert here.from_cookies(cookies) == session
    for part in cookies.values():
        with pytest.raises(SessionEnded):
            here.from_cookies({COOKIE: part})


def test_a_larger_one_is_refused() -> None:
    with pytest.raises(ValueError, match="two cookies"):
        split_cookie("x" * (2 * COOKIE_CHARACTERS + 1))


def sealed(document: Any, purpose: str = "session", key: str = SESSION_KEY) -> dict[str, str]:
    """Return a cookie."""
    return {COOKIE: Sealer(key, purpose).seal(document)}


GOOD = asdict(new_session(CLAIMS, TOKENS, NOW))


@pytest.mark.parametrize(
    "cookies",
    [
        {},
        {COOKIE: ""},
        {COOKIE: "forged"},
        {"mlops-session": Sealer(SESSION_KEY, "session").seal(GOOD)},
        sealed(GOOD, "log-in"),
        sealed(GOOD, key="another key of 32 characters or more"),
        sealed([1]),
        sealed({"id": "x"}),
        sealed({**GOOD, "is_admin": True}),
        sealed({**GOOD, "groups": None}),
        sealed({key: value for key, value in GOOD.items() if key != "expires"}),
    ],
)
def test_what_is_no_session(realm: Realm, clock: Clock, cookies: dict[str, str]) -> None:
    with pytest.raises(SessionEnded):
        worker(realm, clock).from_cookies(cookies)


def test_session_from_its_document() -> None:
    assert session_from(GOOD) == Session(**{**GOOD, "groups": ("data-scientists", "team-a")})


def test_keycloak_is_asked_each_five_seconds(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    counts = []
    for seconds in (0, 4.9, 5, 6, 9.9, 10, 600):
        clock.now = NOW + seconds
        session = here.check(session)
        counts.append(len(realm.asked))
    assert counts == [0, 0, 1, 1, 1, 2, 3]
    assert realm.asked == ["refresh-1", "refresh-2", "refresh-2"]
    assert session.groups == ("governance",)


def test_a_cookie_that_was_renewed_elsewhere_is_the_newer_one(realm: Realm, clock: Clock) -> None:
    here, there = worker(realm, clock), worker(realm, clock)
    old = here.start(CLAIMS, TOKENS)
    assert there.check(old) == old
    clock.now += 5
    renewed = here.check(old)
    assert there.check(renewed) == renewed
    assert realm.asked == ["refresh-1"]
    assert there.check(old) == renewed
    clock.now += 5
    there.check(old)
    assert realm.asked == ["refresh-1", "refresh-2"]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("tokens", GrantRefused()),
        ("tokens", {**TOKENS, "refresh_token": 7}),
        ("claims", TokenRefused("the token's signature is not valid")),
        ("claims", replace(CLAIMS, subject="sub-2")),
        ("claims", replace(CLAIMS, username="root")),
    ],
)
def test_a_session_that_cannot_be_renewed_is_dead(realm: Realm, clock: Clock, change: str, value: Any) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    setattr(realm, change, value)
    clock.now += 5
    for _time in range(2):
        with pytest.raises(SessionEnded):
            here.check(session)


def test_log_out_is_in_force_at_once_here_whatever_cookie_comes(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    here.check(session)
    here.end(session)
    for seconds in (0, 1, 5, 30, 3600):
        clock.now = NOW + seconds
        with pytest.raises(SessionEnded):
            here.check(replace(session, renewed=clock.now, expires=clock.now + 1800))
    assert here.check(here.start(CLAIMS, TOKENS)).username == "alice"


def test_a_log_out_during_a_question_counts(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    clock.now += 10

    def verify(_token: str) -> Claims:
        here.end(session)
        return CLAIMS

    realm.verify = verify  # type: ignore[method-assign]
    here = worker(realm, clock)
    with pytest.raises(SessionEnded):
        here.check(session)


def test_while_keycloak_is_away_a_session_goes_on_until_it_would_have_ended(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    realm.tokens = KeycloakAway()
    for seconds in (10, 11, 400, 1799):
        clock.now = NOW + seconds
        assert here.check(session).username == "alice"
    clock.now = NOW + 1800
    with pytest.raises(SessionEnded):
        here.check(session)


def test_while_keycloak_is_away_a_dead_session_stays_dead(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    realm.tokens = GrantRefused()
    clock.now += 6
    for _time in range(3):
        with pytest.raises(SessionEnded):
            here.check(session)
        realm.tokens = KeycloakAway()
        clock.now += AWAY_SECONDS


def test_a_cookie_from_the_future_is_asked_about(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = replace(here.start(CLAIMS, TOKENS), renewed=NOW + 1000)
    here.check(session)
    assert realm.asked == ["refresh-1"]


def test_a_group_just_gained_counts_where_the_request_wants_nothing_from_before_it(realm: Realm, clock: Clock) -> None:
    here = worker(realm, clock)
    session = here.start(CLAIMS, TOKENS)
    realm.claims = replace(CLAIMS, groups=frozenset({"governance"}))
    clock.now = NOW + 1

    def request() -> tuple[str, ...]:
        ask_anew(clock.now)
        with remembering():
            assert here.check(session).groups == session.groups
        return here.check(session).groups

    assert contextvars.Context().run(request) == ("governance",)
