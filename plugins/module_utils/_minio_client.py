# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to a MinIO server through the `minio` SDK; decides nothing. Private to this collection."""

from __future__ import annotations

import contextlib
import hashlib
import json
import traceback
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from urllib.parse import unquote_plus, urlsplit
from xml.etree import ElementTree

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.mlops.tracking.plugins.module_utils._minio_copy import (
    MARK,
    MEBIBYTE,
    Version,
    kept_headers,
    part_bytes,
)
from ansible_collections.mlops.tracking.plugins.module_utils._minio_plan import Bucket, Stored, User

LIBRARY_ERROR: str | None = None
try:
    import urllib3
    from minio import Minio
    from minio.commonconfig import COMPLIANCE, ENABLED, Filter
    from minio.credentials.providers import StaticProvider
    from minio.deleteobjects import DeleteObject
    from minio.error import MinioAdminException, MinioException, S3Error
    from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration
    from minio.lifecycleconfig import Rule as LifecycleRule
    from minio.minioadmin import MinioAdmin
    from minio.objectlockconfig import DAYS, ObjectLockConfig
    from minio.sseconfig import AWS_KMS, SSEConfig
    from minio.sseconfig import Rule as EncryptionRule
    from minio.versioningconfig import SUSPENDED, VersioningConfig
except ImportError:
    LIBRARY_ERROR = traceback.format_exc()

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
ATTEMPTS = 5
LIFECYCLE_RULE_ID = "mlops-tracking"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


class MinioClientError(Exception):
    """A refusal of the server, or no answer; `code` is MinIO's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def argument_spec() -> dict[str, dict[str, t.Any]]:
    """The options of the documentation fragment `minio`."""
    return {
        "minio_url": {"type": "str", "required": True},
        "minio_access_key": {"type": "str", "required": True, "no_log": False},
        "minio_secret_key": {"type": "str", "required": True, "no_log": True},
        "ca_path": {"type": "path"},
        "region": {"type": "str", "default": "us-east-1"},
    }


def from_module(module: t.Any) -> MinioClient:
    """The client that a module's options describe; a missing library or bad options end the module."""
    if LIBRARY_ERROR:
        module.fail_json(msg=missing_required_lib("minio"), exception=LIBRARY_ERROR)
    params = module.params
    try:
        return MinioClient(
            params["minio_url"],
            params["minio_access_key"],
            params["minio_secret_key"],
            ca_path=params["ca_path"],
            region=params["region"],
        )
    except (ValueError, OSError) as exc:
        module.fail_json(msg=str(exc))
        raise AssertionError("fail_json does not return") from exc


class MinioClient:
    """Buckets, users and policies of one server. The certificate is always verified."""

    def __init__(
        self,
        url: str,
        access_key: str,
        secret_key: str,
        ca_path: str | None = None,
        region: str = "us-east-1",
        server_name: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("minio_url must be scheme, host and port only, such as https://minio.example.com:9000")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
            raise ValueError("minio_url must be https:// for another host")
        self._endpoint = parts.netloc
        self._secure = parts.scheme == "https"
        self._region = region
        self._ca_path = ca_path
        self._server_name = server_name
        self._s3 = self._s3_as(access_key, secret_key)
        self._admin = MinioAdmin(
            endpoint=self._endpoint,
            credentials=StaticProvider(access_key, secret_key),
            region=region,
            secure=self._secure,
            http_client=self._http_client(),
        )

    def _s3_as(self, access_key: str, secret_key: str) -> Minio:
        return Minio(
            self._endpoint,
            access_key,
            secret_key,
            region=self._region,
            secure=self._secure,
            http_client=self._http_client(),
        )

    def _http_client(self) -> urllib3.PoolManager:
        names: dict[str, t.Any] = {}
        if self._server_name:
            names = {"assert_hostname": self._server_name, "server_hostname": self._server_name}
        return urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED",
            ca_certs=self._ca_path,
            **names,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(total=ATTEMPTS, backoff_factor=0.2, status_forcelist=[502, 503, 504]),
        )

    # Buckets

    def bucket(self, name: str) -> Bucket | None:
        """The bucket as it is, or None."""
        with _errors():
            if not self._s3.bucket_exists(name):
                return None
            encryption = self._s3.get_bucket_encryption(name)
            lock = self._object_lock(name)
            return Bucket(
                versioning=self._s3.get_bucket_versioning(name).status == ENABLED,
                object_lock=lock is not None,
                retention_days=_retention_days(lock),
                lifecycle=_rules(self._s3.get_bucket_lifecycle(name)),
                encryption=_encryption(encryption.rule if encryption else None),
                quota_bytes=int(json.loads(self._admin.bucket_quota_get(name)).get("quota") or 0),
                policy=self._bucket_policy(name),
            )

    def make_bucket(self, name: str, object_lock: bool) -> None:
        """Make an empty bucket."""
        with _errors():
            self._s3.make_bucket(name, location=self._region, object_lock=object_lock)

    def is_bucket_empty(self, name: str) -> bool:
        """Whether the bucket holds no version of any object."""
        with _errors():
            return next(iter(self._s3.list_objects(name, recursive=True, include_version=True)), None) is None

    def empty_bucket(self, name: str) -> None:
        """Destroy every version of every object."""
        with _errors():
            found = self._s3.list_objects(name, recursive=True, include_version=True)
            doomed = (DeleteObject(item.object_name, item.version_id) for item in found if item.object_name)
            for error in self._s3.remove_objects(name, doomed):
                raise MinioClientError(str(error.code), f"{error.name}: {error.message}")

    def remove_bucket(self, name: str) -> None:
        """Remove an empty bucket."""
        with _errors():
            self._s3.remove_bucket(name)

    def set_versioning(self, name: str, enabled: bool) -> None:
        """Keep or no longer keep old versions."""
        with _errors():
            self._s3.set_bucket_versioning(name, VersioningConfig(ENABLED if enabled else SUSPENDED))

    def set_lifecycle(self, name: str, rules: Sequence[Mapping[str, t.Any]]) -> None:
        """Replace the lifecycle rules."""
        with _errors():
            if not rules:
                self._s3.delete_bucket_lifecycle(name)
                return
            self._s3.set_bucket_lifecycle(name, LifecycleConfig([_sdk_rule(rule) for rule in rules]))

    def set_encryption(self, name: str, encryption: tuple[str, str]) -> None:
        """Replace the default encryption."""
        kind, key = encryption
        with _errors():
            if kind == "none":
                self._s3.delete_bucket_encryption(name)
                return
            rule = EncryptionRule.new_sse_kms_rule(key) if kind == "sse-kms" else EncryptionRule.new_sse_s3_rule()
            self._s3.set_bucket_encryption(name, SSEConfig(rule))

    def set_quota_bytes(self, name: str, quota: int) -> None:
        """Limit the bucket's size; 0 is no limit."""
        with _errors():
            if quota:
                self._admin.bucket_quota_set(name, quota)
            else:
                self._admin.bucket_quota_clear(name)

    def set_retention_days(self, name: str, days: int) -> None:
        """Keep new objects for so long that nobody can remove them; 0 is no time."""
        with _errors():
            wanted = ObjectLockConfig(COMPLIANCE, days, DAYS) if days else ObjectLockConfig(None, None, None)
            self._s3.set_object_lock_config(name, wanted)

    def object_names(self, name: str) -> list[str]:
        """The names of all objects, of those with a delete marker, too."""
        with _errors():
            found = self._s3.list_objects(name, recursive=True, include_version=True)
            return sorted({str(item.object_name) for item in found if item.object_name and not item.is_delete_marker})

    def first_objects(self, name: str, most: int) -> list[Stored]:
        """The first objects in the order of their names, without folders and empty ones."""
        with _errors():
            found = islice(self._s3.list_objects(name, recursive=True), most)
            return [
                Stored(str(item.object_name), item.last_modified, int(item.size))
                for item in found
                if item.last_modified and item.size
            ]

    def read_object(self, bucket: str, name: str, most: int) -> int:
        """Read the beginning of an object, and return how many bytes came."""
        with _errors():
            answer = self._s3.get_object(bucket, name, length=most)
            try:
                return sum(len(part) for part in answer.stream())
            finally:
                answer.close()
                answer.release_conn()

    # Versions

    def has_bucket(self, name: str) -> bool:
        """Whether there is such a bucket."""
        with _errors():
            return bool(self._s3.bucket_exists(name))

    def versions(self, bucket: str, prefix: str = "") -> Iterator[Version]:
        """All versions and delete markers as the server lists them: names in order, the newest first."""
        query: dict[str, t.Any] = {"versions": "", "prefix": prefix, "encoding-type": "url", "max-keys": "1000"}
        more = True
        while more:
            with _errors():
                # The SDK's own listing has delete markers after everything else, so their place is lost.
                page = ElementTree.fromstring(self._s3._execute("GET", bucket, query_params=query).data)
            for entry in page:
                if _tag(entry) in ("Version", "DeleteMarker"):
                    yield _version(entry)
            more = _text(page, "IsTruncated") == "true"
            query["key-marker"] = unquote_plus(_text(page, "NextKeyMarker"))
            query["version-id-marker"] = _text(page, "NextVersionIdMarker")

    def history(self, bucket: str, name: str) -> list[Version]:
        """All versions of one object, oldest first, with the marks of copies."""
        found = takewhile(lambda version: version.name == name, self.versions(bucket, prefix=name))
        return [self._with_mark(bucket, version) for version in found][::-1]

    def _with_mark(self, bucket: str, version: Version) -> Version:
        if version.is_delete_marker:
            return version
        with _errors():
            stat = self._s3.stat_object(bucket, version.name, version_id=version.version_id)
        return replace(version, copy_of=(stat.metadata or {}).get(MARK, ""))

    def digest(self, bucket: str, name: str, version_id: str) -> str:
        """The SHA-256 of one version, read as a stream."""
        digest = hashlib.sha256()
        with _errors(), self._reading(bucket, name, version_id) as answer:
            while part := answer.read(MEBIBYTE, decode_content=False):
                digest.update(part)
        return digest.hexdigest()

    def put_copy(self, source: MinioClient, bucket: str, version: Version) -> str:
        """Copy one version of another server as the newest here, and return its version id."""
        name = version.name
        with _errors(), source._reading(bucket, name, version.version_id) as answer:
            headers = kept_headers(answer.headers, version.version_id)
            result = self._s3.put_object(
                bucket,
                name,
                t.cast(t.BinaryIO, _Stored(answer)),
                version.size,
                content_type=headers.pop("content-type", ""),
                metadata=dict(headers),
                part_size=part_bytes(version.size),
                num_parallel_uploads=1,
            )
        return str(result.version_id)

    def add_delete_marker(self, bucket: str, name: str) -> None:
        """Delete the object, and keep its versions."""
        with _errors():
            self._s3.remove_object(bucket, name)

    @contextlib.contextmanager
    def _reading(self, bucket: str, name: str, version_id: str) -> Iterator[t.Any]:
        answer = self._s3.get_object(bucket, name, version_id=version_id)
        try:
            yield answer
        finally:
            answer.close()
            answer.release_conn()

    def set_bucket_policy(self, name: str, policy: Mapping[str, t.Any]) -> None:
        """Replace the bucket policy; an empty one removes it."""
        with _errors():
            if policy:
                self._s3.set_bucket_policy(name, json.dumps(policy))
            else:
                self._s3.delete_bucket_policy(name)

    def _object_lock(self, name: str) -> ObjectLockConfig | None:
        try:
            return self._s3.get_object_lock_config(name)
        except S3Error as exc:
            if exc.code == "ObjectLockConfigurationNotFoundError":
                return None
            raise

    def _bucket_policy(self, name: str) -> dict[str, t.Any]:
        try:
            policy: dict[str, t.Any] = json.loads(self._s3.get_bucket_policy(name))
        except S3Error as exc:
            if exc.code == "NoSuchBucketPolicy":
                return {}
            raise
        return policy

    # Policies

    def policy(self, name: str) -> dict[str, t.Any] | None:
        """The named policy's document, or None."""
        text = self._find("XMinioAdminNoSuchPolicy", lambda: self._admin.policy_info(name))
        return None if text is None else dict(json.loads(text))

    def set_policy(self, name: str, policy: dict[str, t.Any]) -> None:
        """Make or replace a named policy."""
        with _errors():
            self._admin.policy_add(name, policy=policy)

    def remove_policy(self, name: str) -> None:
        """Remove a named policy."""
        with _errors():
            self._admin.policy_remove(name)

    # Users

    def user(self, access_key: str, secret_key: str | None) -> User | None:
        """The user as it is, or None; `secret_key` is tried where one is given."""
        text = self._find("XMinioAdminNoSuchUser", lambda: self._admin.user_info(access_key))
        if text is None:
            return None
        info = json.loads(text)
        enabled = info.get("status") == "enabled"
        return User(
            enabled=enabled,
            policies=tuple(sorted(filter(None, str(info.get("policyName") or "").split(",")))),
            secret_matches=self._opens(access_key, secret_key) if enabled and secret_key else None,
        )

    def set_secret_key(self, access_key: str, secret_key: str) -> None:
        """Make the user or replace its secret key; the user is enabled afterwards."""
        with _errors():
            self._admin.user_add(access_key, secret_key)

    def set_policies(self, access_key: str, policies: Sequence[str]) -> None:
        """Replace the user's policies."""
        with _errors():
            self._admin.policy_set(",".join(policies), user=access_key)

    def set_enabled(self, access_key: str, enabled: bool) -> None:
        """Let the user in or keep it out."""
        with _errors():
            if enabled:
                self._admin.user_enable(access_key)
            else:
                self._admin.user_disable(access_key)

    def remove_user(self, access_key: str) -> None:
        """Remove the user."""
        with _errors():
            self._admin.user_remove(access_key)

    def _opens(self, access_key: str, secret_key: str) -> bool:
        """Whether the server accepts a request signed with this secret key, whatever it may do then."""
        try:
            with _errors():
                self._s3_as(access_key, secret_key).list_buckets()
        except MinioClientError as exc:
            if exc.code == "AccessDenied":
                return True
            if exc.code == "SignatureDoesNotMatch":
                return False
            raise
        return True

    def _find(self, absent_code: str, read: t.Callable[[], str]) -> str | None:
        try:
            with _errors():
                return read()
        except MinioClientError as exc:
            if exc.code == absent_code:
                return None
            raise


class _Stored:
    """The bytes of an answer as they are stored: not unpacked, whatever their content encoding."""

    def __init__(self, answer: t.Any) -> None:
        self._answer = answer

    def read(self, most: int) -> bytes:
        """The next bytes."""
        return bytes(self._answer.read(most, decode_content=False))


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in element if _tag(child) == name), "")


def _version(entry: ElementTree.Element) -> Version:
    return Version(
        name=unquote_plus(_text(entry, "Key")),
        version_id=_text(entry, "VersionId"),
        is_delete_marker=_tag(entry) == "DeleteMarker",
        size=int(_text(entry, "Size") or 0),
    )


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """The SDK's many exceptions as one."""
    try:
        yield
    except S3Error as exc:
        raise MinioClientError(exc.code or "UNKNOWN", exc.message or "no message") from exc
    except MinioAdminException as exc:
        raise _admin_error(exc) from exc
    except urllib3.exceptions.MaxRetryError as exc:
        raise MinioClientError("NO_ANSWER", f"{exc.pool}: {exc.reason}") from exc
    except (MinioException, urllib3.exceptions.HTTPError, ValueError) as exc:
        raise MinioClientError(type(exc).__name__, str(exc)) from exc


def _admin_error(exc: MinioAdminException) -> MinioClientError:
    # The SDK keeps the answer's body as text only.
    dummy, dummy, body = str(exc).partition("Body: ")
    try:
        answer = json.loads(body)
        return MinioClientError(str(answer["Code"]), str(answer["Message"]))
    except (ValueError, KeyError, TypeError):
        return MinioClientError("UNKNOWN", str(exc))


def _retention_days(config: ObjectLockConfig | None) -> int:
    """The days of a retention that binds everybody; another kind is none, or -1 where it is for years."""
    if config is None or config.mode != COMPLIANCE:
        return 0
    return int(config.duration or 0) if config.duration_unit == DAYS else -1


def _rules(config: LifecycleConfig | None) -> list[dict[str, t.Any]]:
    return [_rule(rule) for rule in config.rules] if config else []


def _rule(rule: LifecycleRule) -> dict[str, t.Any]:
    """A rule of our own shape, or something that no wanted rule equals."""
    ours: dict[str, t.Any] = {}
    if rule.noncurrent_version_expiration and rule.noncurrent_version_expiration.noncurrent_days:
        ours["noncurrent_expire_days"] = rule.noncurrent_version_expiration.noncurrent_days
    if rule.expiration and rule.expiration.expired_object_delete_marker:
        ours["expired_object_delete_marker"] = True
    if ours and rule == _sdk_rule(ours, rule_id=rule.rule_id):
        return ours
    return {"other_rule": rule.rule_id or "(unnamed)"}


def _sdk_rule(rule: Mapping[str, t.Any], rule_id: str | None = LIFECYCLE_RULE_ID) -> LifecycleRule:
    days = rule.get("noncurrent_expire_days")
    return LifecycleRule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id=rule_id,
        noncurrent_version_expiration=NoncurrentVersionExpiration(days) if days else None,
        expiration=Expiration(expired_object_delete_marker=True) if rule.get("expired_object_delete_marker") else None,
    )


def _encryption(rule: EncryptionRule | None) -> tuple[str, str]:
    if rule is None:
        return "none", ""
    if rule.sse_algorithm == AWS_KMS:
        return "sse-kms", rule.kms_master_key_id or ""
    return "sse-s3", ""
