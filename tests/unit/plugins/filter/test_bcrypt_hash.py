# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the filter bcrypt_hash."""

from __future__ import annotations

from typing import Any

import bcrypt
import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.filter import bcrypt_hash as plugin

# Four rounds: as quick as bcrypt gets.
ROUNDS = 4

PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: len(text.encode()) <= plugin.PASSWORD_BYTES_MAX
)

TEST_REFUSED: list[tuple[Any, Any, int, str]] = [
    ("", "seed", ROUNDS, "has 0 bytes"),
    ("a" * 73, "seed", ROUNDS, "has 73 bytes"),
    ("ä" * 37, "seed", ROUNDS, "has 74 bytes"),
    ("a\0b", "seed", ROUNDS, "without NUL"),
    (None, "seed", ROUNDS, "must be strings"),
    ("sesame", 7, ROUNDS, "must be strings"),
    ("sesame", "seed", 3, "rounds is 3"),
    ("sesame", "seed", 32, "rounds is 32"),
]


@given(password=PASSWORDS, seed=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=50, deadline=None)
def test_hash_is_accepted_and_repeatable(password: str, seed: str) -> None:
    value = plugin.bcrypt_hash(password, seed, ROUNDS)
    assert bcrypt.checkpw(password.encode(), value.encode())
    assert value == plugin.bcrypt_hash(password, seed, ROUNDS)
    assert len(value) == 60


def test_another_seed_gives_another_salt() -> None:
    first, second = (plugin.bcrypt_hash("password", seed, ROUNDS) for seed in ("a", "b"))
    assert first[7:29] != second[7:29]


def test_salt_does_not_depend_on_the_password() -> None:
    first, second = (plugin.bcrypt_hash(password, "seed", ROUNDS) for password in ("one", "two"))
    assert first[:29] == second[:29]
    assert first != second


def test_default_work() -> None:
    assert plugin.FilterModule().filters()["bcrypt_hash"]("password", "seed").startswith("$2b$10$")


@pytest.mark.parametrize(("password", "seed", "rounds", "message"), TEST_REFUSED)
def test_refused(password: Any, seed: Any, rounds: int, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message) as caught:
        plugin.bcrypt_hash(password, seed, rounds)
    if password:
        assert str(password) not in str(caught.value)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "HAS_BCRYPT", False)
    with pytest.raises(AnsibleFilterError, match="install the Python package bcrypt"):
        plugin.bcrypt_hash("password", "seed")
