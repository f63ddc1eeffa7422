# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of KMS keys and authorities, and whether one may take another's place. Private to this collection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing as t
from collections.abc import Collection, Iterable, Mapping

DIRECTORY = "/etc/minio/kms-keys"
SETTINGS_FILE = "/etc/default/minio"
LENGTH = 16
_SALT = b"mlops.tracking KMS key\0"
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{LENGTH}}}\Z")
_SETTING = re.compile(r"^MINIO_KMS_SECRET_KEY=[\"']?([^:\"'\s]+):([A-Za-z0-9+/=]+)[\"']?\s*$", re.MULTILINE)
_VOLUMES = re.compile(r"^MINIO_VOLUMES=[\"']?([^\"'\n]*)", re.MULTILINE)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def kms_fingerprint(name: str, key: str) -> str:
    """What tells a KMS key from others without showing it; empty for what is no key.

    The name belongs to it, as MinIO decrypts nothing by a key of another name.
    """
    try:
        material = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not (name and material):
        return ""
    return hashlib.sha256(_SALT + name.encode() + b"\0" + material).hexdigest()[:LENGTH]


def key_in_settings(text: str) -> tuple[str, str] | None:
    """Name and key of MinIO's settings file; the last line counts, as for systemd."""
    found = _SETTING.findall(text)
    return found[-1] if found else None


def volumes(text: str) -> list[str]:
    """The folders of MinIO's settings file, or their URLs."""
    return [volume for line in _VOLUMES.findall(text)[-1:] for volume in line.split()]


def shared(served: Iterable[str], drives: Iterable[str]) -> bool:
    """Whether any of these folders is among what a server serves, by path or by URL."""
    ends = tuple(drive.rstrip("/") for drive in drives)
    return any(volume.rstrip("/").endswith(ends) for volume in served)


def kept_fingerprints(names: Collection[str]) -> list[str]:
    """Those file names that are fingerprints."""
    return sorted(name for name in names if _FINGERPRINT.match(name))


def to_record(
    records: Mapping[str, Mapping[str, t.Any]], wanted: str, in_force: str, served: Collection[str]
) -> dict[str, t.Any]:
    """What to note about the store of the key in force before another takes its place; nothing on the way back."""
    if in_force in ("", wanted) or records.get(wanted, {}).get("into") == in_force:
        return {}
    if records.get(in_force, {}).get("into") == wanted:
        return {}
    return {"volumes": list(served), "into": wanted, "copied": False}


def to_copy(records: Mapping[str, Mapping[str, t.Any]], wanted: str, replaces: str) -> list[str]:
    """The folders whose objects are still to copy into the store of the wanted key."""
    record = records.get(replaces, {})
    folders = list(record.get("volumes", []))
    pending = record.get("into") == wanted and not record.get("copied")
    # The previous server of several hosts would need all of them at once.
    return folders if pending and not any("://" in folder for folder in folders) else []


def certificate_fingerprint(pem: str) -> str:
    """The beginning of the SHA-256 of the first certificate, as `openssl x509 -fingerprint -sha256` has it."""
    match = _CERTIFICATE.search(pem)
    if not match:
        return ""
    try:
        der = base64.b64decode("".join(match.group(1).split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return hashlib.sha256(der).hexdigest()[:LENGTH]


def lost_key(wanted: str, in_force: str, kept: Collection[str], replaces: str, same_store: bool) -> str:
    """The fingerprint of the key that objects would need and not have with the wanted one; empty if none.

    MinIO's own KMS holds one key, and what it keeps about users is encrypted, too. So a store never changes its key;
    another key is accepted, on purpose, for another store.
    """
    if in_force:
        held, accepted = in_force, in_force == replaces and not same_store
        same = wanted == in_force
    else:
        held, accepted = ", ".join(sorted(kept)), replaces in kept
        same = wanted in kept or not kept
    return "" if same or accepted else held
