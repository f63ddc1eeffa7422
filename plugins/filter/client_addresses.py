# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From which addresses connections of named hosts come."""

from __future__ import annotations

DOCUMENTATION = r"""
name: client_addresses
short_description: From which addresses connections of named hosts come
version_added: 0.1.0
description:
  - Takes the answers of M(ansible.builtin.getent) for hosts, and returns the addresses from which they connect.
  - A host knows itself by a loopback address that no connection has as its source (Debian's installer writes
    C(127.0.1.1) and its name), so this host itself is O(same_host).
  - Link-local addresses are left out.
positional: _input
options:
  _input:
    description: The C(results) of a looped M(ansible.builtin.getent) of C(ahosts).
    type: list
    elements: dict
    required: true
  own_name:
    description: The name of the host that accepts the connections.
    type: str
    required: true
  same_host:
    description: What stands for this host itself.
    type: list
    elements: str
    default: [samehost]
  hosts:
    description: Only these; all if left out.
    type: list
    elements: str
author:
  - mlops.tracking maintainers (@mlops-tracking)
"""

EXAMPLES = r"""
- name: Write who may connect
  ansible.builtin.debug:
    msg: "{{ __clients.results | mlops.tracking.client_addresses(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Addresses without a mask, and O(same_host) where this host itself is a client.
  type: list
  elements: str
  sample: [192.0.2.10, samehost]
"""

import ipaddress
import typing as t
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


def client_addresses(
    results: Iterable[Mapping[str, t.Any]],
    own_name: str,
    same_host: Sequence[str] = ("samehost",),
    hosts: Collection[str] | None = None,
) -> list[str]:
    """The addresses of the hosts, with this host itself as it is seen by a server on it."""
    found: set[str] = set()
    for result in results:
        name = result["item"]
        if hosts is not None and name not in hosts:
            continue
        addresses = [text for text in result["ansible_facts"]["getent_ahosts"] if "%" not in text]
        found |= {text for text in addresses if not ipaddress.ip_address(text).is_loopback}
        if name == own_name or any(ipaddress.ip_address(text).is_loopback for text in addresses):
            found |= {*same_host}
    return sorted(found)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"client_addresses": client_addresses}
