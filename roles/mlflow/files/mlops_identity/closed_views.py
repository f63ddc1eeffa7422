# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of MLflow's auth app that have no meaning when Keycloak says who is who: nobody may use them in mode oidc.

Passwords are Keycloak's, and the administrator's flag follows the groups, so that a change would not last.
"""

from __future__ import annotations

from mlflow.server.auth import routes

CLOSED_RULES: frozenset[str] = frozenset(
    {
        routes.SIGNUP,
        routes.CREATE_USER_UI,
        routes.UPDATE_USER_PASSWORD,
        routes.AJAX_UPDATE_USER_PASSWORD,
        routes.UPDATE_USER_ADMIN,
        routes.AJAX_UPDATE_USER_ADMIN,
    }
)
CLOSED_MESSAGE = "Users, passwords and administrators are managed in Keycloak."
