# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 policy documents from short descriptions. Private to this collection.

Two rules keep a statement inside its bucket. A resource is either the bucket itself or ends in `/*` behind a slash,
so `data` never matches `data-2`. Actions on a bucket and actions on objects are never in one statement, because
MinIO also matches `data/*` against actions on the bucket `data`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Statement = dict[str, Any]
Policy = dict[str, Any]

VERSION = "2012-10-17"
ARN = "arn:aws:s3:::"

BUCKET_POLICY_ACCESS = ("none", "read", "readwrite", "write")
IAM_POLICY_ACCESS = ("read", "readwrite", "write")

LOCATION_ACTIONS = ("s3:GetBucketLocation",)
LIST_ACTIONS = ("s3:ListBucket",)
# Cannot be limited to a prefix: S3 has no condition key for it.
UPLOADS_ACTIONS = ("s3:ListBucketMultipartUploads",)
READ_ACTIONS = ("s3:GetObject",)
WRITE_ACTIONS = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject")
DELETE_ACTIONS = ("s3:DeleteObject",)

# MinIO lets s3:DeleteObject remove a version for good unless this one is denied by name.
DENIED_OBJECT_ACTIONS = ("s3:BypassGovernanceRetention", "s3:DeleteObjectVersion")
# Whoever changes these can make the server forget versions. An explicit Deny also holds
# when another policy of the same user allows more.
DENIED_BUCKET_ACTIONS = (
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:ForceDeleteBucket",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
)

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])")
_IP_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
# Reserved by Amazon, and by MinIO for its own.
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_RESERVED_BUCKETS = ("minio",)
# Wildcards, and the `$` and braces of policy variables; a backslash is a separator to some servers.
_PREFIX_FORBIDDEN = re.compile(r"[*?${}\\\x00-\x1f\x7f]")
_PREFIX_BYTES = 512


class PolicyError(ValueError):
    """A description that gives no policy. The message names the key."""


def bucket_policy(description: object) -> Policy:
    """Return the policy of a bucket for callers without credentials.

    Deleting is never part of it: MinIO does not look at s3:DeleteObjectVersion for anonymous callers,
    so s3:DeleteObject would let anybody destroy versions.
    """
    source = _mapping(description, "the description", ("access", "bucket", "prefix", "principals"))
    bucket, prefix = _bucket(source), _prefix(source)
    access = _access(source, BUCKET_POLICY_ACCESS)
    principal = {"AWS": _principals(source)}
    statements = [] if access == "none" else _allow(bucket, prefix, access, delete=False)
    return _policy({**statement, "Principal": principal} for statement in statements)


def iam_policy(grants: object) -> Policy:
    """Return the policy of a user for some buckets.

    No access level includes destroying a version or changing what protects versions: both are denied by name.
    """
    if isinstance(grants, (str, bytes, Mapping)) or not isinstance(grants, Iterable):
        raise PolicyError("the grants must be a list of dictionaries with the keys access, bucket, delete and prefix")
    statements: list[Statement] = []
    for grant in grants:
        source = _mapping(grant, "each grant", ("access", "bucket", "delete", "prefix"))
        bucket, prefix = _bucket(source), _prefix(source)
        access = _access(source, IAM_POLICY_ACCESS)
        statements += _allow(bucket, prefix, access, delete=_delete(source, access))
        statements += _deny(bucket)
    if not statements:
        raise PolicyError("the grants are empty; describe at least one bucket, such as {bucket: mlflow, access: read}")
    return _policy(statements)


def _allow(bucket: str, prefix: str, access: str, delete: bool) -> list[Statement]:
    reads, writes = access in ("read", "readwrite"), access in ("write", "readwrite")
    objects = f"{bucket}/{prefix}*"
    statements = [_statement("Allow", LOCATION_ACTIONS, bucket)]
    if reads:
        condition = {"StringLike": {"s3:prefix": [f"{prefix}*"]}} if prefix else None
        statements.append(_statement("Allow", LIST_ACTIONS, bucket, condition))
    if writes and not prefix:
        statements.append(_statement("Allow", UPLOADS_ACTIONS, bucket))
    actions = (
        *(READ_ACTIONS if reads else ()),
        *(WRITE_ACTIONS if writes else ()),
        *(DELETE_ACTIONS if delete else ()),
    )
    return [*statements, _statement("Allow", actions, objects)]


def _deny(bucket: str) -> list[Statement]:
    return [
        _statement("Deny", DENIED_BUCKET_ACTIONS, bucket),
        _statement("Deny", DENIED_OBJECT_ACTIONS, f"{bucket}/*"),
    ]


def _statement(
    effect: str, actions: Iterable[str], resource: str, condition: Mapping[str, Any] | None = None
) -> Statement:
    statement: Statement = {"Effect": effect, "Action": sorted(actions), "Resource": [ARN + resource]}
    if condition:
        statement["Condition"] = condition
    return statement


def _policy(statements: Iterable[Statement]) -> Policy:
    """Return the document with its statements in one order and each only once."""
    unique = {repr(sorted(statement.items())): statement for statement in statements}
    ordered = sorted(unique.values(), key=lambda item: (item["Resource"], item["Effect"], item["Action"], repr(item)))
    return {"Version": VERSION, "Statement": ordered}


def _mapping(value: object, what: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PolicyError(f"{what} must be a dictionary with the keys {', '.join(keys)}")
    unknown = sorted(str(key) for key in value if key not in keys)
    if unknown:
        raise PolicyError(f"{unknown[0]}: is not a key of {what.removeprefix('each ')}; use {', '.join(keys)}")
    return value


def _bucket(source: Mapping[str, Any]) -> str:
    name = source.get("bucket")
    if not isinstance(name, str) or not 3 <= len(name) <= 63 or not _BUCKET.fullmatch(name):
        raise PolicyError(
            f"bucket: {name!r} is not a bucket name; use 3 to 63 lower-case letters, digits, dots and hyphens, "
            "with a letter or digit at both ends"
        )
    if ".." in name or ".-" in name or "-." in name:
        raise PolicyError(f"bucket: {name!r} has a dot beside a dot or hyphen; separate them by a letter or digit")
    if _IP_ADDRESS.fullmatch(name):
        raise PolicyError(f"bucket: {name!r} looks like an IP address; use a name with a letter")
    if name in _RESERVED_BUCKETS or name.startswith(_RESERVED_PREFIXES) or name.endswith(_RESERVED_SUFFIXES):
        raise PolicyError(f"bucket: {name!r} is reserved by S3; use another name")
    return str(name)


def _prefix(source: Mapping[str, Any]) -> str:
    """Return the prefix as a folder: empty, or with one slash at its end."""
    prefix = source.get("prefix")
    if prefix is None or prefix == "":
        return ""
    if not isinstance(prefix, str) or _PREFIX_FORBIDDEN.search(prefix):
        raise PolicyError(
            f"prefix: {prefix!r} is not a folder; use names separated by '/', "
            r"without control characters and any of * ? $ { } and \ "
        )
    folder = str(prefix).removesuffix("/")
    if any(part in ("", ".", "..") for part in folder.split("/")):
        raise PolicyError(f"prefix: {prefix!r} has an empty, '.' or '..' part; use a path such as 'team/models'")
    if len(folder.encode(errors="replace")) > _PREFIX_BYTES:
        raise PolicyError(f"prefix: is longer than {_PREFIX_BYTES} bytes; shorten it")
    return f"{folder}/"


def _access(source: Mapping[str, Any], known: tuple[str, ...]) -> str:
    access = source.get("access")
    if access not in known:
        raise PolicyError(f"access: {access!r} is not an access level; use one of {', '.join(known)}")
    return str(access)


def _delete(source: Mapping[str, Any], access: str) -> bool:
    delete = source.get("delete")
    if delete is None:
        return access == "readwrite"
    if not isinstance(delete, bool):
        raise PolicyError(f"delete: {delete!r} is not a boolean; use true or false")
    if delete and access == "read":
        raise PolicyError("delete: needs the access 'write' or 'readwrite'; leave it out or change the access")
    return delete


def _principals(source: Mapping[str, Any]) -> list[str]:
    principals = source.get("principals")
    if principals is None:
        return ["*"]
    if isinstance(principals, (str, bytes, Mapping)) or not isinstance(principals, Iterable):
        raise PolicyError("principals: must be a list, such as ['*']")
    names = sorted({str(name) for name in principals})
    if not names or "" in names:
        raise PolicyError("principals: is empty or has an empty entry; leave it out for everybody")
    return names
