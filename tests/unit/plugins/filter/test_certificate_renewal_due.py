# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the filter certificate_renewal_due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.mlops.tracking.plugins.filter.certificate_renewal_due import (
    FilterModule,
    certificate_renewal_due,
    renewal_due,
)

KEY = Ed25519PrivateKey.generate()
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=90)

# Days since the beginning of a life of 90 days, the part that must be left, and whether it is due.
TEST_DUE: list[tuple[float, float, bool]] = [
    (-1, 1 / 3, False),
    (0, 1 / 3, False),
    (59.99, 1 / 3, False),
    (60, 1 / 3, False),
    (60.01, 1 / 3, True),
    (90, 1 / 3, True),
    (500, 1 / 3, True),
    (44.9, 0.5, False),
    (45.1, 0.5, True),
    (89.9, 0, False),
    (90.1, 0, True),
]

# Days from the beginning to now and from now to the end.
TEST_CERTIFICATES: list[tuple[float, float, bool]] = [
    (0.01, 90, False),
    (50, 40, False),
    (61, 29, True),
    (100, -10, True),
    (-5, 95, False),
]

TEST_REFUSED: list[tuple[Any, str]] = [
    (None, "needs a PEM text, not NoneType"),
    (b"-----BEGIN CERTIFICATE-----", "needs a PEM text, not bytes"),
    ("certificate", "holds no PEM certificate"),
    ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no PEM certificate"),
]


def certificate(age: float, left: float) -> str:
    """Return a certificate that is so many days old, with so many days to live."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=age)).not_valid_after(now + timedelta(days=left))
    return builder.sign(KEY, None).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(("days", "fraction", "due"), TEST_DUE)
def test_renewal_due(days: float, fraction: float, due: bool) -> None:
    assert renewal_due(START, END, START + timedelta(days=days), fraction) is due


@pytest.mark.parametrize(("age", "left", "due"), TEST_CERTIFICATES)
def test_certificate(age: float, left: float, due: bool) -> None:
    assert certificate_renewal_due(certificate(age, left)) is due


def test_the_first_certificate_of_a_chain_decides() -> None:
    old, new = certificate(80, 10), certificate(1, 89)
    assert certificate_renewal_due(old + new) is True
    assert certificate_renewal_due(new + old) is False


def test_fraction_is_an_option() -> None:
    assert certificate_renewal_due(certificate(50, 40), fraction=0.5) is True


@pytest.mark.parametrize("text", ["", " \n"])
def test_nothing_is_never_due(text: str) -> None:
    assert certificate_renewal_due(text) is False


@pytest.mark.parametrize(("text", "message"), TEST_REFUSED)
def test_refused(text: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        certificate_renewal_due(text)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"certificate_renewal_due": certificate_renewal_due}
