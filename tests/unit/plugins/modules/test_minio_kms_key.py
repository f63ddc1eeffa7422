# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils._kms_keys import kms_fingerprint
from ansible_collections.mlops.tracking.plugins.modules import minio_kms_key as module

OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(1, 33))).decode()
PRINT = {text: kms_fingerprint("k", text) for text in (OLD, NEW)}


@pytest.fixture(name="params")
def module_parameters(tmp_path: Path) -> dict[str, Any]:
    paths = {"directory": str(tmp_path / "minio" / "kms-keys"), "settings_file": str(tmp_path / "settings")}
    return {"name": "k", "key": OLD, "replaces": "", "copied": False, "drives": ["/srv/minio"], **paths}


def settings(params: dict[str, Any], key: str) -> None:
    Path(params["settings_file"]).write_text(f'MINIO_VOLUMES="/srv/minio"\nMINIO_KMS_SECRET_KEY="k:{key}"\n')


def kept(params: dict[str, Any]) -> dict[str, str]:
    directory = Path(params["directory"])
    return (
        {path.name: path.read_text() for path in directory.iterdir() if path.suffix != ".json"}
        if directory.exists()
        else {}
    )


def test_a_new_host_keeps_its_key_before_there_are_settings(params: dict[str, Any]) -> None:
    assert module.run(params, check_mode=True)["changed"]
    assert kept(params) == {}
    assert module.run(params, check_mode=False)["changed"]
    assert kept(params) == {PRINT[OLD]: f"k:{OLD}\n"}
    directory = Path(params["directory"])
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / PRINT[OLD]).stat().st_mode & 0o777 == 0o600
    assert not module.run(params, check_mode=False)["changed"]


def test_a_host_of_an_older_version_keeps_the_key_of_its_settings(params: dict[str, Any]) -> None:
    settings(params, OLD)
    on_purpose = {**params, "key": NEW, "replaces": PRINT[OLD]}
    assert "other, empty folders" in module.run(on_purpose, check_mode=False)["msg"]
    result = module.run({**on_purpose, "drives": ["/srv/other"]}, check_mode=False)
    assert kept(params) == {PRINT[OLD]: f"k:{OLD}\n", PRINT[NEW]: f"k:{NEW}\n"}
    assert result["in_force"] == PRINT[OLD]
    assert OLD not in str(result)
    assert NEW not in str(result)


def test_the_folders_of_a_replaced_key_are_noted_until_all_is_copied(params: dict[str, Any]) -> None:
    settings(params, OLD)
    wanted = {**params, "key": NEW, "replaces": PRINT[OLD], "drives": ["/srv/other"]}
    assert module.run(wanted, check_mode=True)["copy_from"] == ["/srv/minio"]
    assert module.run(wanted, check_mode=False)["copy_from"] == ["/srv/minio"]
    # The settings are overwritten now; an interrupted run goes on.
    Path(params["settings_file"]).write_text(f'MINIO_VOLUMES="/srv/other"\nMINIO_KMS_SECRET_KEY="k:{NEW}"\n')
    again = module.run(wanted, check_mode=False)
    assert (again["changed"], again["copy_from"]) == (False, ["/srv/minio"])
    done = module.run({**wanted, "copied": True}, check_mode=False)
    assert (done["changed"], done["copy_from"]) == (True, [])
    for copied in (True, False):
        assert not module.run({**wanted, "copied": copied}, check_mode=False)["changed"]
    # Back to the old folders: nothing is copied there.
    back = {**params, "replaces": PRINT[NEW]}
    assert module.run(back, check_mode=False)["copy_from"] == []


@pytest.mark.parametrize("has_settings", [True, False])
@pytest.mark.parametrize("check_mode", [True, False])
def test_another_key_is_refused_and_nothing_changes(
    params: dict[str, Any], has_settings: bool, check_mode: bool
) -> None:
    if has_settings:
        settings(params, OLD)
    else:
        module.run(params, check_mode=False)
    before = kept(params)
    message = module.run({**params, "key": NEW}, check_mode)["msg"]
    assert PRINT[OLD] in message
    assert PRINT[NEW] in message
    assert "minio_kms_replaces" in message
    assert OLD not in message
    assert kept(params) == before


def test_a_key_that_is_none(params: dict[str, Any]) -> None:
    assert "base64" in module.run({**params, "key": "x"}, check_mode=False)["msg"]
