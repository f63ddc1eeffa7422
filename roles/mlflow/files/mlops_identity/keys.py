# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server does not start without a key that MLflow would otherwise invent, or take from its own source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.fernet import Fernet


class KeyGuard(Exception):
    """A key is missing or everybody's; the message names the variable, never the value."""


@dataclass(frozen=True)
class Key:
    """A variable of MLflow's environment that holds a key, and what its value must not be."""

    variable: str
    setting: str
    without: str
    wrong: Callable[[str], str]


def _default_passphrase() -> str:
    from mlflow.utils.crypto import DEFAULT_KEK_PASSPHRASE

    return str(DEFAULT_KEK_PASSPHRASE)


def _default_password() -> str:
    from mlflow.server.auth import _LEGACY_DEFAULT_ADMIN_PASSWORD

    return str(_LEGACY_DEFAULT_ADMIN_PASSWORD)


def _wrong_gateway_key(value: str) -> str:
    return "is the constant of MLflow's source, which everybody has" if value == _default_passphrase() else ""


def _wrong_version(value: str) -> str:
    return "" if value.isascii() and value.isdecimal() and int(value) > 0 else "is not a whole number above 0"


def _wrong_webhook_key(value: str) -> str:
    try:
        Fernet(value)
    except ValueError:
        return "is not the URL-safe base64 of 32 bytes"
    return ""


def _wrong_password(value: str) -> str:
    return "is the password of MLflow's older versions, which everybody has" if value == _default_password() else ""


def _nothing(_value: str) -> str:
    return ""


INVENTED = "MLflow would make one at each start, which no other process has"
KEYS = (
    Key(
        "MLFLOW_CRYPTO_KEK_PASSPHRASE",
        "mlflow_gateway_key",
        "MLflow would take the constant of its source, which everybody has",
        _wrong_gateway_key,
    ),
    Key(
        "MLFLOW_CRYPTO_KEK_VERSION",
        "mlflow_gateway_key_version",
        "MLflow would take 1, the version of the constant of its source",
        _wrong_version,
    ),
    Key("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "mlflow_webhook_key", INVENTED, _wrong_webhook_key),
    Key("MLFLOW_FLASK_SERVER_SECRET_KEY", "mlflow_flask_secret_key", "nothing would sign forms", _nothing),
    Key("MLFLOW_AUTH_ADMIN_PASSWORD", "mlflow_admin_password", "nobody could log in at first", _wrong_password),
)
# A key of jobs, which the server does not run: whoever has it is anybody at the gateway.
UNWANTED = ("_MLFLOW_INTERNAL_GATEWAY_AUTH_TOKEN",)


def wrong_keys(environment: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the keys in the environment."""
    problems = []
    for key in KEYS:
        value = environment.get(key.variable, "")
        if not value:
            problems.append(f"{key.variable} is not set: {key.without}. Set {key.setting}.")
        elif reason := key.wrong(value):
            problems.append(f"{key.variable} {reason}. Change {key.setting}.")
    problems += [
        f"{name} is set: whoever has it is anybody at the gateway. Remove it."
        for name in UNWANTED
        if environment.get(name)
    ]
    return problems


def check_keys() -> None:
    """Refuse an environment in which a key is missing, or known to everybody."""
    problems = wrong_keys(os.environ)
    if problems:
        raise KeyGuard("MLflow does not start with these keys." + "".join(f"\n- {problem}" for problem in problems))
