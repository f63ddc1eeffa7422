# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of preflight about what hosts hold already and nobody can make again.

Private to this collection: it has no stable interface.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.mlops.tracking.plugins.module_utils._kms_keys import (
    DIRECTORY,
    certificate_fingerprint,
    kms_fingerprint,
    lost_key,
    shared,
)
from ansible_collections.mlops.tracking.plugins.module_utils._spec import Problem

Contract = Mapping[str, t.Any]
# Variables of other roles that these rules read.
KMS_NAMES = ("minio_kms_key", "minio_kms_key_name")
DRIVES = ["/srv/minio"]


def check_held(
    groups: Mapping[str, Sequence[str]],
    contracts: Mapping[str, Contract],
    probes: Mapping[str, Mapping[str, t.Any]],
) -> Iterator[Problem]:
    """KMS key and authority of the inventory against those of each host that was looked at."""
    for host, probe in probes.items():
        contract = contracts.get(host, {})
        if host in groups.get("minio", ()):
            yield from check_kms_key(host, probe, contract)
        yield from check_authority(host, probe, contract)


def check_kms_key(host: str, probe: Mapping[str, t.Any], contract: Contract) -> Iterator[Problem]:
    """Objects are readable by the key that they were written with, and by no other."""
    wanted = kms_fingerprint(*(str(contract.get(name) or "") for name in reversed(KMS_NAMES)))
    in_force, kept = str(probe.get("kms_key_fingerprint", "")), probe.get("kms_keys_kept", ())
    replaces = str(contract.get("platform_minio_kms_replaces") or "")
    same_store = shared(probe.get("minio_volumes", ()), contract.get("minio_drives") or DRIVES)
    lost = lost_key(wanted, in_force, kept, replaces, same_store) if wanted else ""
    if lost:
        yield Problem(
            "platform_minio_kms_key",
            f"has the fingerprint {wanted}, but {host} encrypted its objects with {lost}, and nothing else reads them.",
            f"restore the secrets file that holds that key ({host} keeps it in {DIRECTORY}/{lost}), "
            f"or, to begin a new store with another key on purpose, write platform_minio_kms_replaces: {lost} "
            "and other, empty folders in minio_drives.",
            (host,),
        )


def check_authority(host: str, probe: Mapping[str, t.Any], contract: Contract) -> Iterator[Problem]:
    """Services trust each other by one authority."""
    wanted = certificate_fingerprint(str(contract.get("platform_ca_certificate") or ""))
    held = str(probe.get("authority_fingerprint", ""))
    if wanted and held and held not in (wanted, str(contract.get("platform_ca_replaces") or "")):
        yield Problem(
            "platform_ca_certificate",
            f"has the fingerprint {wanted}, but {host} trusts the authority {held}.",
            "restore the secrets file that holds that authority, "
            f"or, to take another on purpose, write platform_ca_replaces: {held}.",
            (host,),
        )
