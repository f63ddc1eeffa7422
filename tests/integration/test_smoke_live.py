# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smoke test against a running platform."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowClient
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_smoke import CLEAN_UP, WORK, SmokeTest

if t.TYPE_CHECKING:
    from conftest import Platform


def search(client: MlflowClient, name: str, view: str) -> list[str]:
    body = {"filter": f"name = '{name}'", "view_type": view, "max_results": 10}
    found = client.request("POST", "/api/2.0/mlflow/experiments/search", json=body).json
    return [item["name"] for item in found.get("experiments", [])]


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_every_step_passes_and_nothing_active_is_left(platform: Platform, mark: str, size: int) -> None:
    client = platform.client()
    name = f"smoke-{mark}-{size}"
    steps = SmokeTest(client, name, os.urandom(size)).run()
    assert [(step.name, step.detail) for step in steps if not step.ok] == []
    assert tuple(step.name for step in steps) == WORK + CLEAN_UP
    assert search(client, name, "ACTIVE_ONLY") == []
    assert search(client, name, "DELETED_ONLY") == [name]


def test_a_wrong_password_is_the_first_and_only_failure(platform: Platform) -> None:
    steps = SmokeTest(platform.client(password="wrong"), "smoke-refused", b"x").run()
    assert [step.ok for step in steps] == [False]
    assert "HTTP 401" in steps[0].detail


def test_clients_are_not_sent_to_the_object_store(platform: Platform) -> None:
    found = platform.client().request("GET", "/api/3.0/mlflow/server-info").json
    assert (found["multipart_downloads_enabled"], found["multipart_uploads_enabled"]) == (False, False)
