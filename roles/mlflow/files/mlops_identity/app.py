# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application that gunicorn serves: MLflow's own auth app, with our identity, guards, cheap rights and audit."""

from __future__ import annotations

from typing import Any

from flask import Flask
from mlflow.server import app as flask_app
from mlflow.server import auth, handlers

from mlops_identity import answered, browser, config, denials, keys, readers, rights, services, startup, webhooks
from mlops_identity.audit import AsgiTrail, WsgiTrail
from mlops_identity.authorization import learn_from_answer, refuse_early
from mlops_identity.databases import Databases
from mlops_identity.memory import ask_anew
from mlops_identity.serving import files, store, views


def create_app() -> Flask | AsgiTrail:
    """Return the WSGI or ASGI application, or raise why it must not be served."""
    settings = config.load()
    startup.check_names()
    keys.check_keys()
    webhooks.install()
    if settings.fast_calls:
        store.install()
        views.install(flask_app)
    files.install(handlers)
    rights.install(auth, settings.rights_cache_seconds, Databases().run_experiment)
    if settings.mode == "oidc":
        browser.register(flask_app, settings)
    else:
        services.install(flask_app, settings)
    readers.install(auth)
    denials.install(auth)
    flask_app.before_request(ask_anew)
    # Before MLflow's own question, and after its own last word.
    flask_app.before_request(denials.asking_again(handlers.catch_mlflow_exception(refuse_early)))
    flask_app.after_request(learn_from_answer)
    flask_app.after_request(readers.point_at_files)
    flask_app.after_request(answered.says_who_keeps_passwords(settings))
    made = auth.create_app(flask_app)
    flask_app.wsgi_app = WsgiTrail(flask_app.wsgi_app)
    native = made is not flask_app
    startup.check_views(flask_app, made if native else None)
    return AsgiTrail(made) if native else flask_app


def after_fork() -> None:
    """Give a worker connections of its own: one opened before the fork would be shared by all."""
    stores: list[Any] = [auth.store, handlers._tracking_store, handlers._model_registry_store]
    engines = {getattr(store, "engine", None) for store in stores}
    for engine in engines:
        if engine is not None:
            engine.dispose(close=False)
