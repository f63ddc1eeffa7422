# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The MinIO modules against a real server with TLS and a KMS key.

Runs when MINIO_BINARY names the server's program; a program that cannot be used fails the run.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import io
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from ansible.module_utils.testing import patch_module_args
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from minio import Minio
from minio.commonconfig import CopySource
from minio.error import S3Error

from ansible_collections.mlops.tracking.plugins.module_utils._minio_client import MinioClient
from ansible_collections.mlops.tracking.plugins.modules import (
    minio_bucket,
    minio_copy_store,
    minio_policy,
    minio_read_back,
    minio_user,
)

pytestmark = pytest.mark.skipif(not os.environ.get("MINIO_BINARY"), reason="MINIO_BINARY names no server")

START_SECONDS = 30.0
ROOT, ROOT_SECRET = "root-user", "root-secret-of-the-test"
SECRET, OTHER_SECRET = "first-secret-of-the-user", "second-secret-of-the-user"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:ListBucketVersions"], "Resource": "arn:aws:s3:::artifacts"},
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject"],
            "Resource": "arn:aws:s3:::artifacts/*",
        },
        {"Effect": "Deny", "Action": "s3:DeleteObjectVersion", "Resource": "arn:aws:s3:::artifacts/*"},
    ],
}
BUCKET: dict[str, t.Any] = {
    "name": "artifacts",
    "versioning": True,
    "lifecycle": {"noncurrent_expire_days": 30, "expired_object_delete_marker": True},
    "encryption": "sse-kms",
    "kms_key": "test-key",
    "quota_bytes": 10**9,
    "policy": {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::artifacts/open/*"}
        ],
    },
}
USER: dict[str, t.Any] = {"access_key": "mlflow", "secret_key": SECRET, "policies": ["artifacts"]}


class Server(t.NamedTuple):
    """A running server."""

    address: str
    ca_path: Path


def certificate(
    subject: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate authority, or a server certificate that one has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer_name, signer = (issuer[0].subject, issuer[1]) if issuer else (name, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if issuer is None:
        usage = {"key_cert_sign": True, "crl_sign": True}
        others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        off = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        builder = builder.add_extension(x509.KeyUsage(**usage, **off), critical=True).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
    else:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()), key


def write_certificates(folder: Path) -> Path:
    """Certificates where MinIO looks for them; returns the authority's file."""
    authority = certificate("Test CA", None)
    leaf, key = certificate("localhost", authority)
    folder.mkdir()
    encoding = serialization.Encoding.PEM
    (folder / "public.crt").write_bytes(leaf.public_bytes(encoding))
    (folder / "private.key").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    ca_path = folder.parent / "ca.crt"
    ca_path.write_bytes(authority[0].public_bytes(encoding))
    return ca_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(folder: Path, kms_key: bytes, key_in_file: bool = False) -> Iterator[Server]:
    """A server on a folder, which may have been another server's before."""
    ca_path = folder / "ca.crt" if (folder / "certs").exists() else write_certificates(folder / "certs")
    address = f"localhost:{free_port()}"
    environment = {
        "HOME": str(folder),
        "MINIO_BROWSER": "off",
        "MINIO_ROOT_USER": ROOT,
        "MINIO_ROOT_PASSWORD": ROOT_SECRET,
        "MINIO_KMS_SECRET_KEY": "test-key:" + base64.b64encode(kms_key).decode(),
    }
    if key_in_file:
        (folder / "kms-key").write_text(environment.pop("MINIO_KMS_SECRET_KEY") + "\n")
        environment["MINIO_KMS_SECRET_KEY_FILE"] = str(folder / "kms-key")
    command = [os.environ["MINIO_BINARY"], "server", "--address", address, "--certs-dir", str(folder / "certs")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, str(folder / "data")], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        pool = urllib3.PoolManager(ca_certs=str(ca_path), cert_reqs="CERT_REQUIRED", retries=False)
        while True:
            try:
                if pool.request("GET", f"https://{address}/minio/health/cluster").status == 200:
                    break
            except urllib3.exceptions.HTTPError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"MinIO did not start: {(folder / 'log').read_text()}")
            time.sleep(0.2)
        yield Server(address, ca_path)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(name="server", scope="module")
def fixture_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("minio"), os.urandom(32)) as server:
        yield server


Run = Callable[..., dict[str, t.Any]]


@pytest.fixture(name="run")
def fixture_run(server: Server, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(module: t.Any, options: dict[str, t.Any], check: bool = False, **connection: t.Any) -> dict[str, t.Any]:
        given = {
            "minio_url": f"https://{server.address}",
            "minio_access_key": ROOT,
            "minio_secret_key": ROOT_SECRET,
            "ca_path": str(server.ca_path),
            **connection,
        }
        internal = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        with patch_module_args({**given, **options, **internal}), pytest.raises(SystemExit):
            module.main()
        output = capsys.readouterr().out
        assert not [secret for secret in (ROOT_SECRET, SECRET, OTHER_SECRET) if secret in output]
        result: dict[str, t.Any] = json.loads(output)
        return result

    return run


def client(server: Server, access_key: str, secret_key: str) -> Minio:
    pool = urllib3.PoolManager(ca_certs=str(server.ca_path), cert_reqs="CERT_REQUIRED", retries=False)
    return Minio(server.address, access_key, secret_key, http_client=pool, region="us-east-1")


def converge(run: Run, module: t.Any, options: dict[str, t.Any]) -> list[bool]:
    """Whether check mode, the run, the second run and check mode again say that something changes."""
    return [bool(run(module, options, check=check)["changed"]) for check in (True, False, False, True)]


def test_first_run_changes_and_second_does_not(run: Run, server: Server) -> None:
    once = [True, True, False, False]
    assert converge(run, minio_bucket, BUCKET) == once
    assert converge(run, minio_policy, {"name": "artifacts", "policy": POLICY}) == once
    assert converge(run, minio_user, USER) == once
    client(server, ROOT, ROOT_SECRET).put_object("artifacts", "key", io.BytesIO(b"one"), 3)
    stat = client(server, ROOT, ROOT_SECRET).stat_object("artifacts", "key")
    assert stat.metadata is not None
    assert stat.metadata["x-amz-server-side-encryption"] == "aws:kms"


def test_objects_of_another_kms_key_are_not_read_back(tmp_path: Path) -> None:
    keys = os.urandom(32), os.urandom(32)

    def look(server: Server) -> tuple[bool, str]:
        as_root = MinioClient(f"https://{server.address}", ROOT, ROOT_SECRET, ca_path=str(server.ca_path))
        return minio_read_back.read_back(as_root, "artifacts", 1000, 4)

    with running(tmp_path, keys[0]) as server:
        as_root = MinioClient(f"https://{server.address}", ROOT, ROOT_SECRET, ca_path=str(server.ca_path))
        ok, detail = look(server)
        assert (ok, "NoSuchBucket" in detail) == (False, True)
        as_root.make_bucket("artifacts", object_lock=False)
        as_root.set_encryption("artifacts", ("sse-kms", "test-key"))
        assert look(server) == (True, "nothing there yet")
        for number, name in enumerate(("b", "a", "c"), start=1):
            client(server, ROOT, ROOT_SECRET).put_object("artifacts", name, io.BytesIO(b"x" * number), number)
            time.sleep(1.1)
        ok, detail = look(server)
        assert ok
        assert re.sub(r"[0-9]{4}-..-..", "DATE", detail) == "b of DATE: 1 bytes read; c of DATE: 3 bytes read"
    with running(tmp_path, keys[1]) as server:
        ok, detail = look(server)
        assert not ok
        assert "b of " in detail
        assert "cannot be read: kms:InvalidCiphertextException" in detail
    # Going back to the key brings everything back.
    with running(tmp_path, keys[0]) as server:
        assert look(server)[0]


# options that differ from BUCKET, properties that change
UPDATES: list[tuple[dict[str, t.Any], list[str]]] = [
    ({"quota_bytes": 0}, ["quota_bytes"]),
    ({"lifecycle": {"noncurrent_expire_days": 7}}, ["lifecycle"]),
    ({"lifecycle": {}}, ["lifecycle"]),
    ({"encryption": "sse-s3", "kms_key": None}, ["encryption"]),
    ({"encryption": "none", "kms_key": None}, ["encryption"]),
    ({"policy": {}}, ["policy"]),
    ({"versioning": False}, ["versioning"]),
]


@pytest.mark.parametrize(("options", "changes"), UPDATES)
def test_update_and_back(run: Run, options: dict[str, t.Any], changes: list[str]) -> None:
    run(minio_bucket, BUCKET)
    changed = {key: value for key, value in {**BUCKET, **options}.items() if value is not None}
    assert run(minio_bucket, changed)["changes"] == changes
    assert run(minio_bucket, changed)["changed"] is False
    assert run(minio_bucket, BUCKET)["changes"] == changes


def test_a_user_deletes_objects_but_destroys_no_version(run: Run, server: Server) -> None:
    for module, options in ((minio_bucket, BUCKET), (minio_policy, {"name": "artifacts", "policy": POLICY})):
        run(module, options)
    run(minio_user, USER)
    user = client(server, "mlflow", SECRET)
    version = user.put_object("artifacts", "model", io.BytesIO(b"model"), 5).version_id
    user.remove_object("artifacts", "model")
    with pytest.raises(S3Error) as caught:
        user.remove_object("artifacts", "model", version_id=version)
    assert caught.value.code == "AccessDenied"
    assert user.get_object("artifacts", "model", version_id=version).read() == b"model"
    source = CopySource("artifacts", "model", version_id=version)
    client(server, ROOT, ROOT_SECRET).copy_object("artifacts", "back", source)
    assert user.get_object("artifacts", "back").read() == b"model"


def test_a_changed_secret_key_is_noticed(run: Run, server: Server) -> None:
    run(minio_policy, {"name": "artifacts", "policy": POLICY})
    run(minio_user, USER)
    changed = {**USER, "secret_key": OTHER_SECRET}
    assert run(minio_user, {**changed, "update_secret": "on_create"})["changed"] is False
    assert run(minio_user, changed, check=True)["changes"] == ["secret_key"]
    assert run(minio_user, changed)["changes"] == ["secret_key"]
    assert run(minio_user, changed)["changed"] is False
    with pytest.raises(S3Error) as caught:
        list(client(server, "mlflow", SECRET).list_objects("artifacts"))
    assert caught.value.code == "SignatureDoesNotMatch"
    assert run(minio_user, USER)["changes"] == ["secret_key"]


def test_status_and_policies(run: Run) -> None:
    run(minio_policy, {"name": "artifacts", "policy": POLICY})
    run(minio_user, USER)
    assert run(minio_user, {**USER, "policies": []})["changes"] == ["policies"]
    assert run(minio_user, {**USER, "policies": ["readonly", "artifacts"]})["changes"] == ["policies"]
    assert converge(run, minio_user, {"access_key": "mlflow", "status": "disabled"}) == [True, True, False, False]
    assert run(minio_user, USER)["changes"] == ["secret_key", "policies", "status"]
    assert run(minio_user, USER)["changed"] is False


def test_removal(run: Run, server: Server) -> None:
    run(minio_bucket, {"name": "scratch", "versioning": True})
    root = client(server, ROOT, ROOT_SECRET)
    for content in (b"one", b"two"):
        root.put_object("scratch", "a/key", io.BytesIO(content), 3)
    root.remove_object("scratch", "a/key")
    gone = {"name": "scratch", "state": "absent"}
    assert "set force to true" in run(minio_bucket, gone)["msg"]
    assert "set force to true" in run(minio_bucket, gone, check=True)["msg"]
    assert converge(run, minio_bucket, {**gone, "force": True}) == [True, True, False, False]
    run(minio_policy, {"name": "artifacts", "policy": POLICY})
    run(minio_user, USER)
    assert "PolicyInUse" in run(minio_policy, {"name": "artifacts", "state": "absent"})["msg"]
    assert converge(run, minio_user, {"access_key": "mlflow", "state": "absent"}) == [True, True, False, False]
    assert converge(run, minio_policy, {"name": "artifacts", "state": "absent"}) == [True, True, False, False]


def test_object_lock(run: Run, server: Server) -> None:
    locked = {"name": "locked", "object_lock": True}
    assert converge(run, minio_bucket, locked) == [True, True, False, False]
    assert "object_lock can only be chosen" in run(minio_bucket, {"name": "locked", "object_lock": False})["msg"]
    assert client(server, ROOT, ROOT_SECRET).get_bucket_versioning("locked").status == "Enabled"


# connection options, part of the message
WRONG: list[tuple[dict[str, t.Any], str]] = [
    ({"ca_path": None}, "CERTIFICATE_VERIFY_FAILED"),
    ({"ca_path": "/nowhere/ca.crt"}, "No such file"),
    ({"minio_secret_key": "wrong-secret"}, "Forbidden|SignatureDoesNotMatch|AccessDenied|denied"),
    ({"minio_url": "https://localhost:1"}, "refused"),
]


@pytest.mark.parametrize(("connection", "message"), WRONG)
def test_wrong_connection(run: Run, connection: dict[str, t.Any], message: str) -> None:
    for module, options in ((minio_bucket, {"name": "artifacts"}), (minio_user, USER)):
        result = run(module, options, **connection)
        assert result["failed"] is True
        assert re.search(message, result["msg"]), result["msg"]


def test_an_unknown_key_is_refused(run: Run) -> None:
    result = run(minio_bucket, {"name": "artifacts", "encryption": "sse-kms", "kms_key": "unknown"})
    assert "KeyNotFound" in result["msg"]


def as_root(server: Server) -> MinioClient:
    return MinioClient(f"https://{server.address}", ROOT, ROOT_SECRET, ca_path=str(server.ca_path))


def histories(server: Server, bucket: str) -> list[tuple[str, str, str, str]]:
    """Name, digest, content type and own metadata of all that a bucket holds, in the order of the listing."""
    reader, root = as_root(server), client(server, ROOT, ROOT_SECRET)
    found = []
    for version in reader.versions(bucket):
        if version.is_delete_marker:
            found.append((version.name, "deleted", "", ""))
            continue
        headers = root.stat_object(bucket, version.name, version_id=version.version_id).metadata or {}
        digest = reader.digest(bucket, version.name, version.version_id)
        found.append((version.name, digest, headers["content-type"], headers.get("x-amz-meta-run", "")))
    return found


def fill(server: Server) -> None:
    """Objects with versions, delete markers first, between and last, and a large one."""
    root = client(server, ROOT, ROOT_SECRET)
    for name, locked in (("artifacts", False), ("audit", True)):
        as_root(server).make_bucket(name, object_lock=locked)
        as_root(server).set_versioning(name, True)
        as_root(server).set_encryption(name, ("sse-kms", "test-key"))
        for number in range(3):
            root.put_object(name, "a", io.BytesIO(b"x" * number), number, "text/plain", metadata={"run": str(number)})
    root.remove_object("artifacts", "a")
    root.remove_object("artifacts", "a")
    root.put_object("artifacts", "a", io.BytesIO(b"again"), 5)
    root.remove_object("artifacts", "a")
    packed = gzip.compress(b"packed" * 100)
    root.put_object("artifacts", "d/b +%c", io.BytesIO(packed), len(packed), metadata={"Content-Encoding": "gzip"})
    large = os.urandom(20 * 1024 * 1024)
    root.put_object("artifacts", "large", io.BytesIO(large), len(large), part_size=5 * 1024 * 1024)


def test_a_store_of_another_kms_key_is_copied(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders, keys = (tmp_path / "old", tmp_path / "new"), (os.urandom(32), os.urandom(32))
    for folder in folders:
        folder.mkdir()
    shutil.copytree(write_certificates(tmp_path / "certs").parent / "certs", folders[0] / "certs")
    shutil.copytree(tmp_path / "certs", folders[1] / "certs")
    for folder in folders:
        shutil.copy(tmp_path / "ca.crt", folder / "ca.crt")
    with running(folders[0], keys[0]) as old:
        fill(old)
    # As the role starts it: the key comes from the file that the host keeps.
    with running(folders[0], keys[0], key_in_file=True) as old, running(folders[1], keys[1]) as new:
        as_root(new).make_bucket("artifacts", object_lock=False)
        as_root(new).make_bucket("audit", object_lock=True)
        as_root(new).set_versioning("artifacts", True)
        as_root(new).set_retention_days("audit", 1)
        for bucket in ("artifacts", "audit"):
            as_root(new).set_encryption(bucket, ("sse-kms", "test-key"))
        options = {
            "minio_url": f"https://{new.address}",
            "ca_path": str(new.ca_path),
            "source_url": f"https://{old.address.replace('localhost', '127.0.0.1')}",
            "source_server_name": "localhost",
            "buckets": ["artifacts", "audit", "unknown"],
        }
        before = {bucket: histories(old, bucket) for bucket in ("artifacts", "audit")}
        # Broken off after each number of versions, and begun again.
        put, left = MinioClient.put_copy, [0]

        def broken_off(self: MinioClient, *arguments: t.Any) -> str:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return put(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(MinioClient, "put_copy", broken_off)
            for bucket_run in (2, 2):
                left[0] = bucket_run
                with pytest.raises(KeyboardInterrupt):
                    minio_copy_store.copy_store(as_root(old), as_root(new), ["artifacts"], False)
        planned = run(minio_copy_store, options, check=True)
        first = run(minio_copy_store, options)
        assert planned["versions"] == first["versions"] > 0
        assert (first["objects"], first["verified"]) == (4, 9)
        client(new, ROOT, ROOT_SECRET).put_object("artifacts", "large", io.BytesIO(b"later"), 5)
        second = run(minio_copy_store, options)
        assert (second["changed"], second["versions"], second["verified"]) == (False, 0, 9)
        assert {bucket: histories(old, bucket) for bucket in before} == before
        below = client(new, ROOT, ROOT_SECRET).stat_object("artifacts", "d/b +%c").metadata or {}
        assert below["Content-Encoding"] == "gzip"
    with running(folders[1], keys[1]) as new:
        after = {bucket: histories(new, bucket) for bucket in before}
        later = next(entry for entry in after["artifacts"] if entry[0] == "large")
        after["artifacts"].remove(later)
        assert after == before
        stat = client(new, ROOT, ROOT_SECRET).stat_object("audit", "a")
        assert (stat.metadata or {})["x-amz-object-lock-mode"] == "COMPLIANCE"
