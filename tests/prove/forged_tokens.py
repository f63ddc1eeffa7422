# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens that look like a real one of Keycloak's and are none."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

JsonObject = dict[str, Any]
# Where a token might say that its key is to be found.
KEY_ELSEWHERE = "https://mlflow.example.com/static-files/keys.json"


def encode(data: bytes | JsonObject) -> str:
    """Return base64url without padding, of bytes or of JSON."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(part: str) -> JsonObject:
    """Return what a part of a token says."""
    said: JsonObject = json.loads(base64.urlsafe_b64decode(part + "=="))
    return said


class Forger:
    """Makes tokens that look like a real one."""

    def __init__(self, real: str, keys: list[JsonObject]) -> None:
        head, body, self.signature = real.split(".")
        self.real, self.head, self.body = real, decode(head), decode(body)
        self.key = rsa.generate_private_key(65537, 2048)
        self.public = next(key for key in keys if key["kid"] == self.head["kid"])

    @cached_property
    def admin(self) -> JsonObject:
        """What an administrator's token would say."""
        return {**self.body, "groups": ["mlflow-admins", "governance"], "preferred_username": "admin"}

    def signed(self, head: JsonObject, body: JsonObject) -> str:
        """Sign with a key of our own."""
        text = f"{encode(head)}.{encode(body)}"
        return f"{text}.{encode(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def own_key(self) -> JsonObject:
        """Return our public key as a JWK."""
        numbers = self.key.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        return {"kty": "RSA", "kid": "ours", "n": encode(numbers.n.to_bytes(size)), "e": encode(numbers.e.to_bytes(3))}

    def confused(self, secret: bytes) -> str:
        """Sign with HMAC and what everybody knows of the real key."""
        text = f"{encode({**self.head, 'alg': 'HS256'})}.{encode(self.admin)}"
        return f"{text}.{encode(hmac.digest(secret, text.encode(), 'sha256'))}"

    def pem(self) -> bytes:
        """Return the real public key in PEM form."""
        number = [int.from_bytes(base64.urlsafe_b64decode(self.public[name] + "==")) for name in ("e", "n")]
        key = rsa.RSAPublicNumbers(*number).public_key()
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def tokens(self) -> Iterator[tuple[str, str]]:
        """Return forgeries by name."""
        head, body = encode(self.head), encode(self.body)
        for spelling in ("none", "None", "nOnE", "NONE"):
            yield f"algorithm {spelling}", f"{encode({**self.head, 'alg': spelling})}.{encode(self.admin)}."
        yield (
            "algorithm none with the old signature",
            f"{encode({'alg': 'none'})}.{encode(self.admin)}.{self.signature}",
        )
        yield "key confusion with the PEM", self.confused(self.pem())
        yield "key confusion with the modulus", self.confused(self.public["n"].encode())
        yield "key confusion with the certificate", self.confused("".join(self.public.get("x5c", ["x"])).encode())
        yield "key confusion with nothing", self.confused(b"")
        yield "a key of our own under the real name", self.signed(self.head, self.admin)
        yield "an unknown key", self.signed({**self.head, "kid": "unknown"}, self.admin)
        yield "no name of a key", self.signed({"alg": "RS256", "typ": "JWT"}, self.admin)
        yield "a key inside", self.signed({**self.head, "kid": "ours", "jwk": self.own_key()}, self.admin)
        yield (
            "a key elsewhere",
            self.signed({**self.head, "kid": "ours", "jku": KEY_ELSEWHERE}, self.admin),
        )
        yield "a certificate inside", self.signed({**self.head, "x5c": [encode(b"ours")]}, self.admin)
        yield "a path for a key", self.signed({**self.head, "kid": "../../../../dev/null"}, self.admin)
        yield "an injected key", self.signed({**self.head, "kid": "' OR 1=1 --"}, self.admin)
        yield "other groups under the old signature", f"{head}.{encode(self.admin)}.{self.signature}"
        yield (
            "another life under the old signature",
            f"{head}.{encode({**self.body, 'exp': 9999999999})}.{self.signature}",
        )
        yield "no signature", f"{head}.{body}."
        yield "half a signature", f"{head}.{body}.{self.signature[: len(self.signature) // 2]}"
        yield "two parts", f"{head}.{body}"
        yield "four parts", f"{self.real}.{self.signature}"
        yield "a critical header", self.signed({**self.head, "crit": ["exp"], "exp": 1}, self.admin)
        yield "garbage", "garbage"
        yield "dots", "..."
        yield "an empty token", ""
        yield "a long token", "A" * 6000
