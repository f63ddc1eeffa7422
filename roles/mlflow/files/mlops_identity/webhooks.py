# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook whose secret cannot be read is one that is switched off. With MLflow alone it ends every list of webhooks.

Its row stays as it is: with the right key it works again, and with a new secret, too.
"""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken
from mlflow.entities.webhook import WebhookStatus
from mlflow.store.model_registry.dbmodels.models import EncryptedString, SqlWebhook


class Unreadable(str):
    """Stands for a secret that another key has encrypted."""


def install() -> None:
    """Let MLflow's store read webhooks that way. To be called before the first query."""
    read, entity = EncryptedString.process_result_value, SqlWebhook.to_mlflow_entity

    def process_result_value(self: Any, value: Any, dialect: Any) -> Any:
        try:
            return read(self, value, dialect)
        except InvalidToken:
            return Unreadable()

    def to_mlflow_entity(self: Any) -> Any:
        webhook = entity(self)
        if isinstance(self.secret, Unreadable):
            # Nothing is sent: without a signature, a receiver could not tell it from anybody's.
            webhook._secret = None
            webhook._status = WebhookStatus.DISABLED
        return webhook

    EncryptedString.process_result_value = process_result_value
    SqlWebhook.to_mlflow_entity = to_mlflow_entity
