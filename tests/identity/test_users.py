# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and roles in MLflow's own auth store."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

from identity_material import Clock, config
from mlops_identity.identity import Identity
from mlops_identity.users import Changes, Users, plan

NOTHING: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> SqlAlchemyStore:
    """MLflow's auth store on a database of its own."""
    store = SqlAlchemyStore()
    store.init_db(f"sqlite:///{tmp_path_factory.mktemp('auth') / 'auth.db'}")
    return store


@pytest.fixture
def store(database: SqlAlchemyStore) -> SqlAlchemyStore:
    """The auth store with three roles and no user."""
    for user in database.list_users():
        database.delete_user(user.username)
    for role in database.list_roles(["default", "other"]):
        database.delete_role(role.id)
    for name in ("scientist", "by-hand"):
        database.create_role(name, "default")
    database.create_role("scientist", "other")
    return database


def who(*groups: str, username: str = "alice") -> Identity:
    """Return an identity."""
    return Identity(username, frozenset(groups), "token")


def roles_of(store: SqlAlchemyStore, username: str = "alice") -> set[str]:
    """Return the names of a user's roles."""
    return {f"{role.workspace}/{role.name}" for role in store.list_user_roles(store.get_user(username).id)}


@pytest.mark.parametrize(
    ("groups", "is_admin", "roles", "changes"),
    [
        ({"data-scientists"}, False, [], Changes(None, frozenset({"scientist"}), NOTHING)),
        ({"data-scientists"}, False, ["scientist"], Changes(None, NOTHING, NOTHING)),
        ({"guests"}, False, ["scientist", "team-a"], Changes(None, NOTHING, frozenset({"scientist", "team-a"}))),
        ({"guests"}, False, ["by-hand", "__user_7__"], Changes(None, NOTHING, NOTHING)),
        ({"mlflow-admins"}, False, [], Changes(True, NOTHING, NOTHING)),
        ({"mlflow-admins"}, True, [], Changes(None, NOTHING, NOTHING)),
        ({"governance"}, True, [], Changes(False, NOTHING, NOTHING)),
        (set(), True, ["team-a"], Changes(False, NOTHING, frozenset({"team-a"}))),
    ],
)
def test_plan(groups: set[str], is_admin: bool, roles: list[str], changes: Changes) -> None:
    assert plan(config(), frozenset(groups), is_admin, roles) == changes


def test_a_user_is_made_on_first_sight_with_a_password_nobody_knows(store: SqlAlchemyStore, clock: Clock) -> None:
    users = Users(config(), lambda: store, clock)
    users.converge(who("data-scientists"))
    assert roles_of(store) == {"default/scientist"}
    user = store.get_user("alice")
    assert not user.is_admin
    assert not any(store.authenticate_user("alice", guess) for guess in ("", "alice", "password1234"))


def test_groups_give_and_take_what_they_manage(store: SqlAlchemyStore, clock: Clock) -> None:
    users = Users(config(), lambda: store, clock)
    users.converge(who("data-scientists"))
    by_hand = store.get_role_by_name("default", "by-hand")
    store.assign_role_to_user(store.get_user("alice").id, by_hand.id)
    other = store.get_role_by_name("other", "scientist")
    store.assign_role_to_user(store.get_user("alice").id, other.id)
    users.converge(who("mlflow-admins"))
    assert store.get_user("alice").is_admin
    assert roles_of(store) == {"default/by-hand", "other/scientist"}
    users.converge(who("data-scientists"))
    clock.now += 5
    users.converge(who("data-scientists"))
    assert not store.get_user("alice").is_admin
    assert "default/scientist" in roles_of(store)


def test_a_change_by_hand_is_put_back_after_five_seconds(store: SqlAlchemyStore, clock: Clock) -> None:
    users = Users(config(), lambda: store, clock)
    users.converge(who("data-scientists"))
    store.update_user("alice", is_admin=True)
    clock.now += 4.9
    users.converge(who("data-scientists"))
    assert store.get_user("alice").is_admin
    clock.now += 0.1
    users.converge(who("data-scientists"))
    assert not store.get_user("alice").is_admin


def test_a_role_that_does_not_exist_is_left_out_and_logged(
    store: SqlAlchemyStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    users = Users(config(), lambda: store, clock)
    for _time in range(2):
        users.converge(who("team-a"))
        clock.now += 5
    assert roles_of(store) == {"default/scientist"}
    assert [record.message for record in caplog.records if "team-a" in record.message] == [
        "The role team-a that a group gives does not exist in MLflow"
    ]


class Quicker:
    """The store of a worker that is always a moment behind another one, which does the same."""

    def __init__(self, store: SqlAlchemyStore) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        reached = getattr(self.store, name)
        if not name.startswith(("create_", "assign_", "unassign_")):
            return reached

        def call(*arguments: Any) -> Any:
            reached(*arguments)
            return reached(*arguments)

        return call


def test_another_worker_was_quicker(store: SqlAlchemyStore, clock: Clock) -> None:
    users = Users(config(), lambda: Quicker(store), clock)
    users.converge(who("data-scientists"))
    assert roles_of(store) == {"default/scientist"}
    users.converge(who("guests"))
    assert roles_of(store) == set()


def test_two_workers_at_once(store: SqlAlchemyStore, clock: Clock) -> None:
    errors: list[Exception] = []

    def converge() -> None:
        try:
            Users(config(), lambda: store, clock).converge(who("data-scientists", username="bob"))
        except MlflowException as error:
            errors.append(error)

    threads = [threading.Thread(target=converge) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert roles_of(store, "bob") == {"default/scientist"}


@pytest.mark.parametrize(
    ("name", "groups"), [("assign_role_to_user", "data-scientists"), ("unassign_role_from_user", "guests")]
)
def test_a_role_that_cannot_be_changed_is_an_error(
    store: SqlAlchemyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str, groups: str
) -> None:
    users = Users(config(), lambda: store, clock)
    users.converge(who("data-scientists" if groups == "guests" else "guests"))

    def fail(*_arguments: Any) -> None:
        raise MlflowException("the database is read-only")

    monkeypatch.setattr(store, name, fail)
    with pytest.raises(MlflowException, match="read-only"):
        users.converge(who(groups))


def test_other_errors_of_the_store_are_not_swallowed(store: SqlAlchemyStore, clock: Clock) -> None:
    with pytest.raises(MlflowException, match="empty"):
        Users(config(), lambda: store, clock).converge(who("guests", username=""))


def test_with_a_password_roles_are_the_groups(store: SqlAlchemyStore, clock: Clock, tmp_path: Path) -> None:
    users = Users(config(), lambda: store, clock)
    user = store.create_user("carol", "a long password")
    store.assign_role_to_user(user.id, store.get_role_by_name("default", "by-hand").id)
    assert users.groups_by_roles("carol") == {"by-hand"}
    store.update_user("carol", is_admin=True)
    assert users.groups_by_roles("carol") == {"by-hand"}
    clock.now += 5
    assert users.groups_by_roles("carol") == {"by-hand", "mlflow-admins", "governance"}
