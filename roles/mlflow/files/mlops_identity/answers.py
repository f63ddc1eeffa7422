# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to those who are not let through: pages for people, MLflow's error shape for programs."""

from __future__ import annotations

import json
import secrets
from typing import Any

from flask import Response, make_response, render_template, request

from mlops_identity.config import origin
from mlops_identity.headers import wants_page as headers_say_page
from mlops_identity.services import services

# Keycloak's own words for what is wrong stay in its log; a client needs to know what to do.
TOKEN_ADVICE = (
    "Set MLFLOW_TRACKING_TOKEN to a token of the page {page}, or of a service account. User names and passwords are "
    "not accepted."
)


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error in the shape that MLflow's clients read."""
    body = json.dumps({"error_code": code, "message": message})
    response = Response(body, status=status, mimetype="application/json", headers=headers)
    response.headers["Cache-Control"] = "no-store"
    return response


def unauthenticated(reason: str, *, invalid_token: bool) -> Response:
    """Return 401 with the challenge that a client of tokens understands."""
    challenge = 'Bearer realm="mlflow"'
    if invalid_token:
        challenge += f', error="invalid_token", error_description="{reason}"'
    advice = TOKEN_ADVICE.format(page=f"{services().config.public_url}/oidc/token")
    message = f"You are not logged in: {reason}. {advice}"
    return error(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": challenge})


def away() -> Response:
    """Return 503: who this is cannot be told now. Clients try again by themselves."""
    if wants_page():
        return page("message.html", 503, title="Log-in is not possible just now", problem="away")
    message = "Keycloak gives no answer, and this token was not seen before. Try again in a few seconds."
    return error(503, "TEMPORARILY_UNAVAILABLE", message, {"Retry-After": "5"})


def refused(username: str, form_token: str) -> Response:
    """Return 403: known, but with no right to come in."""
    config = services().config
    if wants_page():
        return page("refused.html", 403, title="No access", username=username, form_token=form_token)
    message = f"{username} is in no group that may use {config.platform_name}. {config.contact}"
    return error(403, "PERMISSION_DENIED", message)


def wants_page() -> bool:
    """Return whether a person looks at the answer to the current request as a page."""
    headers = request.headers
    return headers_say_page(request.method, headers.get("Accept", ""), headers.get("Sec-Fetch-Mode"))


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return one of our pages. It loads nothing, sends forms to us and Keycloak only, and is never kept."""
    config = services().config
    nonce = secrets.token_urlsafe(16)
    text = render_template(
        f"mlops_identity/{template}",
        platform_name=config.platform_name,
        contact=config.contact,
        style_nonce=nonce,
        **values,
    )
    response = make_response(text, status)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        f"form-action 'self' {origin(config.issuer)}; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    # Not `no-referrer`: a browser would then hide its origin from us when a form is sent.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
