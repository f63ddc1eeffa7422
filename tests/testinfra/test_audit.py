# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of a whole platform: who asked is known, and MLflow's hosts cannot reach the database."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

SCENARIOS = {"single", "prod"}
GROUP = "mlflow"
PYTHON = "/opt/mlflow/current/bin/python"
# Says why the audit database refuses a connection.
KNOCK = """
import sys
import psycopg2
try:
    psycopg2.connect(host=sys.argv[1], port=5433, user=sys.argv[2], dbname="audit", password="x", sslmode=sys.argv[3])
    print("connected")
except psycopg2.OperationalError as error:
    print(error)
"""


@pytest.mark.parametrize("mode", ["require", "disable"])
@pytest.mark.parametrize("user", ["audit_shipper", "audit_auditor", "postgres"])
def test_mlflows_hosts_are_let_in_nowhere(host: Any, groups: set[str], user: str, mode: str) -> None:
    target = "audit1" if "audit" not in groups else host.check_output("hostname")
    said = host.check_output(f"{PYTHON} -c %s {target} {user} {mode}", KNOCK)
    # On a host that carries everything, the edge is let in, but not without its password.
    refusal = (
        "password authentication failed" if "nginx_tls" in groups and user == "audit_shipper" else "no pg_hba.conf"
    )
    assert (refusal if mode == "require" else "no pg_hba.conf") in said


def test_a_request_is_a_row_with_its_user_and_operation(host: Any, groups: set[str], secrets: dict[str, str]) -> None:
    if "audit" not in groups:
        pytest.skip("the doctor asks where the database is elsewhere")
    domain = re.search(r"server_name (\S+\.\S+);", host.file("/etc/nginx/nginx.conf").content_string)[1]
    marker = f"marker-{time.time_ns()}"
    url = f"https://{domain}/api/2.0/mlflow/experiments/get-by-name?experiment_name={marker}"
    command = f"curl -sS -o /dev/null --cacert /etc/mlops-tracking/tls/ca.crt --connect-to {domain}::127.0.0.1: -K -"
    host.check_output(
        f"printf %s %s | {command} '{url}'", "%s", f"user = admin:{secrets['platform_mlflow_admin_password']}"
    )
    psql = "cd / && runuser -u postgres -- psql -p 5433 -d audit -qAt -c %s"
    statement = f"SELECT user_name, auth, operation, status FROM audit.event WHERE uri LIKE '%{marker}'"
    end = time.monotonic() + 15
    while not (found := host.check_output(psql, statement)) and time.monotonic() < end:
        time.sleep(0.5)
    assert found == "admin|basic|get_experiment_by_name|404"
