# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup mlops.tracking.folder_files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: folder_files
author: mlops.tracking maintainers (@mlops-tracking)
version_added: 0.1.0
short_description: The files of a folder on the controller, with their checksums
description:
  - Lists every file below a folder, sorted by path, with the checksum of its content.
  - What Python compiled, C(__pycache__), is left out.
options:
  _terms:
    description: Folders on the controller.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: What a folder holds, in eight characters
  ansible.builtin.debug:
    msg: "{{ (lookup('mlops.tracking.folder_files', role_path ~ '/files') | to_json | hash('sha256'))[:8] }}"
"""

RETURN = r"""
_list:
  description: One list for each folder.
  type: list
  elements: list
  sample:
    - - path: pages/login.html
        checksum: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
"""

import hashlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def folder_files(folder: Path) -> list[dict[str, str]]:
    """Return the files of a folder by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    found = {path.relative_to(folder).as_posix(): path for path in files}
    return [{"path": name, "checksum": hashlib.sha256(found[name].read_bytes()).hexdigest()} for name in sorted(found)]


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[list[dict[str, str]]]:
        """Return a list for each folder."""
        self.set_options(var_options=variables, direct=kwargs)
        for term in terms:
            if not Path(term).is_dir():
                raise AnsibleLookupError(f"{term} is no folder")
        return [folder_files(Path(term)) for term in terms]
