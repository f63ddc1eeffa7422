# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's REST resources as plain values. Private to this collection.

Input and output only: what must change is decided in _mlflow_plan.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_client import MlflowApiError, MlflowClient
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    RESERVED_ROLE_PREFIX,
    Experiment,
    Grant,
    RegisteredModel,
    Role,
)

TRACKING = "/api/2.0/mlflow"
RIGHTS = "/api/3.0/mlflow"
ABSENT = "RESOURCE_DOES_NOT_EXIST"

Json = dict[str, t.Any]


class MlflowApi:
    """Reads and writes of one server. Every method may raise MlflowApiError."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def _read(self, path: str, query: Mapping[str, t.Any]) -> Json:
        return t.cast("Json", self._client.request("GET", path, query=query).json or {})

    def _write(self, method: str, path: str, body: Mapping[str, t.Any]) -> Json:
        return t.cast("Json", self._client.request(method, path, json=body).json or {})

    # Experiments

    def experiment(self, name: str) -> Experiment | None:
        """An experiment by name, also a deleted one."""
        found = _or_none(lambda: self._read(f"{TRACKING}/experiments/get-by-name", {"experiment_name": name}))
        return None if found is None else _experiment(found["experiment"])

    def create_experiment(self, name: str, artifact_location: str | None, tags: Mapping[str, str]) -> str:
        """Make an experiment; returns its id."""
        body: Json = {"name": name, "tags": _pairs(tags)}
        if artifact_location:
            body["artifact_location"] = artifact_location
        return str(self._write("POST", f"{TRACKING}/experiments/create", body)["experiment_id"])

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete softly: its runs can be restored with it."""
        self._write("POST", f"{TRACKING}/experiments/delete", {"experiment_id": experiment_id})

    def restore_experiment(self, experiment_id: str) -> None:
        """Undo a deletion."""
        self._write("POST", f"{TRACKING}/experiments/restore", {"experiment_id": experiment_id})

    def set_experiment_tag(self, experiment_id: str, key: str, value: str | None) -> None:
        """Write a tag; None removes it."""
        body: Json = {"experiment_id": experiment_id, "key": key}
        if value is None:
            self._write("POST", f"{TRACKING}/experiments/delete-experiment-tag", body)
        else:
            self._write("POST", f"{TRACKING}/experiments/set-experiment-tag", {**body, "value": value})

    # Registered models

    def registered_model(self, name: str) -> RegisteredModel | None:
        """A registered model by name."""
        found = _or_none(lambda: self._read(f"{TRACKING}/registered-models/get", {"name": name}))
        return None if found is None else _registered_model(found["registered_model"])

    def create_registered_model(self, name: str, description: str | None, tags: Mapping[str, str]) -> None:
        """Make a registered model; a name that exists is an error."""
        body: Json = {"name": name, "tags": _pairs(tags)}
        if description:
            body["description"] = description
        self._write("POST", f"{TRACKING}/registered-models/create", body)

    def describe_registered_model(self, name: str, description: str) -> None:
        """Write the description."""
        self._write("PATCH", f"{TRACKING}/registered-models/update", {"name": name, "description": description})

    def set_registered_model_tag(self, name: str, key: str, value: str | None) -> None:
        """Write a tag; None removes it."""
        if value is None:
            self._write("DELETE", f"{TRACKING}/registered-models/delete-tag", {"name": name, "key": key})
        else:
            self._write("POST", f"{TRACKING}/registered-models/set-tag", {"name": name, "key": key, "value": value})

    def delete_registered_model(self, name: str) -> None:
        """Delete the model with every version of it."""
        self._write("DELETE", f"{TRACKING}/registered-models/delete", {"name": name})

    def model_version(self, name: str, version: str) -> Json | None:
        """One version, as the server describes it."""
        query = {"name": name, "version": version}
        found = _or_none(lambda: self._read(f"{TRACKING}/model-versions/get", query))
        return None if found is None else t.cast("Json", found["model_version"])

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Write a tag of a version."""
        body = {"name": name, "version": version, "key": key, "value": value}
        self._write("POST", f"{TRACKING}/model-versions/set-tag", body)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version, in one statement of the database."""
        body = {"name": name, "alias": alias, "version": version}
        self._write("POST", f"{TRACKING}/registered-models/alias", body)

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        self._write("DELETE", f"{TRACKING}/registered-models/alias", {"name": name, "alias": alias})

    # Runs

    def run(self, run_id: str) -> Json | None:
        """A run, as the server describes it."""
        found = _or_none(lambda: self._read(f"{TRACKING}/runs/get", {"run_id": run_id}))
        return None if found is None else t.cast("Json", found["run"])

    # Users

    def is_admin(self, username: str) -> bool | None:
        """Whether a user is an administrator; None when there is no such user."""
        found = _or_none(lambda: self._read(f"{TRACKING}/users/get", {"username": username}))
        return None if found is None else bool(found["user"]["is_admin"])

    def create_user(self, username: str, password: str) -> None:
        """Make a user."""
        self._write("POST", f"{TRACKING}/users/create", {"username": username, "password": password})

    def set_password(self, username: str, password: str) -> None:
        """Change a user's password."""
        body = {"username": username, "password": password}
        self._write("PATCH", f"{TRACKING}/users/update-password", body)

    def set_admin(self, username: str, admin: bool) -> None:
        """Make a user an administrator, or an ordinary user."""
        self._write("PATCH", f"{TRACKING}/users/update-admin", {"username": username, "is_admin": admin})

    def delete_user(self, username: str) -> None:
        """Delete a user with the grants of its own."""
        self._write("DELETE", f"{TRACKING}/users/delete", {"username": username})

    def current_user(self) -> str:
        """Whom the server takes this client for."""
        return str(self._read(f"{TRACKING}/users/current", {})["user"]["username"])

    # Roles

    def roles(self, workspace: str) -> dict[str, Role]:
        """All roles by name, with their grants and users, but for those that MLflow keeps for single users."""
        listed = self._listed_roles(workspace)
        return {item["name"]: self._role(item) for item in listed if not item["name"].startswith(RESERVED_ROLE_PREFIX)}

    def role(self, name: str, workspace: str) -> Role | None:
        """A role with its grants and users."""
        return next((self._role(item) for item in self._listed_roles(workspace) if item["name"] == name), None)

    def _listed_roles(self, workspace: str) -> list[Json]:
        return list(self._read(f"{RIGHTS}/roles/list", {"workspace": workspace}).get("roles", []))

    def _role(self, item: Json) -> Role:
        return Role(
            role_id=int(item["id"]),
            description=item.get("description") or "",
            grants={_grant(row): int(row["id"]) for row in item.get("permissions", [])},
            users=frozenset(self._role_users(int(item["id"]))),
        )

    def _role_users(self, role_id: int) -> list[str]:
        assignments = self._read(f"{RIGHTS}/roles/users/list", {"role_id": role_id}).get("assignments", [])
        if not assignments:
            return []
        listed = self._read(f"{TRACKING}/users/list", {}).get("users", [])
        names = {int(user["id"]): str(user["username"]) for user in listed}
        return [names[int(row["user_id"])] for row in assignments if int(row["user_id"]) in names]

    def create_role(self, name: str, workspace: str, description: str) -> int:
        """Make a role; returns its id."""
        body = {"name": name, "workspace": workspace, "description": description}
        return int(self._write("POST", f"{RIGHTS}/roles/create", body)["role"]["id"])

    def describe_role(self, role_id: int, description: str) -> None:
        """Write a role's description."""
        self._write("PATCH", f"{RIGHTS}/roles/update", {"role_id": role_id, "description": description})

    def delete_role(self, role_id: int) -> None:
        """Delete a role with its grants."""
        self._write("DELETE", f"{RIGHTS}/roles/delete", {"role_id": role_id})

    def add_grant(self, role_id: int, grant: Grant) -> None:
        """Give a role a right."""
        body = {
            "role_id": role_id,
            "resource_type": grant.resource_type,
            "resource_pattern": grant.resource_pattern,
            "permission": grant.permission,
        }
        self._write("POST", f"{RIGHTS}/roles/permissions/add", body)

    def update_grant(self, grant_id: int, permission: str) -> None:
        """Change what a role may do with a resource."""
        body = {"role_permission_id": grant_id, "permission": permission}
        self._write("PATCH", f"{RIGHTS}/roles/permissions/update", body)

    def remove_grant(self, grant_id: int) -> None:
        """Take a right from a role."""
        self._write("DELETE", f"{RIGHTS}/roles/permissions/remove", {"role_permission_id": grant_id})

    def assign_role(self, role_id: int, username: str) -> None:
        """Give a user a role."""
        self._write("POST", f"{RIGHTS}/roles/assign", {"role_id": role_id, "username": username})

    def unassign_role(self, role_id: int, username: str) -> None:
        """Take a role from a user."""
        self._write("DELETE", f"{RIGHTS}/roles/unassign", {"role_id": role_id, "username": username})


def _or_none(ask: Callable[[], Json]) -> Json | None:
    """The answer, or None where the server says that there is no such thing."""
    try:
        return ask()
    except MlflowApiError as exc:
        if exc.error_code == ABSENT:
            return None
        raise


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def tags_of(found: Mapping[str, t.Any]) -> dict[str, str]:
    """The tags of anything that the server describes."""
    return {str(tag["key"]): str(tag.get("value", "")) for tag in found.get("tags", [])}


def _experiment(found: Json) -> Experiment:
    return Experiment(
        experiment_id=str(found["experiment_id"]),
        deleted=found.get("lifecycle_stage") == "deleted",
        artifact_location=str(found.get("artifact_location", "")),
        tags=tags_of(found),
    )


def _registered_model(found: Json) -> RegisteredModel:
    return RegisteredModel(
        description=str(found.get("description", "")),
        tags=tags_of(found),
        aliases={str(item["alias"]): str(item["version"]) for item in found.get("aliases", [])},
        latest_versions=tuple(str(item["version"]) for item in found.get("latest_versions", [])),
    )


def _grant(row: Json) -> Grant:
    return Grant(str(row["resource_type"]), str(row["resource_pattern"]), str(row["permission"]))
