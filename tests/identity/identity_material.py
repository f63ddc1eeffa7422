# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, tokens and a configuration for the tests of the identity package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from mlops_identity.config import Config, parse

NOW = 1_800_000_000.0
ISSUER = "https://mlflow.example.com/sso/realms/mlops"
SESSION_KEY = "a session key of at least 32 characters"
DOCUMENT: dict[str, Any] = {
    "mode": "oidc",
    "platform_name": "Example platform",
    "public_url": "https://mlflow.example.com",
    "contact": "Ask ml-platform@example.com.",
    "issuer": ISSUER,
    "keycloak_urls": ["https://kc1.example.com:8443/sso", "https://kc2.example.com:8443/sso"],
    "realm": "mlops",
    "ca_file": "/etc/ssl/certs/ca-certificates.crt",
    "client_id": "mlflow",
    "client_secret": "secret of the client",
    "token_client_id": "mlflow-token",
    "audience": "mlflow",
    "session_key": SESSION_KEY,
    "introspection_seconds": 30,
    "session_check_seconds": 5,
    "rights_cache_seconds": 5,
    "admin_groups": ["mlflow-admins"],
    "governance_groups": ["governance"],
    "group_roles": {"data-scientists": ["scientist"], "team-a": ["scientist", "team-a"], "guests": []},
}


class Clock:
    """A clock that stands until it is put forward."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def config(**changes: Any) -> Config:
    """Return the configuration with some values changed."""
    return parse({**DOCUMENT, **changes})


@cache
def rsa_key(kid: str = "rsa-1") -> RSAKey:
    """Return a key of the realm."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@cache
def ec_key(kid: str = "ec-1") -> ECKey:
    """Return another one."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def published() -> dict[str, Any]:
    """Return the key set that the realm publishes."""
    keys = [key.as_dict(private=False) for key in (rsa_key(), ec_key())]
    encryption = {**rsa_key("for-encryption").as_dict(private=False), "use": "enc", "alg": "RSA-OAEP"}
    return {"keys": [*keys, encryption]}


def key_set() -> KeySet:
    """Return the keys that verify."""
    return KeySet.import_key_set({"keys": published()["keys"][:2]})


def access_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good access token; a value of None leaves its claim out."""
    claims = {
        "iss": ISSUER,
        "aud": ["mlflow", "account"],
        "azp": "mlflow-token",
        "sub": "11111111-2222-3333-4444-555555555555",
        "typ": "Bearer",
        "preferred_username": "alice",
        "groups": ["data-scientists", "choir"],
        "iat": int(NOW) - 60,
        "exp": int(NOW) + 300,
        **changes,
    }
    return {key: value for key, value in claims.items() if value is not None}


def signed(claims: Mapping[str, Any], key: Any = None, **header: Any) -> str:
    """Return a signed token."""
    key = key or rsa_key()
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    return jwt.encode({"alg": algorithm, "kid": key.kid, "typ": "JWT", **header}, dict(claims), key)
