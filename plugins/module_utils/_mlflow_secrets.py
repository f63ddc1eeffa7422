# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow's databases hold under a key or a password, and how it comes under another. Private to this collection.

The modules `mlflow_keys` and `mlflow_passwords` hand this file's text to the Python of MLflow's virtual environment, as
`python -I - ACTION` with what it needs in the environment. So nothing here imports Ansible, and what only that
environment has is imported late. The answer is one JSON line on standard output.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

INPUT_VARIABLE = "MLOPS_TRACKING_INPUT"
WEBHOOKS = "SELECT webhook_id, name, secret FROM webhooks WHERE secret IS NOT NULL AND deleted_timestamp IS NULL"


class SecretsError(Exception):
    """What the databases hold cannot be read or brought under the key."""


@dataclass(frozen=True)
class GatewaySecret:
    """A gateway's API key: the version of the key that wraps it, and which of those at hand that is, if any."""

    id: str
    name: str
    version: int
    key: str | None


@dataclass(frozen=True)
class Webhook:
    """A webhook with a secret, and which key at hand reads it, if any."""

    id: str
    name: str
    key: str | None


@dataclass(frozen=True)
class Step:
    """One run of MLflow's `crypto rotate-kek`: from which key of which version to the next version of the current."""

    key: str
    version: int


def plan_steps(found: Sequence[GatewaySecret], version: int) -> list[Step]:
    """What brings every gateway secret under the current key; raises where nothing does."""
    steps: list[Step] = []
    # The newest first, so that no step meets what an earlier one has wrapped.
    for stored in sorted({secret.version for secret in found}, reverse=True):
        here = [secret for secret in found if secret.version == stored]
        keys = {secret.key for secret in here}
        if None in keys:
            raise SecretsError(_lost([secret for secret in here if secret.key is None]))
        if stored > version:
            raise SecretsError(
                f"{_names(here)} is wrapped with version {stored} of the gateway's key, and gateway_key_version is"
                f" {version}; set gateway_key_version to {stored}"
            )
        if stored == version and keys != {"current"}:
            others = [secret for secret in here if secret.key != "current"]
            raise SecretsError(
                f"{_names(others)} is wrapped with another key of the same version {version}; a new key needs a new"
                f" version, so set gateway_key_version to {version + 1}"
            )
        if len(keys) > 1:
            raise SecretsError(
                f"{_names(here)} have the same version {stored} and different keys, which MLflow cannot rotate; delete"
                " those of one key in the gateway, and make them again afterwards"
            )
        steps += [Step("current" if passed > stored else str(here[0].key), passed) for passed in range(stored, version)]
    return steps


def _names(found: Sequence[GatewaySecret]) -> str:
    return "gateway secret " + ", ".join(f"{secret.name} ({secret.id})" for secret in found)


def _lost(found: Sequence[GatewaySecret]) -> str:
    return (
        f"{_names(found)} is wrapped with a key that is neither gateway_key, nor gateway_previous_key, nor the constant"
        " of MLflow's source. Bring the former secrets file back, or name the former key in gateway_previous_key. If it"
        " is lost, delete the secret in the gateway and make it again afterwards"
    )


@dataclass(frozen=True)
class Keys:
    """The keys at hand."""

    database_uri: str
    gateway_key: str
    gateway_key_version: int
    gateway_previous_key: str
    webhook_key: str
    webhook_previous_key: str


def read_keys(keys: Keys) -> dict[str, t.Any]:
    """Which key each gateway secret and each webhook needs. Changes nothing, and shows no secret."""
    with _connection(keys.database_uri) as connection:
        if connection is None:
            return {"gateway": [], "webhooks": []}
        tables = _tables(connection)
        gateway = _read_gateway(connection, keys) if "secrets" in tables else []
        webhooks = _read_webhooks(connection, keys) if "webhooks" in tables else []
    return {"gateway": [asdict(secret) for secret in gateway], "webhooks": [asdict(webhook) for webhook in webhooks]}


def _read_gateway(connection: t.Any, keys: Keys) -> list[GatewaySecret]:
    statement = "SELECT secret_id, secret_name, kek_version, wrapped_dek FROM secrets ORDER BY secret_name, secret_id"
    rows = list(connection.exec_driver_sql(statement))
    if not rows:
        return []
    crypto = _crypto()
    known: dict[int, dict[str, bytes]] = {}
    found = []
    for secret_id, name, version, wrapped in rows:
        if version not in known:
            phrases = _passphrases(keys, crypto.DEFAULT_KEK_PASSPHRASE)
            known[version] = {key: crypto.KEKManager(text, version).get_kek() for key, text in phrases.items()}
        opening = (key for key, kek in known[version].items() if _opens(crypto, bytes(wrapped), kek))
        found.append(GatewaySecret(secret_id, name, version, next(opening, None)))
    return found


def _passphrases(keys: Keys, default: str) -> dict[str, str]:
    named = {"current": keys.gateway_key, "previous": keys.gateway_previous_key, "default": default}
    return {key: text for key, text in named.items() if text}


def _opens(crypto: t.Any, wrapped: bytes, kek: bytes) -> bool:
    try:
        crypto.unwrap_dek(wrapped, kek)
    except Exception:
        # MLflow's own error, or that of a damaged row.
        return False
    return True


def _read_webhooks(connection: t.Any, keys: Keys) -> list[Webhook]:
    rows = list(connection.exec_driver_sql(f"{WEBHOOKS} ORDER BY name, webhook_id"))
    return [Webhook(row[0], row[1], _reading_key(keys, row[2])) for row in rows]


def _reading_key(keys: Keys, token: str) -> str | None:
    from cryptography.fernet import Fernet, InvalidToken

    for key, text in (("current", keys.webhook_key), ("previous", keys.webhook_previous_key)):
        with contextlib.suppress(InvalidToken):
            if text:
                Fernet(text).decrypt(token)
                return key
    return None


def rotate_gateway(keys: Keys, steps: Sequence[Step]) -> None:
    """Run MLflow's `crypto rotate-kek`, once a step: called, as a new key on a command line would be everybody's."""
    import sqlalchemy

    # As the server has it: with MLflow's default, its store would make a folder here.
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = "mlflow-artifacts:/"
    command = importlib.import_module("mlflow.cli.crypto")
    crypto = importlib.import_module("mlflow.utils.crypto")
    # The store is made before the lock, as it opens sessions of its own.
    command._get_store(keys.database_uri)
    sqlalchemy.event.listen(sqlalchemy.orm.Session, "after_begin", _lock_secrets)
    for step in steps:
        os.environ[crypto.CRYPTO_KEK_PASSPHRASE_ENV_VAR] = _passphrases(keys, crypto.DEFAULT_KEK_PASSPHRASE)[step.key]
        os.environ[crypto.CRYPTO_KEK_VERSION_ENV_VAR] = str(step.version)
        command.rotate_kek.callback(new_passphrase=keys.gateway_key, backend_store_uri=keys.database_uri, yes=True)


def _lock_secrets(_session: t.Any, _transaction: t.Any, connection: t.Any) -> None:
    """MLflow reads all rows and then writes them: nobody may change one in between, and of two runs one waits."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SELECT secret_id FROM secrets ORDER BY secret_id FOR UPDATE")


def rotate_webhooks(keys: Keys) -> None:
    """Encrypt with the current key what the previous one reads."""
    import sqlalchemy
    from cryptography.fernet import Fernet, MultiFernet

    both = MultiFernet([Fernet(keys.webhook_key), Fernet(keys.webhook_previous_key)])
    update = sqlalchemy.text("UPDATE webhooks SET secret = :secret WHERE webhook_id = :id AND secret = :before")
    with _connection(keys.database_uri) as connection:
        rows = [] if connection is None else list(connection.exec_driver_sql(WEBHOOKS))
        for webhook_id, _name, token in rows:
            if _reading_key(keys, token) == "previous":
                values = {"secret": both.rotate(token).decode(), "id": webhook_id, "before": token}
                connection.execute(update, values)


def read_passwords(database_uri: str, passwords: Mapping[str, str]) -> dict[str, t.Any]:
    """Whose stored password is another than the given one; users who do not exist are nobody's."""
    with _connection(database_uri) as connection:
        if connection is None or "users" not in _tables(connection):
            return {"differing": []}
        rows = list(connection.exec_driver_sql("SELECT username, password_hash FROM users"))
    from werkzeug.security import check_password_hash

    stored = {name: text for name, text in rows if name in passwords}
    return {"differing": sorted(name for name in stored if not check_password_hash(stored[name], passwords[name]))}


def write_passwords(database_uri: str, passwords: Mapping[str, str]) -> None:
    """Give these users these passwords, by MLflow's own store."""
    # Without MLflow's auth server, which would read its configuration when imported.
    _stand_in("mlflow.server", "mlflow.server.auth")
    store = importlib.import_module("mlflow.server.auth.sqlalchemy_store").SqlAlchemyStore()
    store.init_db(database_uri)
    for name, password in passwords.items():
        store.update_user(name, password=password)


@contextlib.contextmanager
def _connection(uri: str) -> Iterator[t.Any]:
    """A connection with one transaction, or None for an SQLite file that does not exist, which this would make."""
    import sqlalchemy

    try:
        url = sqlalchemy.engine.make_url(uri)
    except Exception:
        # Without the cause: it may quote a part of the password.
        raise SecretsError("database_uri is not a database URI; percent-encode user and password in it") from None
    if url.get_backend_name() == "sqlite" and not os.path.exists(url.database or ""):
        yield None
        return
    with sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool).begin() as connection:
        yield connection


def _tables(connection: t.Any) -> set[str]:
    import sqlalchemy

    return set(sqlalchemy.inspect(connection).get_table_names())


def _crypto() -> t.Any:
    """MLflow's functions without the rest of MLflow, which takes seconds to import."""
    _stand_in("mlflow", "mlflow.utils")
    return importlib.import_module("mlflow.utils.crypto")


def _stand_in(*names: str) -> None:
    """Put empty packages where MLflow's would be imported, with the folders of its own."""
    import types

    spec = importlib.util.find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise SecretsError("this Python has no MLflow; name the interpreter of MLflow's environment")
    root = next(iter(spec.submodule_search_locations))
    for name in names:
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split(".")[1:])]
        sys.modules[name] = package


def run(action: str, given: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Do what the module asks for."""
    if action == "read_passwords":
        return read_passwords(given["database_uri"], given["passwords"])
    if action == "write_passwords":
        write_passwords(given["database_uri"], given["passwords"])
        return {}
    keys = Keys(**given["keys"])
    if action == "read_keys":
        return read_keys(keys)
    if given["steps"]:
        rotate_gateway(keys, [Step(**step) for step in given["steps"]])
    if given["webhooks"]:
        rotate_webhooks(keys)
    return {}


def answer(action: str, given: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the module is told: what was found, or an error."""
    try:
        return run(action, given)
    except SecretsError as exc:
        return {"error": str(exc)}
    except Exception as exc:
        reason = str(exc).partition("(Background on this error")[0].partition("[SQL:")[0].strip()
        return {"error": f"{type(exc).__name__}: {reason}"}


def main() -> None:
    """Answer one question of a module."""
    given = json.loads(os.environ.pop(INPUT_VARIABLE))
    # Whatever the libraries print belongs to standard error.
    with contextlib.redirect_stdout(sys.stderr):
        result = answer(sys.argv[1], given)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
