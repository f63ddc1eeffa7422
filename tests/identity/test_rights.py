# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rights that are remembered for seconds."""

from __future__ import annotations

import contextvars
import functools
import types
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from mlops_identity import rights
from mlops_identity.memory import ask_anew, remembering
from mlops_identity.rights import CHANGES, CachedAuthStore, Remembered, RunStub, TrackingStoreForRights


class Time:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counter() -> Any:
    calls: list[int] = []

    def ask() -> int:
        calls.append(1)
        return len(calls)

    return ask


def test_an_answer_is_good_for_its_seconds_and_not_longer() -> None:
    time, ask = Time(), counter()
    known = Remembered(5, clock=time)
    assert [known.get("a", ask), known.get("a", ask)] == [1, 1]
    time.now += 4.9
    assert known.get("a", ask) == 1
    time.now += 0.1
    assert known.get("a", ask) == 2


def test_the_seconds_count_from_the_question() -> None:
    time = Time()
    known = Remembered(5, clock=time)

    def slow() -> str:
        time.now += 3
        return "old"

    assert known.get("a", slow) == "old"
    time.now += 2
    assert known.get("a", lambda: "new") == "new"


def test_the_oldest_answer_goes_first() -> None:
    known = Remembered(5, limit=2, clock=Time())
    for key in "abc":
        known.get(key, functools.partial(str, key))
    assert known.get("a", lambda: "asked again") == "asked again"
    assert known.get("c", lambda: "asked again") == "c"


def test_an_answer_from_before_a_change_is_not_kept() -> None:
    known = Remembered(5, clock=Time())

    def changed_meanwhile() -> str:
        known.forget()
        return "before"

    assert known.get("a", changed_meanwhile) == "before"
    assert known.get("a", lambda: "after") == "after"


def test_an_error_is_not_remembered() -> None:
    known = Remembered(5, clock=Time())

    def fails() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError):
        known.get("a", fails)
    assert known.get("a", lambda: "there") == "there"


@pytest.fixture
def store(tmp_path: Path) -> CachedAuthStore:
    made = CachedAuthStore(5, clock=Time())
    made.init_db(f"sqlite:///{tmp_path}/auth.db")
    made.create_user("maker", "password-of-maker")
    return made


def grants(store: CachedAuthStore) -> list[tuple[str, str, str]]:
    user = store.get_user("maker")
    return [tuple(grant) for grant in store.list_grants(user.id, "default", {"experiment"})]


def test_a_change_by_this_worker_counts_at_once(store: CachedAuthStore) -> None:
    assert grants(store) == []
    store.grant_user_permission("maker", "experiment", "1", "EDIT")
    assert grants(store) == [("experiment", "1", "EDIT")]
    store.revoke_user_resource_permission("maker", "experiment", "1")
    assert grants(store) == []
    assert not store.get_user("maker").is_admin
    store.update_user("maker", is_admin=True)
    assert store.get_user("maker").is_admin


def test_a_change_by_another_worker_counts_after_the_seconds(store: CachedAuthStore, tmp_path: Path) -> None:
    other = CachedAuthStore(5)
    other.init_db(f"sqlite:///{tmp_path}/auth.db")
    other.grant_user_permission("maker", "experiment", "1", "EDIT")
    time = Time()
    store._remembered = Remembered(5, clock=time)
    assert grants(store) == [("experiment", "1", "EDIT")]
    other.revoke_user_resource_permission("maker", "experiment", "1")
    time.now += 4
    assert grants(store) == [("experiment", "1", "EDIT")]
    time.now += 1
    assert grants(store) == []


def test_a_request_uses_nothing_from_before_it_began_unless_it_is_let(store: CachedAuthStore, tmp_path: Path) -> None:
    other = CachedAuthStore(5)
    other.init_db(f"sqlite:///{tmp_path}/auth.db")
    time = Time()
    store._remembered = Remembered(60, clock=time)
    assert (grants(store), store.get_user("maker").is_admin) == ([], False)
    other.grant_user_permission("maker", "experiment", "1", "EDIT")
    other.update_user("maker", is_admin=True)

    def asked() -> None:
        time.now += 1
        ask_anew(time.now)
        with remembering() as reading:
            assert (grants(store), store.get_user("maker").is_admin) == ([], False)
            assert reading.used
        assert (grants(store), store.get_user("maker").is_admin) == ([("experiment", "1", "EDIT")], True)
        # What was asked for within the request is good for all of it.
        with remembering():
            assert store.get_user("maker").is_admin

    contextvars.Context().run(asked)


def test_nobody_can_change_what_the_next_one_gets(store: CachedAuthStore) -> None:
    store.grant_user_permission("maker", "experiment", "1", "EDIT")
    user = store.get_user("maker")
    store.list_grants(user.id, "default", {"experiment"}).clear()
    assert grants(store) == [("experiment", "1", "EDIT")]


def test_a_user_that_there_is_not_is_asked_for_again(store: CachedAuthStore) -> None:
    with pytest.raises(MlflowException):
        store.get_user("late")
    store.create_user("late", "password-of-late")
    assert store.get_user("late").username == "late"


def test_every_method_that_changes_makes_the_worker_forget(store: CachedAuthStore) -> None:
    for name in sorted(CHANGES):
        before = store._remembered._generation
        with pytest.raises(TypeError):
            getattr(store, name)(*range(20))
        assert store._remembered._generation == before + 1, name


def test_methods_of_the_store_are_known() -> None:
    assert rights.unknown_methods() == []


class Whole:
    """A tracking store that counts."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def get_run(self, run_id: str) -> Any:
        self.loaded.append(run_id)
        if run_id == "missing":
            raise MlflowException("no such run")
        return RunStub(rights.RunInfo(run_id, "7"))

    def get_experiment(self, experiment_id: str) -> str:
        return f"experiment {experiment_id}"


def proxy(whole: Whole, asked: list[str]) -> TrackingStoreForRights:
    def experiment(run_id: str) -> str | None:
        asked.append(run_id)
        return "3" if run_id == "known" else None

    return TrackingStoreForRights(whole, experiment, Remembered(600))


def test_a_run_is_never_loaded_for_its_experiment() -> None:
    whole = Whole()
    asked: list[str] = []
    store = proxy(whole, asked)
    assert [store.get_run("known").info.experiment_id for _time in range(3)] == ["3"] * 3
    assert (whole.loaded, asked) == ([], ["known"])
    assert store.get_experiment("3") == "experiment 3"


def test_a_run_that_there_is_not_has_the_error_of_the_store() -> None:
    whole = Whole()
    asked: list[str] = []
    with pytest.raises(MlflowException, match="no such run"):
        proxy(whole, asked).get_run("missing")
    assert proxy(whole, asked).get_run("made just now").info.experiment_id == "7"


@pytest.mark.parametrize("run_id", [["a"], 3, None, {"a": 1}])
def test_what_is_no_id_is_for_the_store_to_refuse(run_id: Any) -> None:
    whole = Whole()
    proxy(whole, []).get_run(run_id)
    assert whole.loaded == [run_id]


def test_with_workspaces_the_store_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    whole = Whole()
    assert proxy(whole, []).get_run("known").info.experiment_id == "7"


def test_only_the_module_of_rights_gets_the_proxy() -> None:
    whole = Whole()
    auth = types.ModuleType("auth")
    auth.store, auth._get_tracking_store = None, lambda: whole  # type: ignore[attr-defined]
    rights.install(auth, 5, lambda run_id: "3")
    assert isinstance(auth.store, CachedAuthStore)
    assert auth._get_tracking_store().get_run("known").info == rights.RunInfo("known", "3")
    assert whole.loaded == []
