# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that read the audit database."""

    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Folder of the database's socket. The auditor's role is let in nowhere else, so the module runs on that host.
    type: str
    default: /var/run/postgresql
  login_port:
    description:
      - Port of the database.
    type: int
    default: 5433
  login_user:
    description:
      - Role that reads.
    type: str
    default: audit_auditor
  login_password:
    description:
      - Password of O(login_user).
    type: str
    required: true
  login_db:
    description:
      - Name of the database.
    type: str
    default: audit
requirements:
  - psycopg2
"""
