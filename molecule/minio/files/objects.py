# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes two versions of an object, or prints all versions with what is in them; the password is in SECRET."""

from __future__ import annotations

import io
import json
import os
import sys

import urllib3
from minio import Minio

BUCKET, NAME = "models", "kept/weights.bin"

http = urllib3.PoolManager(ca_certs="/etc/mlops-tracking/tls/ca.crt", cert_reqs="CERT_REQUIRED", retries=False)
client = Minio(
    "store1:9000", access_key=sys.argv[2], secret_key=os.environ["SECRET"], region="us-east-1", http_client=http
)
if sys.argv[1] == "write":
    for content in (b"first", b"second"):
        client.put_object(BUCKET, NAME, io.BytesIO(content), len(content))
found = client.list_objects(BUCKET, prefix=NAME, include_version=True)
versions = sorted(found, key=lambda version: str(version.last_modified))
contents = [client.get_object(BUCKET, NAME, version_id=version.version_id).data.decode() for version in versions]
print(json.dumps([contents, client.get_object(BUCKET, NAME).data.decode()]))
