# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object store of somebody's own playbook, seen by an S3 client on its host that comes over the network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

SCENARIOS = {"minio"}
# Reads the call, so that the key is no argument; prints what is asked for, or the error's code.
CALL = """
import io, json, sys
import urllib3
from minio import Minio
from minio.error import S3Error
secret, method, arguments, wanted = json.load(sys.stdin)
http = urllib3.PoolManager(ca_certs="/etc/mlops-tracking/tls/ca.crt", cert_reqs="CERT_REQUIRED", retries=False)
client = Minio("store1:9000", access_key="trainer", secret_key=secret, region="us-east-1", http_client=http)
if method == "put_object":
    arguments |= {"data": io.BytesIO(b"probe"), "length": 5}
try:
    result = getattr(client, method)(**arguments)
    if method == "list_objects":
        result = [entry.object_name for entry in result]
    if method == "stat_object":
        result = result.metadata
    print("ok" if not wanted else result[wanted] if method == "stat_object" else getattr(result, wanted))
except S3Error as error:
    print(error.code)
"""


@pytest.fixture(name="s3")
def s3_client(feed: Callable[..., str], secrets: dict[str, str]) -> Callable[..., str]:
    def s3(method: str, wanted: str = "", secret: str = "", **arguments: str) -> str:
        call = [secret or secrets["platform_minio_user_secret_key"], method, arguments, wanted]
        return feed(json.dumps(call), "/opt/minio/client/bin/python", "-I", "-c", CALL).strip()

    return s3


def test_write_read_delete_and_never_destroy(s3: Callable[..., str]) -> None:
    probe = {"bucket_name": "models", "object_name": "probe"}
    version = s3("put_object", "version_id", **probe)
    assert len(version) == 36
    assert s3("stat_object", "x-amz-server-side-encryption", **probe) == "aws:kms"
    assert s3("remove_object", **probe) == "ok"
    assert s3("stat_object", **probe) == "NoSuchKey"
    assert s3("remove_object", version_id=version, **probe) == "AccessDenied"


def test_grants_are_those_of_the_playbook(s3: Callable[..., str]) -> None:
    assert s3("list_objects", bucket_name="reports") == "ok"
    assert s3("put_object", bucket_name="reports", object_name="probe") == "AccessDenied"
    assert s3("put_object", bucket_name="models", object_name="probe", secret="wrong-key") == "SignatureDoesNotMatch"
    assert s3("list_objects", bucket_name="unknown") == "AccessDenied"
    assert s3("make_bucket", bucket_name="unknown") == "AccessDenied"


def test_the_host_keeps_its_key(host: Any) -> None:
    folder = "/etc/minio/kms-keys"
    assert (host.file(folder).user, host.file(folder).mode) == ("root", 0o700)
    (name,) = host.file(folder).listdir()
    assert re.fullmatch("[0-9a-f]{16}", name)
    kept = host.file(f"{folder}/{name}")
    assert (kept.user, kept.mode) == ("root", 0o600)
    assert f'MINIO_KMS_SECRET_KEY="{kept.content_string.strip()}"' in host.file("/etc/default/minio").content_string
