# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three MinIO modules on a client that remembers what it was told."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _minio_client
from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import MinioClientError
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import NEW_BUCKET, Bucket, User
from ansible_collections.mlops.tracking.plugins.modules import minio_bucket, minio_policy, minio_user

CONNECTION = {"minio_url": "https://minio.test:9000", "minio_access_key": "root", "minio_secret_key": "root-secret"}
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["r"]}]}
GOOD = User(enabled=True, policies=("a",), secret_matches=True)


class FakeClient:
    """Answers reads from `current` and records writes, or fails them with `error`."""

    def __init__(self, current: t.Any = None, empty: bool = True, error: str = "") -> None:
        self.current, self.empty, self.error = current, empty, error
        self.calls: list[tuple[t.Any, ...]] = []

    def bucket(self, name: str) -> t.Any:
        return self.current

    def policy(self, name: str) -> t.Any:
        return self.current

    def user(self, access_key: str, secret_key: str | None) -> t.Any:
        return self.current

    def is_bucket_empty(self, name: str) -> bool:
        return self.empty

    def __getattr__(self, method: str) -> Callable[..., None]:
        def record(*args: t.Any, **kwargs: t.Any) -> None:
            self.calls.append((method, *args, *kwargs.values()))
            if self.error:
                raise MinioClientError(self.error, "refused")

        return record


# module, state of the server, options, calls that change it; without calls nothing may change
CASES: list[tuple[t.Any, FakeClient, dict[str, t.Any], list[tuple[t.Any, ...]]]] = [
    (minio_bucket, FakeClient(None), {"name": "b"}, [("make_bucket", "b", False)]),
    (minio_bucket, FakeClient(None), {"name": "b", "object_lock": True}, [("make_bucket", "b", True)]),
    (
        minio_bucket,
        FakeClient(None),
        {
            "name": "b",
            "versioning": True,
            "encryption": "sse-kms",
            "kms_key": "k",
            "quota_bytes": 9,
            "policy": READ,
            "lifecycle": {"noncurrent_expire_days": 3},
        },
        [
            ("make_bucket", "b", False),
            ("set_versioning", "b", True),
            ("set_encryption", "b", ("sse-kms", "k")),
            ("set_lifecycle", "b", [{"noncurrent_expire_days": 3}]),
            ("set_quota_bytes", "b", 9),
            ("set_bucket_policy", "b", READ),
        ],
    ),
    (minio_bucket, FakeClient(NEW_BUCKET), {"name": "b", "versioning": False, "quota_bytes": 0, "lifecycle": {}}, []),
    (minio_bucket, FakeClient(NEW_BUCKET), {"name": "b", "quota_bytes": 7}, [("set_quota_bytes", "b", 7)]),
    (minio_bucket, FakeClient(None), {"name": "b", "state": "absent"}, []),
    (minio_bucket, FakeClient(NEW_BUCKET), {"name": "b", "state": "absent"}, [("remove_bucket", "b")]),
    (
        minio_bucket,
        FakeClient(NEW_BUCKET, empty=False),
        {"name": "b", "state": "absent", "force": True},
        [("empty_bucket", "b"), ("remove_bucket", "b")],
    ),
    (minio_policy, FakeClient(None), {"name": "p", "policy": READ}, [("set_policy", "p", READ)]),
    (minio_policy, FakeClient(READ), {"name": "p", "policy": {"Statement": READ["Statement"]}}, []),
    (minio_policy, FakeClient({"Statement": []}), {"name": "p", "policy": READ}, [("set_policy", "p", READ)]),
    (minio_policy, FakeClient(None), {"name": "p", "state": "absent"}, []),
    (minio_policy, FakeClient(READ), {"name": "p", "state": "absent"}, [("remove_policy", "p")]),
    (
        minio_user,
        FakeClient(None),
        {"access_key": "usr", "secret_key": "user-secret", "policies": ["b", "a"]},
        [("set_secret_key", "usr", "user-secret"), ("set_policies", "usr", ["a", "b"]), ("set_enabled", "usr", True)],
    ),
    (minio_user, FakeClient(GOOD), {"access_key": "usr", "secret_key": "user-secret", "policies": ["a"]}, []),
    (minio_user, FakeClient(GOOD), {"access_key": "usr", "status": "disabled"}, [("set_enabled", "usr", False)]),
    (
        minio_user,
        FakeClient(User(True, ("a",), False)),
        {"access_key": "usr", "secret_key": "user-secret"},
        [("set_secret_key", "usr", "user-secret")],
    ),
    (
        minio_user,
        FakeClient(User(True, ("a",), False)),
        {"access_key": "usr", "secret_key": "user-secret", "update_secret": "on_create"},
        [],
    ),
    (minio_user, FakeClient(None), {"access_key": "usr", "state": "absent"}, []),
    (minio_user, FakeClient(GOOD), {"access_key": "usr", "state": "absent"}, [("remove_user", "usr")]),
]


@pytest.fixture(name="use")
def fixture_use(monkeypatch: pytest.MonkeyPatch) -> Callable[[t.Any, FakeClient], FakeClient]:
    def use(module: t.Any, client: FakeClient) -> FakeClient:
        fresh = FakeClient(client.current, client.empty, client.error)
        monkeypatch.setattr(module, "from_module", lambda _module: fresh)
        return fresh

    return use


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("module", "server", "options", "calls"), CASES)
def test_converge(
    use: t.Any,
    run_module: t.Any,
    module: t.Any,
    server: FakeClient,
    options: dict[str, t.Any],
    calls: t.Any,
    check: bool,
) -> None:
    client = use(module, server)
    result = run_module(module.main, {**CONNECTION, **options}, check=check)
    assert "failed" not in result
    assert result["changed"] is bool(calls)
    assert (result["diff"]["before"] != result["diff"]["after"]) is bool(calls)
    assert client.calls == ([] if check else calls)
    assert not [text for text in ("root-secret", "user-secret") if text in str({**result, "invocation": None})]


# module, state of the server, options, part of the message
FAILURES: list[tuple[t.Any, FakeClient, dict[str, t.Any], str]] = [
    (minio_bucket, FakeClient(None, error="AccessDenied"), {"name": "b"}, "Bucket b: AccessDenied: refused"),
    (minio_bucket, FakeClient(NEW_BUCKET), {"name": "b", "object_lock": True}, "object_lock can only be chosen"),
    (minio_bucket, FakeClient(NEW_BUCKET, empty=False), {"name": "b", "state": "absent"}, "set force to true"),
    (minio_bucket, FakeClient(None), {"name": "b", "quota_bytes": -1}, "quota_bytes is -1"),
    (minio_bucket, FakeClient(None), {"name": "b", "encryption": "sse-kms"}, "kms_key"),
    (
        minio_bucket,
        FakeClient(None),
        {"name": "b", "lifecycle": {"abort_incomplete_multipart_upload": 1}},
        "Unsupported parameters .* lifecycle.abort_incomplete_multipart_upload",
    ),
    (minio_policy, FakeClient(None, error="AccessDenied"), {"name": "p", "policy": READ}, "Policy p: AccessDenied"),
    (minio_policy, FakeClient(None), {"name": "p"}, "policy"),
    (minio_policy, FakeClient(None), {"name": "p", "policy": {}}, "has no Statement"),
    (minio_policy, FakeClient(READ, error="XMinioIAMPolicyInUse"), {"name": "p", "state": "absent"}, "PolicyInUse"),
    (minio_user, FakeClient(None), {"access_key": "usr"}, "secret_key is needed"),
    (minio_user, FakeClient(None), {"access_key": "us", "secret_key": "user-secret"}, "access_key us has 2"),
    (minio_user, FakeClient(GOOD, error="AccessDenied"), {"access_key": "usr", "state": "absent"}, "User usr: Access"),
]


@pytest.mark.parametrize(("module", "server", "options", "message"), FAILURES)
def test_failure(
    use: t.Any, run_module: t.Any, module: t.Any, server: FakeClient, options: dict[str, t.Any], message: str
) -> None:
    use(module, server)
    result = run_module(module.main, {**CONNECTION, **options})
    assert result["failed"] is True
    assert re.search(message, result["msg"])
    assert "user-secret" not in result["msg"]


URLS: list[tuple[str, str]] = [
    ("minio.test:9000", "scheme, host and port only"),
    ("https://minio.test:9000/path", "scheme, host and port only"),
    ("http://minio.test:9000", "must be https://"),
]


@pytest.mark.parametrize(("url", "message"), URLS)
def test_bad_url(run_module: t.Any, url: str, message: str) -> None:
    result = run_module(minio_bucket.main, {**CONNECTION, "minio_url": url, "name": "b"})
    assert message in result["msg"]


def test_missing_library(run_module: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_minio_client, "LIBRARY_ERROR", "Traceback")
    result = run_module(minio_bucket.main, {**CONNECTION, "name": "b"})
    assert "Failed to import the required Python library (minio)" in result["msg"]


def test_bucket_defaults_are_a_new_bucket() -> None:
    assert vars(NEW_BUCKET).keys() == vars(Bucket()).keys()
    assert None not in vars(NEW_BUCKET).values()
