# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema revision of an MLflow database, read and migrated by MLflow's own code. Private to this collection.

The module `mlflow_schema` hands this file's text to the Python of MLflow's virtual environment, as
`python -I - ACTION COMPONENT LOCK_TIMEOUT_SECONDS` with the URI in the environment. So nothing here imports
Ansible, and what only that environment has is imported late. The answer is one JSON line on standard output.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import typing as t
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

URI_VARIABLE = "MLOPS_TRACKING_DATABASE_URI"
COMPONENTS = ("tracking", "auth")
# Folders of the migrations, in MLflow's package.
MIGRATIONS = {"tracking": "store/db_migrations/versions", "auth": "server/auth/db/migrations/versions"}
VERSION_TABLES = {"tracking": "alembic_version", "auth": "alembic_version_auth"}
# First key of the PostgreSQL advisory lock, "MLOP" in ASCII; the second is the component's place, from 1.
LOCK_CLASS = 0x4D4C4F50
LOCK_POLL_SECONDS = 0.5
DIALECTS = ("postgresql", "mysql", "sqlite")


class SchemaError(Exception):
    """A schema that cannot be read or migrated."""


@dataclass(frozen=True)
class Schema:
    """The database's revision beside the installed code's; None where no migration ever ran."""

    component: str
    database_revision: str | None
    code_revision: str
    mlflow_version: str
    known: bool = True

    @property
    def up_to_date(self) -> bool:
        """Whether the installed MLflow can work with the database as it is."""
        return self.database_revision == self.code_revision

    def check_known(self) -> None:
        """Refuse a database that a newer MLflow has migrated."""
        if not self.known:
            raise SchemaError(
                f"the {self.component} database is at revision {self.database_revision}, which the installed MLflow"
                f" {self.mlflow_version} (revision {self.code_revision}) does not know: a newer MLflow has migrated it."
                " Install that version, or restore a backup from before its migration"
            )


def scrub(text: str, uri: str) -> str:
    """`text` without the password of `uri`, percent-encoded or not."""
    authority = uri.partition("://")[2].partition("?")[0]
    password = authority.rpartition("@")[0].partition(":")[2]
    hidden = text.replace(uri, "(the database URI)") if uri else text
    # The longer form first: the other may be a part of it.
    for secret in sorted({password, unquote(password)} - {""}, key=len, reverse=True):
        hidden = hidden.replace(secret, "********")
    return hidden


def read_revisions(folder: Path) -> dict[str, tuple[str, ...]]:
    """Revisions of the migrations in a folder, each with those before it.

    Read from the texts: importing them takes seconds, as they import MLflow.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in folder.glob("*.py"):
        values: dict[str, t.Any] = {}
        for node in ast.parse(path.read_bytes()).body:
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                    values[target.id] = ast.literal_eval(node.value)
        if "revision" in values:
            before = values.get("down_revision") or ()
            found[str(values["revision"])] = (before,) if isinstance(before, str) else tuple(before)
    return found


def head(revisions: dict[str, tuple[str, ...]]) -> str:
    """The revision that is before no other."""
    heads = set(revisions) - {earlier for before in revisions.values() for earlier in before}
    if len(heads) != 1:
        raise SchemaError(f"MLflow's migrations end in {len(heads)} revisions ({', '.join(sorted(heads))}), not in one")
    return heads.pop()


class Database:
    """One component's schema in one database."""

    def __init__(self, uri: str, component: str) -> None:
        migrations = _package() / MIGRATIONS[component]

        import sqlalchemy

        try:
            self._url = sqlalchemy.engine.make_url(uri)
            dialect = self._url.get_backend_name()
        except Exception:
            # Without the cause: it may quote a part of the password.
            raise SchemaError("database_uri is not a database URI; percent-encode user and password in it") from None
        if dialect not in DIALECTS:
            raise SchemaError(f"database_uri names {dialect}; use one of {', '.join(DIALECTS)}")
        self._dialect = dialect
        self._component = component
        self._mlflow_version = importlib.metadata.version("mlflow")
        self._revisions = read_revisions(migrations)
        # No pool: the lock's connection must not be handed to anybody else.
        self._engine = sqlalchemy.create_engine(self._url, poolclass=sqlalchemy.pool.NullPool)

    def schema(self) -> Schema:
        """Read both revisions; touches nothing."""
        revision = self._database_revision()
        return Schema(
            component=self._component,
            database_revision=revision,
            code_revision=head(self._revisions),
            mlflow_version=self._mlflow_version,
            known=revision is None or revision in self._revisions,
        )

    def migrate(self, lock_timeout_seconds: float) -> tuple[Schema, Schema]:
        """Bring the database to the installed code's revision, alone; returns before and after."""
        before = self.schema()
        if before.up_to_date:
            return before, before
        with self._lock(lock_timeout_seconds):
            # Read under the lock: another host may have migrated while this one waited.
            before = self.schema()
            before.check_known()
            if before.up_to_date:
                return before, before
            if self._component == "auth":
                _auth_utils().migrate(self._engine, "head")
            elif before.database_revision is None:
                _tracking_utils()._initialize_tables(self._engine)
            else:
                _tracking_utils()._upgrade_db(self._engine)
            after = self.schema()
        if not after.up_to_date:
            raise SchemaError(f"the migration ended at revision {after.database_revision}, not {after.code_revision}")
        return before, after

    def _database_revision(self) -> str | None:
        from alembic.migration import MigrationContext

        if self._dialect == "sqlite" and not os.path.exists(self._url.database or ""):
            # Connecting would create the file.
            return None
        with self._engine.connect() as connection:
            options = {"version_table": VERSION_TABLES[self._component]}
            revision = MigrationContext.configure(connection, opts=options).get_current_revision()
        return None if revision is None else str(revision)

    def _lock(self, timeout: float) -> contextlib.AbstractContextManager[None]:
        locks = {"postgresql": self._postgresql_lock, "mysql": self._mysql_lock, "sqlite": self._sqlite_lock}
        return locks[self._dialect](timeout)

    @contextlib.contextmanager
    def _postgresql_lock(self, timeout: float) -> Iterator[None]:
        from sqlalchemy import text

        keys = {"class": LOCK_CLASS, "component": COMPONENTS.index(self._component) + 1}
        autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            # The connection idles while the migration runs on another one.
            connection.execute(
                text("SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'")
            )
            statement = text("SELECT pg_try_advisory_lock(:class, :component)")
            _wait(lambda: bool(connection.execute(statement, keys).scalar()), timeout)
            # Closing the connection releases the lock, whatever state it is in.
            yield

    @contextlib.contextmanager
    def _mysql_lock(self, timeout: float) -> Iterator[None]:
        import hashlib

        from sqlalchemy import text

        # The lock's name is of the whole server and has 64 characters at most.
        digest = hashlib.sha256(f"{self._url.database}/{self._component}".encode()).hexdigest()[:32]
        autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with autocommit.connect() as connection:
            statement = text("SELECT GET_LOCK(:name, 0)")
            name = {"name": f"mlops_tracking_schema_{digest}"}
            _wait(lambda: connection.execute(statement, name).scalar() == 1, timeout)
            yield

    @contextlib.contextmanager
    def _sqlite_lock(self, timeout: float) -> Iterator[None]:
        import fcntl

        path = self._url.database
        if not path or path == ":memory:":
            raise SchemaError("database_uri names an SQLite database in memory; use a file")
        # SQLite locks ranges with fcntl, so this lock of the whole file does not meet its own.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

        def try_lock() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        try:
            _wait(try_lock, timeout)
            yield
        finally:
            os.close(handle)


def _wait(try_lock: t.Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not try_lock():
        if time.monotonic() >= deadline:
            raise SchemaError(
                f"another migration of this database still holds its lock after {timeout:g} seconds;"
                " wait for it to end, or raise lock_timeout_seconds"
            )
        time.sleep(LOCK_POLL_SECONDS)


def _package() -> Path:
    """Folder of MLflow's package, without importing it."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("this Python has no MLflow; name the interpreter of MLflow's environment")
    return Path(next(iter(spec.submodule_search_locations)))


def _tracking_utils() -> t.Any:
    import mlflow.store.db.utils

    return mlflow.store.db.utils


def _auth_utils() -> t.Any:
    """MLflow's auth migrations without its auth server, which would read its configuration when imported."""
    import types

    root = str(_package())
    for name in ("mlflow.server", "mlflow.server.auth"):
        package = types.ModuleType(name)
        package.__path__ = [os.path.join(root, *name.split(".")[1:])]
        sys.modules[name] = package
    return importlib.import_module("mlflow.server.auth.db.utils")


def answer(action: str, component: str, lock_timeout_seconds: float, uri: str) -> dict[str, t.Any]:
    """What the module is told: both states, or an error."""
    try:
        database = Database(uri, component)
        if action == "migrate":
            before, after = database.migrate(lock_timeout_seconds)
        else:
            before = after = database.schema()
    except SchemaError as exc:
        return {"error": str(exc)}
    except Exception as exc:
        reason = str(exc).partition("(Background on this error")[0].strip()
        return {"error": scrub(f"{type(exc).__name__}: {reason}", uri)}
    return {"before": asdict(before), "after": asdict(after)}


def main() -> None:
    """Answer one question of the module."""
    action, component, lock_timeout_seconds = sys.argv[1:4]
    # Whatever the libraries print belongs to standard error.
    with contextlib.redirect_stdout(sys.stderr):
        result = answer(action, component, float(lock_timeout_seconds), os.environ.pop(URI_VARIABLE))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
