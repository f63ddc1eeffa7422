# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about secrets; none of their messages holds one.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import base64
import binascii
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.mlops.tracking.plugins.module_utils._preflight_certificates import AUTHORITY_KEY
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem, is_secret

Contract = Mapping[str, t.Any]

FILL_SECRETS = "run `ansible-playbook mlops.tracking.secrets` with this inventory to create it."
# Chosen on a server of the user's, not by us.
LOG_SEARCH = "platform_log_search_password"
FOREIGN_SECRET = "write the password that platform_log_search_user has there, encrypted by ansible-vault."
NEW_SECRET = "remove it and run `ansible-playbook mlops.tracking.secrets` for a random one."
SHORTEST_SECRET = 16
WELL_KNOWN_WORDS = (
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "default",
    "letmein",
    "minio",
    "minioadmin",
    "mlflow",
    "mlops",
    "pass",
    "passw0rd",
    "password",
    "postgres",
    "qwerty",
    "qwertz",
    "root",
    "secret",
    "test",
    "welcome",
)


def secret_names(contract: Contract) -> list[str]:
    """The contract's secrets, but for the key of the authority, which has rules of its own."""
    names = [name for name in contract if name.startswith("platform_") and is_secret(name)]
    return sorted({*names} - {AUTHORITY_KEY})


def needed_secrets(contract: Contract) -> list[str]:
    """Those of them without which a tier of this inventory cannot be set up."""
    tiers = {"keycloak": "keycloak", "audit": "audit", "monitoring": "monitoring", "minio_metrics": "monitoring"}
    absent = tuple(f"platform_{name}_" for name, tier in tiers.items() if not contract.get(f"platform_{tier}_hosts"))
    if not contract.get("minio_console_enabled"):
        absent += ("platform_audit_webhook_",)
    return [name for name in secret_names(contract) if not name.startswith(absent)]


def secret_values(contract: Contract, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """These secrets, one by one also where a variable holds several by name."""
    for name in names:
        value = contract.get(name)
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", str(part)) for key, part in value.items())
        elif value is not None:
            yield name, str(value)


def check_secrets(contract: Contract) -> Iterator[Problem]:
    """Secrets are there, strong, and different from each other."""
    owners: dict[str, str] = {}
    for name, value in secret_values(contract, needed_secrets(contract)):
        if name == LOG_SEARCH and not contract.get("platform_log_search_url"):
            continue
        problem = _weakness(name, value)
        if problem:
            yield problem
        if value and value in owners:
            yield Problem(name, f"has the same value as {owners[value]}.", NEW_SECRET)
        owners.setdefault(value, name)


def _weakness(name: str, value: str) -> Problem | None:
    if name == LOG_SEARCH:
        return _foreign_weakness(name, value)
    if not value:
        return Problem(name, "is missing.", FILL_SECRETS)
    if name == "platform_minio_kms_key":
        return _kms_weakness(name, value)
    if name == "platform_mlflow_webhook_key":
        return _fernet_weakness(name, value)
    if _is_well_known(value):
        return Problem(name, "is a well-known word.", NEW_SECRET)
    if len(value) < SHORTEST_SECRET:
        problem = f"is shorter than {SHORTEST_SECRET} characters."
        return Problem(name, problem, NEW_SECRET)
    if len(set(value)) < 6:
        return Problem(name, "repeats a few characters.", NEW_SECRET)
    if not value.isprintable():
        return Problem(name, "holds a line break or a control character.", NEW_SECRET)
    return None


def _foreign_weakness(name: str, value: str) -> Problem | None:
    if not value:
        return Problem(name, "is missing.", FOREIGN_SECRET)
    if not re.fullmatch(r"[!-_a-~]{8,}", value):
        problem = "is shorter than 8 characters, or holds others than printable ASCII without blanks and backticks."
        return Problem(name, problem, "choose another one there, and write it here.")
    if _is_well_known(value):
        return Problem(name, "is a well-known word.", "choose another one there, and write it here.")
    return None


def _is_well_known(value: str) -> bool:
    """A word that attackers try first, also when it is repeated or decorated with digits."""
    letters = re.sub(r"[^a-z]+", "", value.casefold())
    words = [re.sub(r"[^a-z]+", "", word) for word in WELL_KNOWN_WORDS]
    repeated = "|".join(map(re.escape, words))
    return bool(letters) and len(value) < 40 and bool(re.fullmatch(f"({repeated})+", letters))


def _kms_weakness(name: str, value: str) -> Problem | None:
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) == 32:
        return None
    return Problem(name, "is not the base64 of 32 bytes.", NEW_SECRET)


def _fernet_weakness(name: str, value: str) -> Problem | None:
    """Standard base64 is refused, too: not every reader of such a key takes it."""
    if re.fullmatch(r"[A-Za-z0-9_-]{43}=", value):
        return None
    return Problem(name, "is not the URL-safe base64 of 32 bytes.", NEW_SECRET)


def scrub(text: str, contracts: Iterable[Contract]) -> str:
    """The last guard: no secret of the contract is in the text, whatever a rule wrote."""
    for contract in contracts:
        for _name, value in secret_values(contract, (*secret_names(contract), AUTHORITY_KEY)):
            if len(value) >= 8 and not _is_well_known(value):
                text = text.replace(value, "********")
    return text
