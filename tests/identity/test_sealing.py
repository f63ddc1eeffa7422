# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealed texts."""

from __future__ import annotations

import base64

import pytest

from identity_material import SESSION_KEY
from mlops_identity.sealing import FormTokens, SealBroken, Sealer, derive_key

DOCUMENT = {"id": "x", "groups": ["a", "b"], "started": 1.5}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def test_a_sealed_document_comes_back_on_every_host() -> None:
    sealed = Sealer(SESSION_KEY, "session").seal(DOCUMENT)
    assert Sealer(SESSION_KEY, "session").open(sealed) == DOCUMENT
    assert set(sealed) <= set(ALPHABET)
    assert Sealer(SESSION_KEY, "session").seal(DOCUMENT) != sealed


def test_every_changed_character_breaks_it() -> None:
    sealer = Sealer(SESSION_KEY, "session")
    sealed = sealer.seal(DOCUMENT)
    for place, character in enumerate(sealed):
        for other in {ALPHABET[ALPHABET.index(character) ^ bit] for bit in (1, 2, 4, 8, 16, 32)}:
            with pytest.raises(SealBroken):
                sealer.open(sealed[:place] + other + sealed[place + 1 :])


def test_every_flipped_bit_breaks_it() -> None:
    sealer = Sealer(SESSION_KEY, "session")
    sealed = sealer.seal(DOCUMENT)
    raw = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for place in range(len(raw)):
        for bit in range(8):
            changed = raw[:place] + bytes([raw[place] ^ (1 << bit)]) + raw[place + 1 :]
            with pytest.raises(SealBroken):
                sealer.open(base64.urlsafe_b64encode(changed).decode().rstrip("="))


@pytest.mark.parametrize("change", ["", "A", "AAAA", "é", "a b", "====", "A" * 37, "A" * 400, "{}", "."])
def test_foreign_texts(change: str) -> None:
    with pytest.raises(SealBroken):
        Sealer(SESSION_KEY, "session").open(change)


def test_cut_and_lengthened_texts() -> None:
    sealer = Sealer(SESSION_KEY, "session")
    sealed = sealer.seal(DOCUMENT)
    for changed in (sealed[:-1], sealed[1:], sealed + "A", sealed + "=", sealed + sealed, "=" + sealed, sealed + "\n"):
        with pytest.raises(SealBroken):
            sealer.open(changed)


def test_keys_are_of_one_purpose_and_one_secret() -> None:
    sealed = Sealer(SESSION_KEY, "session").seal(DOCUMENT)
    for sealer in (Sealer(SESSION_KEY, "log-in"), Sealer(SESSION_KEY + "x", "session")):
        with pytest.raises(SealBroken):
            sealer.open(sealed)
    keys = {derive_key(secret, purpose) for secret in ("a", "b") for purpose in ("session", "log-in", "form")}
    assert len(keys) == 6


def test_form_tokens_belong_to_a_session() -> None:
    forms = FormTokens(SESSION_KEY)
    made = forms.make("one")
    assert forms.check("one", made)
    assert not any(forms.check(*case) for case in (("two", made), ("one", ""), ("one", made[:-1]), ("one", "é\ud800")))
    assert not FormTokens(SESSION_KEY + "x").check("one", made)
