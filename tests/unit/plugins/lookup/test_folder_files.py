# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup mlops.tracking.folder_files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.mlops.tracking.plugins.lookup.folder_files import LookupModule, folder_files


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_files_are_sorted_and_have_checksums(tmp_path: Path) -> None:
    files = folder_files(tree(tmp_path, {"b.py": "b", "a/c.html": "c"}))
    assert [file["path"] for file in files] == ["a/c.html", "b.py"]
    assert files[1]["checksum"] == hashlib.sha256(b"b").hexdigest()


def test_what_python_compiled_does_not_count(tmp_path: Path) -> None:
    before = folder_files(tree(tmp_path, {"a.py": "a"}))
    assert folder_files(tree(tmp_path, {"__pycache__/a.pyc": "x", "d/__pycache__/b.pyc": "y"})) == before


@pytest.mark.parametrize("files", [{"a.py": "changed"}, {"b.py": "a"}, {"a.py": "a", "c.py": ""}])
def test_any_change_changes_the_list(tmp_path: Path, files: dict[str, str]) -> None:
    before = folder_files(tree(tmp_path / "before", {"a.py": "a"}))
    assert folder_files(tree(tmp_path / "after", files)) != before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    lookup = LookupModule()
    assert lookup.run([str(tree(tmp_path, {"a": ""}))], {})[0][0]["path"] == "a"
    with pytest.raises(AnsibleLookupError, match="nowhere is no folder"):
        lookup.run([str(tmp_path / "nowhere")], {})
