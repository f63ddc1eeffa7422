# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same application with MLflow's own stores behind the rights."""

from __future__ import annotations

from typing import Any

from mlops_identity import app, rights


def create_app() -> Any:
    """Return the application without remembered rights."""
    rights.install = lambda *arguments: None
    return app.create_app()


def print_routes() -> None:
    """Print a method and a rule in each line."""
    for rule in create_app().url_map.iter_rules():
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            print(method, rule.rule)
