# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of the identity package."""

from __future__ import annotations

from collections.abc import Iterator

import postgres
import pytest

from identity_material import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is put forward."""
    return Clock()


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URI of an empty database on a PostgreSQL that runs for these tests."""
    with postgres.running() as uri:
        yield uri
