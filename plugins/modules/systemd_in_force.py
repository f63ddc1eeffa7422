# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: systemd_in_force
short_description: Restart units that run with older files than those on disk
version_added: 0.1.0
author:
  - mlops.tracking maintainers (@mlops-tracking)
description:
  - A handler restarts a service when its files change. A run that is broken off between the two leaves a service that
    no later run would restart, as its files are then as they should be.
  - This module restarts each active unit of which a file is younger than the unit's start. A unit that is not active
    is left alone.
options:
  units:
    description:
      - The units to look at.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the unit with its suffix.
        type: str
        required: true
      files:
        description:
          - Files that the unit reads when it starts. Of a symbolic link both ends count. A file that does not exist
            is no reason to restart.
        type: list
        elements: path
        required: true
      loaded_marker:
        description:
          - A file that the unit touches at each start and reload. Its time then counts instead of the start's, so that
            a file that was read at a reload is no reason to restart.
        type: path
extends_documentation_fragment:
  - mlops.tracking.attributes
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Restart what a broken-off run left with old settings
  mlops.tracking.systemd_in_force:
    units:
      - name: minio.service
        files:
          - /etc/default/minio
          - /etc/systemd/system/minio.service
      - name: nginx.service
        files:
          - /etc/nginx/nginx.conf
        loaded_marker: /run/nginx/in-force
"""

RETURN = r"""
restarted:
  description: Units that were restarted, in check mode that would be, each with the files that it had not read.
  returned: success
  type: dict
  sample: {"minio.service": ["/etc/default/minio"]}
"""

import os
import typing as t
from datetime import datetime

from ansible.module_utils.basic import AnsibleModule

UNIT_SPEC: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "path", "required": True},
    "loaded_marker": {"type": "path"},
}
ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT_SPEC},
}


def modified(path: str) -> float | None:
    """When a file, or the link that leads to it, was last changed, in seconds since the epoch; None without one."""
    try:
        return max(os.lstat(path).st_mtime, os.stat(path).st_mtime)
    except FileNotFoundError:
        return None


def younger(files: t.Iterable[str], moment: float) -> list[str]:
    """The files that were changed after a moment, in seconds since the epoch."""
    return [path for path in files if (modified(path) or 0) > moment]


def started(properties: str) -> float | None:
    """When an active unit began to start, in seconds since the epoch; None for one that is not active.

    `properties` is what `systemctl show --timestamp=us+utc` prints. Its wall clock is the one that dates files.
    """
    found = dict(line.partition("=")[::2] for line in properties.splitlines())
    if found.get("ActiveState") != "active":
        return None
    # The name of the weekday comes first.
    text = found["InactiveExitTimestamp"].partition(" ")[2]
    return datetime.fromisoformat(text.replace(" UTC", "+00:00")).timestamp()


def systemctl(module: AnsibleModule, *arguments: str) -> str:
    """Run systemctl and return what it printed."""
    code, stdout, stderr = module.run_command(["systemctl", *arguments])
    if code != 0:
        module.fail_json(msg=f"systemctl {' '.join(arguments)} ended with {code}: {stderr.strip()}")
    return str(stdout)


def stale(module: AnsibleModule, unit: dict[str, t.Any]) -> list[str]:
    """The files that a unit has not read."""
    wanted = "--property=ActiveState,InactiveExitTimestamp"
    moment = started(systemctl(module, "show", "--timestamp=us+utc", wanted, unit["name"]))
    if moment is None:
        return []
    marked = modified(unit["loaded_marker"]) if unit["loaded_marker"] else None
    return younger(unit["files"], moment if marked is None else marked)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    found = {unit["name"]: stale(module, unit) for unit in module.params["units"]}
    restarted = {name: files for name, files in found.items() if files}
    if restarted and not module.check_mode:
        # A changed file may be the unit's own.
        systemctl(module, "daemon-reload")
        systemctl(module, "restart", *restarted)
    module.exit_json(changed=bool(restarted), restarted=restarted)


if __name__ == "__main__":
    main()
