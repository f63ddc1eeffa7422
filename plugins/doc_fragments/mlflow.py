# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the MLflow modules reach their server."""

    DOCUMENTATION = r"""
options:
  mlflow_url:
    description:
      - URL of the server, such as V(https://mlflow.example.com). Credentials are sent over V(http://) to loopback or
        a socket only.
    type: str
    required: true
  mlflow_username:
    description:
      - User to log in as, together with O(mlflow_password).
    type: str
  mlflow_password:
    description:
      - Password of O(mlflow_username).
    type: str
  mlflow_token:
    description:
      - Bearer token, instead of user and password.
    type: str
  ca_path:
    description:
      - File with the certificate authorities that may have signed the server's certificate, on the host that runs the
        module.
      - By default the authorities that the system trusts. The certificate is always verified.
    type: path
  client_cert:
    description:
      - File with a certificate to show to a server that asks for one, together with O(client_key).
    type: path
  client_key:
    description:
      - File with the key of O(client_cert).
    type: path
  unix_socket:
    description:
      - Socket of a server on the same host, instead of the network. The host in O(mlflow_url) is then only a name.
    type: path
  host_header:
    description:
      - The name that the server knows itself by, where O(mlflow_url) has another one.
    type: str
  timeout:
    description:
      - Seconds to wait for each answer.
    type: float
    default: 30.0
"""
