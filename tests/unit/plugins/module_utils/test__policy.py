# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import json
import posixpath
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._policy import (
    DENIED_BUCKET_ACTIONS,
    DENIED_OBJECT_ACTIONS,
    PolicyError,
    bucket_policy,
    iam_policy,
)

Policy = dict[str, Any]

BUCKET_ACTIONS = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads", *DENIED_BUCKET_ACTIONS)
OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    *DENIED_OBJECT_ACTIONS,
)
PROPERTY = settings(deadline=None, max_examples=50)
ACCESS = st.sampled_from(["read", "readwrite", "write"])
BUCKET = st.from_regex(r"[a-z0-9]([a-z0-9]|[a-z0-9][.-][a-z0-9]){1,20}[a-z]", fullmatch=True).filter(
    lambda name: len(name) <= 63 and not name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) and name != "minio"
)
PART = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="*?${}\\/"), min_size=1, max_size=8
).filter(lambda part: part not in (".", ".."))
FOLDER = st.lists(PART, min_size=1, max_size=3).map("/".join)
# What turns a name into its neighbour.
TAIL = st.from_regex(r"[.-]?[a-z0-9]{1,5}", fullmatch=True)


def like(pattern: str, text: str) -> bool:
    return text == pattern or (set(pattern) & {"*", "?"} != set() and expression(pattern).fullmatch(text) is not None)


@functools.lru_cache(maxsize=1024)
def expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts), re.DOTALL)


def matches(pattern: str, resource: str) -> bool:
    """MinIO's match: the cleaned path, or the wildcards over the whole text."""
    return posixpath.normpath(resource) == pattern or like(pattern, resource)


def applies(statement: dict[str, Any], action: str, resource: str, prefix: str | None) -> bool:
    if not any(like(pattern, action) for pattern in statement["Action"]):
        return False
    if not any(matches(pattern.removeprefix("arn:aws:s3:::"), resource) for pattern in statement["Resource"]):
        return False
    wanted = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
    return wanted is None or (prefix is not None and any(like(pattern, prefix) for pattern in wanted))


def allowed(policy: Policy, action: str, bucket: str, key: str = "", prefix: str | None = None) -> bool:
    """Evaluate as MinIO does: an action on a bucket has the resource `bucket/`, a Deny wins."""
    resource = f"{bucket}/{key}"
    effects = [item["Effect"] for item in policy["Statement"] if applies(item, action, resource, prefix)]
    return "Allow" in effects and "Deny" not in effects


def anything_allowed(policy: Policy, bucket: str, key: str) -> list[str]:
    on_bucket = [action for action in BUCKET_ACTIONS if allowed(policy, action, bucket, prefix=key)]
    return on_bucket + [action for action in OBJECT_ACTIONS if allowed(policy, action, bucket, key)]


@PROPERTY
@given(BUCKET, TAIL, st.none() | FOLDER, ACCESS, FOLDER)
def test_a_sibling_bucket_is_never_matched(bucket: str, tail: str, prefix: str | None, access: str, key: str) -> None:
    policies = [
        iam_policy([{"bucket": bucket, "prefix": prefix, "access": access}]),
        bucket_policy({"bucket": bucket, "prefix": prefix, "access": access}),
    ]
    for policy in policies:
        for sibling in (bucket + tail, tail + bucket, bucket[:-1]):
            assert anything_allowed(policy, sibling, key) == []
            assert anything_allowed(policy, sibling, f"{prefix}/{key}") == []


@PROPERTY
@given(BUCKET, FOLDER, PART, ACCESS, FOLDER)
def test_a_sibling_folder_is_never_matched(bucket: str, prefix: str, tail: str, access: str, key: str) -> None:
    policy = iam_policy([{"bucket": bucket, "prefix": prefix, "access": access}])
    for outside in (f"{prefix}{tail}/{key}", f"{prefix}{tail}", prefix, f"{tail}/{prefix}/{key}", tail):
        assume(not outside.startswith(f"{prefix}/"))
        assert anything_allowed(policy, bucket, outside) == ["s3:GetBucketLocation"]
    assert not allowed(policy, "s3:ListBucket", bucket)
    assert not allowed(policy, "s3:ListBucket", bucket, prefix="")


@PROPERTY
@given(BUCKET, st.none() | FOLDER, ACCESS, FOLDER)
def test_own_objects_are_matched(bucket: str, prefix: str | None, access: str, key: str) -> None:
    policy = iam_policy([{"bucket": bucket, "prefix": prefix, "access": access}])
    own = f"{prefix}/{key}" if prefix else key
    reads, writes = "read" in access, "write" in access
    assert allowed(policy, "s3:GetObject", bucket, own) == reads
    assert allowed(policy, "s3:ListBucket", bucket, prefix=own) == reads
    assert allowed(policy, "s3:PutObject", bucket, own) == writes
    assert allowed(policy, "s3:AbortMultipartUpload", bucket, own) == writes
    assert allowed(policy, "s3:DeleteObject", bucket, own) == (access == "readwrite")


@PROPERTY
@given(st.lists(st.tuples(BUCKET, st.none() | FOLDER, ACCESS), min_size=1, max_size=4), FOLDER, st.randoms())
def test_what_protects_versions_is_never_allowed(grants: list[Any], key: str, random: Any) -> None:
    descriptions = [dict(zip(("bucket", "prefix", "access"), grant, strict=True)) for grant in grants]
    policy = iam_policy(descriptions)
    allow_all = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}
    widened = {"Statement": [*policy["Statement"], allow_all]}
    for bucket, _prefix, _access in grants:
        assert not any(allowed(widened, action, bucket) for action in DENIED_BUCKET_ACTIONS)
        assert not any(allowed(widened, action, bucket, key) for action in DENIED_OBJECT_ACTIONS)
    random.shuffle(descriptions)
    assert json.dumps(iam_policy(descriptions)) == json.dumps(policy)
    assert json.loads(json.dumps(policy)) == policy


@PROPERTY
@given(BUCKET, st.none() | FOLDER, ACCESS, FOLDER)
def test_anonymous_callers_never_delete(bucket: str, prefix: str | None, access: str, key: str) -> None:
    policy = bucket_policy({"bucket": bucket, "prefix": prefix, "access": access})
    own = f"{prefix}/{key}" if prefix else key
    assert not any("Delete" in action for action in anything_allowed(policy, bucket, own))
    assert allowed(policy, "s3:GetObject", bucket, own) == ("read" in access)
    assert allowed(policy, "s3:PutObject", bucket, own) == ("write" in access)
    assert {json.dumps(item["Principal"]) for item in policy["Statement"]} == {'{"AWS": ["*"]}'}


def test_iam_policy_for_mlflow() -> None:
    bucket, objects = ["arn:aws:s3:::mlflow"], ["arn:aws:s3:::mlflow/*"]
    assert iam_policy([{"bucket": "mlflow", "access": "readwrite"}]) == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": bucket},
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket},
            {"Effect": "Allow", "Action": ["s3:ListBucketMultipartUploads"], "Resource": bucket},
            {"Effect": "Deny", "Action": list(DENIED_BUCKET_ACTIONS), "Resource": bucket},
            {
                "Effect": "Allow",
                "Action": [
                    "s3:AbortMultipartUpload",
                    "s3:DeleteObject",
                    "s3:GetObject",
                    "s3:ListMultipartUploadParts",
                    "s3:PutObject",
                ],
                "Resource": objects,
            },
            {
                "Effect": "Deny",
                "Action": ["s3:BypassGovernanceRetention", "s3:DeleteObjectVersion"],
                "Resource": objects,
            },
        ],
    }


TEST_DELETE: list[tuple[dict[str, Any], bool]] = [
    ({"access": "readwrite"}, True),
    ({"access": "readwrite", "delete": False}, False),
    ({"access": "write"}, False),
    ({"access": "write", "delete": True}, True),
    ({"access": "read", "delete": False}, False),
]


@pytest.mark.parametrize(("grant", "expected"), TEST_DELETE)
def test_delete(grant: dict[str, Any], expected: bool) -> None:
    assert allowed(iam_policy([{"bucket": "data", **grant}]), "s3:DeleteObject", "data", "x") is expected


def test_bucket_policy_none_has_no_statement() -> None:
    assert bucket_policy({"bucket": "data", "access": "none"}) == {"Version": "2012-10-17", "Statement": []}


def test_bucket_policy_with_principals() -> None:
    policy = bucket_policy({"bucket": "data", "access": "read", "principals": ["b", "a", "b"]})
    assert policy["Statement"][0]["Principal"] == {"AWS": ["a", "b"]}


@pytest.mark.parametrize(
    ("prefix", "resource"), [("team", "data/team/*"), ("team/a/", "data/team/a/*"), ("", "data/*")]
)
def test_a_prefix_is_a_folder(prefix: str, resource: str) -> None:
    policy = bucket_policy({"bucket": "data", "prefix": prefix, "access": "read"})
    assert policy["Statement"][-1]["Resource"] == [f"arn:aws:s3:::{resource}"]


TEST_BAD_BUCKETS = [
    None,
    5,
    "",
    "ab",
    "a" * 64,
    "Data",
    "data_x",
    "data*",
    "dat?",
    "data/x",
    "-data",
    "data-",
    ".data",
    "da..ta",
    "da.-ta",
    "da-.ta",
    "192.168.0.1",
    "xn--data",
    "sthree-data",
    "data-s3alias",
    "data.mrap",
    "minio",
    "data\n",
]


@pytest.mark.parametrize("bucket", TEST_BAD_BUCKETS)
def test_bad_bucket(bucket: Any) -> None:
    for call in (
        lambda: bucket_policy({"bucket": bucket, "access": "read"}),
        lambda: iam_policy([{"bucket": bucket, "access": "read"}]),
    ):
        with pytest.raises(PolicyError, match=r"^bucket: "):
            call()


TEST_BAD_GRANTS: list[tuple[Any, str]] = [
    ({"bucket": "data"}, r"^the grants must be a list"),
    (None, r"^the grants must be a list"),
    ([], r"^the grants are empty"),
    (["data"], r"^each grant must be a dictionary with the keys access, bucket"),
    ([{"bucket": "data", "acess": "read"}], r"^acess: is not a key of grant; use access, bucket, delete, prefix"),
    ([{"bucket": "data", "access": "admin"}], r"^access: 'admin' is not an access level; use one of read, readwrite"),
    ([{"bucket": "data", "access": "none"}], r"^access: 'none'"),
    ([{"bucket": "data", "access": "read", "delete": True}], r"^delete: needs the access"),
    ([{"bucket": "data", "access": "write", "delete": "yes"}], r"^delete: 'yes' is not a boolean"),
    *(
        ([{"bucket": "data", "access": "read", "prefix": prefix}], r"^prefix: ")
        for prefix in ("*", "a?", "${aws:username}", "a\\b", "a\0", "/a", "a//b", "a/../b", ".", "a//", "é" * 300, 5)
    ),
]


@pytest.mark.parametrize(("grants", "message"), TEST_BAD_GRANTS)
def test_bad_grants(grants: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        iam_policy(grants)


TEST_BAD_DESCRIPTIONS: list[tuple[Any, str]] = [
    ("data", r"^the description must be a dictionary"),
    ({"bucket": "data", "access": "read", "delete": True}, r"^delete: is not a key of the description"),
    ({"bucket": "data", "access": "admin"}, r"^access: 'admin' .* use one of none, read"),
    ({"bucket": "data", "access": "read", "principals": "*"}, r"^principals: must be a list"),
    ({"bucket": "data", "access": "read", "principals": []}, r"^principals: is empty"),
]


@pytest.mark.parametrize(("description", "message"), TEST_BAD_DESCRIPTIONS)
def test_bad_description(description: Any, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        bucket_policy(description)
