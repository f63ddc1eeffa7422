# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An MLflow that was changed under the guards."""

from __future__ import annotations


def start(change: str) -> None:
    """Make one change, then start the application."""
    from mlflow.server import app

    if change == "renamed_view":
        app.view_functions["_assign_alias"] = app.view_functions.pop("_set_registered_model_alias")
        for rule in app.url_map.iter_rules():
            if rule.endpoint == "_set_registered_model_alias":
                rule.endpoint = "_assign_alias"
    if change == "new_view":
        app.add_url_rule(
            "/api/4.0/mlflow/registered-models/promote", "_promote_everything", lambda: "", methods=["POST"]
        )
    from mlops_identity.app import create_app

    create_app()
