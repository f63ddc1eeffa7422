# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bearer tokens: verified here, and asked for at Keycloak once in a while."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_identity.config import Config
from mlops_identity.keycloak import GrantRefused, KeycloakAway
from mlops_identity.memory import Answer, Memory
from mlops_identity.tokens import Claims, TokenRefused, groups_of

LOG = logging.getLogger(__name__)
# How soon Keycloak is asked again about a token when it gave no answer.
AWAY_SECONDS = 5.0


@dataclass(frozen=True)
class Standing:
    """What a token says, and whether Keycloak still stands by it."""

    claims: Claims
    active: bool


def standing(claims: Claims, said: Mapping[str, Any], known_groups: frozenset[str]) -> Standing:
    """Return how a verified token stands by Keycloak's answer, with the groups of now."""
    if said.get("active") is not True or said.get("sub", claims.subject) != claims.subject:
        return Standing(claims, active=False)
    return Standing(replace(claims, groups=groups_of(said) & known_groups), active=True)


class BearerTokens:
    """Says who sends a token; each worker asks Keycloak about a token at most once per `introspection_seconds`."""

    def __init__(
        self,
        config: Config,
        verify: Callable[[str], Claims],
        introspect: Callable[[str], Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._verify = verify
        self._introspect = introspect
        self._now = now
        self._memory: Memory[bytes, Standing] = Memory(clock=clock)

    def claims(self, token: str) -> Claims:
        """Return what a token says that is valid and active now, or raise TokenRefused."""
        known = self._memory.get(
            hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), lambda last: self._ask(token, last)
        )
        if not known.claims.in_time(self._now()):
            raise TokenRefused("the token has expired")
        if not known.active:
            raise TokenRefused("the token was withdrawn: its session ended or its user may no longer log in")
        return known.claims

    def _ask(self, token: str, last: Standing | None) -> Answer[Standing]:
        claims = self._verify(token)
        try:
            said = self._introspect(token)
        except (KeycloakAway, GrantRefused):
            return Answer(last or Standing(claims, active=True), AWAY_SECONDS)
        return Answer(standing(claims, said, self._config.known_groups), self._config.introspection_seconds)
