# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checkout under its collection name, for Ansible started by a test; pyproject.toml does the same for imports."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

COLLECTIONS = Path(__file__).resolve().parents[2] / ".collections"
# Set here and not in a fixture: Ansible reads it once, when a test file imports it.
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)

# Other tests have the processor at the same time.
settings.register_profile("busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
