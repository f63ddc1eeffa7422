# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the lab's hosts run Ansible's modules in two thirds of the time: Python keeps what it compiles of them.

Ansible sends every module as an archive of sources, and Python compiles a package from its __pycache__ but an archive
anew for each task. The hosts share one folder of compiled sources, named by what was compiled.
"""

import marshal
import os
import sys
import zipimport
from contextlib import suppress
from types import CodeType

FOLDER = f"/var/cache/lab-bytecode/{sys.implementation.cache_tag}"
compile_source = zipimport._compile_source  # type: ignore[attr-defined]


def kept(path: str, source: bytes) -> CodeType:
    """Return the code of a source of an archive, compiled now or before."""
    from hashlib import sha256

    file = f"{FOLDER}/{sha256(source).hexdigest()}"
    with suppress(OSError, EOFError, ValueError), open(file, "rb") as stored:
        return marshal.load(stored)  # type: ignore[no-any-return]
    compiled: CodeType = compile_source(path, source)
    # Modules that run as another user may read the folder only.
    with suppress(OSError):
        os.makedirs(FOLDER, exist_ok=True)
        with open(f"{file}.{os.uname().nodename}.{os.getpid()}", "wb") as new:
            marshal.dump(compiled, new)
        os.replace(new.name, file)
    return compiled


zipimport._compile_source = kept  # type: ignore[attr-defined]
