# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the object store lets MLflow's user do, seen from the hosts of MLflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

GROUP = "mlflow"
SCENARIOS = {"single", "prod"}
KEY = "testinfra/probe"
# Calls the S3 interface as MLflow does, or without a name; prints what is asked for, or the error's code.
CALL = """
import json, os, re, sys
import boto3, botocore.config, botocore.exceptions
for name, value in re.findall(r'(AWS_\\w+|MLFLOW_S3_ENDPOINT_URL)="(.*)"', open("/etc/mlflow/mlflow.env").read()):
    os.environ[name] = value
anonymous, method, arguments, wanted = json.loads(sys.argv[1])
settings = {"s3": {"addressing_style": "path"}, **({"signature_version": botocore.UNSIGNED} if anonymous else {})}
config = botocore.config.Config(**settings)
client = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL"), config=config)
try:
    print(getattr(client, method)(**arguments).get(wanted))
except botocore.exceptions.ClientError as error:
    print("error", error.response["ResponseMetadata"]["HTTPStatusCode"])
"""
REFUSED = "error 403"


@pytest.fixture(name="call")
def call_on_host(host: Any) -> Any:
    def call(method: str, wanted: str = "", anonymous: bool = False, **arguments: Any) -> str:
        task = json.dumps([anonymous, method, {"Bucket": "mlflow", **arguments}, wanted])
        return str(host.check_output("/opt/mlflow/current/bin/python -I -c %s %s", CALL, task))

    return call


def test_objects_are_encrypted_and_deletion_is_undone(call: Any) -> None:
    version = call("put_object", "VersionId", Key=KEY, Body="probe")
    assert not version.startswith("error")
    assert call("head_object", "ServerSideEncryption", Key=KEY) == "aws:kms"
    assert call("delete_object", "DeleteMarker", Key=KEY) == "True"
    assert call("head_object", Key=KEY) == "error 404"
    # Another user than MLflow's brings it back; nobody with its key can take it away.
    assert call("delete_object", Key=KEY, VersionId=version) == REFUSED
    assert call("head_object", "VersionId", Key=KEY, VersionId=version) in (version, REFUSED)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
        ("delete_bucket_lifecycle", {}),
        ("delete_bucket_encryption", {}),
        ("put_bucket_policy", {"Policy": '{"Version": "2012-10-17", "Statement": []}'}),
        ("delete_bucket", {}),
    ],
)
def test_settings_of_the_bucket_are_not_mlflows(call: Any, method: str, arguments: dict[str, Any]) -> None:
    assert call(method, **arguments) in (REFUSED, "error 400")
    assert call("list_objects_v2", "Name") == "mlflow"


@pytest.mark.parametrize("bucket", ["mlflow-other", "other"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create_bucket", {}),
        ("list_objects_v2", {}),
        ("put_object", {"Key": KEY, "Body": "probe"}),
        ("get_object", {"Key": KEY}),
        ("delete_object", {"Key": KEY}),
    ],
)
def test_other_buckets_are_closed(call: Any, bucket: str, method: str, arguments: dict[str, Any]) -> None:
    assert call(method, **{**arguments, "Bucket": bucket}) == REFUSED


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("list_objects_v2", {}),
        ("get_object", {"Key": KEY}),
        ("put_object", {"Key": KEY, "Body": "x"}),
        ("delete_object", {"Key": KEY}),
    ],
)
def test_nobody_without_a_name(call: Any, method: str, arguments: dict[str, Any]) -> None:
    assert call(method, anonymous=True, **arguments) == REFUSED
