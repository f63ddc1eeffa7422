# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypted and authenticated texts for cookies, under keys that every host derives from the session key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16


class SealBroken(Exception):
    """The text was not made by us for this purpose, or was changed."""


def derive_key(secret: str, purpose: str) -> bytes:
    """Return the key for one purpose."""
    info = f"mlops_identity {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret.encode())


class Sealer:
    """Seals and opens documents of one purpose."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._cipher = AESGCM(derive_key(secret, purpose))

    def seal(self, document: Mapping[str, Any]) -> str:
        """Return the document as a sealed text of cookie characters."""
        nonce = os.urandom(NONCE_BYTES)
        plain = json.dumps(document, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, None)).decode().rstrip("=")

    def open(self, text: str) -> Any:
        """Return the document of a sealed text, or raise SealBroken."""
        sealed = _decoded(text)
        try:
            return json.loads(self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
        except InvalidTag as error:
            raise SealBroken from error


def _decoded(text: str) -> bytes:
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SealBroken from error
    # One text for one document: spare bits and foreign characters at the end make another text, not ours.
    if len(sealed) < NONCE_BYTES + TAG_BYTES or base64.urlsafe_b64encode(sealed).decode().rstrip("=") != text:
        raise SealBroken
    return sealed


class FormTokens:
    """Texts that only a form of the same session can carry."""

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, "form")

    def make(self, session_id: str) -> str:
        """Return the text for the forms of a session."""
        return hmac.new(self._key, session_id.encode(), hashlib.sha256).hexdigest()

    def check(self, session_id: str, text: str) -> bool:
        """Return whether the text belongs to the session."""
        return hmac.compare_digest(self.make(session_id).encode(), text.encode("utf-8", "replace"))
