# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must change between a MinIO object as it is and as it is wanted. Private to this collection.

Pure: no Ansible, no network. In a wanted state, None means "leave as it is".
"""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

POLICY_VERSION = "2012-10-17"
SECRET_DIFFERS = "(differs)"
SECRET_AS_GIVEN = "(as given)"


class PlanError(Exception):
    """A wanted state that cannot be reached."""


@dataclass(frozen=True)
class Change:
    """One property that changes."""

    key: str
    before: t.Any
    after: t.Any


@dataclass(frozen=True)
class Stored:
    """One object of a bucket."""

    name: str
    modified: datetime
    size: int


def oldest_and_newest(objects: Sequence[Stored]) -> list[Stored]:
    """The first and the last written of these, which may be one or none."""
    ordered = sorted(objects, key=lambda item: (item.modified, item.name))
    return list(dict.fromkeys([*ordered[:1], *ordered[-1:]]))


@dataclass(frozen=True)
class Bucket:
    """A bucket; `lifecycle` is a list of rules, `encryption` is (kind, key)."""

    versioning: bool | None = None
    object_lock: bool | None = None
    lifecycle: list[dict[str, t.Any]] | None = None
    encryption: tuple[str, str] | None = None
    quota_bytes: int | None = None
    retention_days: int | None = None
    policy: dict[str, t.Any] | None = None


NEW_BUCKET = Bucket(
    versioning=False,
    object_lock=False,
    lifecycle=[],
    encryption=("none", ""),
    quota_bytes=0,
    retention_days=0,
    policy={},
)


@dataclass(frozen=True)
class User:
    """A user; `secret` says whether the wanted secret key is the one in use, None when nobody can tell."""

    enabled: bool = True
    policies: tuple[str, ...] | None = None
    secret_matches: bool | None = None


def wanted_lifecycle(options: Mapping[str, t.Any] | None) -> list[dict[str, t.Any]] | None:
    """The rules of a bucket from the module's option; an empty option means no rules."""
    if options is None:
        return None
    days = options.get("noncurrent_expire_days") or 0
    if days < 0:
        raise PlanError(f"lifecycle.noncurrent_expire_days is {days}; use 0 (never) or a number of days")
    rule: dict[str, t.Any] = {}
    if days:
        rule["noncurrent_expire_days"] = days
    if options.get("expired_object_delete_marker"):
        rule["expired_object_delete_marker"] = True
    return [rule] if rule else []


def wanted_encryption(kind: str | None, kms_key: str | None) -> tuple[str, str] | None:
    """Kind and key of a bucket's encryption from the module's options."""
    if kind is None:
        return None
    if kind == "sse-kms" and not kms_key:
        raise PlanError("encryption sse-kms needs kms_key, the name of a key that the server knows")
    if kind != "sse-kms" and kms_key:
        raise PlanError(f"kms_key is only for encryption sse-kms, not for {kind}")
    return kind, kms_key or ""


def plan_bucket(current: Bucket | None, wanted: Bucket) -> list[Change]:
    """Changes in the order in which they must be made; a missing bucket starts as a new one."""
    locked = wanted.object_lock if current is None else current.object_lock
    if current is not None and wanted.object_lock not in (None, current.object_lock):
        raise PlanError(
            "object_lock can only be chosen when a bucket is made; leave it out, or delete the bucket first"
        )
    if locked and wanted.versioning is False:
        raise PlanError("versioning cannot be false on a bucket with object_lock; set it to true")
    if wanted.retention_days and not locked:
        raise PlanError("retention_days needs a bucket that is made with object_lock; set it to true")
    # A bucket made with object lock is born with versioning.
    base = current or Bucket(**{**vars(NEW_BUCKET), "object_lock": bool(locked), "versioning": bool(locked)})
    changes = []
    for key in ("versioning", "encryption", "lifecycle", "quota_bytes", "retention_days"):
        before, after = getattr(base, key), getattr(wanted, key)
        if after is not None and after != before:
            changes.append(Change(key, before, after))
    if wanted.policy is not None:
        before, after = canonical_policy(base.policy or {}), canonical_policy(wanted.policy)
        if before != after:
            changes.append(Change("policy", before, after))
    return changes


def plan_user(current: User | None, wanted: User, has_secret: bool, update_secret: str) -> list[Change]:
    """Changes in the order in which they must be made: writing a secret key also enables the user."""
    before = current or User(enabled=False, policies=())
    changes = []
    if _writes_secret(current, wanted, has_secret, update_secret):
        changes.append(Change("secret_key", None if current is None else SECRET_DIFFERS, SECRET_AS_GIVEN))
    if wanted.policies is not None and set(wanted.policies) != set(before.policies or ()):
        changes.append(Change("policies", sorted(before.policies or ()), sorted(set(wanted.policies))))
    if current is None or wanted.enabled != before.enabled:
        status = None if current is None else _status(current.enabled)
        changes.append(Change("status", status, _status(wanted.enabled)))
    return changes


def _writes_secret(current: User | None, wanted: User, has_secret: bool, update_secret: str) -> bool:
    if current is None:
        if not has_secret:
            raise PlanError("the user does not exist, so secret_key is needed to make it")
        return True
    if not has_secret or update_secret != "always":
        return False
    if current.secret_matches is None:
        # Nobody can log in as a disabled user, so its secret key is written when it is enabled.
        return wanted.enabled
    return not current.secret_matches


def _status(enabled: bool) -> str:
    return "enabled" if enabled else "disabled"


def check_credentials(access_key: str, secret_key: str | None) -> None:
    """MinIO's own limits, told before anything is sent."""
    if not 3 <= len(access_key) <= 20:
        raise PlanError(f"access_key {access_key} has {len(access_key)} characters; MinIO takes 3 to 20")
    if secret_key is not None and not 8 <= len(secret_key) <= 40:
        raise PlanError(f"secret_key has {len(secret_key)} characters; MinIO takes 8 to 40")


def canonical_policy(policy: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The document as the server would write it: lists, sorted, nothing empty. Equal ones mean the same."""
    if not policy:
        return {}
    statements = policy.get("Statement") or []
    if isinstance(statements, Mapping):
        statements = [statements]
    unique = {json.dumps(_statement(statement), sort_keys=True) for statement in statements}
    return {
        "Version": policy.get("Version") or POLICY_VERSION,
        "Statement": [json.loads(statement) for statement in sorted(unique)],
    }


def _statement(statement: Mapping[str, t.Any]) -> dict[str, t.Any]:
    canonical: dict[str, t.Any] = {}
    for key, value in statement.items():
        if not value:
            continue
        if key in ("Principal", "NotPrincipal"):
            principals = value if isinstance(value, Mapping) else {"AWS": value}
            canonical[key] = {kind: _texts(names) for kind, names in principals.items()}
        elif key == "Condition":
            canonical[key] = {
                operator: {name: _texts(values) for name, values in conditions.items()}
                for operator, conditions in value.items()
            }
        elif key in ("Sid", "Effect"):
            canonical[key] = str(value)
        else:
            canonical[key] = _texts(value)
    return canonical


def _texts(value: t.Any) -> list[str]:
    values: Iterable[t.Any] = value if isinstance(value, (list, tuple, set)) else [value]
    return sorted({str(item).lower() if isinstance(item, bool) else str(item) for item in values})
