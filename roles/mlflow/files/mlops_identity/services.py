# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the application of one process works with, made once from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, current_app

from mlops_identity.config import Config, load
from mlops_identity.introspection import BearerTokens
from mlops_identity.keycloak import Keycloak
from mlops_identity.memory import Memory
from mlops_identity.sealing import FormTokens, Sealer
from mlops_identity.sessions import Sessions
from mlops_identity.tokens import Verifier
from mlops_identity.users import AuthStore, Users

EXTENSION = "mlops_identity"


@dataclass(frozen=True)
class OpenIdConnect:
    """What mode oidc needs."""

    keycloak: Keycloak
    verifier: Verifier
    tokens: BearerTokens
    sessions: Sessions
    flows: Sealer
    forms: FormTokens
    spent_states: Memory[str, bool]


@dataclass(frozen=True)
class Services:
    """What both modes need; `oidc` is None in mode basic."""

    config: Config
    users: Users
    oidc: OpenIdConnect | None


def _auth_store() -> AuthStore:
    from mlflow.server import auth

    return cast(AuthStore, auth.store)


def make_oidc(config: Config) -> OpenIdConnect:
    """Return what mode oidc needs. Nothing is asked of Keycloak before the first request that needs it."""
    keycloak = Keycloak(config)
    verifier = Verifier(config, keycloak.keys)
    return OpenIdConnect(
        keycloak=keycloak,
        verifier=verifier,
        tokens=BearerTokens(config, verifier.access_token, keycloak.introspect),
        sessions=Sessions(config, keycloak.refresh, verifier.access_token),
        flows=Sealer(config.session_key, "log-in"),
        forms=FormTokens(config.session_key),
        spent_states=Memory(),
    )


def make(config: Config) -> Services:
    """Return the services for a configuration."""
    return Services(config, Users(config, _auth_store), make_oidc(config) if config.mode == "oidc" else None)


def install(app: Flask, config: Config) -> Services:
    """Give the application its services."""
    made = make(config)
    app.extensions[EXTENSION] = made
    return made


def services() -> Services:
    """Return the services of the current application."""
    extensions: dict[str, Any] = current_app.extensions
    if EXTENSION not in extensions:
        return install(cast(Any, current_app)._get_current_object(), load())
    return cast(Services, extensions[EXTENSION])


def oidc() -> OpenIdConnect:
    """Return what mode oidc needs."""
    made = services().oidc
    if made is None:
        raise RuntimeError("there is no Keycloak in mode basic")
    return made
