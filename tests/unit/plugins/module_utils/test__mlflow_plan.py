# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for experiments, models, users, roles and aliases, without a server."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.mlops.tracking.plugins.module_utils import _mlflow_plan as plan
from ansible_collections.mlops.tracking.plugins.module_utils._mlflow_plan import (
    Change,
    Grant,
    PlanError,
    Role,
    WantedRole,
)

# current tags, wanted tags, purge, tags before and after
TAGS: list[tuple[dict[str, str], dict[str, str] | None, bool, dict[str, tuple[str | None, str | None]]]] = [
    ({}, None, False, {}),
    ({"a": "1"}, None, True, {}),
    ({"a": "1"}, {"a": "1"}, True, {}),
    ({}, {"b": "2", "a": "1"}, False, {"a": (None, "1"), "b": (None, "2")}),
    ({"a": "0", "c": "3"}, {"a": "1"}, False, {"a": ("0", "1")}),
    ({"a": "0", "c": "3"}, {"a": "1"}, True, {"a": ("0", "1"), "c": ("3", None)}),
    ({"mlflow.note.content": "x"}, {}, True, {}),
]


@pytest.mark.parametrize(("current", "wanted", "purge", "expected"), TAGS)
def test_tags(current: dict[str, str], wanted: dict[str, str] | None, purge: bool, expected: t.Any) -> None:
    assert plan.plan_tags(current, wanted, purge) == expected


def test_reserved_tags_are_refused() -> None:
    with pytest.raises(PlanError, match=r"mlflow\.note\.content: names that begin with mlflow\. are MLflow's own"):
        plan.plan_tags({}, {"mlflow.note.content": "x"}, False)


READ_ALL = Grant("experiment", "*", "READ")
EDIT_ONE = Grant("experiment", "1", "EDIT")
READ_ONE = Grant("experiment", "1", "READ")
TEAM = Role(7, "old", {EDIT_ONE: 70, READ_ALL: 71}, frozenset({"ada", "bob"}))

# current, wanted, keys that change, (add, update, remove, assign, unassign, extra grants, extra users)
ROLES: list[tuple[Role | None, WantedRole, list[str], tuple[t.Any, ...]]] = [
    (None, WantedRole(None, ()), ["role"], ((), (), (), (), (), (), ())),
    (
        None,
        WantedRole("d", (EDIT_ONE,), frozenset({"ada"})),
        ["role", "description", "grants", "users"],
        ((EDIT_ONE,), (), (), ("ada",), (), (), ()),
    ),
    (TEAM, WantedRole("old", (READ_ALL, EDIT_ONE), frozenset({"bob", "ada"}), True), [], ((), (), (), (), (), (), ())),
    (TEAM, WantedRole(None, (READ_ALL, EDIT_ONE)), [], ((), (), (), (), (), (), ())),
    (TEAM, WantedRole("new", (READ_ALL, EDIT_ONE)), ["description"], ((), (), (), (), (), (), ())),
    (TEAM, WantedRole(None, (READ_ONE, READ_ALL)), ["grants"], ((), ((70, READ_ONE),), (), (), (), (), ())),
    (TEAM, WantedRole(None, (READ_ALL,)), [], ((), (), (), (), (), (EDIT_ONE,), ())),
    (TEAM, WantedRole(None, (READ_ALL,), None, True), ["grants"], ((), (), ((70, EDIT_ONE),), (), (), (EDIT_ONE,), ())),
    (TEAM, WantedRole(None, (READ_ALL, EDIT_ONE), frozenset({"ada"})), [], ((), (), (), (), (), (), ("bob",))),
    (
        TEAM,
        WantedRole(None, (READ_ALL, EDIT_ONE), frozenset({"ada", "eve"}), True),
        ["users"],
        ((), (), (), ("eve",), ("bob",), (), ("bob",)),
    ),
]


@pytest.mark.parametrize(("current", "wanted", "keys", "steps"), ROLES)
def test_role(current: Role | None, wanted: WantedRole, keys: list[str], steps: tuple[t.Any, ...]) -> None:
    found = plan.plan_role(current, wanted)
    assert [change.key for change in found.changes] == keys
    assert steps == (
        found.add,
        found.update,
        found.remove,
        found.assign,
        found.unassign,
        found.extra_grants,
        found.extra_users,
    )


def test_the_diff_of_a_role_shows_whole_lists() -> None:
    wanted = WantedRole(None, (READ_ONE, Grant("prompt", "*", "USE")), None, True)
    assert plan.plan_role(TEAM, wanted).changes == (
        Change(
            "grants",
            ["READ on experiment *", "EDIT on experiment 1"],
            ["READ on experiment 1", "USE on prompt *"],
        ),
    )


# grants, part of the message
BAD_GRANTS: list[tuple[list[Grant], str]] = [
    ([READ_ONE, EDIT_ONE], "EDIT on experiment 1 and READ on experiment 1 contradict each other"),
    ([Grant("run", "1", "READ")], r"grants on run are for all \('\*'\), not for 1"),
    ([Grant("workspace", "*", "EDIT")], "a grant on workspace is USE or MANAGE, not EDIT"),
]


@pytest.mark.parametrize(("grants", "message"), BAD_GRANTS)
def test_bad_grants(grants: list[Grant], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan.check_grants(grants)


def test_equal_grants_are_one() -> None:
    assert plan.check_grants([READ_ALL, EDIT_ONE, READ_ALL]) == (READ_ALL, EDIT_ONE)


def test_reserved_role_names_are_refused() -> None:
    plan.check_role_name("team")
    with pytest.raises(PlanError, match="choose another"):
        plan.check_role_name("__user_1__")


# is an administrator now, wanted, whether a password is given, whether it works, keys that change
USERS: list[tuple[bool | None, bool | None, bool, bool | None, list[str]]] = [
    (None, None, True, None, ["user"]),
    (None, False, True, None, ["user"]),
    (None, True, True, None, ["user", "admin"]),
    (False, None, False, None, []),
    (False, None, True, True, []),
    (False, True, True, False, ["password", "admin"]),
    (True, None, False, None, []),
    (True, False, False, None, ["admin"]),
    (True, True, True, None, []),
]


@pytest.mark.parametrize(("current", "wanted", "given", "works", "keys"), USERS)
def test_user(current: bool | None, wanted: bool | None, given: bool, works: bool | None, keys: list[str]) -> None:
    assert [change.key for change in plan.plan_user(current, wanted, given, works)] == keys


def test_a_new_user_needs_a_long_password() -> None:
    with pytest.raises(PlanError, match="password is needed"):
        plan.plan_user(None, None, False, None)
    with pytest.raises(PlanError, match="password has 11 characters"):
        plan.check_password("x" * 11)
    plan.check_password("x" * 12)
    plan.check_password(None)


# current, state, version, expected, (before, after) of the change
ALIASES: list[tuple[str | None, str, str | None, str | None, tuple[str | None, str | None] | None]] = [
    (None, "present", "1", None, (None, "1")),
    (None, "present", "1", "", (None, "1")),
    ("1", "present", "1", "0", None),
    ("1", "present", "2", "1", ("1", "2")),
    ("1", "absent", None, None, ("1", None)),
    (None, "absent", None, "1", None),
]


@pytest.mark.parametrize(("current", "state", "version", "expected", "change"), ALIASES)
def test_alias(current: str | None, state: str, version: str | None, expected: str | None, change: t.Any) -> None:
    found = plan.plan_alias(current, state, version, expected)
    assert (found and (found.before, found.after)) == change


@pytest.mark.parametrize(
    ("current", "expected", "message"),
    [
        ("3", "1", "version 3 where version 1 was expected"),
        ("3", "", "version 3 where no version was expected"),
        (None, "1", "no version where version 1 was expected"),
    ],
)
def test_a_moved_alias_is_left_alone(current: str | None, expected: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan.plan_alias(current, "present", "2", expected)


def test_the_place_of_artifacts_stays() -> None:
    current = plan.Experiment("1", artifact_location="s3://a/b")
    plan.check_artifact_location(None, "s3://new")
    plan.check_artifact_location(current, None)
    plan.check_artifact_location(current, "s3://a/b/")
    with pytest.raises(PlanError, match="can only be chosen when an experiment is made"):
        plan.check_artifact_location(current, "s3://new")
