# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How the Keycloak modules reach their server."""

    DOCUMENTATION = r"""
options:
  keycloak_url:
    description:
      - URL of the server with its path, such as V(https://kc1.example.com:8443/sso).
    type: str
    required: true
  admin_client:
    description:
      - Client with a service account that may administer the realm.
    type: str
    required: true
  admin_secret:
    description:
      - Secret of O(admin_client).
    type: str
    required: true
  admin_realm:
    description:
      - Realm of O(admin_client).
    type: str
    default: master
  realm:
    description:
      - Realm to work on.
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
