# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter mlops.tracking.bcrypt_hash."""

from __future__ import annotations

DOCUMENTATION = r"""
name: bcrypt_hash
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: Hash a password with bcrypt, the same way each time
description:
  - Makes the bcrypt hash of a password that web servers and Prometheus exporters compare log-ins with.
  - The salt comes from a seed, so that a file with the hash changes only when the password or the seed does.
requirements:
  - bcrypt >= 4.0 (Python package, on the controller)
positional: seed
options:
  _input:
    description: The password, 1 to 72 bytes in UTF-8, without NUL.
    type: str
    required: true
  seed:
    description:
      - What the salt is made of. Use the host's name and the purpose, so that the same password has another hash
        elsewhere.
      - It is no secret, and it must not depend on the password, or the salt would give away the result of a cheap hash
        of it.
    type: str
    required: true
  rounds:
    description: The binary logarithm of the work, V(4) to V(31).
    type: int
    default: 10
seealso:
  - plugin: ansible.builtin.password_hash
    plugin_type: filter
"""

EXAMPLES = r"""
- name: The line of a Prometheus exporter's web configuration
  ansible.builtin.debug:
    msg: "{{ exporter_password | mlops.tracking.bcrypt_hash(inventory_hostname ~ ' exporter') }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The hash in the modular crypt format, 60 characters that begin with C($2b$).
  type: str
  sample: $2b$10$IY3UEesJClV3yxQQItc/Dukzb7PB0MfVOK5JooKDwFwGQAxJyebHy
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

try:
    import bcrypt
except ImportError:
    HAS_BCRYPT = False
else:
    HAS_BCRYPT = True

SALT_BYTES = 16
# bcrypt ignores what is behind the 72nd byte.
PASSWORD_BYTES_MAX = 72
BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
TO_BCRYPT = bytes.maketrans(BASE64_ALPHABET, BCRYPT_ALPHABET)


def salt_from(seed: str) -> bytes:
    """Return bcrypt's 22 characters of salt for a seed."""
    digest = hashlib.sha256(seed.encode()).digest()[:SALT_BYTES]
    return base64.b64encode(digest).rstrip(b"=").translate(TO_BCRYPT)


def bcrypt_hash(password: str, seed: str, rounds: int = 10) -> str:
    """Return the bcrypt hash of ``password`` with a salt made of ``seed``."""
    if not HAS_BCRYPT:
        raise AnsibleFilterError("bcrypt_hash: install the Python package bcrypt on the controller")
    if not isinstance(password, str) or not isinstance(seed, str):
        raise AnsibleFilterError("bcrypt_hash: the password and the seed must be strings")
    secret = password.encode()
    if not 1 <= len(secret) <= PASSWORD_BYTES_MAX or b"\0" in secret:
        raise AnsibleFilterError(
            f"bcrypt_hash: a password of 1 to {PASSWORD_BYTES_MAX} bytes without NUL is needed, "
            f"this one has {len(secret)} bytes"
        )
    if not 4 <= rounds <= 31:
        raise AnsibleFilterError(f"bcrypt_hash: rounds is {rounds}, it must be between 4 and 31")
    return bcrypt.hashpw(secret, b"$2b$%02d$%s" % (rounds, salt_from(seed))).decode()


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"bcrypt_hash": bcrypt_hash}
