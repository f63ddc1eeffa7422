# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of MLflow's auth store: made on first sight, with the flag and the roles that their groups give."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

from mlops_identity.config import Config
from mlops_identity.identity import Identity
from mlops_identity.memory import Answer, Memory, Once

LOG = logging.getLogger(__name__)
LOG_SECONDS = 60.0


class AuthStore(Protocol):
    """What is used of MLflow's auth store."""

    def get_user(self, username: str) -> Any:
        """Return a user."""

    def create_user(self, username: str, password: str, is_admin: bool = False) -> Any:
        """Create a user."""

    def update_user(self, username: str, password: str | None = None, is_admin: bool | None = None) -> Any:
        """Change a user."""

    def list_user_roles(self, user_id: int) -> list[Any]:
        """Return the roles that a user has."""

    def get_role_by_name(self, workspace: str, name: str) -> Any:
        """Return a role."""

    def assign_role_to_user(self, user_id: int, role_id: int) -> Any:
        """Give a user a role."""

    def unassign_role_from_user(self, user_id: int, role_id: int) -> None:
        """Take a role from a user."""


@dataclass(frozen=True)
class Changes:
    """What has to be done so that a user has what the groups give."""

    is_admin: bool | None
    assign: frozenset[str]
    unassign: frozenset[str]


def plan(config: Config, groups: frozenset[str], is_admin: bool, roles: Iterable[str]) -> Changes:
    """Return the changes; roles that no group gives are somebody else's, and stay."""
    wanted_admin = bool(groups & config.admin_groups)
    wanted = config.roles_of(groups)
    present = frozenset(roles)
    return Changes(
        is_admin=None if wanted_admin == is_admin else wanted_admin,
        assign=wanted - present,
        unassign=(present & config.managed_roles) - wanted,
    )


class Users:
    """Brings a user into line with the groups, at most once per `rights_cache_seconds` while they are the same."""

    def __init__(
        self, config: Config, store: Callable[[], AuthStore], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        # Asked for each time: the application may put another store in place after this is made.
        self._store = store
        self._memory: Memory[tuple[str, frozenset[str]], bool] = Memory(clock=clock)
        self._roles: Memory[str, frozenset[str]] = Memory(clock=clock)
        self._say = Once(LOG_SECONDS, clock)

    def converge(self, identity: Identity) -> None:
        """Let the user exist in MLflow, with what the groups give."""

        def ask(_last: bool | None) -> Answer[bool]:
            self._converge(identity)
            return Answer(True, self._config.rights_cache_seconds)

        self._memory.get((identity.username, identity.groups), ask)

    def groups_by_roles(self, username: str) -> frozenset[str]:
        """Return what counts as the groups of a user who has a password here: the names of the MLflow roles."""

        def ask(_last: frozenset[str] | None) -> Answer[frozenset[str]]:
            return Answer(self._groups_by_roles(username), self._config.rights_cache_seconds)

        return self._roles.get(username, ask)

    def _groups_by_roles(self, username: str) -> frozenset[str]:
        user = self._store().get_user(username)
        groups = frozenset(role.name for role in self._store().list_user_roles(user.id))
        if user.is_admin:
            groups |= self._config.admin_groups | self._config.governance_groups
        return groups

    def _converge(self, identity: Identity) -> None:
        store = self._store()
        user = self._user(identity.username)
        roles = {role.name: role.id for role in store.list_user_roles(user.id) if _in_default_workspace(role)}
        changes = plan(self._config, identity.groups, bool(user.is_admin), roles)
        if changes.is_admin is not None:
            store.update_user(identity.username, is_admin=changes.is_admin)
        for name in sorted(changes.unassign):
            self._unassign(user.id, roles[name])
        for name in sorted(changes.assign):
            self._assign(user.id, name)

    def _user(self, username: str) -> Any:
        store = self._store()
        user = _unless(RESOURCE_DOES_NOT_EXIST, store.get_user, username)
        if user is None:
            # Nobody knows this password, and mode oidc accepts none.
            _unless(RESOURCE_ALREADY_EXISTS, store.create_user, username, secrets.token_urlsafe(48))
            user = store.get_user(username)
        return user

    def _assign(self, user_id: int, name: str) -> None:
        store = self._store()
        role = _unless(RESOURCE_DOES_NOT_EXIST, store.get_role_by_name, DEFAULT_WORKSPACE_NAME, name)
        if role is None:
            if self._say():
                LOG.warning("The role %s that a group gives does not exist in MLflow", name)
            return
        try:
            store.assign_role_to_user(user_id, role.id)
        except MlflowException:
            if not self._has_role(user_id, role.id):
                raise

    def _unassign(self, user_id: int, role_id: int) -> None:
        try:
            self._store().unassign_role_from_user(user_id, role_id)
        except MlflowException:
            if self._has_role(user_id, role_id):
                raise

    def _has_role(self, user_id: int, role_id: int) -> bool:
        """Return what another worker, that was quicker, may have reached already."""
        return any(role.id == role_id for role in self._store().list_user_roles(user_id))


def _in_default_workspace(role: Any) -> bool:
    return bool(role.workspace == DEFAULT_WORKSPACE_NAME)


def _unless(code: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the call returns, or None when it raises this error: another worker was quicker, or nothing there."""
    try:
        return call(*arguments)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(code):
            raise
        return None
