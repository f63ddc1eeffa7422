# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Browser sessions: kept in a sealed cookie, alive as long as Keycloak says so.

Keycloak is asked by renewing the tokens, which also brings the groups of now. It does not let a client introspect a
refresh token, as no client is in the audience of one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlops_identity.config import Config
from mlops_identity.keycloak import GrantRefused, KeycloakAway
from mlops_identity.memory import Answer, Memory, may_use
from mlops_identity.sealing import SealBroken, Sealer
from mlops_identity.tokens import Claims, TokenRefused

COOKIE = "__Host-mlops-session"
SECOND_COOKIE = "__Host-mlops-session-2"
# What a browser keeps of one cookie is 4096 bytes with its name and attributes.
COOKIE_CHARACTERS = 3800
AWAY_SECONDS = 5.0
# Longer than any session that Keycloak would still renew.
ENDED_SECONDS = 86_400.0
SESSION_SECONDS_WITHOUT_WORD = 300.0


class SessionEnded(Exception):
    """There is no session: no cookie, not ours, logged out, expired or withdrawn."""


@dataclass(frozen=True)
class Session:
    """A browser's session. Times are seconds of the epoch."""

    id: str
    username: str
    subject: str
    groups: tuple[str, ...]
    started: float
    renewed: float
    expires: float
    refresh_token: str


def new_session(claims: Claims, tokens: Mapping[str, Any], now: float) -> Session:
    """Return a session with an id that nobody could know before."""
    return renewed_session(
        Session(secrets.token_urlsafe(24), claims.username, claims.subject, (), now, now, now, ""), claims, tokens, now
    )


def renewed_session(session: Session, claims: Claims, tokens: Mapping[str, Any], now: float) -> Session:
    """Return the session with what Keycloak says now."""
    refresh_token = tokens.get("refresh_token") or session.refresh_token
    if not isinstance(refresh_token, str) or not refresh_token:
        raise TokenRefused("Keycloak gave no refresh token")
    seconds = tokens.get("refresh_expires_in")
    if not isinstance(seconds, int | float) or seconds <= 0:
        seconds = SESSION_SECONDS_WITHOUT_WORD
    return replace(
        session,
        groups=tuple(sorted(claims.groups)),
        renewed=now,
        expires=now + seconds,
        refresh_token=refresh_token,
    )


def session_from(document: Any) -> Session:
    """Return the session that a cookie's document says, or raise SessionEnded when its form is another."""
    try:
        return Session(**{**document, "groups": tuple(document["groups"])})
    except (TypeError, KeyError) as error:
        raise SessionEnded from error


def split_cookie(text: str) -> dict[str, str]:
    """Return the cookies that carry the text; an empty one is to be deleted."""
    if len(text) > 2 * COOKIE_CHARACTERS:
        raise ValueError("the session does not fit into two cookies")
    return {COOKIE: text[:COOKIE_CHARACTERS], SECOND_COOKIE: text[COOKIE_CHARACTERS:]}


@dataclass(frozen=True)
class _State:
    session: Session
    alive: bool


class Sessions:
    """Makes, checks, renews and ends sessions."""

    def __init__(
        self,
        config: Config,
        refresh: Callable[[str], Mapping[str, Any]],
        verify: Callable[[str], Claims],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._refresh = refresh
        self._verify = verify
        self._clock = clock
        self._now = now
        self._sealer = Sealer(config.session_key, "session")
        self._states: Memory[str, _State] = Memory(clock=clock)
        self._ended: Memory[str, bool] = Memory(clock=clock)

    def start(self, claims: Claims, tokens: Mapping[str, Any]) -> Session:
        """Return a new session for tokens that Keycloak gave just now."""
        return new_session(claims, tokens, self._now())

    def cookies(self, session: Session) -> dict[str, str]:
        """Return the cookies that carry a session."""
        return split_cookie(self._sealer.seal(asdict(session)))

    def from_cookies(self, cookies: Mapping[str, str]) -> Session:
        """Return the session that the cookies carry; it may have ended."""
        text = cookies.get(COOKIE, "") + cookies.get(SECOND_COOKIE, "")
        if not text:
            raise SessionEnded
        try:
            return session_from(self._sealer.open(text))
        except SealBroken as error:
            raise SessionEnded from error

    def check(self, carried: Session) -> Session:
        """Return the session as it is now, or raise SessionEnded."""
        if self._ended.peek(carried.id):
            raise SessionEnded
        state = self._states.get(carried.id, lambda last: self._ask(carried, last))
        if not state.alive or self._now() >= state.session.expires or self._ended.peek(carried.id):
            raise SessionEnded
        return state.session

    def end(self, session: Session) -> None:
        """Let the session be dead on this worker, whatever cookie comes."""
        self._ended.put(session.id, True, ENDED_SECONDS)
        self._states.forget(session.id)

    def _ask(self, carried: Session, last: _State | None) -> Answer[_State]:
        session = _newest(carried, last)
        age = self._now() - session.renewed
        if 0 <= age < self._config.session_check_seconds and may_use(self._clock() - age):
            return Answer(_State(session, alive=True), self._config.session_check_seconds - age, age)
        try:
            return self._renewed(session)
        except (GrantRefused, TokenRefused):
            return Answer(_State(session, alive=False), self._config.session_check_seconds)
        except KeycloakAway:
            return Answer(_State(session, alive=last is None or last.alive), AWAY_SECONDS)

    def _renewed(self, session: Session) -> Answer[_State]:
        tokens = self._refresh(session.refresh_token)
        claims = self._verify(str(tokens.get("access_token", "")))
        if (claims.subject, claims.username) != (session.subject, session.username):
            raise TokenRefused("the session became another user's")
        fresh = renewed_session(session, claims, tokens, self._now())
        return Answer(_State(fresh, alive=True), self._config.session_check_seconds)


def _newest(carried: Session, last: _State | None) -> Session:
    if last is None or carried.renewed > last.session.renewed:
        return carried
    return last.session
