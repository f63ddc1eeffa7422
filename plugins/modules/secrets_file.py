# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_file
short_description: Create what is missing in a YAML file of secrets
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - Reads a YAML file of variables on the controller and adds the entries that it lacks, with fresh random values.
  - What the file holds already is never changed, unless it is named in O(rotate). An entry whose value is empty counts
    as missing.
  - The text is edited rather than dumped anew. Comments, order, unknown entries and inline C(!vault) values stay as
    they are.
  - The whole file is encrypted with Ansible Vault when the run has a vault password. Its mode is C(0600).
  - The file is replaced in one step under a lock, so neither an interrupted nor a second simultaneous run loses an
    entry.
options:
  path:
    description:
      - The file. A relative path is relative to the playbook. A missing folder is created.
    type: path
    required: true
  entries:
    description:
      - The secrets that the file must have.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the variable.
        type: str
        required: true
      kind:
        description:
          - V(password) is made of letters and digits, V(base64), V(base64url) and V(hex) encode random bytes,
            V(literal) is O(entries[].value). V(base64url) is base64 with C(-) and C(_), as a Fernet key has it.
        type: str
        choices: [password, base64, base64url, hex, literal]
        default: password
      length:
        description:
          - Characters of a V(password), or bytes before the encoding of the others. From 16 to 1024.
        type: int
        default: 32
      value:
        description:
          - The value of a V(literal), used only while the entry is missing. It may be left empty once the file has the
            entry.
        type: str
        default: ""
      comment:
        description:
          - Comment that is written above a new entry.
        type: str
        default: ""
  rotate:
    description:
      - Names of entries that get a new value in any case. Each must be described in O(entries).
    type: list
    elements: str
    default: []
  encrypt:
    description:
      - Whether a new or unencrypted file is written encrypted. By default it is when the run has a vault password.
      - V(true) without a vault password is an error. A file that is encrypted stays encrypted with V(false) too.
    type: bool
  vault_id:
    description:
      - Vault ID to encrypt with. By default the one that the file has, else the first of the run.
    type: str
  state:
    description:
      - V(present) is the only state.
    type: str
    choices: [present]
    default: present
extends_documentation_fragment:
  - mlops.tracking.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The diff shows names, never values.
  idempotent:
    support: partial
    details:
      - O(rotate) makes a new value in every run.
  action:
    description: Has an action plugin, so that all of it runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Create the secrets that the inventory lacks
  mlops.tracking.secrets_file:
    path: "{{ inventory_dir }}/group_vars/all/secrets.yml"
    entries:
      - name: platform_minio_root_password
        comment: Password of MinIO's root user.
      - name: platform_minio_kms_key
        kind: base64
        length: 32
        comment: Key that encrypts the objects. Losing it loses them.
      - name: platform_mlflow_flask_secret_key
        kind: hex
        length: 32
  run_once: true

- name: Renew one password
  mlops.tracking.secrets_file:
    path: "{{ inventory_dir }}/group_vars/all/secrets.yml"
    entries:
      - name: platform_minio_root_password
    rotate:
      - platform_minio_root_password
  run_once: true
"""

RETURN = r"""
path:
  description: The file, symbolic links resolved.
  returned: success
  type: str
  sample: /srv/inventory/group_vars/all/secrets.yml
created:
  description: Names of the entries that were missing.
  returned: success
  type: list
  elements: str
  sample: [platform_minio_root_password]
rotated:
  description: Names of the entries that got a new value.
  returned: success
  type: list
  elements: str
  sample: []
encrypted:
  description: Whether the file is encrypted after the run.
  returned: success
  type: bool
  sample: true
"""
