# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest of a model's files, which the gates of a promotion compare with the one of the day it was registered.

It is what a shell gives as well, in the model's folder:

    find . -type f ! -name registered_model_meta -printf '%P\\n' | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum
"""

from __future__ import annotations

import hashlib
from pathlib import Path

# MLflow's client writes it beside what it fetched.
NOT_IN_THE_STORE = "registered_model_meta"


def folder_digest(folder: str | Path) -> str:
    """Return the SHA-256 over the lines of all files' SHA-256, sorted by path."""
    root = Path(folder)
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n"
        for name in sorted(names)
        if Path(name).name != NOT_IN_THE_STORE
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
