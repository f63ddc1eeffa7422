# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow upgrade guard: what it refuses, and the words it uses."""

from __future__ import annotations

import types
from typing import Any

import mlflow.version
import pytest
from fastapi import APIRouter, FastAPI
from mlflow.server import app as flask_app
from mlflow.server import auth, handlers
from mlflow.server.fastapi_app import create_fastapi_app
from mlflow.server.graphql import graphql_schema_extensions

from mlops_identity import startup, views
from mlops_identity.startup import UpgradeGuard, View

POST = frozenset({"POST", "OPTIONS"})
GET = frozenset({"GET", "HEAD", "OPTIONS"})


def known_views() -> list[View]:
    names = sorted(views.PROMOTION | views.CONTENT | views.CLOSED | views.PUBLIC)
    return [View(name, "mlflow.server.handlers", name.rpartition(":")[2], POST) for name in names]


def test_the_known_views_are_no_problem() -> None:
    assert startup.missing_views(known_views()) == []
    assert startup.unknown_views(view for view in known_views() if view.name not in views.PUBLIC) == []


@pytest.mark.parametrize("name", sorted(views.PROMOTION | views.CONTENT | views.CLOSED | views.PUBLIC))
def test_each_guarded_view_is_missed(name: str) -> None:
    left = [view for view in known_views() if view.name != name]
    assert startup.missing_views(left) == [f"the guarded view {name} has no rule"]
    moved = [*left, View(name, "elsewhere", "_other", POST)]
    assert startup.missing_views(moved) == [f"the guarded view {name} is answered by another function, _other"]


@pytest.mark.parametrize(
    ("view", "unknown"),
    [
        (View("_promote_everything", "mlflow.server.handlers", "_promote_everything", POST), True),
        (View("_read_everything", "mlflow.server.handlers", "_read_everything", GET), False),
        (View("_log_metric", "mlflow.server.handlers", "_log_metric", POST), False),
        (View("oidc.logout", "mlops_identity.browser", "logout", POST), False),
    ],
)
def test_an_unknown_view_that_writes_is_named(view: View, unknown: bool) -> None:
    problems = startup.unknown_views([view])
    assert bool(problems) is unknown
    assert all("_promote_everything (mlflow.server.handlers) may change something" in problem for problem in problems)


def test_mutations() -> None:
    assert startup.unknown_mutations(startup.graphql_mutations()) == []
    assert startup.unknown_mutations(["b", "a"]) == [
        "the GraphQL mutation a is unknown to the guards",
        "the GraphQL mutation b is unknown to the guards",
    ]


def test_a_schema_may_have_no_mutation(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = types.SimpleNamespace(graphql_schema=types.SimpleNamespace(mutation_type=None))
    monkeypatch.setattr(graphql_schema_extensions, "schema", empty)
    assert startup.graphql_mutations() == []


def test_routers() -> None:
    native = create_fastapi_app(flask_app)
    assert startup.unknown_routers(native) == []
    router = APIRouter()
    router.post("/promote")(lambda: None)
    native.include_router(router)
    assert len(startup.unknown_routers(native)) == 1
    plain = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    plain.post("/promote")(lambda: None)
    assert len(startup.unknown_routers(plain)) == 1


def test_names_that_are_gone_or_take_other_parameters() -> None:
    found = startup.owners()
    assert startup.changed_names(found) == []
    found["mlflow.utils.uri"] = types.SimpleNamespace()
    changed = {"_get_tracking_store": lambda other: None, "_get_model_registry_store": lambda: None}
    found["mlflow.server.handlers"] = types.SimpleNamespace(**{**vars(handlers), **changed})
    store = "mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore"
    found[store] = type("Store", (found[store],), {"_search_runs": lambda self, search: None})
    assert startup.changed_names(found) == [
        "mlflow.server.handlers._get_tracking_store takes other parameters than "
        "backend_store_uri, default_artifact_root",
        "mlflow.server.handlers._get_model_registry_store takes other parameters than registry_store_uri",
        f"{store}._search_runs takes other parameters than self, experiment_ids, filter_string, run_view_type, "
        "max_results, order_by, page_token",
        "mlflow.utils.uri.validate_path_is_safe is gone",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((startup.FUNCTION, True, ""), []),
        (("mlflow.server.auth:authenticate_request_basic_auth", True, ""), ["authorization_function is mlflow.server"]),
        ((startup.FUNCTION, False, ""), ["MLFLOW_BASIC_AUTH_FAIL_CLOSED is not true"]),
        ((startup.FUNCTION, True, "/mlflow"), ["_MLFLOW_STATIC_PREFIX is set"]),
    ],
)
def test_settings(arguments: tuple[str, bool, str], words: list[str]) -> None:
    problems = startup.wrong_settings(*arguments)
    assert len(problems) == len(words)
    assert all(problem.startswith(word) for problem, word in zip(problems, words, strict=True))


def prepare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_BASIC_AUTH_FAIL_CLOSED", "true")
    monkeypatch.setattr(auth, "auth_config", auth.auth_config._replace(authorization_function=startup.FUNCTION))


def test_this_mlflow_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)
    startup.check_names()


def test_another_version_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)
    monkeypatch.setattr(mlflow.version, "VERSION", "3.18.0")
    with pytest.raises(UpgradeGuard) as refused:
        startup.check_names()
    assert "MLflow upgrade guard: MLflow 3.18.0" in str(refused.value)
    assert "the version is 3.18.0, and 3.17.2 was looked at" in str(refused.value)
    assert "Go back to MLflow 3.17.2" in str(refused.value)


def test_views_of_an_application_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without create_app of the auth module; its own views are not there, and none of them is guarded.
    startup.check_views(flask_app, None)
    startup.check_views(flask_app, create_fastapi_app(flask_app))
    left: list[Any] = [view for view in startup.flask_views(flask_app) if view.name != "_transition_stage"]
    monkeypatch.setattr(startup, "flask_views", lambda app: left)
    with pytest.raises(UpgradeGuard, match="the guarded view _transition_stage has no rule"):
        startup.check_views(flask_app, None)
