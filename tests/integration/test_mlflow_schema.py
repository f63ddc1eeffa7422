# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schema helper with a real MLflow on a real PostgreSQL.

Runs when MLFLOW_PYTHON names the interpreter of an environment with MLflow, its extra `auth` and psycopg2;
`initdb` and `postgres` must be on PATH. What cannot be used then fails the run.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_schema
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_schema import COMPONENTS, LOCK_CLASS, URI_VARIABLE

pytestmark = pytest.mark.skipif(not os.environ.get("MLFLOW_PYTHON"), reason="MLFLOW_PYTHON names no interpreter")

START_SECONDS = 30.0
SCRIPT = Path(_mlflow_schema.__file__).read_text(encoding="utf-8")
# Brings a new database to the revision before the newest, as an older MLflow left it.
OLDER = """
import os, sqlalchemy, mlflow.store.db.utils as u
from alembic import command
from alembic.script import ScriptDirectory
engine = sqlalchemy.create_engine(os.environ["URI"])
u.InitialBase.metadata.create_all(engine)
config = u._get_alembic_config("")
head = ScriptDirectory.from_config(config).get_current_head()
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, head + "-3")
"""
SQL = """
import os, sqlalchemy
engine = sqlalchemy.create_engine(os.environ["URI"], isolation_level="AUTOCOMMIT")
with engine.connect() as connection:
    result = connection.execute(sqlalchemy.text(os.environ["SQL"]))
    print(result.scalar() if result.returns_rows else "")
"""


def python() -> str:
    return os.environ["MLFLOW_PYTHON"]


class Postgres(t.NamedTuple):
    """A running server that trusts loopback."""

    port: int

    def uri(self, database: str) -> str:
        return f"postgresql+psycopg2://owner:p%40ss%25word@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, statement: str) -> str:
        environment = {**os.environ, "URI": self.uri(database), "SQL": statement}
        done = subprocess.run([python(), "-I", "-c", SQL], env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture(name="postgres", scope="module")
def fixture_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    for program in ("initdb", "postgres"):
        assert shutil.which(program), f"{program} is not on PATH"
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path("/tmp") / f"schema-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    if user:
        shutil.chown(folder, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    subprocess.run(["initdb", "-D", data, "-A", "trust", "-U", "owner"], user=user, check=True, capture_output=True)
    options = ["-p", str(port), "-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    log = (tmp_path_factory.mktemp("postgres") / "log").open("wb")
    server = subprocess.Popen(["postgres", "-D", data, *options], user=user, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (folder / f".s.PGSQL.{port}").exists():
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start: {Path(log.name).read_text()}")
            time.sleep(0.2)
        time.sleep(0.5)
        yield Postgres(port)
    finally:
        server.terminate()
        server.wait(20)
        log.close()
        shutil.rmtree(folder)


def start(uri: str, action: str, component: str = "tracking", timeout: float = 120) -> subprocess.Popen[str]:
    command = [python(), "-I", "-", action, component, str(timeout)]
    environment = {**os.environ, URI_VARIABLE: uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdin
    process.stdin.write(SCRIPT)
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[str]) -> dict[str, t.Any]:
    stdout, stderr = process.communicate(timeout=300)
    assert stdout, stderr
    answer: dict[str, t.Any] = json.loads(stdout)
    return answer


def revisions(answer: dict[str, t.Any]) -> tuple[str | None, str | None]:
    assert "error" not in answer, answer["error"]
    return answer["before"]["database_revision"], answer["after"]["database_revision"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_empty_database_gets_its_tables_once(postgres: Postgres, component: str) -> None:
    postgres.sql("postgres", f"CREATE DATABASE new_{component}")
    uri = postgres.uri(f"new_{component}")
    read = finish(start(uri, "read", component))
    head = read["after"]["code_revision"]
    assert revisions(read) == (None, None)
    assert postgres.sql(f"new_{component}", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
    assert revisions(finish(start(uri, "migrate", component))) == (None, head)
    assert revisions(finish(start(uri, "migrate", component))) == (head, head)


def test_of_two_simultaneous_runs_one_migrates(postgres: Postgres) -> None:
    postgres.sql("postgres", "CREATE DATABASE race")
    environment = {**os.environ, "URI": postgres.uri("race")}
    subprocess.run([python(), "-I", "-c", OLDER], env=environment, check=True, capture_output=True)
    old = postgres.sql("race", "SELECT version_num FROM alembic_version")
    processes = [start(postgres.uri("race"), "migrate") for _unused in range(2)]
    answers = [finish(process) for process in processes]
    head = answers[0]["after"]["code_revision"]
    assert old != head
    assert sorted(revisions(answer) for answer in answers) == sorted([(old, head), (head, head)])


def test_a_lock_that_is_held_is_not_waited_for_longer_than_told(postgres: Postgres) -> None:
    postgres.sql("postgres", "CREATE DATABASE held")
    hold = f"SELECT 1 FROM (SELECT pg_advisory_lock({LOCK_CLASS}, 1)) AS held, pg_sleep(60)"
    environment = {**os.environ, "URI": postgres.uri("held"), "SQL": hold}
    holder = subprocess.Popen([python(), "-I", "-c", SQL], env=environment)
    try:
        while postgres.sql("held", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == "0":
            time.sleep(0.2)
        answer = finish(start(postgres.uri("held"), "migrate", timeout=1))
    finally:
        holder.kill()
        holder.wait()
    assert "still holds its lock after 1 seconds" in answer["error"]


def test_a_newer_database_is_refused(postgres: Postgres) -> None:
    postgres.sql("postgres", "CREATE DATABASE newer")
    postgres.sql("newer", "CREATE TABLE alembic_version (version_num varchar(32))")
    postgres.sql("newer", "INSERT INTO alembic_version VALUES ('ffffffffffff')")
    assert finish(start(postgres.uri("newer"), "read"))["after"]["known"] is False
    assert "a newer MLflow has migrated it" in finish(start(postgres.uri("newer"), "migrate"))["error"]


# URI, part of the message
WRONG: list[tuple[str, str]] = [
    ("postgresql+psycopg2://owner:hidden@127.0.0.1:1/x", "OperationalError"),
    ("postgresql+psycopg2://owner:hidden@x:port/x", "percent-encode"),
    ("oracle://owner:hidden@db/x", "names oracle; use one of"),
]


@pytest.mark.parametrize(("uri", "message"), WRONG)
def test_wrong_uri(uri: str, message: str) -> None:
    answer = finish(start(uri, "migrate"))
    assert message in answer["error"]
    assert "hidden" not in answer["error"]


def test_sqlite(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert revisions(finish(start(uri, "read"))) == (None, None)
    assert not list(tmp_path.iterdir())
    processes = [start(uri, "migrate") for _unused in range(2)]
    befores = [revisions(finish(process))[0] for process in processes]
    assert befores.count(None) == 1
