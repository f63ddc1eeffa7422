# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest of a model's files, in three ways that must agree, and the helper's answers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_model_check as check

EXAMPLE = Path(__file__).parents[4] / "examples" / "digest.py"
SHELL = (
    "find . -type f ! -name registered_model_meta -printf '%P\\n' | LC_ALL=C sort"
    " | xargs -d '\\n' sha256sum | sha256sum | cut -d ' ' -f 1"
)


@pytest.fixture(name="model")
def fixture_model(tmp_path: Path) -> Path:
    for name, content in {"MLmodel": "a", "data/b c.bin": "b", "data/é": "c", "a.txt": "", "Z/1": "z"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    (tmp_path / "registered_model_meta").write_text("written by the client")
    return tmp_path


def example_digest(folder: Path) -> str:
    spec = importlib.util.spec_from_file_location("digest", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.folder_digest(folder))


def test_example_shell_and_gate_agree(model: Path) -> None:
    shell = subprocess.run(["bash", "-c", SHELL], cwd=model, capture_output=True, text=True, check=True)
    found = check.folder_digest(check.file_digests(model))
    assert found == example_digest(model) == shell.stdout.strip()


@pytest.mark.parametrize("change", ["content", "name", "new", "gone"])
def test_every_change_shows(model: Path, change: str) -> None:
    before = check.folder_digest(check.file_digests(model))
    if change == "content":
        (model / "Z/1").write_text("y")
    elif change == "name":
        (model / "Z/1").rename(model / "Z/2")
    elif change == "new":
        (model / "Z/3").write_text("")
    else:
        (model / "a.txt").unlink()
    assert check.folder_digest(check.file_digests(model)) != before


def test_what_the_client_writes_is_left_out(model: Path) -> None:
    before = check.file_digests(model)
    (model / "registered_model_meta").unlink()
    assert check.file_digests(model) == before


def test_a_failure_is_an_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: str) -> dict[str, t.Any]:
        print("noise")
        raise ValueError("first line\nsecond line")

    monkeypatch.setitem(check.ACTIONS, "download", fail)
    assert check.main(["download", "uri", "folder"]) == {"error": "ValueError: first line"}
    assert capsys.readouterr().out == ""


def test_the_answer_stands_alone_on_standard_output() -> None:
    """As the module runs it: on standard input, in a Python that has no MLflow."""
    text = Path(check.__file__).read_text()
    command = [sys.executable, "-I", "-S", "-", "download", "models:/a/1", "/nowhere"]
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert "No module named 'mlflow'" in json.loads(ended.stdout)["error"]


def test_limits_are_in_force() -> None:
    code = (
        "import sys, resource; sys.argv = ['x', 'none'];"
        f"exec(open({check.__file__!r}).read().partition('if __name__')[0]);"
        "limit(7, 512); print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_AS)[0])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["7", str(512 << 20)]
