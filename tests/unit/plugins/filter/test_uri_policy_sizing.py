# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as Ansible calls them; their logic is tested beside their module_utils."""

from __future__ import annotations

import importlib
import inspect
import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from jinja2.nativetypes import NativeEnvironment

FILTERS = (
    "bucket_policy",
    "iam_policy",
    "jdbc_uri",
    "pool_plan",
    "postgres_tuning",
    "postgres_uri",
    "sqlalchemy_uri",
)
DATABASE = {"hosts": ["db"], "user": "mlflow", "password": "s3cret@", "database": "mlflow"}
LOCATION = {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": ["arn:aws:s3:::data"]}


def plugin(name: str) -> Any:
    return importlib.import_module(f"ansible_collections.mlops.tracking.plugins.filter.{name}")


def render(expression: str, **variables: Any) -> Any:
    environment = NativeEnvironment()
    environment.filters["to_json"] = json.dumps
    for name in FILTERS:
        for function_name, function in plugin(name).FilterModule().filters().items():
            environment.filters[f"mlops.tracking.{function_name}"] = function
    return environment.from_string(expression).render(**variables)


TEST_EXPRESSIONS: list[tuple[str, dict[str, Any], Any]] = [
    (
        "{{ db | mlops.tracking.postgres_uri(keepalive=false) }}",
        {"db": DATABASE},
        "postgresql://mlflow:s3cret%40@db:5432/mlflow",
    ),
    (
        "{{ db | mlops.tracking.sqlalchemy_uri(driver='mysql+pymysql', keepalive=false) }}",
        {"db": DATABASE},
        "mysql+pymysql://mlflow:s3cret%40@db:3306/mlflow",
    ),
    (
        "{{ db | mlops.tracking.jdbc_uri(keepalive=false) }}",
        {"db": DATABASE},
        "jdbc:postgresql://db:5432/mlflow",
    ),
    (
        "{{ ({'bucket': 'data', 'access': 'write'} | mlops.tracking.bucket_policy).Statement | first }}",
        {},
        {**LOCATION, "Principal": {"AWS": ["*"]}},
    ),
    (
        "{{ ([{'bucket': name, 'access': 'read'}] | mlops.tracking.iam_policy).Statement | first }}",
        {"name": "data"},
        LOCATION,
    ),
    (
        "{{ 2 | mlops.tracking.pool_plan(4096, hosts=2) }}",
        {},
        {
            "rest": {"workers": 2, "threads": 6, "pool_size": 12, "max_overflow": 1},
            "asgi": {"workers": 2, "threads": 8, "pool_size": 16, "max_overflow": 1},
            "connections_per_host": 180,
            "connections_total": 360,
        },
    ),
    (
        "{{ (memory | mlops.tracking.postgres_tuning(cores=4, max_connections=400)).shared_buffers }}",
        {"memory": 8192},
        "2048MB",
    ),
]


@pytest.mark.parametrize(("expression", "variables", "expected"), TEST_EXPRESSIONS)
def test_filter(expression: str, variables: dict[str, Any], expected: Any) -> None:
    assert render(expression, **variables) == expected


TEST_ERRORS: list[tuple[str, tuple[Any, ...], str]] = [
    ("bucket_policy", ({"bucket": "Data"},), r"^mlops\.tracking\.bucket_policy: bucket: 'Data' is not a bucket name"),
    ("iam_policy", ([],), r"^mlops\.tracking\.iam_policy: the grants are empty"),
    ("jdbc_uri", ({**DATABASE, "hosts": []},), r"^mlops\.tracking\.jdbc_uri: hosts: is empty"),
    ("pool_plan", (2, 4096, 9, 50), r"^mlops\.tracking\.pool_plan: platform_max_connections: 50 is too few"),
    ("postgres_tuning", (2048, 1, 2000), r"^mlops\.tracking\.postgres_tuning: max_connections: 2000 would leave"),
    ("postgres_uri", ({**DATABASE, "user": ""},), r"^mlops\.tracking\.postgres_uri: user: is missing"),
    ("sqlalchemy_uri", (DATABASE, "postgresql"), r"^mlops\.tracking\.sqlalchemy_uri: driver: 'postgresql' is not"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), TEST_ERRORS)
def test_error(name: str, arguments: tuple[Any, ...], message: str) -> None:
    function = plugin(name).FilterModule().filters()[name]
    with pytest.raises(AnsibleFilterError, match=message) as caught:
        function(*arguments)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", FILTERS)
def test_every_example_gives_a_value(name: str) -> None:
    tasks = yaml.safe_load(plugin(name).EXAMPLES)
    assert len(tasks) >= 2
    for task in tasks:
        assert render(task["ansible.builtin.debug"]["msg"])


@pytest.mark.parametrize("name", FILTERS)
def test_the_documentation_names_every_argument(name: str) -> None:
    function = plugin(name).FilterModule().filters()[name]
    documented = yaml.safe_load(plugin(name).DOCUMENTATION)["options"]
    _input, *keywords = inspect.signature(function).parameters.values()
    assert list(documented) == ["_input", *(keyword.name for keyword in keywords)]
    for keyword in keywords:
        default = None if keyword.default is keyword.empty else keyword.default
        assert documented[keyword.name].get("default") == default
