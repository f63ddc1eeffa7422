# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One way to run a module's main() in a test."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

import pytest
from ansible.module_utils.testing import patch_module_args

RunModule = Callable[..., dict[str, t.Any]]


@pytest.fixture(name="run_module")
def fixture_run_module(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Call with main, its options, and check=True for check mode; returns what the module prints."""

    def run(main: Callable[[], None], options: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
        internal = {"_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        with patch_module_args({**options, **internal}), pytest.raises(SystemExit):
            main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        return result

    return run
