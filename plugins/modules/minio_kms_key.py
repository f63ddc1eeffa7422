# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: minio_kms_key
short_description: Keep every KMS key that a MinIO host ever had
version_added: 0.1.0
description:
  - Without the KMS key that objects were written with, nobody can read them any more.
  - This keeps the wanted key and the one that the server's settings have, one file each, before anything overwrites
    them. It never removes one. Beside a key that another takes the place of it notes the folders of its store.
  - It fails, and changes nothing, if the wanted key is another than the host's, unless O(replaces) names that one and
    the server leaves its folders for others. MinIO's own KMS holds one key, so a store never changes it.
options:
  name:
    description: The name of the wanted key.
    type: str
    required: true
  key:
    description: The wanted key, the base64 of 32 bytes.
    type: str
    required: true
  replaces:
    description: The fingerprint of the host's key that the wanted one takes the place of, on purpose.
    type: str
    default: ""
  drives:
    description: The folders that the server is to use with the wanted key.
    type: list
    elements: path
    default: []
  copied:
    description: Note that everything of the key that O(replaces) names is copied into the store of the wanted key.
    type: bool
    default: false
  directory:
    description: Where keys are kept, for root only. A file has the fingerprint as its name and C(name:key) inside.
    type: path
    default: /etc/minio/kms-keys
  settings_file:
    description: The settings of the server, which hold the key in force.
    type: path
    default: /etc/default/minio
author:
  - mlops.tracking maintainers (@mlops-tracking)
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Shows the fingerprints of keys that were not kept yet, never a key.
    support: full
"""

EXAMPLES = r"""
- name: Keep the KMS keys of this host
  mlops.tracking.minio_kms_key:
    name: mlops-tracking
    key: "{{ minio_kms_key }}"
    drives: "{{ minio_drives }}"
"""

RETURN = r"""
fingerprint:
  description: The fingerprint of the wanted key.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a6978
in_force:
  description: The fingerprint of the key in the settings; empty if there is none.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a6978
copy_from:
  description: The folders of the key that O(replaces) names, while they are to be copied. None with several hosts.
  returned: success
  type: list
  elements: str
  sample: [/srv/minio]
kept:
  description: The fingerprints of all keys that are kept.
  returned: success
  type: list
  elements: str
  sample: [0f1e2d3c4b5a6978]
"""

import json
import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils._kms_keys import (
    DIRECTORY,
    SETTINGS_FILE,
    kept_fingerprints,
    key_in_settings,
    kms_fingerprint,
    lost_key,
    shared,
    to_copy,
    to_record,
    volumes,
)


def read(path: str) -> str:
    """The text of a file, empty if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def listed(directory: str) -> list[str]:
    """The names in a folder, none if there is no folder."""
    return os.listdir(directory) if os.path.isdir(directory) else []


def keep(directory: str, fingerprint: str, text: str) -> None:
    """Write one key so that it is on the disk, whole, when this returns."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    os.chmod(directory, 0o700)
    descriptor, partial = tempfile.mkstemp(dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, os.path.join(directory, fingerprint))
    except OSError:
        os.unlink(partial)
        raise
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refusal(wanted: str, lost: str, directory: str) -> str:
    """Why the wanted key is refused, and the way out."""
    return (
        f"The KMS key has the fingerprint {wanted}, but this host encrypted its objects with {lost}; with another key "
        f"nobody can read them. Way out: restore the secrets file that holds that key (this host keeps it in "
        f"{directory}/{lost}). To begin a new store with another key on purpose, write minio_kms_replaces: {lost} "
        "(with the platform: platform_minio_kms_replaces) and other, empty folders in minio_drives. "
        "Nothing was changed."
    )


def run(params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Judge and keep; returns the result of the module, with `msg` if the wanted key is refused."""
    directory = params["directory"]
    wanted = kms_fingerprint(params["name"], params["key"])
    if not wanted:
        return {"msg": "key is not base64. Write the base64 of 32 bytes."}
    settings = read(params["settings_file"])
    found = key_in_settings(settings)
    in_force = kms_fingerprint(*found) if found else ""
    before = kept_fingerprints(listed(directory))
    lost = lost_key(wanted, in_force, before, params["replaces"], shared(volumes(settings), params["drives"]))
    if lost:
        return {"msg": refusal(wanted, lost, directory)}
    records = {name: json.loads(read(os.path.join(directory, f"{name}.json")) or "{}") for name in before}
    record = to_record(records, wanted, in_force, volumes(settings))
    noted = {in_force: record} if record else {}
    replaces = params["replaces"]
    if params["copied"] and to_copy(records, wanted, replaces):
        noted = {replaces: {**records[replaces], "copied": True}}
    records.update(noted)
    keys = {wanted: (params["name"], params["key"])}
    if found and in_force:
        keys[in_force] = found
    missing = {fingerprint: pair for fingerprint, pair in keys.items() if fingerprint not in before}
    if not check_mode:
        for fingerprint, pair in missing.items():
            keep(directory, fingerprint, ":".join(pair) + "\n")
        for fingerprint, record in noted.items():
            keep(directory, f"{fingerprint}.json", json.dumps(record) + "\n")
    after = sorted({*before, *missing})
    return {
        "changed": bool(missing or noted),
        "copy_from": to_copy(records, wanted, replaces),
        "fingerprint": wanted,
        "in_force": in_force,
        "kept": after,
        "diff": {"before": "".join(f"{name}\n" for name in before), "after": "".join(f"{name}\n" for name in after)},
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": True},
            "replaces": {"type": "str", "default": ""},
            "drives": {"type": "list", "elements": "path", "default": []},
            "copied": {"type": "bool", "default": False},
            "directory": {"type": "path", "default": DIRECTORY},
            "settings_file": {"type": "path", "default": SETTINGS_FILE},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except OSError as exc:
        module.fail_json(msg=f"The KMS keys cannot be kept: {exc}")
    if "msg" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
