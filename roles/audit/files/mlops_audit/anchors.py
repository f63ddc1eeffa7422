# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes an object into a bucket, which is all that an anchor needs of S3."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

SECONDS = 10


class AnchorError(Exception):
    """The object store refused, or did not answer."""


def authorization(
    key: tuple[str, str], region: str, request: tuple[str, str], headers: Mapping[str, str], digest: str
) -> str:
    """Return the header that signs a request (AWS Signature Version 4); all headers are signed."""
    access_key, secret_key = key
    method, path = request
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"{method}\n{quote(path)}\n\n{lines}\n{names}\n{digest}"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    signature = hmac.digest(signing, to_sign.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"


def object_name(source: str, sequence: int, digest: str, moment: datetime) -> str:
    """Return the name of an anchor, which says everything: overwriting an object changes nothing of it."""
    return f"{source}/{moment:%Y/%m/%d/%H%M%S}Z-{sequence:020d}-{digest}"


class AnchorBucket:
    """A bucket that takes anchors."""

    def __init__(self, url: str, bucket: str, region: str, key: tuple[str, str], ca_file: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._netloc, self._bucket, self._region, self._key = parts.netloc, bucket, region, key
        self._ca_file = ca_file

    def put(self, source: str, sequence: int, digest: str) -> None:
        """Write the newest sequence number and hash."""
        now = datetime.now(UTC)
        path = f"/{self._bucket}/{object_name(source, sequence, digest, now)}"
        body = json.dumps({"source": source, "seq": sequence, "hash": digest, "time": now.isoformat()}).encode()
        payload = hashlib.sha256(body).hexdigest()
        headers = {
            "content-md5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
            "host": self._netloc,
            "x-amz-content-sha256": payload,
            "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        }
        headers["authorization"] = authorization(self._key, self._region, ("PUT", path), headers, payload)
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=SECONDS, context=context)
            try:
                connection.request("PUT", quote(path), body, headers)
                answer = connection.getresponse()
                said = answer.read(500).decode("utf-8", "replace")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise AnchorError(f"{self._netloc}: {error}") from error
        if answer.status != 200:
            raise AnchorError(f"{self._netloc} answered {answer.status}: {said}")
