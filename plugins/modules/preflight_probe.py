# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_probe
short_description: Look at a host without changing it
version_added: 0.1.0
description:
  - Reports what M(mlops.tracking.preflight) judges, namely memory, free disk space, listening TCP ports with
    their processes, the distribution, names that do not resolve or are loopback, the lead of the host's clock, and
    fingerprints of KMS keys and of the authority that the host holds.
  - It reads files under C(/proc) and C(/etc) only and works in check mode. It returns no secret.
options:
  names:
    description: Host names that this host should be able to resolve.
    type: list
    elements: str
    default: []
  ca_file:
    description: Where this host has the certificate of the platform's authority.
    type: path
    default: /etc/mlops-tracking/tls/ca.crt
author:
  - mlops.tracking maintainers (@mlops-tracking)
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: none
"""

EXAMPLES = r"""
- name: Look at the host
  mlops.tracking.preflight_probe:
    names:
      - db1.example.com
  register: probe
"""

RETURN = r"""
address:
  description: The address from which the host reaches others; empty without a route.
  returned: success
  type: str
  sample: 192.0.2.10
authority_fingerprint:
  description: The beginning of the SHA-256 of the certificate in O(ca_file); empty if there is none.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a6978
clock_lead:
  description:
    - Bounds, in seconds, of how far the host's clock is ahead of the controller's.
    - The true lead lies between the two, however slow the connection was.
  returned: success
  type: list
  elements: float
  sample: [-0.6, 0.1]
distribution:
  description: The C(ID) of C(/etc/os-release).
  returned: success
  type: str
  sample: debian
distribution_name:
  description: The C(PRETTY_NAME) of C(/etc/os-release).
  returned: success
  type: str
  sample: Debian GNU/Linux 13 (trixie)
distribution_version:
  description: The C(VERSION_ID) of C(/etc/os-release).
  returned: success
  type: str
  sample: "13"
free_mb:
  description: Free MiB of each mounted file system that holds data, by mount point.
  returned: success
  type: dict
  sample: {"/": 51200}
kms_key_fingerprint:
  description: The fingerprint of the KMS key in MinIO's settings; empty if there is none.
  returned: success
  type: str
  sample: 0f1e2d3c4b5a6978
kms_keys_kept:
  description: The fingerprints of all KMS keys that M(mlops.tracking.minio_kms_key) kept.
  returned: success
  type: list
  elements: str
  sample: [0f1e2d3c4b5a6978]
listeners:
  description: Listening TCP sockets with user, processes and systemd units, as far as they can be seen.
  returned: success
  type: list
  elements: dict
  sample: [{"port": 5432, "processes": ["postgres"], "units": ["postgresql@17-main.service"], "user": "postgres"}]
loopback:
  description: Those of O(names) that have a loopback address.
  returned: success
  type: list
  elements: str
  sample: []
machine_id:
  description: The content of C(/etc/machine-id).
  returned: success
  type: str
  sample: 0123456789abcdef0123456789abcdef
memory_mb:
  description: Memory of the machine in MiB.
  returned: success
  type: int
  sample: 4096
minio_volumes:
  description: The folders, or their URLs, that MinIO's settings name.
  returned: success
  type: list
  elements: str
  sample: [/srv/minio]
time:
  description: The host's clock, in seconds since 1970.
  returned: success
  type: float
  sample: 1790000000.5
unresolved:
  description: Those of O(names) that do not resolve.
  returned: success
  type: list
  elements: str
  sample: []
"""

import ipaddress
import os
import pwd
import re
import socket
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _kms_keys

LISTENING = "0A"


def read(path: str) -> str:
    """The text of a file, empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def os_release(text: str) -> dict[str, str]:
    """The settings of an os-release file."""
    return {key: value.strip("\"'") for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}


def memory_mb(text: str) -> int:
    """MemTotal of a meminfo file, in MiB."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(match.group(1)) // 1024 if match else 0


def free_mb(mounts: str) -> dict[str, int]:
    """Free MiB by mount point, of directories on real file systems."""
    free = {}
    for line in mounts.splitlines():
        device, mount, kind = line.split()[:3]
        mount = mount.replace("\\040", " ")
        if not (device.startswith("/") or kind in ("overlay", "zfs", "btrfs", "nfs", "nfs4")):
            continue
        if os.path.isdir(mount):
            status = os.statvfs(mount)
            free[mount] = status.f_bavail * status.f_frsize // 1048576
    return free


def listening_sockets(table: str) -> list[tuple[int, int, str]]:
    """Port, user id and inode of each listening socket of a /proc/net/tcp table."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [(int(row[1].rsplit(":", 1)[1], 16), int(row[7]), row[9]) for row in rows if row[3] == LISTENING]


def socket_owners() -> dict[str, set[int]]:
    """Process ids by socket inode, as far as this user may see them."""
    owners: dict[str, set[int]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        for link in links:
            if link.startswith("socket:["):
                owners.setdefault(link[8:-1], set()).add(int(pid))
    return owners


def unit_of(cgroup: str) -> str:
    """The systemd service in a /proc/PID/cgroup text."""
    match = re.search(r"/([^/\n]+\.service)(?:/|$)", cgroup, re.MULTILINE)
    return match.group(1) if match else ""


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def listeners() -> list[dict[str, t.Any]]:
    """Listening sockets and who holds them."""
    owners = socket_owners()
    tables = read("/proc/net/tcp"), read("/proc/net/tcp6")
    found = []
    for port, uid, inode in sorted(row for table in tables for row in listening_sockets(table)):
        pids = owners.get(inode, set())
        found.append(
            {
                "port": port,
                "user": user_name(uid),
                "processes": sorted({read(f"/proc/{pid}/comm").strip() for pid in pids} - {""}),
                "units": sorted({unit_of(read(f"/proc/{pid}/cgroup")) for pid in pids} - {""}),
            }
        )
    return found


def addresses(name: str) -> list[str]:
    """The addresses of a name, none if it has none."""
    try:
        return [str(item[4][0]) for item in socket.getaddrinfo(name, None)]
    except (OSError, UnicodeError):
        return []


def resolved(names: list[str]) -> dict[str, list[str]]:
    """Addresses by name; asked at once, because each may wait for a timeout."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(names, pool.map(addresses, names), strict=True))


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def kms_keys(settings: str) -> tuple[str, list[str]]:
    """Fingerprints of the KMS key in force and of those that are kept."""
    found = _kms_keys.key_in_settings(settings)
    names = os.listdir(_kms_keys.DIRECTORY) if os.path.isdir(_kms_keys.DIRECTORY) else []
    return _kms_keys.kms_fingerprint(*found) if found else "", _kms_keys.kept_fingerprints(names)


def own_address() -> str:
    """The source address of the default route; a datagram socket sends nothing by connecting."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "ca_file": {"type": "path", "default": "/etc/mlops-tracking/tls/ca.crt"},
        },
        supports_check_mode=True,
    )
    found = resolved(module.params["names"])
    settings = read(_kms_keys.SETTINGS_FILE)
    kms_key, kept = kms_keys(settings)
    release = os_release(read("/etc/os-release"))
    module.exit_json(
        changed=False,
        address=own_address(),
        authority_fingerprint=_kms_keys.certificate_fingerprint(read(module.params["ca_file"])),
        distribution=release.get("ID", ""),
        distribution_name=release.get("PRETTY_NAME", "an unknown system"),
        distribution_version=release.get("VERSION_ID", ""),
        free_mb=free_mb(read("/proc/self/mounts")),
        kms_key_fingerprint=kms_key,
        kms_keys_kept=kept,
        listeners=listeners(),
        loopback=[name for name, items in found.items() if any(map(is_loopback, items))],
        machine_id=read("/etc/machine-id").strip(),
        memory_mb=memory_mb(read("/proc/meminfo")),
        minio_volumes=_kms_keys.volumes(settings),
        time=time.time(),
        unresolved=[name for name, items in found.items() if not items],
    )


if __name__ == "__main__":
    main()
