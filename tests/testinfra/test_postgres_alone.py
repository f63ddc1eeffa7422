# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of somebody's own playbook, seen by a client on its host that comes over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

SCENARIOS = {"postgres"}
DENIED = "42501"


@pytest.fixture(name="query")
def query_as_client(execute: Callable[..., str], secrets: dict[str, str]) -> Callable[..., str]:
    def query(statement: str, user: str = "user", **changes: str) -> str:
        settings = {
            "host": "db1", "dbname": "shop", "sslmode": "verify-full", "sslrootcert": "/etc/mlops-tracking/tls/ca.crt",
            "user": {"user": "mlflow", "owner": "mlflow_owner"}[user],
            "password": secrets[f"platform_postgres_{user}_password"], "connect_timeout": "10", **changes,
        }  # fmt: skip
        return execute(statement, **settings)

    return query


def test_owner_defines_and_user_writes(query: Callable[..., str]) -> None:
    assert query("CREATE TABLE IF NOT EXISTS goods (name text)", "owner") == "ok"
    assert query("INSERT INTO goods VALUES ('anvil')") == "ok"
    assert query("SELECT count(*) > 0 FROM goods") == "ok True"
    assert query("CREATE TABLE intruder (name text)") == DENIED
    assert query("DROP TABLE goods") == DENIED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sslmode": "disable"}, "no encryption"),
        ({"password": "wrong"}, "password authentication failed"),
        ({"dbname": "postgres"}, "no pg_hba.conf entry"),
        ({"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
    ],
)
def test_others_are_refused(query: Callable[..., str], changes: dict[str, str], reason: str) -> None:
    assert reason in query("SELECT 1", **changes)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("data_checksums", "on"),
        ("ssl", "on"),
        ("password_encryption", "scram-sha-256"),
        ("lock_timeout", "10s"),
        ("statement_timeout", "1min"),
        # postgres_settings of the inventory win over the computed ones.
        ("work_mem", "5MB"),
    ],
)
def test_settings(query: Callable[..., str], setting: str, value: str) -> None:
    assert query(f"SELECT current_setting('{setting}')") == f"ok {value}"


def test_it_comes_back_after_a_restart(host: Any, query: Callable[..., str]) -> None:
    host.check_output("systemctl restart postgresql.service postgresql@15-main.service")
    assert query("SELECT 1") == "ok 1"
