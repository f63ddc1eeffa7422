# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a token proves, and all it does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from identity_material import (
    NOW,
    Clock,
    access_claims,
    config,
    ec_key,
    key_set,
    published,
    rsa_key,
    signed,
)
from mlops_identity.keycloak import KeycloakAway
from mlops_identity.tokens import (
    TokenRefused,
    Verifier,
    groups_of,
    key_id,
    verify,
    verify_id_token,
)
from mlops_identity.tokens import key_set as keys_of

CONFIG = config()


def part(document: Any) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def by_hand(header: Any, claims: Any = None, signature: str = "") -> str:
    """Return a token that no library would make."""
    return f"{part(header)}.{part(access_claims() if claims is None else claims)}.{signature}"


def public_key_as_secret(form: str) -> str:
    """Return a token signed with the realm's public key taken for a shared secret."""
    as_json = json.dumps(rsa_key().as_dict(private=False)).encode()
    secret = rsa_key().as_pem(private=False) if form == "pem" else as_json
    text = f"{part({'alg': 'HS256', 'kid': 'rsa-1', 'typ': 'JWT'})}.{part(access_claims())}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def changed_payload() -> str:
    """Return a good token whose claims were exchanged."""
    head, _payload, signature = signed(access_claims()).split(".")
    return f"{head}.{part(access_claims(preferred_username='root'))}.{signature}"


STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS256"})
GOOD = [
    ("RS256", signed(access_claims())),
    ("ES256", signed(access_claims(), ec_key())),
    ("audience as a text", signed(access_claims(aud="mlflow"))),
    ("a service account", signed(access_claims(preferred_username="service-account-ci-train", azp="ci-train"))),
    ("a client of the same audience", signed(access_claims(azp="mlflow-cli"))),
    ("no azp", signed(access_claims(azp=None))),
    ("just expired, within the leeway", signed(access_claims(exp=int(NOW) - 9))),
    ("not yet valid, within the leeway", signed(access_claims(nbf=int(NOW) + 9))),
    ("type at+jwt", signed(access_claims(), typ="at+jwt")),
]
BAD: list[tuple[str, str, str]] = [
    ("another issuer", signed(access_claims(iss="https://evil.example/realms/mlops")), "iss"),
    ("another realm", signed(access_claims(iss="https://mlflow.example.com/sso/realms/master")), "iss"),
    ("the issuer with a slash", signed(access_claims(iss=config().issuer + "/")), "iss"),
    ("the issuer in capitals", signed(access_claims(iss=config().issuer.upper())), "iss"),
    ("issuers in a list", signed(access_claims(iss=[config().issuer])), "iss"),
    ("no issuer", signed(access_claims(iss=None)), "iss"),
    ("another audience", signed(access_claims(aud=["grafana"])), "aud"),
    ("an audience that begins alike", signed(access_claims(aud="mlflow-token")), "aud"),
    ("an empty audience", signed(access_claims(aud=[])), "aud"),
    ("no audience", signed(access_claims(aud=None)), "aud"),
    ("an audience of numbers", signed(access_claims(aud=[1])), "aud"),
    ("expired", signed(access_claims(exp=int(NOW) - 10)), "exp"),
    ("long expired", signed(access_claims(exp=0)), "exp"),
    ("no expiry", signed(access_claims(exp=None)), "exp"),
    ("an expiry that is a text", signed(access_claims(exp="never")), "exp"),
    ("an expiry that is true", signed(access_claims(exp=True)), "exp"),
    ("not yet valid", signed(access_claims(nbf=int(NOW) + 60)), "nbf"),
    ("issued in the future", signed(access_claims(iat=int(NOW) + 60)), "iat"),
    ("no time of issue", signed(access_claims(iat=None)), "iat"),
    ("no subject", signed(access_claims(sub=None)), "sub"),
    ("a subject that is a number", signed(access_claims(sub=7)), "sub"),
    ("an azp that is a list", signed(access_claims(azp=["mlflow"])), "azp"),
    ("an empty azp", signed(access_claims(azp="")), "azp"),
    ("an ID token", signed(access_claims(typ="ID", aud="mlflow")), "typ"),
    ("a refresh token", signed(access_claims(typ="Refresh")), "typ"),
    ("a log-out token", signed(access_claims(typ="Logout")), "typ"),
    ("no type", signed(access_claims(typ=None)), "typ"),
    ("no user", signed(access_claims(preferred_username=None)), "user"),
    ("an empty user", signed(access_claims(preferred_username="")), "user"),
    ("a user with a line break", signed(access_claims(preferred_username="alice\r\nX-Admin: 1")), "user"),
    ("a user with blanks around", signed(access_claims(preferred_username=" alice")), "user"),
    ("a user of 256 characters", signed(access_claims(preferred_username="a" * 256)), "user"),
    ("a user that is a list", signed(access_claims(preferred_username=["alice"])), "user"),
    ("another's key of the same name", signed(access_claims(), STRANGER), "signature"),
    ("exchanged claims", changed_payload(), "signature"),
    ("a key of another kind", signed(access_claims(), ec_key(), kid="rsa-1"), "signature"),
    ("no signature", signed(access_claims()).rsplit(".", 1)[0] + ".", "signature"),
    ("half a signature", signed(access_claims())[:-40], "signature"),
    ("claims that are a list", jws.serialize_compact({"alg": "RS256", "kid": "rsa-1"}, b"[1]", rsa_key()), "signature"),
    ("claims that are no JSON", jws.serialize_compact({"alg": "RS256", "kid": "rsa-1"}, b"{", rsa_key()), "signature"),
]
BAD_HEADERS: list[tuple[str, str, str]] = [
    ("none", by_hand({"alg": "none", "kid": "rsa-1", "typ": "JWT"}), "algorithm"),
    ("None", by_hand({"alg": "None", "kid": "rsa-1", "typ": "JWT"}), "algorithm"),
    ("NONE with a signature", by_hand({"alg": "NONE", "kid": "rsa-1"}, None, "AAAA"), "algorithm"),
    ("HS256 with the public key in PEM", public_key_as_secret("pem"), "algorithm"),
    ("HS256 with the public key in JSON", public_key_as_secret("json"), "algorithm"),
    ("RS512", by_hand({"alg": "RS512", "kid": "rsa-1"}), "algorithm"),
    ("PS256", by_hand({"alg": "PS256", "kid": "rsa-1"}), "algorithm"),
    ("rs256", by_hand({"alg": "rs256", "kid": "rsa-1"}), "algorithm"),
    ("no algorithm", by_hand({"kid": "rsa-1"}), "token"),
    ("an algorithm that is a list", by_hand({"alg": ["RS256"], "kid": "rsa-1"}), "token"),
    ("no key", by_hand({"alg": "RS256"}), "names no key"),
    ("an empty key", by_hand({"alg": "RS256", "kid": ""}), "names no key"),
    ("a key that is a number", by_hand({"alg": "RS256", "kid": 1}), "token"),
    ("a log-out token", by_hand({"alg": "RS256", "kid": "rsa-1", "typ": "logout+jwt"}), "kind"),
    ("a header that is a list", by_hand(["RS256"]), "token"),
    ("two parts", "a.b", "no signed token"),
    ("five parts, as if encrypted", "a.b.c.d.e", "no signed token"),
    ("no parts", "token", "no signed token"),
    ("empty parts", "..", "no signed token"),
    ("not ASCII", "ä.b.c", "no signed token"),
    ("too long", "a" * 16_385, "too long"),
]


@pytest.mark.parametrize(("name", "token"), GOOD, ids=[case[0] for case in GOOD])
def test_good_tokens_prove_a_user(name: str, token: str) -> None:
    claims = verify(token, key_set(), CONFIG, NOW)
    assert claims.username in ("alice", "service-account-ci-train")
    assert claims.groups == {"data-scientists"}
    assert key_id(token) in ("rsa-1", "ec-1")


@pytest.mark.parametrize(("name", "token", "word"), BAD, ids=[case[0] for case in BAD])
def test_bad_tokens_prove_nothing(name: str, token: str, word: str) -> None:
    with pytest.raises(TokenRefused, match=word):
        verify(token, key_set(), CONFIG, NOW)


@pytest.mark.parametrize(("name", "token", "word"), BAD_HEADERS, ids=[case[0] for case in BAD_HEADERS])
def test_bad_headers_are_refused_before_a_key_is_looked_for(name: str, token: str, word: str) -> None:
    with pytest.raises(TokenRefused, match=word):
        key_id(token)


@pytest.mark.parametrize("alg", ["none", "HS256", "RS512", "PS256"])
def test_an_algorithm_that_is_not_allowed_verifies_nothing_either(alg: str) -> None:
    with pytest.raises(TokenRefused):
        verify(by_hand({"alg": alg, "kid": "rsa-1", "typ": "JWT"}), key_set(), CONFIG, NOW)


@pytest.mark.parametrize(
    ("claims", "groups"),
    [
        ({"groups": ["a", "b"]}, {"a", "b"}),
        ({"groups": []}, set()),
        ({}, set()),
        ({"groups": "governance"}, set()),
        ({"groups": {"governance": True}}, set()),
        ({"groups": ["governance", 1]}, set()),
        ({"groups": None}, set()),
    ],
)
def test_groups(claims: dict[str, Any], groups: set[str]) -> None:
    assert groups_of(claims) == groups


def id_claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good ID token."""
    return access_claims(**{"typ": "ID", "aud": "mlflow", "azp": "mlflow", "nonce": "n-1", **changes})


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"nonce": "n-2"}, "another request"),
        ({"nonce": None}, "another request"),
        ({"aud": "mlflow-token"}, "aud"),
        ({"aud": ["mlflow", "grafana"]}, "another client"),
        ({"azp": "grafana"}, "another client"),
        ({"typ": "Bearer"}, "typ"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"exp": int(NOW) - 100}, "exp"),
    ],
)
def test_bad_id_tokens(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(TokenRefused, match=word):
        verify_id_token(signed(id_claims(**changes)), key_set(), CONFIG, "mlflow", "n-1", NOW)


@pytest.mark.parametrize("changes", [{}, {"aud": ["mlflow"]}, {"azp": None}])
def test_good_id_tokens(changes: dict[str, Any]) -> None:
    token = signed(id_claims(**changes))
    assert verify_id_token(token, key_set(), CONFIG, "mlflow", "n-1", NOW) == access_claims()["sub"]


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": None}, {"keys": "rsa"}],
)
def test_no_key_set(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no keys"):
        keys_of(document)


def test_only_signing_keys_of_known_kinds_are_taken() -> None:
    shared = OctKey.generate_key(256, {"kid": "shared", "use": "sig", "alg": "HS256"}).as_dict(private=True)
    odd = ["text", {"kty": "RSA", "alg": "RS256"}, {**published()["keys"][0], "alg": "RS512", "kid": "rs512"}]
    keys = keys_of({"keys": [*published()["keys"], shared, *odd]})
    assert {key.kid for key in keys.keys} == {"rsa-1", "ec-1"}


class Published:
    """Publishes keys, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.document: dict[str, Any] | None = published()

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.document is None:
            raise KeycloakAway
        return self.document


def verifier(source: Published, clock: Clock) -> Verifier:
    """Return a verifier with a standing clock."""
    return Verifier(CONFIG, source, clock=clock, now=clock)


def test_keys_are_fetched_once(clock: Clock) -> None:
    source = Published()
    at_work = verifier(source, clock)
    for _time in range(3):
        assert at_work.access_token(signed(access_claims())).username == "alice"
    assert at_work.id_token(signed(id_claims()), "mlflow", "n-1") == access_claims()["sub"]
    assert source.asked == 1


def test_an_unknown_key_is_asked_for_at_most_each_ten_seconds(clock: Clock) -> None:
    source = Published()
    at_work = verifier(source, clock)
    new = rsa_key("rsa-2")
    token = signed(access_claims(), new)
    for _time in range(5):
        with pytest.raises(TokenRefused, match="not known"):
            at_work.access_token(token)
    assert source.asked == 2
    source.document = {"keys": [*published()["keys"], new.as_dict(private=False)]}
    clock.now += 10
    assert at_work.access_token(token).username == "alice"
    assert source.asked == 3


def test_a_key_that_is_published_no_more_verifies_nothing_after_five_minutes(clock: Clock) -> None:
    source = Published()
    at_work = verifier(source, clock)
    token = signed(access_claims(exp=int(NOW) + 4000))
    at_work.access_token(token)
    source.document = {"keys": published()["keys"][1:]}
    clock.now += 299
    at_work.access_token(token)
    clock.now += 1
    with pytest.raises(TokenRefused, match="not known"):
        at_work.access_token(token)


def test_keys_stay_while_keycloak_is_away_or_publishes_nonsense(clock: Clock) -> None:
    source = Published()
    at_work = verifier(source, clock)
    token = signed(access_claims(exp=int(NOW) + 4000))
    at_work.access_token(token)
    documents: list[dict[str, Any] | None] = [None, {}, {"keys": []}]
    for nonsense in documents:
        source.document = nonsense
        clock.now += 301
        assert at_work.access_token(token).username == "alice"


def test_without_keys_nothing_can_be_said(clock: Clock) -> None:
    source = Published()
    source.document = None
    at_work = verifier(source, clock)
    with pytest.raises(KeycloakAway):
        at_work.access_token(signed(access_claims()))
    source.document = published()
    assert at_work.access_token(signed(access_claims())).username == "alice"
