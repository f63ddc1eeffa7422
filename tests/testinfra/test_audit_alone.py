# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit of somebody's own playbook: every request is one row, and nobody changes it without being seen.

The edge here is a real one whose MLflow is away, so its answers are 502, 404, 308 and 421.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from shared import Lab, playbook_command, tool_environment

from ansible_collections.mlops.tracking.plugins.module_utils import _audit_chain as audit_chain

SCENARIOS = {"audit"}
DOMAIN = "mlflow.example.com"
TLS = "/etc/mlops-tracking/tls"
LOG = "/var/log/nginx/mlflow-access.log"
SHIPPER = "mlops-audit-shipper.service"
DENIED = "42501"
# Asks the object store for what the key of the shipper, or root, may do with an anchor.
BUCKET = """
import json, sys
import urllib3
from minio import Minio
from minio.error import S3Error
key, secret, what = json.load(sys.stdin)
pool = urllib3.PoolManager(ca_certs="/etc/mlops-tracking/tls/ca.crt", cert_reqs="CERT_REQUIRED")
client = Minio("audit1:9000", key, secret, http_client=pool)
try:
    if what == "list":
        print(len(list(client.list_objects("audit", recursive=True))))
    else:
        newest = list(client.list_objects("audit", recursive=True, include_version=True))[-1]
        client.remove_object("audit", newest.object_name, newest.version_id)
        print("removed")
except S3Error as error:
    print(error.code, error.message)
"""

Query = Callable[..., str]


@pytest.fixture(name="database")
def as_superuser(host: Any) -> Query:
    """Run statements as the superuser, on the host of the database."""

    def run(statement: str, database: str = "audit") -> str:
        psql = f"psql -p 5433 -d {database} -qAt -v ON_ERROR_STOP=1 -c %s"
        result = host.run(f"cd / && runuser -u postgres -- {psql}", statement)
        return str(result.stdout if result.rc == 0 else result.stderr).strip()

    return run


@pytest.fixture(name="client")
def as_client(execute: Callable[..., str], secrets: dict[str, str]) -> Query:
    """Run a statement as the shipper or the auditor, with its password."""

    def run(statement: str, user: str, /, **changes: str) -> str:
        place = {"shipper": "audit1", "auditor": "/var/run/postgresql"}[user]
        settings = {
            "host": place, "port": "5433", "dbname": "audit", "user": f"audit_{user}", "connect_timeout": "10",
            "password": secrets[f"platform_audit_{user}_password"], "sslrootcert": f"{TLS}/ca.crt",
            "sslmode": "verify-full" if user == "shipper" else "disable", **changes,
        }  # fmt: skip
        return execute(statement, **settings)

    return run


def ask(host: Any, path: str = "/health", options: str = "", scheme: str = "https") -> str:
    """Send a request and return its number."""
    command = (
        f"curl -sS -o /dev/null -D - --max-time 20 --cacert {TLS}/ca.crt --connect-to {DOMAIN}::127.0.0.1: {options}"
    )
    answer = host.check_output(f"{command} '{scheme}://{DOMAIN}{path}'")
    found = re.search(r"x-request-id: (\w+)", answer, re.IGNORECASE)
    return found[1] if found else ""


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


def stored(database: Query, numbers: list[str]) -> list[str]:
    """Return which of these requests are rows, in the order of their rows."""
    given = ",".join(f"'{number}'" for number in numbers)
    return database(f"SELECT request_id FROM audit.event WHERE request_id IN ({given}) ORDER BY seq").split()


def judge(database: Query, name: str, anchors: list[str] = ()) -> dict[str, Any]:  # type: ignore[assignment]
    """Verify a database as the module does."""

    def rows(statement: str) -> list[tuple[Any, ...]]:
        text = database(f"SELECT coalesce(json_agg(q), '[]') FROM ({statement}) AS q", name)
        return [tuple(row.values()) for row in json.loads(text)]

    retention = [row[0] for row in rows(audit_chain.RETENTION)]
    return audit_chain.judged(
        rows(audit_chain.ROWS), rows(audit_chain.HEAD)[0], retention, rows(audit_chain.GUARDS), anchors
    )


def test_each_kind_of_request_is_a_row(host: Any, database: Query) -> None:
    numbers = {
        "away": ask(host, "/api/2.0/mlflow/runs/get?run_id=abc", "-u ada:secret"),
        "metrics": ask(host, "/metrics"),
        "secret": ask(host, "/x?code=hidden"),
        "unicode": ask(host, "/caf%C3%A9", "-A 'a\"b'"),
    }
    assert until(lambda: len(stored(database, list(numbers.values()))) == len(numbers))
    columns = "request_id, user_name, auth, outcome, operation, run_id, uri, status, source, connection IS NOT NULL"
    lines = database(f"SELECT {columns} FROM audit.event WHERE kind = 'request' ORDER BY seq").splitlines()
    found = {line.split("|")[0]: line.split("|")[1:] for line in lines}
    uri = "/api/2.0/mlflow/runs/get?run_id=abc"
    assert found[numbers["away"]] == ["ada", "claimed", "failed", "runs/get", "abc", uri, "502", "audit1", "t"]
    assert found[numbers["metrics"]][1:4] == ["none", "refused", "metrics"]
    assert found[numbers["secret"]][5] == "/x"
    assert found[numbers["unicode"]][3] == "caf\u00e9"


def test_what_never_reaches_mlflow_is_a_row_too(host: Any, database: Query) -> None:
    def count(condition: str) -> int:
        return int(database(f"SELECT count(*) FROM audit.event WHERE {condition}"))

    before = {status: count(f"status = {status}") for status in (308, 400, 421)}
    ask(host, "/a", scheme="http")
    host.run(f"curl -sS -o /dev/null http://{DOMAIN}:443/ --connect-to {DOMAIN}::127.0.0.1:")
    ask(host, "/a", "-H 'Host: other.example.org'")
    for status, number in before.items():
        assert until(lambda status=status, number=number: count(f"status = {status}") == number + 1), status


def test_nothing_is_lost_or_doubled_by_rotations_kills_and_an_absent_database(host: Any, database: Query) -> None:
    numbers = []
    for turn in range(4):
        numbers += [ask(host, f"/turn-{turn}-{count}") for count in range(5)]
        host.check_output(f"systemctl kill -s KILL {SHIPPER}")
        numbers += [ask(host, f"/killed-{turn}-{count}") for count in range(5)]
        if turn == 1:
            host.check_output("systemctl stop postgresql@15-audit.service")
        if turn == 2:
            # Two rotations, of which one compresses, happen while nobody reads.
            host.check_output(f"systemctl stop {SHIPPER}")
            host.check_output("systemctl start postgresql@15-audit.service")
        host.check_output("logrotate -f /etc/logrotate.d/nginx")
    numbers += [ask(host, "/last")]
    host.check_output(f"systemctl start {SHIPPER}")
    assert until(lambda: len(stored(database, numbers)) >= len(numbers), 60), host.check_output(
        f"journalctl -n 30 --no-pager -u {SHIPPER}"
    )
    assert stored(database, numbers) == numbers
    assert "gz" in host.check_output("ls /var/log/nginx")
    assert database("SELECT count(*) FROM audit.event WHERE kind = 'gap'") == "0"


def test_a_broken_line_is_a_row_and_blocks_nobody(host: Any, database: Query) -> None:
    before = int(database("SELECT count(*) FROM audit.event WHERE kind = 'unparsable'"))
    host.check_output(f"printf 'no request, password=hunter2\\n' >> {LOG}")
    number = ask(host)
    assert until(lambda: stored(database, [number]) == [number])
    assert int(database("SELECT count(*) FROM audit.event WHERE kind = 'unparsable'")) == before + 1
    assert "hunter2" not in database("SELECT string_agg(detail, ' ') FROM audit.event")


def log_in_at_the_console(feed: Callable[..., str], user: str, password: str) -> str:
    """Return the status of the console's answer."""
    command = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", f"{TLS}/ca.crt")
    said = json.dumps({"accessKey": user, "secretKey": password})
    url = "https://audit1:9001/api/v1/login"
    return feed(said, *command, "-H", "Content-Type: application/json", "--data-binary", "@-", url)


def test_log_ins_at_the_object_stores_console_are_rows(
    host: Any, database: Query, feed: Callable[..., str], secrets: dict[str, str]
) -> None:
    root = secrets["platform_minio_root_password"]
    condition = "source = 'audit1/minio' AND kind = 'event'"

    def found() -> list[str]:
        columns = "operation, user_name, outcome, status, remote_addr IS NOT NULL"
        return database(f"SELECT {columns} FROM audit.event WHERE {condition} ORDER BY seq").splitlines()

    before = len(found())
    assert log_in_at_the_console(feed, "root", root) == "204"
    assert log_in_at_the_console(feed, "root", "wrong-password") == "401"
    assert log_in_at_the_console(feed, "mallory", "wrong-password") == "401"
    assert until(lambda: len(found()) == before + 3), found()
    assert found()[before:] == [
        "AssumeRole|root|allowed|200|t", "AssumeRole|root|refused|403|t", "AssumeRole|mallory|refused|403|t",
    ]  # fmt: skip
    kept = host.file("/var/lib/mlops-audit-shipper/console.log")
    assert (kept.user, kept.mode) == ("mlops-audit", 0o600)
    assert "Signature" not in kept.content_string


def test_no_log_in_is_lost_or_doubled_while_the_shipper_is_away_or_killed(
    host: Any, database: Query, feed: Callable[..., str]
) -> None:
    batch = uuid.uuid4().hex[:8]

    def count(columns: str) -> str:
        return database(f"SELECT count({columns}) FROM audit.event WHERE user_name LIKE '{batch}-%'")

    for turn in range(12):
        if turn % 4 == 3:
            host.check_output(f"systemctl kill -s KILL {SHIPPER}")
        if turn == 8:
            host.check_output(f"systemctl stop {SHIPPER}")
        assert log_in_at_the_console(feed, f"{batch}-{turn:02}", "wrong-password") == "401"
    # What MinIO keeps while nobody takes it survives MinIO, too.
    assert until(lambda: host.check_output("find /var/lib/minio/audit -type f | wc -l") != "0", 10)
    host.check_output("systemctl restart minio.service")
    host.check_output(f"systemctl start {SHIPPER}")
    assert until(lambda: count("DISTINCT user_name") == "12", 60), count("DISTINCT user_name")
    time.sleep(5)
    assert count("*") == "12"


def test_nobody_without_the_token_adds_log_ins(host: Any, database: Query) -> None:
    entry = {"api": {"name": "AssumeRole", "statusCode": 200}, "requestID": "forged", "time": "2026-11-26T00:00:00Z"}
    options = "-sS -o /dev/null -w '%%{http_code}' -H 'Authorization: guess' --data-binary %s"
    assert host.check_output(f"curl {options} http://127.0.0.1:9010/", json.dumps(entry)) == "403"
    assert database("SELECT count(*) FROM audit.event WHERE request_id = 'forged'") == "0"


def test_order_of_a_connection_is_kept(host: Any, database: Query) -> None:
    batch = uuid.uuid4().hex
    urls = " ".join(f"https://{DOMAIN}/{batch}-{count}" for count in range(20))
    options = f"--http1.1 --cacert {TLS}/ca.crt --connect-to {DOMAIN}::127.0.0.1:"
    host.check_output(f"curl -sS -o /dev/null {options} {urls.replace(' ', ' -o /dev/null ')}")
    query = "SELECT string_agg(split_part(uri, '-', 2), ' ' ORDER BY seq), count(DISTINCT connection) FROM audit.event"
    expected = " ".join(map(str, range(20))) + "|1"
    assert until(lambda: database(f"{query} WHERE uri LIKE '/{batch}-%'") == expected)


# Statements of somebody who owns the machine, but not the setting that says that it is on purpose.
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit.event SET user_name = 'nobody'",
        "DELETE FROM audit.event",
        "TRUNCATE audit.event",
        "TRUNCATE audit.event_{month}",
        "SET session_replication_role = replica; DELETE FROM audit.event",
        "SET ROLE audit_owner; DELETE FROM audit.event",
        "ALTER TABLE audit.event ADD COLUMN more text",
        "ALTER TABLE audit.event DETACH PARTITION audit.event_{month}",
        "DROP TABLE audit.event_{month}",
        "DROP TABLE audit.event",
        "ALTER TABLE audit.event DISABLE TRIGGER refuse_change",
        "ALTER TABLE audit.event_{month} DISABLE TRIGGER ALL",
        "DROP TRIGGER refuse_change ON audit.event",
        "CREATE TABLE audit.event_190001 PARTITION OF audit.event FOR VALUES FROM ('1900-01-01') TO ('1900-02-01')",
        "CREATE OR REPLACE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
        "GRANT ALL ON audit.event TO audit_shipper",
    ],
)
def test_tampering_is_refused(database: Query, statement: str) -> None:
    month = database("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')")
    before = database("SELECT count(*) FROM audit.event")
    said = database(statement.format(month=month))
    assert "never changed or removed" in said or "needs the setting audit.maintenance" in said, said
    assert int(database("SELECT count(*) FROM audit.event")) >= int(before)


@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("shipper", "SELECT * FROM audit.event"),
        ("shipper", "SELECT * FROM audit.head"),
        ("shipper", "SELECT * FROM audit.position"),
        ("shipper", "INSERT INTO audit.event (seq) VALUES (1)"),
        ("shipper", "SELECT audit.append('audit1', '[]')"),
        ("shipper", "SELECT audit.make_partitions(1)"),
        ("shipper", "UPDATE audit.setting SET value = '1'"),
        ("shipper", "SELECT audit.ingest('other', NULL, '{}', '[{\"kind\": \"retention\"}]')"),
        ("auditor", "INSERT INTO audit.event (seq) VALUES (1)"),
        ("auditor", "SET default_transaction_read_only = off; DELETE FROM audit.event"),
        ("auditor", "SELECT audit.ingest('other', NULL, '{}', '[]')"),
        ("auditor", "SELECT audit.position_of('audit1')"),
    ],
)
def test_roles_do_only_what_they_are_for(client: Query, user: str, statement: str) -> None:
    said = client(statement, user)
    assert said.startswith((DENIED, "25006")), said
    assert client("SELECT 1", user) == "ok 1"


def test_a_batch_that_does_not_follow_is_refused(client: Query, database: Query) -> None:
    row = json.dumps([{"kind": "request", "request_id": "forged", "status": 200}])
    after = json.dumps({"file": "x", "inode": 1, "offset": 1, "generation": 1, "time": 0})
    for before in ("NULL", '\'{"file": "x", "offset": 0, "generation": 1}\''):
        said = client(f"SELECT audit.ingest('audit1', {before}, '{after}', '{row}')", "shipper")
        assert said.startswith("55000"), said
    assert stored(database, ["forged"]) == []


@pytest.mark.parametrize(
    ("user", "changes", "reason"),
    [
        ("shipper", {"sslmode": "disable"}, "no encryption"),
        # This host is a client, whatever its own address is.
        ("shipper", {"host": "127.0.0.1", "sslmode": "require", "password": "wrong"}, "password authentication failed"),
        ("shipper", {"password": "wrong"}, "password authentication failed"),
        ("shipper", {"dbname": "postgres"}, "no pg_hba.conf entry"),
        ("shipper", {"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
        ("auditor", {"host": "audit1", "sslmode": "require"}, "no pg_hba.conf entry"),
        ("auditor", {"password": "wrong"}, "password authentication failed"),
        ("auditor", {"user": "postgres"}, "authentication failed"),
    ],
)
def test_others_are_refused(client: Query, user: str, changes: dict[str, str], reason: str) -> None:
    assert reason in client("SELECT 1", user, **changes)


@pytest.fixture(name="anchors")
def anchors_in_the_bucket(host: Any, the_lab: Lab, database: Query) -> list[str]:
    """Wait until the end of the chain is anchored, and return the names of all anchors."""
    ask(host)
    time.sleep(1)
    command = [playbook_command(the_lab, "")[0].replace("ansible-playbook", "ansible"), "audit1"]
    command += ["-i", str(the_lab.source), "-i", str(the_lab.directory), "-b", "-o"]
    command += ["-e", "ansible_python_interpreter=/opt/minio/client/bin/python", "-m", "mlops.tracking.audit_anchors"]
    options = {
        "minio_url": "https://audit1:9000", "minio_access_key": "root", "ca_path": f"{TLS}/ca.crt",
        "minio_secret_key": "{{ platform_minio_root_password }}",
    }  # fmt: skip
    command += ["-a", json.dumps(options)]

    def names() -> list[str]:
        result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=True)
        found: list[str] = json.loads(result.stdout.partition("=> ")[2])["names"]
        return found

    def anchored() -> bool:
        last = audit_chain.anchors_in(names())
        return bool(last) and last[-1].seq == int(database("SELECT seq FROM audit.head"))

    assert until(anchored, 60)
    return names()


@pytest.fixture(name="copied")
def copy_of_the_database(host: Any, database: Query) -> Iterator[Query]:
    """A copy of the database in which everything that a superuser can do is done."""
    host.check_output(f"systemctl stop {SHIPPER}")
    database("DROP DATABASE IF EXISTS audit_copy", "postgres")
    assert database("CREATE DATABASE audit_copy TEMPLATE audit", "postgres") == ""
    host.check_output(f"systemctl start {SHIPPER}")
    off = "SET audit.maintenance = 'on'; ALTER TABLE audit.event DISABLE TRIGGER refuse_change; "
    on = "; ALTER TABLE audit.event ENABLE ALWAYS TRIGGER refuse_change"

    def tamper(statement: str) -> str:
        return database(off + statement + on, "audit_copy")

    yield tamper
    database("DROP DATABASE audit_copy", "postgres")


# Each by somebody who may do everything on the database's host, and knows how to switch the guards off and on again.
TAMPERED = {
    "change": ("UPDATE audit.event SET user_name = 'eve' WHERE seq = 5", "row 5: its hash"),
    "delete": ("DELETE FROM audit.event WHERE seq = 5", "row 5 missing"),
    "forge": (
        "INSERT INTO audit.event (seq, stored_at, hash, source, shipper, kind, time) SELECT seq + 1, now(),"
        " sha256('x'), 'audit1', 'x', 'request', now() FROM audit.head;"
        " UPDATE audit.head SET seq = seq + 1, hash = sha256('x')",
        "its hash does not follow",
    ),
    "re-order": (
        "UPDATE audit.event SET seq = 1000000 + seq WHERE seq IN (5, 6);"
        " UPDATE audit.event SET seq = 1000011 - seq WHERE seq > 1000000",
        "row 5: its hash",
    ),
    "cut": ("DELETE FROM audit.event WHERE seq > 20", "but its recorded end is row"),
    "cut with its end": (
        "DELETE FROM audit.event WHERE seq > 20;"
        " UPDATE audit.head SET (seq, hash) = (SELECT seq, hash FROM audit.event ORDER BY seq DESC LIMIT 1)",
        "was anchored as",
    ),
    "rewrite": (
        "CREATE TEMP TABLE kept AS SELECT * FROM audit.event WHERE user_name IS DISTINCT FROM 'ada' ORDER BY seq;"
        " DELETE FROM audit.event; DELETE FROM audit.position;"
        " UPDATE audit.head SET seq = 0, hash = sha256('mlops.tracking audit');"
        " SELECT FROM audit.append('audit1', (SELECT jsonb_agg(kept ORDER BY seq) FROM kept))",
        "was anchored",
    ),
    "leave a guard off": ("ALTER EVENT TRIGGER audit_drops DISABLE", "audit_drops is missing or switched off"),
}


def test_tampering_that_was_not_refused_is_seen(database: Query, anchors: list[str], copied: Query, host: Any) -> None:
    copied("SELECT 1")
    assert judge(database, "audit_copy", anchors)["findings"] == []
    for name, (statement, finding) in TAMPERED.items():
        said = copied(statement)
        assert "ERROR" not in said, f"{name}: {said}"
        findings = judge(database, "audit_copy", anchors)["findings"]
        assert any(finding in text for text in findings), f"{name}: {findings}"
        host.check_output(f"systemctl stop {SHIPPER}")
        database("DROP DATABASE audit_copy", "postgres")
        assert database("CREATE DATABASE audit_copy TEMPLATE audit", "postgres") == ""
        host.check_output(f"systemctl start {SHIPPER}")


def test_months_that_are_too_old_go_and_say_so(database: Query, copied: Query) -> None:
    old = "CREATE TABLE audit.event_202401 PARTITION OF audit.event FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"
    owned = "ALTER TABLE audit.event_202401 OWNER TO audit_owner"
    said = copied(f"{old}; {owned}; UPDATE audit.event SET stored_at = '2024-01-15' WHERE seq <= 5")
    assert "ERROR" not in said, said
    database("UPDATE audit.setting SET value = '1' WHERE name = 'retention_months'", "audit_copy")
    assert database("SELECT dropped FROM audit.maintain()", "audit_copy") == "1"
    said = database("SELECT detail FROM audit.event WHERE kind = 'retention'", "audit_copy")
    assert (json.loads(said)["partition"], json.loads(said)["rows"], json.loads(said)["last"]) == ("event_202401", 5, 5)
    result = judge(database, "audit_copy")
    assert (result["findings"], result["first"]) == ([], 6)
    assert database("SELECT dropped FROM audit.maintain()", "audit_copy") == "0"


def test_anchors_are_written_once_and_by_nobody_removed(
    feed: Callable[..., str], secrets: dict[str, str], anchors: list[str]
) -> None:
    python = "/opt/minio/client/bin/python"
    shipper, root = secrets["platform_audit_bucket_secret_key"], secrets["platform_minio_root_password"]
    assert anchors
    assert feed(json.dumps(["audit", shipper, "list"]), python, "-c", BUCKET).startswith("AccessDenied")
    assert int(feed(json.dumps(["root", root, "list"]), python, "-c", BUCKET)) == len(anchors)
    said = feed(json.dumps(["root", root, "remove"]), python, "-c", BUCKET)
    assert "WORM protected" in said, said


def test_the_playbook_verifies_and_answers(the_lab: Lab, anchors: list[str]) -> None:
    def run(*arguments: str) -> str:
        command = playbook_command(the_lab, "playbooks/audit.yml", *arguments)
        result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "changed=0" in result.stdout
        return result.stdout

    said = run()
    assert "the chain holds:" in said
    assert " 0 anchors" not in said
    assert "runs/get" in run("-e", "audit_question=requests_of_user", "-e", "audit_user=ada")
    assert "AssumeRole" in run("-e", "audit_question=console_log_ins", "-e", "audit_user=mallory")


def test_the_shipper_says_how_far_it_is(host: Any) -> None:
    def figures() -> dict[str, float]:
        text = host.file("/var/lib/mlops-audit-shipper/mlops_audit.prom").content_string
        return {name: float(value) for name, value in re.findall(r"^(mlops_audit_\w+) (\S+)$", text, re.MULTILINE)}

    ask(host)
    assert until(lambda: figures()["mlops_audit_lag_bytes"] == 0)
    assert until(lambda: figures().get("mlops_audit_rows_stored_total", 0) > 0)
    host.check_output("systemctl stop postgresql@15-audit.service")
    try:
        ask(host)
        assert until(lambda: figures()["mlops_audit_lag_bytes"] > 0)
        assert until(lambda: figures()["mlops_audit_oldest_unstored_seconds"] > 0)
    finally:
        host.check_output("systemctl start postgresql@15-audit.service")
    assert until(lambda: figures()["mlops_audit_lag_bytes"] == 0, 60)
