# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the edge in a real OpenSearch node: found soon, all of them, each once, whatever is killed."""

from __future__ import annotations

import json
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from shared import Lab, inside, playbook_command, tool_environment

SCENARIOS = {"log_shipping"}
GROUP = "nginx_tls"
LOG = "/var/log/nginx/mlflow-access.log"
ERRORS = "/var/log/nginx/error.log"
CA = "/etc/mlops-tracking/tls/ca.crt"
INDEX = "mlops-logs"
DOMAIN = "mlflow.example.com"
# Writes lines such as nginx's, at a pace, and says nothing.
WRITE = """
import datetime, json, sys, time
batch, first, count, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
with open("/var/log/nginx/mlflow-access.log", "a", buffering=1) as log:
    for number in range(first, first + count):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "request_id": batch[:24] + f"{number:08x}", "user": "ada", "run_id": batch, "status": 200,
                "experiment_id": "7", "method": "GET", "uri": "/x", "request_time": 0.004}
        log.write(json.dumps(line) + "\\n")
        if pause and number % 10 == 0:
            time.sleep(pause * 10)
"""


@pytest.fixture(name="search")
def search_node(the_lab: Lab) -> str:
    return the_lab.container("search1")


@pytest.fixture(name="ask")
def ask_the_node(search: str) -> Callable[..., Any]:
    """Return a function that asks the node behind its password."""

    def ask(path: str, body: object = None, method: str = "") -> Any:
        command = ["curl", "-sS", "--max-time", "60", f"http://127.0.0.1:9201{path}"]
        command += ["-X", method] if method else []
        command += ["-H", "Content-Type: application/json", "-d", "@-"] if body is not None else []
        return json.loads(inside(search, *command, data=json.dumps(body) if body is not None else None))

    return ask


@pytest.fixture(name="find")
def find_lines(ask: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that finds the documents with a value in a field."""

    def find(field: str, value: str) -> list[dict[str, Any]]:
        query = {"size": 100, "query": {"term": {field: value}}}
        hits = ask(f"/{INDEX}-*/_search?allow_no_indices=true", query)["hits"]["hits"]
        return [{**hit["_source"], "_id": hit["_id"], "_index": hit["_index"]} for hit in hits]

    return find


@pytest.fixture(name="count")
def count_lines(ask: Callable[..., Any]) -> Callable[[str], int]:
    """Return a function that counts the documents of a batch."""

    def count(batch: str) -> int:
        ask(f"/{INDEX}-*/_refresh", method="POST")
        return int(ask(f"/{INDEX}-*/_count", {"query": {"term": {"run_id": batch}}})["count"])

    return count


@pytest.fixture(name="batch")
def batch_of_lines() -> str:
    return uuid.uuid4().hex


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return result


def write(host: Any, batch: str, first: int, count: int, pause: float = 0) -> None:
    host.check_output(f"runuser -u www-data -- python3 -c %s {batch} {first} {count} {pause}", WRITE)


def rotate(host: Any) -> None:
    host.check_output("logrotate --force /etc/logrotate.d/nginx")


def curl(path: str, options: str = "") -> str:
    return f"curl -sS --max-time 20 --cacert {CA} --connect-to {DOMAIN}::127.0.0.1: {options} 'https://{DOMAIN}{path}'"


@pytest.fixture(name="mlflow")
def mlflow_as_administrator(feed: Callable[..., str], secrets: dict[str, str]) -> Callable[..., Any]:
    """Return a function that asks MLflow through the public name."""

    def call(path: str, body: object) -> tuple[str, Any]:
        config = f'user = "admin:{secrets["platform_mlflow_admin_password"]}"\n'
        config += f"data = {json.dumps(json.dumps(body))}\n"
        said = feed(
            config, "sh", "-c", curl(f"/api/2.0/mlflow/{path}", "-D - -K - -H 'Content-Type: application/json'")
        )
        request = re.search(r"^x-request-id: (\S+)", said, re.MULTILINE | re.IGNORECASE)
        return (request[1] if request else ""), json.loads(said[said.index("\n\n") :])

    return call


def test_service_is_enabled_unprivileged_and_sandboxed(host: Any) -> None:
    assert host.service("syslog-ng").is_enabled
    assert host.service("syslog-ng").is_running
    assert host.check_output("ps -o user:20= -C syslog-ng | sort -u").strip() == "mlops-logs"
    for unit in ("syslog-ng.service", "mlops-logs-expire.service"):
        judgement = host.check_output(f"systemd-analyze security --no-pager {unit}")
        assert float(re.search(r"level for \S+: ([\d.]+)", judgement)[1]) <= 2.0, judgement
    checked = host.run(
        "systemd-analyze verify --man=no syslog-ng.service mlops-logs-expire.service mlops-logs-expire.timer"
    )
    assert (checked.rc, checked.stdout, checked.stderr) == (0, "", "")


def test_password_is_not_for_everybody(host: Any, feed: Callable[..., str], secrets: dict[str, str]) -> None:
    look = "grep -rlFf - /etc /usr/local /var/lib /run /proc/[0-9]*/cmdline 2>/dev/null || true"
    for user in ("nobody", "www-data"):
        assert feed(secrets["platform_exporter_password"], "sh", "-c", look, user=user) == ""
    assert host.file("/etc/syslog-ng/mlops-tracking/search.conf").mode == 0o640
    assert host.file("/etc/syslog-ng/mlops-tracking/expire.json").mode == 0o600


def test_requests_of_a_run_are_found_by_its_id(
    mlflow: Callable[..., Any], find: Callable[..., list[dict[str, Any]]], the_lab: Lab
) -> None:
    _request, made = mlflow("runs/create", {"experiment_id": "0", "run_name": "searched"})
    run = made["run"]["info"]["run_id"]
    request, _nothing = mlflow("runs/log-metric", {"run_id": run, "key": "a", "value": 1, "timestamp": 1, "step": 0})
    assert until(lambda: request in [line["_id"] for line in find("run_id", run)])
    line = next(line for line in find("run_id", run) if line["_id"] == request)
    assert (line["user"], line["service"], line["host"], line["level"]) == ("admin", "nginx", "edge1", "info")
    assert (line["request_id"], line["access"]["status"], line["access"]["method"]) == (request, 200, "POST")

    answer = playbook(the_lab, "playbooks/logs.yml", f"logs_run={run}")
    assert request in answer
    assert "changed=0" in answer


def playbook(the_lab: Lab, path: str, *variables: str) -> str:
    arguments = [argument for variable in variables for argument in ("-e", variable)]
    command = playbook_command(the_lab, path, *arguments)
    result = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


def test_the_doctor_finds_a_request(the_lab: Lab) -> None:
    # Most of the platform is not here, so other rows fail.
    rows = [
        line for line in playbook(the_lab, "playbooks/doctor.yml").splitlines() if "a request in the log search" in line
    ]
    assert rows
    assert re.search(r"PASS +found after \d", rows[0]), rows


def test_units_and_error_logs_are_found(
    host: Any, find: Callable[..., list[dict[str, Any]]], ask: Callable[..., Any]
) -> None:
    marker = uuid.uuid4().hex
    host.check_output(f"echo '2026/11/25 07:04:00 [warn] 1#1: *1 {marker}' >> {ERRORS}")
    host.check_output(f"systemd-run --wait --unit=mlops-{marker}.service --setenv=X=1 sh -c %s", (
        f'echo plain {marker}; echo plain {marker} twice; echo \'{{"run_id":"{marker}","text":"json"}}\''
    ))  # fmt: skip

    json_line = f'{{"run_id":"{marker}","text":"json"}}'
    expected = {
        ("nginx", "warning", f"2026/11/25 07:04:00 [warn] 1#1: *1 {marker}"),
        (f"mlops-{marker}", "info", f"plain {marker}"),
        (f"mlops-{marker}", "info", f"plain {marker} twice"),
        (f"mlops-{marker}", "info", json_line),
    }

    def said() -> list[tuple[str, str, str]]:
        query = {"size": 100, "query": {"match_phrase": {"message": marker}}}
        lines = [hit["_source"] for hit in ask(f"/{INDEX}-*/_search", query)["hits"]["hits"]]
        return [(line["service"], line["level"], line["message"]) for line in lines]

    until(lambda: expected <= set(said()))
    found = said()
    assert expected <= set(found), sorted(found)
    assert [line["message"] for line in find("run_id", marker)] == [json_line]
    # What systemd says about it.
    assert any("Started" in message or "Deactivated" in message for _service, _level, message in found), found


def test_lines_that_are_no_json_are_kept_too(
    host: Any, find: Callable[..., Any], ask: Callable[..., Any], batch: str
) -> None:
    host.check_output(f"printf '%s\\n' '{{\"time\":\"2026-11-25T07:0 {batch}' >> {LOG}")
    host.check_output(
        f'printf \'{{"time":"2026-11-25T07:04:00+00:00","request_id":"{batch}","user":"\\377\\376"}}\\n\' >> {LOG}'
    )
    assert until(lambda: find("request_id", batch))
    query = {"query": {"match": {"message": batch}}}
    assert until(lambda: ask(f"/{INDEX}-*/_search", query)["hits"]["total"]["value"] == 1)
    # By the time of the line, not of its arrival.
    assert find("request_id", batch)[0]["_index"] == f"{INDEX}-2026.11.25"


@pytest.fixture(name="node_down")
def node_is_away(search: str) -> Iterator[Callable[[], None]]:
    """The node is killed; the function that is given starts it again, and it is started in any case."""
    inside(search, "systemctl", "kill", "--signal=KILL", "search.service")

    def start() -> None:
        inside(search, "systemctl", "start", "search.service")

    yield start
    start()


def test_all_lines_arrive_that_were_written_while_the_node_was_down(
    host: Any, batch: str, count: Callable[[str], int], node_down: Callable[[], None]
) -> None:
    write(host, batch, 0, 4000)
    # The shipper looks at a file once a second; what it has not read of a file that is rotated twice is gone.
    time.sleep(5)
    rotate(host)
    write(host, batch, 4000, 3000)
    time.sleep(5)
    rotate(host)
    write(host, batch, 7000, 3000)
    node_down()
    assert until(lambda: count_or_none(count, batch) == 10000, 150) is True, count(batch)
    time.sleep(3)
    assert count(batch) == 10000


def count_or_none(count: Callable[[str], int], batch: str) -> int | None:
    """The node may still be starting."""
    try:
        return count(batch)
    except (RuntimeError, KeyError, ValueError):
        return None


def test_no_line_is_lost_or_doubled_when_the_shipper_is_killed_ten_times(
    host: Any, batch: str, count: Callable[[str], int]
) -> None:
    # Files that are no longer followed must not be sent again either.
    assert until(lambda: count_or_none(count, batch) == 0, 60) is True
    host.check_output(f"systemd-run --unit=flow-{batch} --uid=www-data python3 -c %s {batch} 0 3000 0.005", WRITE)
    killed = 0
    while killed < 10:
        host.check_output("systemctl kill --signal=KILL syslog-ng.service")
        killed += 1
        time.sleep(1.6)
    assert until(lambda: host.run(f"systemctl is-active flow-{batch}").stdout.strip() != "active", 60)
    assert until(lambda: count(batch) == 3000, 60) is True, count(batch)
    time.sleep(3)
    assert count(batch) == 3000
    assert int(host.check_output("systemctl show -p NRestarts --value syslog-ng.service")) >= 10


def test_a_wrong_authority_is_refused(host: Any, find: Callable[..., Any], batch: str) -> None:
    """Nothing leaves the host for a server that cannot prove its name; it waits instead."""
    settings = "/etc/syslog-ng/mlops-tracking/search.conf"
    host.check_output(f'sed -i.kept \'s#"ca_file" "{CA}"#"ca_file" "/etc/ssl/certs/ca-certificates.crt"#\' {settings}')
    assert host.run(f"cmp {settings} {settings}.kept").rc == 1
    host.check_output("systemctl restart syslog-ng.service")
    try:
        write(host, batch, 0, 1)
        time.sleep(4)
        assert find("run_id", batch) == []
    finally:
        host.check_output(f"mv {settings}.kept {settings}; systemctl restart syslog-ng.service")
    assert until(lambda: len(find("run_id", batch)) == 1, 20)


def test_old_indices_are_removed_by_the_timer_and_no_others(host: Any, ask: Callable[..., Any]) -> None:
    today = host.check_output("date -u +%Y.%m.%d")
    edge = host.check_output("date -u -d '14 days ago' +%Y.%m.%d")
    old = host.check_output("date -u -d '15 days ago' +%Y.%m.%d")
    made = [f"{INDEX}-{edge}", f"{INDEX}-{old}", f"{INDEX}-2020.02.30", f"{INDEX}-mine", "others-2020.01.01"]
    for name in made:
        ask(f"/{name}", {"settings": {"index.number_of_replicas": 0}}, "PUT")
    host.check_output("systemctl start mlops-logs-expire.service")
    left = {item["index"] for item in ask("/_cat/indices?format=json&h=index")}
    assert f"{INDEX}-{old}" not in left
    assert {f"{INDEX}-{today}", *made} - {f"{INDEX}-{old}"} <= left
    assert host.check_output("systemctl is-enabled mlops-logs-expire.timer") == "enabled"
    assert "removed" in host.check_output("journalctl --no-pager -u mlops-logs-expire.service")


def test_fields_have_the_types_of_the_template(ask: Callable[..., Any]) -> None:
    for index, mapping in ask(f"/{INDEX}-*/_mapping").items():
        fields = mapping["mappings"]["properties"]
        assert {fields[name]["type"] for name in ("run_id", "experiment_id", "request_id", "user")} == {"keyword"}, (
            index
        )
