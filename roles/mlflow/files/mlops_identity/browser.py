# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of log-in, log-out and tokens, and the browser's session."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from flask import Blueprint, Flask, Response, g, make_response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from mlops_identity import answers
from mlops_identity.config import Config
from mlops_identity.headers import from_our_pages
from mlops_identity.identity import Identity
from mlops_identity.keycloak import ClientRefused, GrantRefused, KeycloakAway
from mlops_identity.sealing import SealBroken
from mlops_identity.services import install, oidc, services
from mlops_identity.sessions import COOKIE, SECOND_COOKIE, Session, SessionEnded
from mlops_identity.targets import TOKEN_PAGE, safe_target
from mlops_identity.tokens import Claims, TokenRefused

LOG = logging.getLogger(__name__)
BLUEPRINT = "mlops_identity"
FLOW_COOKIE = "__Host-mlops-login"
FLOW_SECONDS = 600
CARRIED = "mlops_carried_session"
RENEWED = "mlops_renewed_session"

blueprint = Blueprint(BLUEPRINT, __name__, url_prefix="/oidc", template_folder="templates")


def register(app: Flask, config: Config) -> None:
    """Give the application these pages, and let it send renewed sessions to the browser."""
    install(app, config)
    app.register_blueprint(blueprint)
    app.after_request(_send_renewed_session)


# ---------------------------------------------------------------- the session of the current request


def carried_session() -> Session:
    """Return the session that the request carries, dead or alive."""
    if CARRIED not in g:
        setattr(g, CARRIED, oidc().sessions.from_cookies(request.cookies))
    session: Session = getattr(g, CARRIED)
    return session


def current_session() -> Session:
    """Return the living session of the request, or raise SessionEnded."""
    carried = carried_session()
    session = oidc().sessions.check(carried)
    if session.renewed > carried.renewed:
        setattr(g, RENEWED, session)
    return session


def form_token() -> str:
    """Return the text that the forms of this session carry, empty without a session."""
    try:
        return oidc().forms.make(carried_session().id)
    except SessionEnded:
        return ""


def _send_renewed_session(response: Response) -> Response:
    session: Session | None = g.pop(RENEWED, None)
    return response if session is None else with_session(response, session)


def with_session(response: Response, session: Session) -> Response:
    """Put a session into the browser."""
    for name, value in oidc().sessions.cookies(session).items():
        if value:
            response.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax")
        else:
            _delete_cookie(response, name)
    return response


def without_session(response: Response) -> Response:
    """Take the session out of the browser."""
    g.pop(RENEWED, None)
    for name in (COOKIE, SECOND_COOKIE):
        _delete_cookie(response, name)
    return response


def _delete_cookie(response: Response, name: str) -> None:
    if name in request.cookies:
        response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="Lax")


def sent_by_our_pages() -> bool:
    """Return whether one of our pages sent the request, as far as it can change anything."""
    site, source = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    return from_our_pages(request.method, site, source, services().config.public_origin)


def _form_is_ours() -> bool:
    """Return whether a form was sent by a page of this session."""
    if not sent_by_our_pages():
        return False
    try:
        return oidc().forms.check(carried_session().id, request.form.get("form_token", ""))
    except SessionEnded:
        return False


# ---------------------------------------------------------------- log-in


@dataclass(frozen=True)
class Flow:
    """What we asked Keycloak for, kept in a sealed cookie until the browser comes back."""

    purpose: Literal["session", "token"]
    state: str
    nonce: str
    verifier: str
    target: str
    started: float


class FlowRefused(Exception):
    """The browser came back with something else than we sent it for; the text is for the page."""


def _begin(purpose: Literal["session", "token"], target: str) -> Response:
    flow = Flow(
        purpose=purpose,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(64),
        target=target,
        started=time.time(),
    )
    url = oidc().keycloak.authorization_url(_client_of(purpose), flow.state, flow.nonce, flow.verifier)
    response = make_response(redirect(url, 303 if request.method == "POST" else 302))
    response.set_cookie(
        FLOW_COOKIE,
        oidc().flows.seal(asdict(flow)),
        max_age=FLOW_SECONDS,
        path="/",
        secure=True,
        httponly=True,
        samesite="Lax",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _client_of(purpose: str) -> str:
    config = services().config
    return config.token_client_id if purpose == "token" else config.client_id


def checked_flow(document: Any, arguments: Mapping[str, str], issuer: str, now: float) -> Flow:
    """Return the flow that the browser comes back from, or raise FlowRefused."""
    try:
        flow = Flow(**document)
    except TypeError as error:
        raise FlowRefused("expired") from error
    if not 0 <= now - flow.started <= FLOW_SECONDS:
        raise FlowRefused("expired")
    if not hmac.compare_digest(flow.state.encode(), arguments.get("state", "").encode("utf-8", "replace")):
        raise FlowRefused("foreign")
    if arguments.get("iss", issuer) != issuer:
        raise FlowRefused("foreign")
    if "error" in arguments:
        raise FlowRefused("cancelled" if arguments["error"] == "access_denied" else "failed")
    if not arguments.get("code"):
        raise FlowRefused("failed")
    return flow


def _flow() -> Flow:
    sealed = request.cookies.get(FLOW_COOKIE)
    if not sealed:
        raise FlowRefused("expired")
    try:
        document = oidc().flows.open(sealed)
    except SealBroken as error:
        raise FlowRefused("expired") from error
    arguments = request.args.to_dict()
    flow = checked_flow(document, arguments, services().config.issuer, time.time())
    if oidc().spent_states.peek(flow.state):
        raise FlowRefused("spent")
    oidc().spent_states.put(flow.state, True, FLOW_SECONDS)
    return flow


def _tokens_of(flow: Flow) -> tuple[Claims, Mapping[str, Any]]:
    client_id = _client_of(flow.purpose)
    tokens = oidc().keycloak.exchange_code(client_id, request.args["code"], flow.verifier)
    claims = oidc().verifier.access_token(str(tokens.get("access_token", "")))
    subject = oidc().verifier.id_token(str(tokens.get("id_token", "")), client_id, flow.nonce)
    if subject != claims.subject:
        raise TokenRefused("the tokens are of two users")
    return claims, tokens


@blueprint.get("/login")
def login() -> Response:
    """Send the browser to Keycloak; a page in between takes along the part of the address behind `#`."""
    target = safe_target(request.args.get("next"))
    if "go" in request.args:
        return _begin("session", target)
    return answers.page("login.html", title="Log in", target=target)


@blueprint.get("/callback")
def callback() -> Response:
    """Take what Keycloak sends back, once."""
    try:
        flow = _flow()
        response = _come_back(flow, *_tokens_of(flow))
    except FlowRefused as error:
        response = _flow_refused(str(error))
    except GrantRefused:
        response = _flow_refused("spent")
    except (TokenRefused, ClientRefused) as error:
        LOG.warning("Log-in refused: %s", error)
        response = _flow_refused("failed")
    except KeycloakAway:
        response = answers.page("message.html", 503, title="Log-in is not possible just now", problem="away")
    _delete_cookie(response, FLOW_COOKIE)
    return response


def _flow_refused(problem: str) -> Response:
    return answers.page("message.html", 400, title="Log-in did not work", problem=problem)


def _come_back(flow: Flow, claims: Claims, tokens: Mapping[str, Any]) -> Response:
    if flow.purpose == "token":
        return _token_made(claims, tokens)
    session = oidc().sessions.start(claims, tokens)
    if claims.groups:
        services().users.converge(Identity(claims.username, claims.groups, "session"))
    response = make_response(redirect(services().config.public_url + safe_target(flow.target)))
    response.headers["Cache-Control"] = "no-store"
    return with_session(response, session)


# ---------------------------------------------------------------- log-out


@blueprint.get("/logout")
def ask_logout() -> BaseResponse:
    """Ask whether to log out: a link that somebody else made must not do it."""
    try:
        session = carried_session()
    except SessionEnded:
        return answers.page("logged_out.html", title="Logged out", complete=True)
    return answers.page("logout.html", title="Log out", username=session.username, form_token=form_token())


@blueprint.post("/logout")
def logout() -> BaseResponse:
    """End the session here and at Keycloak."""
    try:
        session = carried_session()
    except SessionEnded:
        return without_session(answers.page("logged_out.html", title="Logged out", complete=True))
    if not _form_is_ours():
        return answers.page("message.html", 403, title="Not logged out", problem="form")
    oidc().sessions.end(session)
    try:
        oidc().keycloak.end_session(session.refresh_token)
        complete = True
    except (KeycloakAway, GrantRefused):
        complete = False
    return without_session(answers.page("logged_out.html", title="Logged out", complete=complete))


# ---------------------------------------------------------------- tokens for programs


def _person() -> Session | Response:
    """Return the session of somebody who may come in, or the answer to everybody else."""
    try:
        session = current_session()
    except SessionEnded:
        return make_response(redirect(f"/oidc/login?next={TOKEN_PAGE}"))
    except KeycloakAway:
        return answers.away()
    if not frozenset(session.groups) & services().config.known_groups:
        return answers.refused(session.username, form_token())
    return session


@blueprint.get("/token")
def token_page() -> Response:
    """Offer a token."""
    person = _person()
    if isinstance(person, Response):
        return person
    return answers.page("token.html", title="Token", username=person.username, form_token=form_token())


@blueprint.post("/token")
def make_token() -> Response:
    """Ask Keycloak for a token of the client whose tokens last a working day."""
    person = _person()
    if isinstance(person, Response):
        return person
    if not _form_is_ours():
        return answers.page("message.html", 403, title="No token was made", problem="form")
    return _begin("token", TOKEN_PAGE)


def _token_made(claims: Claims, tokens: Mapping[str, Any]) -> Response:
    person = _person()
    if isinstance(person, Response):
        return person
    if person.subject != claims.subject:
        raise TokenRefused("the token is another user's than the session")
    return answers.page(
        "token_made.html",
        title="Token",
        username=claims.username,
        token=str(tokens["access_token"]),
        tracking_uri=services().config.public_url,
        expires=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(claims.expires)),
        hours=round((claims.expires - time.time()) / 3600),
    )


@blueprint.get("/refused")
def refused() -> Response:
    """Say why somebody may not come in, and whom to ask."""
    try:
        return answers.refused(carried_session().username, form_token())
    except SessionEnded:
        return make_response(redirect("/oidc/login"))
