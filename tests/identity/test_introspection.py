# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a token stands at Keycloak."""

from __future__ import annotations

import contextvars
from dataclasses import replace
from typing import Any

import pytest

from identity_material import NOW, Clock, config
from mlops_identity.introspection import AWAY_SECONDS, BearerTokens, standing
from mlops_identity.keycloak import GrantRefused, KeycloakAway
from mlops_identity.memory import ask_anew, remembering
from mlops_identity.tokens import Claims, TokenRefused

CLAIMS = Claims("alice", "sub-1", frozenset({"data-scientists"}), NOW + 3600, 0)
ACTIVE = {"active": True, "sub": "sub-1", "groups": ["data-scientists", "choir"]}


class Said:
    """What Keycloak says, and how often it was asked."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self, _token: str) -> dict[str, Any]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def tokens(said: Said, clock: Clock, claims: Claims | Exception = CLAIMS) -> BearerTokens:
    """Return the tokens with a verification that says this."""

    def verify(_token: str) -> Claims:
        if isinstance(claims, Exception):
            raise claims
        return claims

    return BearerTokens(config(), verify, said, clock=clock, now=clock)


@pytest.mark.parametrize(
    ("said", "active", "groups"),
    [
        (ACTIVE, True, {"data-scientists"}),
        ({**ACTIVE, "groups": ["governance"]}, True, {"governance"}),
        ({**ACTIVE, "groups": []}, True, set()),
        ({"active": True}, True, set()),
        ({"active": False}, False, {"data-scientists"}),
        ({**ACTIVE, "active": "true"}, False, {"data-scientists"}),
        ({**ACTIVE, "active": 1}, False, {"data-scientists"}),
        ({**ACTIVE, "sub": "sub-2"}, False, {"data-scientists"}),
        ({}, False, {"data-scientists"}),
    ],
)
def test_standing(said: dict[str, Any], active: bool, groups: set[str]) -> None:
    result = standing(CLAIMS, said, config().known_groups)
    assert result.active is active
    assert result.claims.groups == groups


def test_keycloak_is_asked_once_in_thirty_seconds(clock: Clock) -> None:
    said = Said(ACTIVE)
    at_work = tokens(said, clock)
    for seconds in (0, 10, 19.9, 29.9):
        clock.now = NOW + seconds
        assert at_work.claims("t").username == "alice"
    assert said.asked == 1
    clock.now = NOW + 30
    said.answer = {**ACTIVE, "groups": ["governance"]}
    assert at_work.claims("t").groups == {"governance"}
    assert said.asked == 2


def test_a_withdrawn_token_is_refused_and_asked_for_again_later(clock: Clock) -> None:
    said = Said({"active": False})
    at_work = tokens(said, clock)
    for _time in range(3):
        with pytest.raises(TokenRefused, match="withdrawn"):
            at_work.claims("t")
    assert said.asked == 1
    said.answer = ACTIVE
    clock.now += 30
    assert at_work.claims("t").username == "alice"


@pytest.mark.parametrize("error", [KeycloakAway(), GrantRefused()])
def test_while_keycloak_is_away_a_valid_token_works(clock: Clock, error: Exception) -> None:
    said = Said(error)
    at_work = tokens(said, clock)
    assert at_work.claims("t").groups == {"data-scientists"}
    clock.now += AWAY_SECONDS - 0.1
    at_work.claims("t")
    assert said.asked == 1
    clock.now += 0.1
    at_work.claims("t")
    assert said.asked == 2


@pytest.mark.parametrize("answer", [{"active": False}, {**ACTIVE, "groups": ["governance"]}])
def test_while_keycloak_is_away_its_last_word_counts(clock: Clock, answer: dict[str, Any]) -> None:
    said = Said(answer)
    at_work = tokens(said, clock)
    outcome = []
    for _time in range(2):
        try:
            outcome.append(at_work.claims("t").groups)
        except TokenRefused:
            outcome.append(frozenset())
        said.answer = KeycloakAway()
        clock.now += 30
    assert outcome[0] == outcome[1]


@pytest.mark.parametrize(
    "claims", [replace(CLAIMS, expires=NOW + 5), replace(CLAIMS, expires=NOW + 5, not_before=NOW + 8)]
)
def test_a_token_expires_while_it_is_remembered(clock: Clock, claims: Claims) -> None:
    at_work = tokens(Said(ACTIVE), clock, claims)
    at_work.claims("t")
    clock.now += 16
    with pytest.raises(TokenRefused, match="expired"):
        at_work.claims("t")


def test_what_is_not_verified_is_not_asked_for(clock: Clock) -> None:
    said = Said(ACTIVE)
    at_work = tokens(said, clock, TokenRefused("the token's signature is not valid"))
    for token in ("t", "\udcff"):
        with pytest.raises(TokenRefused, match="signature"):
            at_work.claims(token)
    assert said.asked == 0


def test_a_group_just_gained_counts_where_the_request_wants_nothing_from_before_it(clock: Clock) -> None:
    said = Said({**ACTIVE, "groups": []})
    at_work = tokens(said, clock)
    assert at_work.claims("t").groups == frozenset()
    said.answer = {**ACTIVE, "groups": ["governance"]}
    clock.now = NOW + 1

    def request() -> frozenset[str]:
        ask_anew(clock.now)
        with remembering():
            assert at_work.claims("t").groups == frozenset()
        return at_work.claims("t").groups

    assert contextvars.Context().run(request) == {"governance"}


def test_a_request_that_wants_news_takes_the_last_word_of_a_keycloak_that_is_away(clock: Clock) -> None:
    said = Said(ACTIVE)
    at_work = tokens(said, clock)
    at_work.claims("t")
    said.answer = KeycloakAway()
    clock.now = NOW + 1

    def request() -> str:
        ask_anew(clock.now)
        return at_work.claims("t").username

    assert contextvars.Context().run(request) == "alice"
