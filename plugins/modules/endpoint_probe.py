# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_probe
short_description: Ask one endpoint whether it answers, or refuses, as it must
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Opens one connection to an HTTP or PostgreSQL endpoint from the host where the module runs.
    With TLS the certificate is always verified against O(host), and its remaining days are told.
  - The module fails when the endpoint does not do what O(expect) says.
    A certificate that cannot be verified, and a name that does not resolve, always fail.
extends_documentation_fragment:
  - mlops.tracking.attributes
  - mlops.tracking.attributes.info
attributes:
  check_mode:
    details:
      - In check mode no connection is opened; RV(ok) is null and RV(detail) tells what would be asked.
options:
  check:
    description:
      - What is checked, in words. It is returned as it is.
    type: str
    required: true
  protocol:
    description:
      - What is spoken.
    type: str
    choices:
      http: One GET request. Redirects are not followed.
      postgres: With TLS the handshake alone; without, the first message of a log-in.
    default: http
  tls:
    description:
      - Whether TLS is spoken.
    type: bool
    default: true
  host:
    description:
      - The name that the certificate must carry, and the address to connect to unless O(address) is set.
    type: str
  port:
    description:
      - The port to connect to.
    type: int
  address:
    description:
      - Where to connect, if it is not O(host).
    type: str
  unix_socket:
    description:
      - A socket file to connect to instead. Needs O(tls=false).
    type: path
  ca_path:
    description:
      - A file of certificate authorities (PEM). Without it the system's are used.
    type: path
  client_certificate:
    description:
      - A client certificate to present (PEM file).
    type: path
  client_key:
    description:
      - The key of O(client_certificate) (PEM file).
    type: path
  path:
    description:
      - The path and query of the HTTP request.
    type: str
    default: /
  username:
    description:
      - The user for HTTP basic authentication, or of the PostgreSQL log-in.
    type: str
    default: ""
  password:
    description:
      - The password for HTTP basic authentication. It is never sent without TLS.
    type: str
    default: ""
  database:
    description:
      - The database of the PostgreSQL log-in.
    type: str
    default: ""
  expect:
    description:
      - What the endpoint must do.
    type: str
    choices:
      answer: Answer. HTTP with a O(status), PostgreSQL with a TLS handshake.
      refusal: Refuse the connection, the handshake or the log-in, or answer with a O(status).
    default: answer
  status:
    description:
      - HTTP status codes that count as what was expected. A redirect must lead to C(https://).
      - The default is V([200]) with O(expect=answer), and none with O(expect=refusal).
    type: list
    elements: int
  minimum_days:
    description:
      - The module fails if the certificate is valid for fewer days.
    type: int
    default: 14
  timeout:
    description:
      - Seconds to wait for the connection, and for each answer.
    type: float
    default: 10.0
  hint:
    description:
      - What to look at if the check fails. It is returned as it is.
    type: str
    default: ""
seealso:
  - module: community.crypto.get_certificate
"""

EXAMPLES = r"""
- name: MinIO must answer over TLS
  mlops.tracking.endpoint_probe:
    check: MinIO answers
    host: minio1
    port: 9000
    path: /minio/health/live
    ca_path: /etc/mlops-tracking/tls/ca.crt
    hint: journalctl -u minio

- name: PostgreSQL must refuse whoever comes without TLS
  mlops.tracking.endpoint_probe:
    check: PostgreSQL refuses plain text
    protocol: postgres
    tls: false
    host: db1
    port: 5432
    username: mlflow
    database: mlflow
    expect: refusal

- name: Plain HTTP must be refused, or redirected to HTTPS
  mlops.tracking.endpoint_probe:
    check: plain HTTP
    tls: false
    host: mlflow.example.com
    port: 80
    expect: refusal
    status: [301, 308]
"""

RETURN = r"""
check:
  description: The O(check) that was given.
  returned: always
  type: str
  sample: MinIO answers
ok:
  description: Whether the endpoint did what was expected; null in check mode.
  returned: always
  type: bool
  sample: true
detail:
  description: What the endpoint did.
  returned: always
  type: str
  sample: HTTP 200, TLSv1.3, certificate for 364 more days
hint:
  description: The O(hint) that was given.
  returned: always
  type: str
  sample: journalctl -u minio
status:
  description: The HTTP status.
  returned: when HTTP was answered
  type: int
  sample: 200
days_left:
  description: Whole days until the certificate expires.
  returned: after a TLS handshake
  type: int
  sample: 364
"""

import ssl

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._endpoint_probe import Endpoint, judge, probe

# The options that describe the endpoint; the others describe the check.
ENDPOINT_OPTIONS = {
    "protocol": {"type": "str", "choices": ["http", "postgres"], "default": "http"},
    "tls": {"type": "bool", "default": True},
    "host": {"type": "str"},
    "port": {"type": "int"},
    "address": {"type": "str"},
    "unix_socket": {"type": "path"},
    "ca_path": {"type": "path"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path"},
    "path": {"type": "str", "default": "/"},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "database": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 10.0},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENDPOINT_OPTIONS,
            "check": {"type": "str", "required": True},
            "expect": {"type": "str", "choices": ["answer", "refusal"], "default": "answer"},
            "status": {"type": "list", "elements": "int"},
            "minimum_days": {"type": "int", "default": 14},
            "hint": {"type": "str", "default": ""},
        },
        required_one_of=[("host", "unix_socket")],
        mutually_exclusive=[("unix_socket", "host"), ("unix_socket", "port")],
        required_together=[("host", "port"), ("client_certificate", "client_key")],
        supports_check_mode=True,
    )
    params = module.params
    if params["unix_socket"] and params["tls"]:
        module.fail_json(msg="unix_socket is spoken to without TLS: set tls to false.")
    if params["password"] and not params["tls"]:
        module.fail_json(msg="password would be sent in plain text: set tls to true.")
    # Options that were left out fall back to what an endpoint has by itself.
    endpoint = Endpoint(**{name: params[name] for name in ENDPOINT_OPTIONS if params[name] is not None})
    result = {"changed": False, "check": params["check"], "hint": params["hint"]}
    if module.check_mode:
        module.exit_json(ok=None, detail=f"would ask {endpoint}", **result)
    try:
        outcome = probe(endpoint)
    except (OSError, ssl.SSLError) as exc:
        module.fail_json(ok=False, detail=(msg := f"ca_path or client_certificate: {exc}"), msg=msg, **result)
    status = params["status"]
    if status is None:
        status = [200] if params["expect"] == "answer" else []
    ok, detail = judge(outcome, params["expect"], status, params["minimum_days"])
    result.update(ok=ok, detail=detail)
    if outcome.status is not None:
        result["status"] = outcome.status
    if outcome.days_left is not None:
        result["days_left"] = outcome.days_left
    if not ok:
        module.fail_json(msg=f"{params['check']}: {endpoint}: {detail}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
