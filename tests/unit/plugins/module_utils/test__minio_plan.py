# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every branch of the MinIO plans."""

from __future__ import annotations

import random
import typing as t
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import (
    NEW_BUCKET,
    SECRET_AS_GIVEN,
    SECRET_DIFFERS,
    Bucket,
    PlanError,
    Stored,
    User,
    canonical_policy,
    check_credentials,
    oldest_and_newest,
    plan_bucket,
    plan_user,
    wanted_encryption,
    wanted_lifecycle,
)

LIFECYCLES: list[tuple[dict[str, t.Any] | None, list[dict[str, t.Any]] | None]] = [
    (None, None),
    ({}, []),
    ({"noncurrent_expire_days": 0, "expired_object_delete_marker": False}, []),
    ({"noncurrent_expire_days": 30}, [{"noncurrent_expire_days": 30}]),
    ({"expired_object_delete_marker": True}, [{"expired_object_delete_marker": True}]),
    (
        {"noncurrent_expire_days": 1, "expired_object_delete_marker": True},
        [{"noncurrent_expire_days": 1, "expired_object_delete_marker": True}],
    ),
]


@pytest.mark.parametrize(("options", "expected"), LIFECYCLES)
def test_lifecycle(options: dict[str, t.Any] | None, expected: list[dict[str, t.Any]] | None) -> None:
    assert wanted_lifecycle(options) == expected


ENCRYPTIONS: list[tuple[str | None, str | None, tuple[str, str] | None]] = [
    (None, None, None),
    ("none", None, ("none", "")),
    ("sse-s3", None, ("sse-s3", "")),
    ("sse-kms", "key", ("sse-kms", "key")),
]


@pytest.mark.parametrize(("kind", "key", "expected"), ENCRYPTIONS)
def test_encryption(kind: str | None, key: str | None, expected: tuple[str, str] | None) -> None:
    assert wanted_encryption(kind, key) == expected


LOCKED = Bucket(**{**vars(NEW_BUCKET), "versioning": True, "object_lock": True})
READ = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "a"}]}
FULL = Bucket(
    versioning=True, lifecycle=[{"noncurrent_expire_days": 3}], encryption=("sse-s3", ""), quota_bytes=5, policy=READ
)

# current, wanted, properties that change in this order
BUCKETS: list[tuple[Bucket | None, Bucket, list[str]]] = [
    (None, Bucket(), []),
    (None, NEW_BUCKET, []),
    (None, FULL, ["versioning", "encryption", "lifecycle", "quota_bytes", "policy"]),
    (None, Bucket(object_lock=True), []),
    (None, Bucket(object_lock=True, versioning=True), []),
    (NEW_BUCKET, Bucket(), []),
    (NEW_BUCKET, FULL, ["versioning", "encryption", "lifecycle", "quota_bytes", "policy"]),
    (FULL, FULL, []),
    (FULL, Bucket(), []),
    (FULL, Bucket(policy={}), ["policy"]),
    (FULL, Bucket(quota_bytes=0), ["quota_bytes"]),
    (FULL, Bucket(versioning=False), ["versioning"]),
    (FULL, Bucket(policy=canonical_policy(READ)), []),
    (Bucket(**{**vars(FULL), "lifecycle": [{"other_rule": "x"}]}), FULL, ["lifecycle"]),
    (LOCKED, Bucket(object_lock=True, versioning=True), []),
]


@pytest.mark.parametrize(("current", "wanted", "expected"), BUCKETS)
def test_bucket(current: Bucket | None, wanted: Bucket, expected: list[str]) -> None:
    changes = plan_bucket(current, wanted)
    assert [change.key for change in changes] == expected
    assert all(change.before != change.after for change in changes)


ON, OFF = User(enabled=True, policies=("a", "b")), User(enabled=False, policies=())
GOOD, BAD = User(True, ("a", "b"), True), User(True, ("a", "b"), False)

# current, wanted, secret given, update_secret, (property, before, after) in this order
USERS: list[tuple[User | None, User, bool, str, list[tuple[str, t.Any, t.Any]]]] = [
    (
        None,
        ON,
        True,
        "always",
        [("secret_key", None, SECRET_AS_GIVEN), ("policies", [], ["a", "b"]), ("status", None, "enabled")],
    ),
    (None, User(False), True, "on_create", [("secret_key", None, SECRET_AS_GIVEN), ("status", None, "disabled")]),
    (GOOD, ON, True, "always", []),
    (GOOD, User(True, ("b", "a")), True, "always", []),
    (GOOD, User(), True, "always", []),
    (GOOD, User(True, ()), True, "always", [("policies", ["a", "b"], [])]),
    (BAD, ON, True, "always", [("secret_key", SECRET_DIFFERS, SECRET_AS_GIVEN)]),
    (BAD, ON, True, "on_create", []),
    (
        BAD,
        User(False),
        True,
        "always",
        [("secret_key", SECRET_DIFFERS, SECRET_AS_GIVEN), ("status", "enabled", "disabled")],
    ),
    (ON, ON, False, "always", []),
    (OFF, User(False), True, "always", []),
    (
        OFF,
        User(True),
        True,
        "always",
        [("secret_key", SECRET_DIFFERS, SECRET_AS_GIVEN), ("status", "disabled", "enabled")],
    ),
    (OFF, User(True), False, "always", [("status", "disabled", "enabled")]),
]


@pytest.mark.parametrize(("current", "wanted", "has_secret", "update_secret", "expected"), USERS)
def test_user(
    current: User | None, wanted: User, has_secret: bool, update_secret: str, expected: list[tuple[str, t.Any, t.Any]]
) -> None:
    changes = plan_user(current, wanted, has_secret, update_secret)
    assert [(change.key, change.before, change.after) for change in changes] == expected


REFUSED: list[tuple[t.Callable[[], t.Any], str]] = [
    (lambda: wanted_lifecycle({"noncurrent_expire_days": -1}), "noncurrent_expire_days is -1"),
    (lambda: wanted_encryption("sse-kms", None), "needs kms_key"),
    (lambda: wanted_encryption("sse-s3", "key"), "kms_key is only for encryption sse-kms, not for sse-s3"),
    (lambda: plan_bucket(NEW_BUCKET, Bucket(object_lock=True)), "only be chosen when a bucket is made"),
    (lambda: plan_bucket(LOCKED, Bucket(object_lock=False)), "only be chosen when a bucket is made"),
    (lambda: plan_bucket(LOCKED, Bucket(versioning=False)), "versioning cannot be false"),
    (lambda: plan_bucket(None, Bucket(object_lock=True, versioning=False)), "versioning cannot be false"),
    (lambda: plan_user(None, User(), False, "always"), "secret_key is needed"),
    (lambda: check_credentials("ab", "longenough"), "access_key ab has 2 characters"),
    (lambda: check_credentials("a" * 21, None), "has 21 characters"),
    (lambda: check_credentials("abc", "hidden"), "secret_key has 6 characters"),
    (lambda: check_credentials("abc", "hidden" * 7), "secret_key has 42 characters"),
]


@pytest.mark.parametrize(("attempt", "message"), REFUSED)
def test_refused(attempt: t.Callable[[], t.Any], message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        attempt()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("secret", [None, "a" * 8, "a" * 40])
def test_good_credentials(secret: str | None) -> None:
    check_credentials("abc", secret)


# two documents that mean the same
SAME: list[tuple[dict[str, t.Any], dict[str, t.Any]]] = [
    ({}, {}),
    (
        {"Statement": {"Effect": "Allow", "Action": "x", "Resource": "y", "Sid": ""}},
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["x", "x"], "Resource": ["y"]}]},
    ),
    (
        {"Statement": [{"Principal": "*", "Action": ["b", "a"]}]},
        {"Statement": [{"Principal": {"AWS": ["*"]}, "Action": ["a", "b"]}] * 2},
    ),
    (
        {"Statement": [{"Condition": {"Bool": {"aws:SecureTransport": False}}, "Sid": "s"}]},
        {"Statement": [{"Condition": {"Bool": {"aws:SecureTransport": ["false"]}}, "Sid": "s"}]},
    ),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_same_policy(left: dict[str, t.Any], right: dict[str, t.Any]) -> None:
    assert canonical_policy(left) == canonical_policy(right)


DIFFERENT: list[tuple[dict[str, t.Any], dict[str, t.Any]]] = [
    ({}, READ),
    ({"Statement": [{"Effect": "Allow"}]}, {"Statement": [{"Effect": "Deny"}]}),
    ({"Statement": [{"Sid": "a"}]}, {"Statement": [{"Sid": "b"}]}),
    ({"Version": "2008-10-17", **READ}, READ),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_policy(left: dict[str, t.Any], right: dict[str, t.Any]) -> None:
    assert canonical_policy(left) != canonical_policy(right)


STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)}
)


@given(st.lists(STATEMENTS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_order_has_no_meaning(statements: list[dict[str, t.Any]], shuffler: random.Random) -> None:
    shuffled = [
        {**statement, "Action": shuffler.sample(statement["Action"], len(statement["Action"]))}
        for statement in statements
    ]
    shuffler.shuffle(shuffled)
    canonical = canonical_policy({"Statement": statements})
    assert canonical_policy({"Statement": shuffled}) == canonical
    assert canonical_policy(canonical) == canonical


@pytest.mark.parametrize(
    ("days", "expected"), [([], []), ([3], [3]), ([3, 1], [1, 3]), ([2, 3, 1], [1, 3]), ([2, 2, 2], [2, 2])]
)
def test_oldest_and_newest(days: list[int], expected: list[int]) -> None:
    objects = [Stored(f"o{number}", datetime(2026, 1, day, tzinfo=UTC), 1) for number, day in enumerate(days)]
    assert [item.modified.day for item in oldest_and_newest(objects)] == expected
