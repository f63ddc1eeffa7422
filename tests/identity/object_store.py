# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MinIO of the tests' own, with a bucket, in a folder that is gone afterwards."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

START_SECONDS = 30.0
USER, SECRET = "root-user", "root-secret-of-the-test"
BUCKET = "mlflow"


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run the server whose program MINIO_BINARY names, and give the settings by which MLflow uses it."""
    program = os.environ.get("MINIO_BINARY")
    if not program:
        raise RuntimeError("set MINIO_BINARY to the program of a MinIO server")
    with tempfile.TemporaryDirectory(prefix="identity-minio-") as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {**os.environ, "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": SECRET, "HOME": name}
        log = Path(name) / "log"
        with log.open("wb") as out:
            command = [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", f"{name}/data"]
            server = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
            try:
                url = f"http://127.0.0.1:{port}"
                _wait(server, url, log)
                account = {"aws_access_key_id": USER, "aws_secret_access_key": SECRET}
                boto3.client("s3", endpoint_url=url, region_name="us-east-1", **account).create_bucket(Bucket=BUCKET)
                yield {
                    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"s3://{BUCKET}",
                    "MLFLOW_S3_ENDPOINT_URL": url,
                    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
                    "AWS_ACCESS_KEY_ID": USER,
                    "AWS_SECRET_ACCESS_KEY": SECRET,
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_EC2_METADATA_DISABLED": "true",
                }
            finally:
                server.terminate()
                server.wait(20)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/minio/health/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(log.read_text())
