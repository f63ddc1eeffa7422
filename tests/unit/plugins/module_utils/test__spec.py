# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._spec import (
    check,
    is_secret,
    nearest,
    options_of,
    show,
    unknown_variables,
)

INT = {"type": "int"}
BUCKETS = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str", "required": True, "description": "Name of the bucket."},
        "quota_bytes": {"type": "int"},
        "secret_key": {"type": "str"},
    },
}
PAIR = {
    "type": "dict",
    "options": {"cert": {"type": "path"}, "private_key": {"type": "str"}},
    "required_together": [["cert", "private_key"]],
}

TEST_CHECK: list[tuple[str, t.Any, dict[str, t.Any], list[str]]] = [
    ("x", "text", {"type": "str"}, []),
    ("x", 17, {"type": "str"}, []),
    ("x", True, {"type": "str"}, ["x: write a string."]),
    ("x", {"a": 1}, {"type": "path"}, ["x: write a path."]),
    ("x", "12", INT, []),
    ("x", "12.5", INT, ["x: write a whole number."]),
    ("x", True, INT, ["x: write a whole number."]),
    ("x", "1.5", {"type": "float"}, []),
    ("x", "yes", {"type": "bool"}, []),
    ("x", "maybe", {"type": "bool"}, ["x: write true or false."]),
    ("x", "a,b", {"type": "list", "elements": "str"}, ["x: write a list."]),
    ("x", [1, "b"], {"type": "list", "elements": "int"}, ["x[1]: write a whole number."]),
    ("x", "a", {"type": "dict"}, ["x: write a mapping."]),
    ("x", "raw", {"type": "raw"}, []),
    ("x", None, {"type": "str"}, []),
    ("x", None, {"type": "str", "default": "a"}, ["x: remove the line, or give it a value."]),
    ("x", "tsl", {"choices": ["tls", "unix"]}, ["x: choose one of: tls, unix (did you mean tls?)."]),
    ("x", ["b"], {"type": "list", "choices": ["a"]}, ["x: choose one of: a."]),
    ("x_port", 0, INT, ["x_port: write a port from 1 to 65535."]),
    ("x_port", "65536", INT, ["x_port: write a port from 1 to 65535."]),
    ("x_port", 443, INT, []),
    ("b", [{"name": "a"}], BUCKETS, []),
    ("b", [{"quota_bytes": 1}], BUCKETS, ["b[0].name: add it: Name of the bucket."]),
    ("b", [{"name": "a", "quota": 1}], BUCKETS, ["b[0].quota: did you mean quota_bytes?"]),
    ("b", [{"name": "a", "zzz": 1}], BUCKETS, ["b[0].zzz: known are: name, quota_bytes, secret_key."]),
    ("b", [{"name": "a", "quota_bytes": "x"}], BUCKETS, ["b[0].quota_bytes: write a whole number."]),
    ("p", {"cert": "/a"}, PAIR, ["p: compare it with the README of the role."]),
    ("p", {"cert": "/a", "private_key": "k"}, PAIR, []),
]


@pytest.mark.parametrize(("name", "value", "option", "expected"), TEST_CHECK)
def test_check(name: str, value: t.Any, option: dict[str, t.Any], expected: list[str]) -> None:
    assert [f"{item.variable}: {item.remedy}" for item in check(name, value, option)] == expected


TEST_SECRETS: list[tuple[str, bool]] = [
    ("platform_minio_root_password", True),
    ("platform_minio_user_secret_key", True),
    ("platform_ca_private_key", True),
    ("minio_users[0].secret_key", True),
    ("api_tokens[2]", True),
    ("platform_secrets_file", False),
    ("pki_public_key_file", False),
    ("minio_kms_key_name", False),
    ("platform_domain", False),
]


@pytest.mark.parametrize(("name", "expected"), TEST_SECRETS)
def test_secrets_are_known_by_name(name: str, expected: bool) -> None:
    assert is_secret(name) is expected


def test_no_log_decides_before_the_name() -> None:
    assert is_secret("platform_domain", {"no_log": True})
    assert not is_secret("x_password", {"no_log": False})


@given(value=st.text(min_size=1) | st.lists(st.text(min_size=4)) | st.dictionaries(st.text(), st.text()))
def test_a_secret_is_never_shown(value: t.Any) -> None:
    for kind in ("str", "int", "list", "dict", "bool"):
        for problem in check("x_password", value, {"type": kind, "elements": "int"}):
            assert problem.problem in ("is not of the right type.",)


def test_a_uri_with_a_password_is_not_shown() -> None:
    assert "hunter2" not in show("mlflow_backend_store_uri", "mysql://mlflow:hunter2@db/mlflow")
    assert "BEGIN" not in show("x", "-----BEGIN PRIVATE KEY-----")
    assert len(show("x", "a" * 5000)) < 100


def test_unknown_variables_are_those_with_the_prefix_of_a_role() -> None:
    roles: dict[str, dict[str, t.Any]] = {"mlflow": {"mlflow_workers": {}}, "nginx_tls": {"nginx_tls_http": {}}}
    names = ["mlflow_workers", "mlflow_worker", "nginx_tls_htp", "nginx_worker", "mlflow_qqqqqqqqqqqq", "mine"]
    found = {item.variable: item.remedy for item in unknown_variables(names, roles)}
    assert found == {
        "mlflow_worker": "did you mean mlflow_workers?",
        "nginx_tls_htp": "did you mean nginx_tls_http?",
        "mlflow_qqqqqqqqqqqq": "remove it, or rename it if it is your own.",
    }


@given(st.text(min_size=1))
def test_nearest_finds_the_name_itself(name: str) -> None:
    assert nearest(name, [name, "something_else_altogether"]) == name


def test_options_of_all_entry_points() -> None:
    specs = {"main": {"options": {"a_b": INT}}, "remove": {"options": {"a_c": INT}}, "bare": None}
    assert set(options_of(specs)) == {"a_b", "a_c"}
