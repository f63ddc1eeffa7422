# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's authorization function: who is it, and is there anything that nobody but governance may do."""

from __future__ import annotations

import importlib
import os
from typing import Any, cast

from flask import Response, current_app, g, request
from starlette.routing import Match
from werkzeug.datastructures import Authorization

from mlops_identity import answers, audit, browser, guard
from mlops_identity.answered import unusable
from mlops_identity.audit import Trail
from mlops_identity.authenticate import authenticate
from mlops_identity.content import Registered, UnreadablePath, is_foreign
from mlops_identity.databases import Databases
from mlops_identity.guard import Asked
from mlops_identity.identity import Identity
from mlops_identity.services import services
from mlops_identity.touches import Touches
from mlops_identity.views import NATIVE_ROUTERS, PUBLIC

DECIDED = "mlops_identity_decision"
TOUCHES = "mlops_identity_touches"
DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# What stands before the path in the artifact store.
ANCHOR = "/mlflow-artifacts/artifacts/"


def authorize() -> Authorization | Response:
    """Return the user for MLflow's own rights, or why the request ends here. Asked again, it says the same."""
    if DECIDED not in g:
        setattr(g, DECIDED, _decide())
    return cast("Authorization | Response", getattr(g, DECIDED))


def refuse_early() -> Response | None:
    """Ask before MLflow does, for the view that Flask found: MLflow asks for what the text of the path looks like."""
    trail = current_trail()
    trail.operation = request.endpoint or ""
    trail.learn(_names())
    if request.environ.get("SCRIPT_NAME"):
        trail.refused = True
        return answers.error(400, "BAD_REQUEST", guard.PREFIX_MESSAGE)
    if request.url_rule is None or request.endpoint in PUBLIC:
        return None
    answer = authorize()
    return answer if isinstance(answer, Response) else unusable()


def learn_from_answer(response: Response) -> Response:
    """Note the names that a create call made."""
    creates = "_create_" in (request.endpoint or "")
    if creates and response.status_code < 400 and response.is_json:
        current_trail().learn(audit.names_in_answer(response.get_json(silent=True), request.endpoint or ""))
    return response


def current_trail() -> Trail:
    """Return what the audit knows of the current request."""
    trail: Trail | None = request.environ.get(audit.ENVIRON_KEY)
    return audit.ASGI_TRAIL.get() if trail is None else trail


def _decide() -> Authorization | Response:
    trail = current_trail()
    native_path = _native_path()
    asked = _asked(native_path)
    trail.operation = asked.view or ""
    identity = authenticate()
    if isinstance(identity, Response):
        # Being sent to the log-in is a refusal, too; the pages of the log-in speak for themselves.
        trail.refused = request.blueprint != browser.BLUEPRINT and identity.status_code < 500
        return identity
    trail.user, trail.how, trail.groups = identity.username, identity.how, ",".join(sorted(identity.groups))
    reason = _reason(identity, asked, native_path)
    if reason is not None:
        trail.refused = True
        return answers.error(403, "PERMISSION_DENIED", reason)
    scheme = "basic" if identity.how == "basic" else "bearer"
    return Authorization(scheme, {"username": identity.username})


def _reason(identity: Identity, asked: Asked, native_path: str | None) -> str | None:
    config = services().config
    reason = guard.refusal(config, identity, asked)
    if reason is not None or not guard.content_is_judged(config, identity, asked):
        return reason
    view = cast(str, asked.view)
    if any(guard.is_reserved_tag(key) for key in touches().version_tags(view)):
        return guard.explain(config, guard.TAG_MESSAGE)
    if view == "_create_model_version":
        return guard.explain(config, guard.SOURCE_MESSAGE) if is_foreign(touches().source()) else None
    try:
        forbidden = registered().forbids(touches().of(view, native_path))
    except UnreadablePath:
        forbidden = True
    return guard.explain(config, guard.CONTENT_MESSAGE) if forbidden else None


def _asked(native_path: str | None) -> Asked:
    reads = request.method in READING
    if audit.ENVIRON_KEY in request.environ:
        return Asked(request.endpoint, str(request.url_rule or ""), reads)
    current_trail().learn(audit.names_in_path(native_path or ""))
    return Asked(native_view(audit.ASGI_SCOPE.get()), "", reads)


def _native_path() -> str | None:
    """Return the path of an upload or download in the asynchronous pool, as that pool will read it.

    MLflow asks with a request that it made up for Flask, whose path was decoded once more and cut at a `?`.
    """
    if audit.ENVIRON_KEY in request.environ:
        return None
    path: str = audit.ASGI_SCOPE.get()["path"]
    return path.partition(ANCHOR)[2] if ANCHOR in path else None


def native_view(scope: dict[str, Any]) -> str | None:
    """Return the view of the asynchronous pool that this request is for, if there is one."""
    for module, router, matched in NATIVE_ROUTERS:
        if not matched:
            continue
        for route in getattr(importlib.import_module(module), router).routes:
            if route.matches(scope)[0] is Match.FULL:
                return f"{route.endpoint.__module__}:{route.endpoint.__name__}"
    return None


def _names() -> dict[str, str]:
    view = request.endpoint or ""
    arguments = {str(key): value for key, value in (request.view_args or {}).items()}
    return {
        **audit.names_in(request.args, view),
        **audit.names_in_path(str(arguments.get("artifact_path", ""))),
        **audit.names_in(arguments, view),
    }


def registered() -> Registered:
    """Return what is protected, as this worker knows it."""
    return _parts()[0]


def touches() -> Touches:
    """Return what knows what views touch."""
    return _parts()[1]


def _parts() -> tuple[Registered, Touches]:
    extensions: dict[str, Any] = current_app.extensions
    if TOUCHES not in extensions:
        known = Registered(Databases(), os.environ.get(DESTINATION, ""))
        extensions[TOUCHES] = (known, Touches(Databases(), known))
    return cast("tuple[Registered, Touches]", extensions[TOUCHES])
