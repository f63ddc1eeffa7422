# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of the same name and adds how far the host's clock is ahead."""

from __future__ import annotations

import time
import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The controller's clock is read on both sides of the call, so delay is no skew."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        before = time.time()
        result: dict[str, t.Any] = self._execute_module(task_vars=task_vars)
        after = time.time()
        if "time" in result:
            result["clock_lead"] = [result["time"] - after, result["time"] - before]
        return result
