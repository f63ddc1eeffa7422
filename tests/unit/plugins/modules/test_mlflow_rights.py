# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The MLflow modules that change something, on answers that a server could give."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_module
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowResponse
from ansible_collections.mlops.tracking.plugins.modules import (
    mlflow_experiment,
    mlflow_info,
    mlflow_model_alias,
    mlflow_registered_model,
    mlflow_role,
    mlflow_user,
)

CONNECTION = {"mlflow_url": "https://mlflow.test", "mlflow_username": "admin", "mlflow_password": "hidden-admin-pw"}
SECRET = "hidden-user-pw"
MISSING = MlflowApiError(404, "RESOURCE_DOES_NOT_EXIST", "no such thing")
DENIED = MlflowApiError(403, "PERMISSION_DENIED", "Permission denied")

EXPERIMENT = {
    "experiment": {
        "experiment_id": "5",
        "lifecycle_stage": "active",
        "artifact_location": "mlflow-artifacts:/5",
        "tags": [{"key": "team", "value": "a"}],
    }
}
DELETED = {"experiment": {**EXPERIMENT["experiment"], "lifecycle_stage": "deleted"}}
MODEL = {
    "registered_model": {
        "name": "m",
        "description": "one",
        "tags": [{"key": "team", "value": "a"}],
        "aliases": [{"alias": "champion", "version": "1"}],
        "latest_versions": [{"version": "2"}],
    }
}
EMPTY_MODEL = {"registered_model": {"name": "m"}}
ROLES = {
    "roles": [
        {"id": 1, "name": "other", "permissions": []},
        {
            "id": 2,
            "name": "team",
            "description": "one",
            "permissions": [{"id": 20, "resource_type": "experiment", "resource_pattern": "5", "permission": "EDIT"}],
        },
    ]
}
ASSIGNED = {"assignments": [{"user_id": 9}]}
USERS = {"users": [{"id": 9, "username": "ada"}]}

GET_EXPERIMENT = "GET 2.0/mlflow/experiments/get-by-name"
GET_MODEL = "GET 2.0/mlflow/registered-models/get"
GET_VERSION = "GET 2.0/mlflow/model-versions/get"
GET_USER = "GET 2.0/mlflow/users/get"
LIST_ROLES = "GET 3.0/mlflow/roles/list"
ROLE_READS = {LIST_ROLES: ROLES, "GET 3.0/mlflow/roles/users/list": ASSIGNED, "GET 2.0/mlflow/users/list": USERS}
MADE = {
    "POST 2.0/mlflow/experiments/create": {"experiment_id": "6"},
    "POST 3.0/mlflow/roles/create": {"role": {"id": 3}},
}


class FakeServer:
    """Answers reads by method and path and remembers writes; an exception is raised."""

    def __init__(self, answers: dict[str, t.Any]) -> None:
        self.answers = {**MADE, **answers}
        self.writes: list[tuple[str, dict[str, t.Any]]] = []

    def request(self, method: str, path: str, json: t.Any = None, query: t.Any = None) -> MlflowResponse:
        key = f"{method} {path.removeprefix('/api/')}"
        answer = self.answers.get(key, {})
        if isinstance(answer, Exception):
            raise answer
        if method != "GET":
            self.writes.append((key, json))
        return MlflowResponse(200, answer, b"")


EDIT = {"resource_type": "experiment", "experiment_name": "e", "permission": "EDIT"}
EDIT_5 = {"resource_type": "experiment", "resource_pattern": "5", "permission": "EDIT"}
ALL_MODELS = {"resource_type": "registered_model", "permission": "READ"}

# module, answers, options, properties that change, writes
CASES: list[tuple[t.Any, dict[str, t.Any], dict[str, t.Any], list[str], list[tuple[str, dict[str, t.Any]]]]] = [
    (
        mlflow_experiment,
        {GET_EXPERIMENT: MISSING},
        {"name": "e", "artifact_location": "s3://b/e", "tags": {"team": "a"}},
        ["experiment", "tags"],
        [
            (
                "POST 2.0/mlflow/experiments/create",
                {"name": "e", "artifact_location": "s3://b/e", "tags": [{"key": "team", "value": "a"}]},
            )
        ],
    ),
    (mlflow_experiment, {GET_EXPERIMENT: EXPERIMENT}, {"name": "e", "tags": {"team": "a"}}, [], []),
    (
        mlflow_experiment,
        {GET_EXPERIMENT: EXPERIMENT},
        {"name": "e", "tags": {"year": 2026}, "purge_tags": True},
        ["tags"],
        [
            ("POST 2.0/mlflow/experiments/set-experiment-tag", {"experiment_id": "5", "key": "year", "value": "2026"}),
            ("POST 2.0/mlflow/experiments/delete-experiment-tag", {"experiment_id": "5", "key": "team"}),
        ],
    ),
    (
        mlflow_experiment,
        {GET_EXPERIMENT: DELETED},
        {"name": "e"},
        ["experiment"],
        [("POST 2.0/mlflow/experiments/restore", {"experiment_id": "5"})],
    ),
    (mlflow_experiment, {GET_EXPERIMENT: MISSING}, {"name": "e", "state": "absent"}, [], []),
    (mlflow_experiment, {GET_EXPERIMENT: DELETED}, {"name": "e", "state": "absent"}, [], []),
    (
        mlflow_experiment,
        {GET_EXPERIMENT: EXPERIMENT},
        {"name": "e", "state": "absent"},
        ["experiment"],
        [("POST 2.0/mlflow/experiments/delete", {"experiment_id": "5"})],
    ),
    (
        mlflow_registered_model,
        {GET_MODEL: MISSING},
        {"name": "m", "description": "one"},
        ["registered_model", "description"],
        [("POST 2.0/mlflow/registered-models/create", {"name": "m", "tags": [], "description": "one"})],
    ),
    (mlflow_registered_model, {GET_MODEL: MODEL}, {"name": "m", "description": "one", "tags": {"team": "a"}}, [], []),
    (
        mlflow_registered_model,
        {GET_MODEL: MODEL},
        {"name": "m", "description": "two", "tags": {"new": "1"}, "purge_tags": True},
        ["description", "tags"],
        [
            ("PATCH 2.0/mlflow/registered-models/update", {"name": "m", "description": "two"}),
            ("POST 2.0/mlflow/registered-models/set-tag", {"name": "m", "key": "new", "value": "1"}),
            ("DELETE 2.0/mlflow/registered-models/delete-tag", {"name": "m", "key": "team"}),
        ],
    ),
    (mlflow_registered_model, {GET_MODEL: MISSING}, {"name": "m", "state": "absent"}, [], []),
    (
        mlflow_registered_model,
        {GET_MODEL: EMPTY_MODEL},
        {"name": "m", "state": "absent"},
        ["registered_model"],
        [("DELETE 2.0/mlflow/registered-models/delete", {"name": "m"})],
    ),
    (
        mlflow_registered_model,
        {GET_MODEL: MODEL},
        {"name": "m", "state": "absent", "force": True},
        ["registered_model"],
        [("DELETE 2.0/mlflow/registered-models/delete", {"name": "m"})],
    ),
    (
        mlflow_user,
        {GET_USER: MISSING},
        {"name": "ada", "password": SECRET, "admin": True},
        ["user", "admin"],
        [
            ("POST 2.0/mlflow/users/create", {"username": "ada", "password": SECRET}),
            ("PATCH 2.0/mlflow/users/update-admin", {"username": "ada", "is_admin": True}),
        ],
    ),
    (mlflow_user, {GET_USER: {"user": {"is_admin": False}}}, {"name": "ada", "password": SECRET}, [], []),
    (
        mlflow_user,
        {GET_USER: {"user": {"is_admin": True}}},
        {"name": "ada", "admin": False},
        ["admin"],
        [("PATCH 2.0/mlflow/users/update-admin", {"username": "ada", "is_admin": False})],
    ),
    (mlflow_user, {GET_USER: MISSING}, {"name": "ada", "state": "absent"}, [], []),
    (
        mlflow_user,
        {GET_USER: {"user": {"is_admin": False}}},
        {"name": "ada", "state": "absent"},
        ["user"],
        [("DELETE 2.0/mlflow/users/delete", {"username": "ada"})],
    ),
    (
        mlflow_role,
        {LIST_ROLES: {"roles": []}, GET_EXPERIMENT: EXPERIMENT},
        {"name": "team", "description": "one", "grants": [EDIT, ALL_MODELS], "users": ["ada"]},
        ["role", "description", "grants", "users"],
        [
            ("POST 3.0/mlflow/roles/create", {"name": "team", "workspace": "default", "description": "one"}),
            ("POST 3.0/mlflow/roles/permissions/add", {"role_id": 3, **EDIT_5}),
            ("POST 3.0/mlflow/roles/permissions/add", {"role_id": 3, "resource_pattern": "*", **ALL_MODELS}),
            ("POST 3.0/mlflow/roles/assign", {"role_id": 3, "username": "ada"}),
        ],
    ),
    (
        mlflow_role,
        {**ROLE_READS, GET_EXPERIMENT: EXPERIMENT},
        {"name": "team", "grants": [EDIT], "users": ["ada"], "purge": True},
        [],
        [],
    ),
    (
        mlflow_role,
        ROLE_READS,
        {"name": "team", "description": "two", "grants": [{**EDIT_5, "permission": "READ"}]},
        ["description", "grants"],
        [
            ("PATCH 3.0/mlflow/roles/update", {"role_id": 2, "description": "two"}),
            ("PATCH 3.0/mlflow/roles/permissions/update", {"role_permission_id": 20, "permission": "READ"}),
        ],
    ),
    (
        mlflow_role,
        ROLE_READS,
        {"name": "team", "grants": [], "users": [], "purge": True},
        ["grants", "users"],
        [
            ("DELETE 3.0/mlflow/roles/unassign", {"role_id": 2, "username": "ada"}),
            ("DELETE 3.0/mlflow/roles/permissions/remove", {"role_permission_id": 20}),
        ],
    ),
    (mlflow_role, {LIST_ROLES: {}}, {"name": "team", "state": "absent"}, [], []),
    (
        mlflow_role,
        ROLE_READS,
        {"name": "team", "state": "absent"},
        ["role", "grants", "users"],
        [("DELETE 3.0/mlflow/roles/delete", {"role_id": 2})],
    ),
    (
        mlflow_role,
        {LIST_ROLES: {"roles": [{"id": 4, "name": "empty"}]}},
        {"name": "empty", "state": "absent"},
        ["role"],
        [("DELETE 3.0/mlflow/roles/delete", {"role_id": 4})],
    ),
    (
        mlflow_model_alias,
        {GET_MODEL: MODEL, GET_VERSION: {"model_version": {}}},
        {"name": "m", "alias": "champion", "version": "2", "expected_version": "1"},
        ["version"],
        [("POST 2.0/mlflow/registered-models/alias", {"name": "m", "alias": "champion", "version": "2"})],
    ),
    (mlflow_model_alias, {GET_MODEL: MODEL}, {"name": "m", "alias": "champion", "version": "1"}, [], []),
    (
        mlflow_model_alias,
        {GET_MODEL: MODEL},
        {"name": "m", "alias": "champion", "state": "absent"},
        ["version"],
        [("DELETE 2.0/mlflow/registered-models/alias", {"name": "m", "alias": "champion"})],
    ),
    (mlflow_model_alias, {GET_MODEL: MISSING}, {"name": "m", "alias": "champion", "state": "absent"}, [], []),
]


def serve(monkeypatch: pytest.MonkeyPatch, answers: dict[str, t.Any]) -> FakeServer:
    server = FakeServer(answers)
    monkeypatch.setattr(_mlflow_module, "from_module", lambda _module: server)
    return server


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(("module", "answers", "options", "changes", "writes"), CASES)
def test_converge(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    module: t.Any,
    answers: dict[str, t.Any],
    options: dict[str, t.Any],
    changes: list[str],
    writes: list[t.Any],
    check: bool,
) -> None:
    server = serve(monkeypatch, answers)
    result = run_module(module.main, {**CONNECTION, **options}, check=check)
    assert "failed" not in result
    assert (result["changes"], result["changed"]) == (changes, bool(changes))
    assert set(result["diff"]["before"]) == set(result["diff"]["after"]) == set(changes)
    assert server.writes == ([] if check else writes)
    assert "hidden" not in str({key: value for key, value in result.items() if key != "invocation"})


@pytest.mark.parametrize(("works", "changes"), [(True, []), (False, ["password"])])
def test_a_changed_password_is_tried_first(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any, works: bool, changes: list[str]
) -> None:
    server = serve(monkeypatch, {GET_USER: {"user": {"is_admin": False}}})
    answer: t.Any = {"user": {"username": "ada"}} if works else MlflowApiError(401, "Unauthorized", "log in")
    own = FakeServer({"GET 2.0/mlflow/users/current": answer})
    monkeypatch.setattr(mlflow_user, "MlflowClient", lambda *_args, **_options: own)
    options = {"name": "ada", "password": SECRET, "update_password": "always"}
    result = run_module(mlflow_user.main, {**CONNECTION, **options})
    assert result["changes"] == changes
    assert [body for dummy, body in server.writes] == [{"username": "ada", "password": SECRET}][: len(changes)]


def test_a_server_that_cannot_try_a_password_is_an_error(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    serve(monkeypatch, {GET_USER: {"user": {"is_admin": False}}})
    own = FakeServer({"GET 2.0/mlflow/users/current": MlflowApiError(500, "INTERNAL_ERROR", "broken")})
    monkeypatch.setattr(mlflow_user, "MlflowClient", lambda *_args, **_options: own)
    options = {"name": "ada", "password": SECRET, "update_password": "always"}
    assert "HTTP 500" in run_module(mlflow_user.main, {**CONNECTION, **options})["msg"]


def test_what_a_role_has_besides_is_told(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    serve(monkeypatch, ROLE_READS)
    warnings: list[str] = []
    # Ansible shows each warning once in a process, and a test is not the only one to give it.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    result = run_module(mlflow_role.main, {**CONNECTION, "name": "team", "users": []})
    assert (result["changed"], result["extra_grants"], result["extra_users"]) == (
        False,
        ["EDIT on experiment 5"],
        ["ada"],
    )
    assert warnings == ["Role team: it also has EDIT on experiment 5, user ada; purge=true takes that away"]


def test_info_lists_roles_but_those_of_single_users(monkeypatch: pytest.MonkeyPatch, run_module: t.Any) -> None:
    listed = {"roles": [*ROLES["roles"][1:], {"id": 7, "name": "__user_9__"}]}
    monkeypatch.setattr(mlflow_info, "from_module", lambda _module: FakeServer({**ROLE_READS, LIST_ROLES: listed}))
    result = run_module(mlflow_info.main, {**CONNECTION, "roles": True})
    assert result["roles"] == [
        {"name": "team", "description": "one", "grants": ["EDIT on experiment 5"], "users": ["ada"]}
    ]


def test_check_mode_names_an_experiment_that_is_not_made_yet(
    monkeypatch: pytest.MonkeyPatch, run_module: t.Any
) -> None:
    serve(monkeypatch, {LIST_ROLES: {"roles": []}, GET_EXPERIMENT: MISSING})
    result = run_module(mlflow_role.main, {**CONNECTION, "name": "team", "grants": [EDIT]}, check=True)
    assert result["diff"]["after"]["grants"] == ["EDIT on experiment (of e, which is not made yet)"]


# module, answers, options, part of the message
FAILURES: list[tuple[t.Any, dict[str, t.Any], dict[str, t.Any], str]] = [
    (mlflow_experiment, {GET_EXPERIMENT: DENIED}, {"name": "e"}, "Experiment e: HTTP 403 PERMISSION_DENIED"),
    (
        mlflow_experiment,
        {GET_EXPERIMENT: EXPERIMENT},
        {"name": "e", "artifact_location": "s3://new"},
        "artifact_location is mlflow-artifacts:/5",
    ),
    (mlflow_registered_model, {GET_MODEL: DENIED}, {"name": "m"}, "Registered model m: HTTP 403"),
    (mlflow_registered_model, {GET_MODEL: MODEL}, {"name": "m", "state": "absent"}, "set force to true"),
    (mlflow_user, {GET_USER: MISSING}, {"name": "ada"}, "User ada: the user does not exist, so password is needed"),
    (mlflow_user, {}, {"name": "ada", "password": "hidden"}, "password has 6 characters"),
    (mlflow_user, {GET_USER: DENIED}, {"name": "ada"}, "User ada: HTTP 403"),
    (mlflow_role, {LIST_ROLES: DENIED}, {"name": "team"}, "Role team: HTTP 403"),
    (mlflow_role, {}, {"name": "__user_1__"}, "choose another"),
    (mlflow_role, {GET_EXPERIMENT: MISSING}, {"name": "team", "grants": [EDIT]}, "there is no experiment e; make it"),
    (
        mlflow_role,
        {},
        {"name": "team", "grants": [{**EDIT, "resource_type": "prompt"}]},
        "experiment_name is for resource_type experiment",
    ),
    (
        mlflow_role,
        {"POST 3.0/mlflow/roles/assign": MISSING, LIST_ROLES: {}},
        {"name": "team", "users": ["nobody"]},
        "RESOURCE_DOES_NOT_EXIST",
    ),
    (mlflow_model_alias, {GET_MODEL: MISSING}, {"name": "m", "alias": "a", "version": "1"}, "there is no such model"),
    (
        mlflow_model_alias,
        {GET_MODEL: MODEL, GET_VERSION: MISSING},
        {"name": "m", "alias": "a", "version": "9"},
        "there is no version 9",
    ),
    (
        mlflow_model_alias,
        {GET_MODEL: MODEL},
        {"name": "m", "alias": "champion", "version": "2", "expected_version": "3"},
        "version 1 where version 3 was expected",
    ),
    (mlflow_model_alias, {}, {"name": "m", "alias": "a"}, "state is present but all of the following are missing"),
]


@pytest.mark.parametrize(("module", "answers", "options", "message"), FAILURES)
def test_failure(
    monkeypatch: pytest.MonkeyPatch,
    run_module: t.Any,
    module: t.Any,
    answers: dict[str, t.Any],
    options: dict[str, t.Any],
    message: str,
) -> None:
    serve(monkeypatch, answers)
    result = run_module(module.main, {**CONNECTION, **options})
    assert result["failed"] is True
    assert re.search(message, result["msg"]), result["msg"]
    assert "hidden" not in result["msg"]
