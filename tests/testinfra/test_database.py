# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the database lets the application's role do, seen from the hosts of MLflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

GROUP = "mlflow"
SCENARIOS = {"single", "prod"}
PYTHON = "/opt/mlflow/current/bin/python -I"
# Connects as MLflow does, with changes; prints the error's code or what the statement returned. Keeps nothing.
TRY = """
import json, re, sys
import psycopg2
changes, statement = json.loads(sys.argv[1]), sys.argv[2]
database = changes.pop("database", None)
uri = re.search(r'_MLFLOW_SERVER_FILE_STORE="postgresql\\+psycopg2(.*)"', open("/etc/mlflow/mlflow.env").read())[1]
if database:
    uri = re.sub(r"(@[^/]*/)[^?]*", r"\\g<1>" + database, uri)
try:
    connection = psycopg2.connect("postgresql" + uri, connect_timeout=10, **changes)
    cursor = connection.cursor()
    cursor.execute(statement)
    print("ok", cursor.fetchone()[0] if cursor.description else cursor.rowcount)
    connection.rollback()
except psycopg2.Error as error:
    # Who was not let in has no code.
    print(error.pgcode or error)
"""
DENIED = "42501"


@pytest.fixture(name="attempt")
def attempt_on_host(host: Any) -> Any:
    def attempt(statement: str, **changes: str) -> str:
        return str(host.check_output(f"{PYTHON} -c %s %s %s", TRY, json.dumps(changes), statement))

    return attempt


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE intruder (a int)",
        "ALTER TABLE runs ADD COLUMN intruder int",
        "ALTER TABLE runs OWNER TO CURRENT_USER",
        "DROP TABLE runs",
        "TRUNCATE runs CASCADE",
        "CREATE INDEX intruder ON runs (user_id)",
        "CREATE SCHEMA intruder",
        "CREATE EXTENSION hstore",
        "CREATE FUNCTION intruder() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE intruder",
        "SET ROLE mlflow_owner",
        "COPY runs TO PROGRAM 'id'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_application_changes_rows_alone(attempt: Any, statement: str) -> None:
    assert attempt(statement) == DENIED


@pytest.mark.parametrize("statement", ["CREATE TABLE intruder (a int)", "DROP TABLE users"])
def test_application_changes_no_table_of_users_either(attempt: Any, statement: str) -> None:
    assert attempt(statement, database="mlflow_auth") == DENIED


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM runs",
        "UPDATE runs SET name = name WHERE false",
        "DELETE FROM metrics WHERE false",
        "INSERT INTO experiments (name, lifecycle_stage) VALUES ('testinfra', 'active')",
    ],
)
def test_application_reads_and_writes_rows(attempt: Any, statement: str) -> None:
    assert attempt(statement).startswith("ok")


def test_databases_of_others_are_closed(attempt: Any) -> None:
    assert "no pg_hba.conf entry" in attempt("SELECT 1", database="postgres")


def test_without_tls_refused(attempt: Any) -> None:
    assert "no encryption" in attempt("SELECT 1", sslmode="disable")


def test_client_verifies_the_server(attempt: Any) -> None:
    assert attempt("SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "ok true"
    assert "certificate verify failed" in attempt("SELECT 1", sslrootcert="/etc/ssl/certs/ca-certificates.crt")


def test_wrong_password_and_superuser_refused(attempt: Any) -> None:
    assert "password authentication failed" in attempt("SELECT 1", password="wrong")
    assert "no pg_hba.conf entry" in attempt("SELECT 1", user="postgres")


def test_passwords_are_hashed_with_scram(attempt: Any) -> None:
    assert attempt("SELECT current_setting('password_encryption')") == "ok scram-sha-256"
    assert attempt("SELECT rolpassword FROM pg_authid") == DENIED
