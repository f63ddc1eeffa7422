# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the modules of the log search reach their server."""

    DOCUMENTATION = r"""
options:
  search_url:
    description:
      - URL of OpenSearch or Elasticsearch, such as V(https://logs.example.com:9200).
    type: str
    required: true
  search_user:
    description:
      - Account of the server.
    type: str
    required: true
  search_password:
    description:
      - Password of O(search_user).
    type: str
    required: true
  ca_path:
    description:
      - File with the certificate authorities that may have signed the server's certificate, on the host that runs the
        module.
      - By default the authorities that the system trusts. The certificate is always verified.
    type: path
  timeout:
    description:
      - Seconds to wait for each answer.
    type: float
    default: 30.0
"""
