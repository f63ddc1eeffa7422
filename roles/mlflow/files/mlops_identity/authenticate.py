# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sent the current request."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from flask import Response, current_app, g, make_response, redirect, request

from mlops_identity import answers, browser
from mlops_identity.config import Config
from mlops_identity.headers import GATEWAY, GATEWAY_HEADER, bearer_token
from mlops_identity.identity import Identity
from mlops_identity.keycloak import KeycloakAway
from mlops_identity.services import Services, oidc, services
from mlops_identity.sessions import SessionEnded
from mlops_identity.tokens import TokenRefused

REMEMBERED = "mlops_identity"


def _take_gateway_header() -> None:
    given = request.headers.get(GATEWAY_HEADER)
    if given and request.path.startswith(GATEWAY):
        request.environ["HTTP_AUTHORIZATION"] = given


def authenticate() -> Identity | Response:
    """Return who sent the current request, or the answer to it. Asked again, it says the same."""
    if REMEMBERED not in g:
        _take_gateway_header()
        setattr(g, REMEMBERED, _authenticate(services()))
    return cast("Identity | Response", getattr(g, REMEMBERED))


def _authenticate(at_hand: Services) -> Identity | Response:
    if at_hand.oidc is None:
        return _by_password(at_hand)
    if request.blueprint == browser.BLUEPRINT:
        return make_response(current_app.dispatch_request())
    try:
        identity = _by_token() if "Authorization" in request.headers else _by_session(at_hand.config)
    except KeycloakAway:
        return answers.away()
    return identity if isinstance(identity, Response) else _admitted(at_hand, identity)


def _admitted(at_hand: Services, identity: Identity) -> Identity | Response:
    if not identity.groups:
        return answers.refused(identity.username, browser.form_token())
    at_hand.users.converge(identity)
    return identity


def _by_token() -> Identity | Response:
    token = bearer_token(request.headers["Authorization"])
    if token is None:
        return answers.unauthenticated("the Authorization header holds no bearer token", invalid_token=False)
    try:
        claims = oidc().tokens.claims(token)
    except TokenRefused as error:
        return answers.unauthenticated(str(error), invalid_token=True)
    return Identity(claims.username, claims.groups, "token")


def _by_session(config: Config) -> Identity | Response:
    try:
        session = browser.current_session()
    except SessionEnded:
        return _log_in()
    if not browser.sent_by_our_pages():
        return answers.error(403, "PERMISSION_DENIED", "The request was not sent by a page of this site.")
    return Identity(session.username, frozenset(session.groups) & config.known_groups, "session")


def _log_in() -> Response:
    if request.method != "GET" or not answers.wants_page():
        return answers.unauthenticated("there is no token and no session", invalid_token=False)
    target = request.full_path if request.query_string else request.path
    response = make_response(redirect(f"/oidc/login?next={quote(target, safe='/')}"))
    response.headers["Cache-Control"] = "no-store"
    return browser.without_session(response)


def _by_password(at_hand: Services) -> Identity | Response:
    from mlflow.server import auth

    given = request.authorization
    if given is not None and (given.type != "basic" or given.password is None):
        return cast(Response, auth.make_basic_auth_response())
    proven = auth.authenticate_request_basic_auth()
    if isinstance(proven, Response):
        return proven
    username = str(proven.username)
    return Identity(username, at_hand.users.groups_by_roles(username), "basic")
