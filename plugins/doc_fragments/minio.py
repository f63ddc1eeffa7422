# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the MinIO modules reach their server."""

    DOCUMENTATION = r"""
options:
  minio_url:
    description:
      - Scheme, host and port of the server, such as V(https://minio.example.com:9000). Plain V(http://) is taken for
        loopback only.
    type: str
    required: true
  minio_access_key:
    description:
      - Name of a user with administrator rights.
    type: str
    required: true
  minio_secret_key:
    description:
      - Secret key of O(minio_access_key).
    type: str
    required: true
  ca_path:
    description:
      - File with the certificate authorities that may have signed the server's certificate, on the host that runs the
        module.
      - By default the authorities that the system trusts. The certificate is always verified.
    type: path
  region:
    description:
      - Region that the server is configured for.
    type: str
    default: us-east-1
requirements:
  - minio >= 7.2.20 (Python library)
"""
