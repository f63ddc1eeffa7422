# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proven identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["token", "session", "basic"]


@dataclass(frozen=True)
class Identity:
    """Who sent a request, the groups that mean something here, and how that was proven."""

    username: str
    groups: frozenset[str]
    how: How
