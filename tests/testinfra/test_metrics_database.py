# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role of the exporters may do in MLflow's database: read seven tables, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

GROUP = "postgres"
SCENARIOS = {"single", "prod", "bookworm"}


def ask(host: Any, statement: str, database: str = "mlflow") -> Any:
    """Run a statement as the exporters do."""
    return host.run("runuser -u prometheus -- psql -qAt -v ON_ERROR_STOP=1 -d %s -c %s", database, statement)


@pytest.mark.parametrize("table", ["experiments", "latest_metrics", "model_versions", "registered_models", "runs"])
def test_tables_are_read(host: Any, table: str) -> None:
    assert ask(host, f"SELECT count(*) >= 0 FROM {table}").stdout.strip() == "t"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM params LIMIT 1",
        "SELECT 1 FROM secrets LIMIT 1",
        "SELECT 1 FROM tags LIMIT 1",
        "UPDATE runs SET status = 'FAILED'",
        "DELETE FROM experiments",
        "INSERT INTO registered_models (name) VALUES ('x')",
        "TRUNCATE runs CASCADE",
        "CREATE TABLE intruder (a int)",
        "CREATE TEMPORARY TABLE intruder (a int)",
        "SET ROLE mlflow_owner",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY runs TO PROGRAM 'id'",
    ],
)
def test_nothing_else_is_allowed(host: Any, statement: str) -> None:
    done = ask(host, statement)
    assert done.rc != 0, done.stdout
    assert re.search("permission denied|must be superuser or have privileges", done.stderr), done.stderr


@pytest.mark.parametrize("database", ["mlflow_auth", "keycloak"])
def test_other_databases_are_closed(host: Any, database: str) -> None:
    assert ask(host, "SELECT 1", database).rc != 0


def test_questions_run_as_nobody_special(host: Any) -> None:
    assert host.check_output("systemctl show -p User --value prometheus-sql-exporter.service") == "prometheus"
