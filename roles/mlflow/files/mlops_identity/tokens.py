# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification of the tokens that Keycloak signed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from mlops_identity.config import Config
from mlops_identity.keycloak import KeycloakAway
from mlops_identity.memory import Once

LOG = logging.getLogger(__name__)
ALGORITHMS = ["RS256", "ES256"]
KEY_TYPES = {"RSA", "EC"}
HEADER_TYPES = {None, "JWT", "at+jwt"}
LEEWAY_SECONDS = 10
TOKEN_CHARACTERS = 16_384
USERNAME_CHARACTERS = 255
KEYS_SECONDS = 300.0
UNKNOWN_KEY_SECONDS = 10.0


class TokenRefused(Exception):
    """The token proves nothing; the text says why, and nothing of the token."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says."""

    username: str
    subject: str
    groups: frozenset[str]
    expires: float
    not_before: float

    def in_time(self, now: float) -> bool:
        """Return whether the token is valid at this time."""
        return self.not_before - LEEWAY_SECONDS <= now < self.expires + LEEWAY_SECONDS


def key_id(token: str) -> str:
    """Return the id of the key that a token says it was signed with."""
    if len(token) > TOKEN_CHARACTERS:
        raise TokenRefused("the token is too long")
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError) as error:
        raise TokenRefused("this is no signed token") from error
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefused("the token's algorithm is not allowed")
    if header.get("typ") not in HEADER_TYPES:
        raise TokenRefused("this kind of token is not accepted")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise TokenRefused("the token names no key")
    return kid


def _signed_claims(token: str, keys: KeySet) -> Mapping[str, Any]:
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused("the token's signature is not valid") from error


def _check_claims(claims: Mapping[str, Any], now: float, issuer: str, audience: str, kind: str) -> None:
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        typ={"essential": True, "value": kind},
    )
    try:
        registry.validate(dict(claims))
    except JoseError as error:
        claim = getattr(error, "claim", None)
        raise TokenRefused(f"the token is not valid here: {claim or error.error}") from error


def _authorized_party(claims: Mapping[str, Any]) -> None:
    party = claims.get("azp")
    if party is not None and (not isinstance(party, str) or not party):
        raise TokenRefused("the token is not valid here: azp")


def _username(claims: Mapping[str, Any]) -> str:
    name = claims.get("preferred_username")
    if not isinstance(name, str) or not 0 < len(name) <= USERNAME_CHARACTERS:
        raise TokenRefused("the token names no user")
    if not name.isprintable() or name != name.strip():
        raise TokenRefused("the token names no user")
    return name


def groups_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the groups named in claims; anything but a list of texts is none at all."""
    groups = claims.get("groups")
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return frozenset()
    return frozenset(groups)


def verify(token: str, keys: KeySet, config: Config, now: float) -> Claims:
    """Return what an access token for this audience says, or raise TokenRefused."""
    claims = _signed_claims(token, keys)
    # An ID token has the same audience, and is not for this.
    _check_claims(claims, now, config.issuer, config.audience, "Bearer")
    _authorized_party(claims)
    return Claims(
        username=_username(claims),
        subject=claims["sub"],
        groups=groups_of(claims) & config.known_groups,
        expires=float(claims["exp"]),
        not_before=float(claims.get("nbf", 0)),
    )


def verify_id_token(token: str, keys: KeySet, config: Config, client_id: str, nonce: str, now: float) -> str:
    """Return the subject of an ID token that answers our own request, or raise TokenRefused."""
    claims = _signed_claims(token, keys)
    _check_claims(claims, now, config.issuer, client_id, "ID")
    audience = claims["aud"]
    if (isinstance(audience, list) and len(audience) > 1) or claims.get("azp", client_id) != client_id:
        raise TokenRefused("the token is for another client")
    if claims.get("nonce") != nonce:
        raise TokenRefused("the token answers another request")
    return str(claims["sub"])


def key_set(document: Mapping[str, Any]) -> KeySet:
    """Return the keys of a key set that may sign; keys of other kinds never verify anything."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("no keys")
    usable = [entry for entry in entries if isinstance(entry, dict) and _may_sign(entry)]
    return KeySet.import_key_set({"keys": usable})


def _may_sign(entry: Mapping[str, Any]) -> bool:
    return (
        entry.get("kty") in KEY_TYPES
        and entry.get("use", "sig") == "sig"
        and entry.get("alg") in ALGORITHMS
        and bool(entry.get("kid"))
    )


class Verifier:
    """Verifies tokens with the realm's keys, which it fetches when it needs them."""

    def __init__(
        self,
        config: Config,
        fetch: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._fetch = fetch
        self._now = now
        self._keys: KeySet | None = None
        self._lock = threading.Lock()
        self._stale = Once(KEYS_SECONDS, clock)
        self._unknown = Once(UNKNOWN_KEY_SECONDS, clock)

    def access_token(self, token: str) -> Claims:
        """Return what an access token says."""
        return verify(token, self._keys_for(key_id(token)), self._config, self._now())

    def id_token(self, token: str, client_id: str, nonce: str) -> str:
        """Return the subject of an ID token."""
        keys = self._keys_for(key_id(token))
        return verify_id_token(token, keys, self._config, client_id, nonce, self._now())

    def _keys_for(self, kid: str) -> KeySet:
        with self._lock:
            if self._keys is None:
                self._keys = key_set(self._fetch())
                self._stale()
            elif self._stale() or (not _has(self._keys, kid) and self._unknown()):
                self._keys = self._fetched_or(self._keys)
            keys = self._keys
        if not _has(keys, kid):
            raise TokenRefused("the token's key is not known")
        return keys

    def _fetched_or(self, keys: KeySet) -> KeySet:
        try:
            return key_set(self._fetch())
        except (KeycloakAway, JoseError, ValueError):
            return keys


def _has(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)
