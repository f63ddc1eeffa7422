# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the edge does, seen by clients on its host."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

SCENARIOS = {"single", "prod", "nginx_tls"}
TLS = "/etc/mlops-tracking/tls"
LOG = "/var/log/nginx/mlflow-access.log"
# Takes the place of MLflow for one request, and prints what it was asked, and what the client heard.
ECHO = """
import os, socket, subprocess, sys
path, command = sys.argv[1], sys.argv[2:]
os.rename(path, path + ".aside")
try:
    server = socket.create_server(path, family=socket.AF_UNIX)
    os.chmod(path, 0o666)
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    connection = server.accept()[0]
    print(connection.recv(65536).decode())
    said = "X-Mlops-User: somebody\\r\\nX-Other: heard\\r\\nContent-Length: 0"
    connection.sendall(f"HTTP/1.1 200 OK\\r\\n{said}\\r\\n\\r\\n".encode())
    print("-- answer", client.communicate()[0])
finally:
    os.rename(path + ".aside", path)
"""


@pytest.fixture(name="domain")
def public_name(host: Any) -> str:
    return str(
        re.search(r"DNS:([^,\s]+)", host.check_output(f"openssl x509 -noout -ext subjectAltName -in {TLS}/public.crt"))[
            1
        ]
    )


@pytest.fixture(name="socket")
def mlflow_socket(host: Any) -> str:
    found = re.search(
        r"upstream mlflow_rest \{[^}]*server unix:(\S+) ", host.file("/etc/nginx/nginx.conf").content_string
    )
    return found[1] if found else pytest.skip("MLflow is on another host")


def curl(domain: str, path: str = "/health", options: str = "", scheme: str = "https") -> str:
    return f"curl -sS --max-time 20 --cacert {TLS}/ca.crt --connect-to {domain}::127.0.0.1: {options} {scheme}://{domain}{path}"


def headers(text: str) -> dict[str, str]:
    return {name.lower(): value for name, value in re.findall(r"^([\w-]+): (.*?)\r?$", text, re.MULTILINE)}


def test_service_runs_unprivileged_and_sandboxed(host: Any) -> None:
    # The gateway of the exporters is another nginx.
    main = host.check_output("systemctl show -P MainPID nginx.service")
    assert host.check_output(f"ps -o user= --pid {main} --ppid {main} | sort -u") == "www-data"
    assert (
        float(
            re.search(
                r"level for \S+: ([\d.]+)", host.check_output("systemd-analyze security --no-pager nginx.service")
            )[1]
        )
        <= 2.0
    )
    assert host.file("/run/nginx/public.key").mode == 0o400


def test_health_and_headers(host: Any, domain: str) -> None:
    got = headers(host.check_output(curl(domain, options="-D - --http2")))
    assert int(re.search(r"max-age=(\d+)", got["strict-transport-security"])[1]) > 0
    assert (got["x-content-type-options"], got["server"], len(got["x-request-id"])) == ("nosniff", "nginx", 32)


@pytest.mark.parametrize(
    ("options", "accepted"), [("--tls-max 1.1", False), ("--tlsv1.2 --tls-max 1.2", True), ("--tlsv1.3", True)]
)
def test_protocols(host: Any, domain: str, options: str, accepted: bool) -> None:
    assert (host.run(curl(domain, options=options)).rc == 0) is accepted


def test_unknown_authority_and_name_are_refused(host: Any, domain: str) -> None:
    assert host.run(curl(domain).replace(f"--cacert {TLS}/ca.crt", "")).rc == 60
    assert host.run(curl("other.example.org")).rc == 35
    assert (
        host.check_output(curl(domain, options="-o /dev/null -w '%{http_code}' -H 'Host: other.example.org'")) == "421"
    )


def test_plain_http_is_redirected_or_refused(host: Any, domain: str) -> None:
    got = host.run(curl(domain, "/a?b=c", "-o /dev/null -w '%{http_code} %{redirect_url}'", "http"))
    assert got.rc == 7 or got.stdout == f"308 https://{domain}/a?b=c"


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/health/../metrics"])
def test_metrics_are_not_public(host: Any, domain: str, path: str) -> None:
    assert host.check_output(curl(domain, path, "--path-as-is -o /dev/null -w '%{http_code}'")) == "404"


def test_too_large_a_request_has_mlflows_error_shape(host: Any, domain: str) -> None:
    command = curl(domain, "/api/2.0/mlflow/runs/log-batch", "-X POST -H 'Expect:' -D /dev/stderr --data-binary @-")
    got = host.run(f"head -c 200M /dev/zero | {command}")
    assert json.loads(got.stdout)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert headers(got.stderr)["x-request-id"] in got.stdout


def test_every_request_is_a_line_of_json(host: Any, domain: str) -> None:
    request = headers(host.check_output(curl(domain, "/health?code=secret&q=a%22b", "-D - -A 'a\"b\\c'")))[
        "x-request-id"
    ]
    line = json.loads(host.check_output(f"grep {request} {LOG}"))
    assert (line["status"], line["uri"], line["user_agent"]) == (200, "/health", 'a"b\\c')


def test_status_is_for_this_host_alone(host: Any) -> None:
    assert "Active connections" in host.check_output("curl -sS http://127.0.0.1:8081/status")
    assert not host.socket("tcp://0.0.0.0:8081").is_listening


def test_edge_takes_claims_from_requests_and_the_audit_from_answers(host: Any, domain: str, socket: str) -> None:
    claims = "-H 'X-Forwarded-For: 6.6.6.6' -H 'X-Forwarded-Prefix: /f' -H 'X-Forwarded-Host: evil:1'"
    claims += " -H 'Forwarded: for=6.6.6.6'"
    claims += " -H 'X-Remote-User: admin' -H 'X-Mlops-User: admin' -H 'X_Mlops_User: admin' -H 'X-Request-Id: mine'"
    command = curl(domain, "/api/2.0/x", f"--dump-header - {claims}")
    asked, answer = host.check_output(f"python3 -c %s {socket} {command}", ECHO).split("-- answer")
    got = headers(asked)
    assert (got["host"], got["x-forwarded-for"], got["x-forwarded-proto"]) == (domain, "127.0.0.1", "https")
    assert got["x-request-id"] != "mine"
    assert not {
        "x-forwarded-prefix",
        "x-forwarded-host",
        "forwarded",
        "x-remote-user",
        "x-mlops-user",
        "x_mlops_user",
    } & set(got)
    assert headers(answer)["x-other"] == "heard"
    assert "x-mlops-user" not in headers(answer)


@pytest.mark.parametrize(("path", "kind"), [("/api/2.0/x", "application/json"), ("/", "text/html")])
def test_error_page_while_mlflow_is_away(host: Any, domain: str, socket: str, path: str, kind: str) -> None:
    command = curl(domain, path, "-D - -H 'Accept: text/html'")
    got = host.check_output(f"mv {socket} {socket}.aside; {command}; mv {socket}.aside {socket}")
    assert " 502" in got.splitlines()[0]
    assert headers(got)["content-type"] == kind
    assert headers(got)["x-request-id"] in got.split("\r\n\r\n", 1)[1]
    assert kind == "text/html" or '"error_code": "TEMPORARILY_UNAVAILABLE"' in got
