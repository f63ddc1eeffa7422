# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the Python that runs Ansible, and by the module of the same name at the one that runs modules here."""

from __future__ import annotations

import importlib
import json
import typing as t
from collections.abc import Iterable
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version

from ansible_collections.mlops.tracking.plugins.module_utils import _controller as rules
from ansible_collections.mlops.tracking.plugins.module_utils._preflight import count, render


class ActionModule(ActionBase):
    """Judges the controller."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        own = rules.look_at_python(rules.PACKAGES)
        there: dict[str, t.Any] = self._execute_module(task_vars=task_vars)
        modules = t.cast(rules.Python, there) if "packages" in there else reason(there)
        problems = rules.find_problems(core_version, installed_collections(rules.COLLECTIONS), own, modules)
        if problems:
            # A failed task's message is printed twice, and by default on one line.
            self._display.display(render(problems, []), color=C.COLOR_ERROR)
            raise AnsibleActionFail(f"Preflight found {count(problems)}, listed above; no host was changed.")
        return there


def reason(result: dict[str, t.Any]) -> str:
    """Why a module failed, on one line."""
    text = str(result.get("module_stderr") or result.get("msg") or "no reason given").strip()
    return text.splitlines()[-1][:300] if text else "no reason given"


def installed_collections(names: Iterable[str]) -> dict[str, str | None]:
    """The versions of collections: None for one that is not there, empty for one that does not tell."""
    found: dict[str, str | None] = {}
    for name in names:
        try:
            package = importlib.import_module(f"ansible_collections.{name}")
        except ImportError:
            found[name] = None
        else:
            found[name] = _version_in(Path(next(iter(package.__path__)), "MANIFEST.json"))
    return found


def _version_in(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
    except (OSError, ValueError, KeyError):
        return ""
