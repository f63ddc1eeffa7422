# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: systemd_sandbox
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The sandbox that every unit of this collection runs in
description:
  - Writes the hardening directives of a C([Service]) section, one for all units, so that a unit states only
    where it differs.
  - The directives are explained in the manual page C(systemd.exec).
positional: _input
options:
  _input:
    description:
      - Directives that differ, by name. A list is written as one line with spaces.
      - V(null) leaves the directive out.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: A service that writes to one folder and binds a low port
  ansible.builtin.debug:
    msg: >-
      {{ {'ReadWritePaths': ['/var/lib/thing'], 'CapabilityBoundingSet': 'CAP_NET_BIND_SERVICE'}
         | mlops.tracking.systemd_sandbox }}
"""

RETURN = r"""
_value:
  description: The directives, one a line, sorted by name.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

SANDBOX: dict[str, str] = {
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": "",
    "DevicePolicy": "closed",
    "KeyringMode": "private",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProcSubset": "pid",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallErrorNumber": "EPERM",
    "SystemCallFilter": "@system-service ~@privileged ~@resources",
    "UMask": "0077",
}


def systemd_sandbox(overrides: Mapping[str, Any]) -> str:
    """Return the sandbox with ``overrides`` applied, one directive a line."""
    if not isinstance(overrides, Mapping):
        raise AnsibleFilterError(f"systemd_sandbox needs a mapping of directives, not {type(overrides).__name__}")
    lines: list[str] = []
    for name, value in sorted({**SANDBOX, **overrides}.items()):
        if value is None:
            continue
        text = " ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)
        if "\n" in text:
            raise AnsibleFilterError(f"systemd_sandbox: {name} holds a line break")
        if name == "SystemCallFilter":
            # A deny list needs a line of its own.
            allowed = [part for part in text.split() if not part.startswith("~")]
            denied = [part.lstrip("~") for part in text.split() if part.startswith("~")]
            lines.append(f"SystemCallFilter={' '.join(allowed)}")
            if denied:
                lines.append(f"SystemCallFilter=~{' '.join(denied)}")
            continue
        lines.append(f"{name}={text}")
    return "\n".join(lines)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"systemd_sandbox": systemd_sandbox}
