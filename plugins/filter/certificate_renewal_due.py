# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_renewal_due
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Whether less than a part of a certificate's life is left
description:
  - Looks at the first certificate in a PEM text and says whether it is time to renew it.
positional: _input
options:
  _input:
    description: The certificate, PEM. An empty text means that there is none yet, which is never due.
    type: str
    required: true
  fraction:
    description: The part of the whole life that must be left.
    type: float
    default: 0.3333333333333333
notes:
  - Reads the clock of the controller.
requirements:
  - cryptography (on the controller)
"""

EXAMPLES = r"""
- name: A certificate that does not exist yet is made, not renewed
  ansible.builtin.debug:
    msg: "{{ '' | mlops.tracking.certificate_renewal_due }}"
"""

RETURN = r"""
_value:
  description: True when less than O(fraction) of the life is left.
  type: bool
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

try:
    from cryptography.x509 import load_pem_x509_certificate
except ImportError as exc:  # pragma: no cover
    IMPORT_ERROR: ImportError | None = exc
else:
    IMPORT_ERROR = None


def renewal_due(not_before: datetime, not_after: datetime, now: datetime, fraction: float = 1 / 3) -> bool:
    """Return whether less than ``fraction`` of the life between two aware instants is left."""
    return (not_after - now) < (not_after - not_before) * fraction


def certificate_renewal_due(pem: str, fraction: float = 1 / 3) -> bool:
    """Return whether the first certificate in ``pem`` is due for renewal now."""
    if IMPORT_ERROR is not None:  # pragma: no cover
        raise AnsibleFilterError("certificate_renewal_due needs the Python package cryptography")
    if not isinstance(pem, str):
        raise AnsibleFilterError(f"certificate_renewal_due needs a PEM text, not {type(pem).__name__}")
    if not pem.strip():
        return False
    try:
        certificate = load_pem_x509_certificate(pem.encode())
    except ValueError as exc:
        raise AnsibleFilterError("certificate_renewal_due: the text holds no PEM certificate") from exc
    return renewal_due(
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        datetime.now(UTC),
        fraction,
    )


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"certificate_renewal_due": certificate_renewal_due}
