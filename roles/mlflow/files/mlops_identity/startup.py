# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow upgrade guard: the server does not start with an MLflow that the guards were not made for."""

from __future__ import annotations

import importlib
import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mlops_identity.views import CLOSED, CONTENT, FREE, GRAPHQL_MUTATIONS, NATIVE_ROUTERS, PROMOTION, PUBLIC

SUPPORTED = "3.17.2"
FUNCTION = "mlops_identity.authorization:authorize"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC_PREFIX = "_MLFLOW_STATIC_PREFIX"
OWN_PACKAGE = "mlops_identity."
ADVICE = (
    "Go back to MLflow {supported}, or look at what has changed and bring mlops_identity into line: what changes the "
    "registry or its files belongs into PROMOTION or CONTENT in views.py, everything else into FREE."
)
# What the package replaces or calls, and the parameters that it counts on.
NAMES: Mapping[str, Mapping[str, tuple[str, ...] | None]] = {
    "mlflow.server.auth": {
        "store": None,
        "auth_config": None,
        "_LEGACY_DEFAULT_ADMIN_PASSWORD": None,
        "create_app": ("app",),
        "authenticate_request": (),
        "authenticate_request_basic_auth": (),
        "_before_request": (),
        "_get_tracking_store": ("backend_store_uri", "default_artifact_root"),
        "_authenticate_custom_for_fastapi": ("request",),
        "_find_fastapi_validator": ("path", "method"),
        "_authorize_flask_artifact_proxy": ("action",),
        "_authorize_fastapi_artifact_proxy": ("path", "username", "query_path", "action"),
        "_artifact_proxy_path": (),
        "_artifact_proxy_path_from_request_path": ("path", "query_path"),
        "_canonical_artifact_proxy_path": ("artifact_path",),
        "_get_model_registry_store": ("registry_store_uri",),
        "authorize": ("username", "anchor", "requirements"),
        "filter_experiment_ids": ("experiment_ids",),
        "redact_search_runs_model_links": ("resp",),
        "AFTER_REQUEST_HANDLERS": None,
    },
    "mlflow.server.handlers": {
        "_get_tracking_store": ("backend_store_uri", "default_artifact_root"),
        "_get_model_registry_store": ("registry_store_uri",),
        "MultipartUploadMixin": None,
        "MultipartDownloadMixin": None,
        "PresignedUploadMixin": None,
        "_content_disposition_attachment": ("filename",),
        "_get_workspace_scoped_repo_path_if_enabled": ("artifact_path",),
        "_get_request_message": ("request_message", "flask_request", "schema"),
        "_tracking_store_registry": None,
        "_search_runs": (),
        "search_runs_impl": ("request_message",),
        "catch_mlflow_exception": ("func",),
        "_disable_if_artifacts_only": ("func",),
        "_assert_array": ("x",),
        "_assert_string": ("x",),
        "_assert_intlike": ("x",),
        "_assert_item_type_string": ("x",),
        "_assert_less_than_or_equal": ("x", "max_value", "message"),
    },
    "mlflow.server.handlers.TrackingStoreRegistryWrapper": {"_get_sqlalchemy_store": ("store_uri", "artifact_uri")},
    "mlflow.store.tracking.sqlalchemy_store": {
        "_get_orderby_clauses": ("order_by_list", "session"),
        "_get_sqlalchemy_filter_clauses": ("parsed", "session", "dialect"),
        "_parse_experiment_id": ("experiment_id",),
        "_parse_experiment_ids": ("experiment_ids",),
    },
    "mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore": {
        "get_experiment": ("self", "experiment_id"),
        "log_batch": ("self", "run_id", "metrics", "params", "tags"),
        "_log_metrics_once": ("self", "run_id", "metrics"),
        "_search_runs": (
            "self",
            "experiment_ids",
            "filter_string",
            "run_view_type",
            "max_results",
            "order_by",
            "page_token",
        ),
        "_get_dialect": ("self",),
        "_get_run_inputs": ("self", "session", "run_uuids"),
        "_get_model_outputs_bulk": ("self", "run_ids", "session"),
        "_get_effective_experiment_trace_archival_retention_context": ("self",),
        "_validate_max_results_param": ("self", "max_results", "allow_null"),
    },
    "mlflow.server.artifact_router": {"download_artifact": ("artifact_path",), "_get_artifact_repo": ()},
    "mlflow.store.model_registry.dbmodels.models.EncryptedString": {
        "process_result_value": ("self", "value", "dialect"),
    },
    "mlflow.store.model_registry.dbmodels.models.SqlWebhook": {"to_mlflow_entity": ("self",)},
    "mlflow.utils.crypto": {"DEFAULT_KEK_PASSPHRASE": None},
    "mlflow.utils.uri": {"validate_path_is_safe": ("path",)},
    "mlflow.server.auth.sqlalchemy_store.SqlAlchemyStore": {
        "get_user": ("self", "username"),
        "list_grants": ("self", "user_id", "workspace", "resource_types"),
    },
}


class UpgradeGuard(Exception):
    """The guards do not fit this MLflow; the message names each difference."""


@dataclass(frozen=True)
class View:
    """One view that answers requests: its name, where its function is, and the methods it answers."""

    name: str
    module: str
    function: str
    methods: frozenset[str]

    @property
    def writes(self) -> bool:
        """Whether a request to it may change something."""
        return not self.methods <= READING


def flask_views(app: Any) -> list[View]:
    """Return the views of the Flask application."""
    found = []
    for rule in app.url_map.iter_rules():
        function = app.view_functions[rule.endpoint]
        found.append(View(rule.endpoint, function.__module__, function.__name__, frozenset(rule.methods)))
    return found


def native_views() -> list[View]:
    """Return the views that the asynchronous pool answers without Flask."""
    found = []
    for module, router, _matched in NATIVE_ROUTERS:
        for route in getattr(importlib.import_module(module), router).routes:
            function = route.endpoint
            name = f"{function.__module__}:{function.__name__}"
            found.append(View(name, function.__module__, function.__name__, frozenset(route.methods)))
    return found


def missing_views(views: Iterable[View]) -> list[str]:
    """Return what is wrong with the views that the guards know by name."""
    known = {view.name: view for view in views}
    problems = []
    for name in sorted(PROMOTION | CONTENT | CLOSED | PUBLIC):
        if name not in known:
            problems.append(f"the guarded view {name} has no rule")
        elif name.rpartition(":")[2] != known[name].function:
            problems.append(f"the guarded view {name} is answered by another function, {known[name].function}")
    return problems


def unknown_views(views: Iterable[View]) -> list[str]:
    """Return views that may change something and that nobody has looked at."""
    listed = PROMOTION | CONTENT | CLOSED | FREE
    writing = {view.name: view for view in views if view.writes and not view.module.startswith(OWN_PACKAGE)}
    return [
        f"the view {name} ({writing[name].module}) may change something and is unknown to the guards"
        for name in sorted(set(writing) - listed)
    ]


def unknown_routers(app: Any) -> list[str]:
    """Return what the asynchronous application answers by routers that the guards do not know."""
    known = [getattr(importlib.import_module(module), router) for module, router, _matched in NATIVE_ROUTERS]
    problems = []
    for route in app.routes:
        router = getattr(route, "original_router", None)
        is_flask = getattr(route, "path", None) == "" and hasattr(route, "app")
        if not is_flask and not any(router is candidate for candidate in known):
            problems.append(f"the asynchronous pool has a router that is unknown to the guards: {route!r}")
    return problems


def unknown_mutations(fields: Iterable[str]) -> list[str]:
    """Return GraphQL mutations that nobody has looked at."""
    return [f"the GraphQL mutation {name} is unknown to the guards" for name in sorted(set(fields) - GRAPHQL_MUTATIONS)]


def graphql_mutations() -> list[str]:
    """Return the names of MLflow's GraphQL mutations."""
    from mlflow.server.graphql.graphql_schema_extensions import schema

    mutation = schema.graphql_schema.mutation_type
    return [] if mutation is None else list(mutation.fields)


def changed_names(owners: Mapping[str, Any]) -> list[str]:
    """Return names that the package counts on and that are not there, or take other parameters."""
    problems = []
    for owner, names in NAMES.items():
        for name, parameters in names.items():
            value = getattr(owners[owner], name, None)
            if value is None:
                problems.append(f"{owner}.{name} is gone")
            elif parameters is not None and tuple(inspect.signature(value).parameters) != parameters:
                problems.append(f"{owner}.{name} takes other parameters than {', '.join(parameters) or 'none'}")
    return problems


def owners() -> dict[str, Any]:
    """Return the modules and classes that NAMES speaks of."""
    found: dict[str, Any] = {}
    for owner in NAMES:
        module, _dot, name = owner.rpartition(".")
        found[owner] = getattr(importlib.import_module(module), name) if name[:1].isupper() else _module(owner)
    return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(name)


def wrong_settings(function: str, fail_closed: bool, static_prefix: str) -> list[str]:
    """Return settings of MLflow under which the guards would not be asked."""
    problems = []
    if function != FUNCTION:
        problems.append(f"authorization_function is {function}; it must be {FUNCTION}")
    if not fail_closed:
        problems.append("MLFLOW_BASIC_AUTH_FAIL_CLOSED is not true: MLflow would open routes that it has no rights for")
    if static_prefix:
        problems.append(f"{STATIC_PREFIX} is set; the guards know MLflow at the root of its name only")
    return problems


def complain(problems: list[str], version: str) -> None:
    """Raise UpgradeGuard if there is any problem."""
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        advice = ADVICE.format(supported=SUPPORTED)
        raise UpgradeGuard(
            f"MLflow upgrade guard: MLflow {version} is not what the guards were made for.{lines}\n{advice}"
        )


def check_names() -> None:
    """Refuse an MLflow of another version, or in which something that the package replaces has changed."""
    from mlflow.environment_variables import MLFLOW_BASIC_AUTH_FAIL_CLOSED
    from mlflow.server import auth
    from mlflow.version import VERSION

    from mlops_identity.rights import unknown_methods

    problems = [] if VERSION == SUPPORTED else [f"the version is {VERSION}, and {SUPPORTED} was looked at"]
    problems += changed_names(owners())
    problems += [f"the auth store's method {name} is unknown to the cache of rights" for name in unknown_methods()]
    problems += wrong_settings(
        auth.auth_config.authorization_function,
        bool(MLFLOW_BASIC_AUTH_FAIL_CLOSED.get()),
        os.environ.get(STATIC_PREFIX, ""),
    )
    complain(problems, VERSION)


def check_views(flask_app: Any, native_app: Any) -> None:
    """Refuse an MLflow whose views are not those that the guards know. `native_app` is None in the thread pool."""
    from mlflow.version import VERSION

    views = flask_views(flask_app) + native_views()
    problems = missing_views(views) + unknown_views(views) + unknown_mutations(graphql_mutations())
    if native_app is not None:
        problems += unknown_routers(native_app)
    complain(problems, VERSION)
