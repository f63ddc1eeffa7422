# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must change between a Keycloak user and its description."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mlops.tracking.plugins.module_utils._keycloak_plan import (
    PlanError,
    group_ids,
    plan_user,
)

USER = {"id": "7", "username": "ada", "email": "ada@example.com", "enabled": True, "attributes": {"team": ["a"]}}
# user, groups, options; what is shown as before and after
TEST_PLANS: list[tuple[dict[str, t.Any] | None, list[str], dict[str, t.Any], dict[str, t.Any], dict[str, t.Any]]] = [
    (None, [], {}, {}, {"username": "ada"}),
    (None, [], {"email": "a@b.c", "groups": ["x"]}, {}, {"username": "ada", "email": "a@b.c", "groups": ["x"]}),
    (USER, [], {}, {}, {}),
    (USER, [], {"email": "ada@example.com", "enabled": True}, {}, {}),
    (USER, [], {"email": "new@example.com"}, {"email": "ada@example.com"}, {"email": "new@example.com"}),
    (USER, [], {"first_name": "Ada"}, {"firstName": None}, {"firstName": "Ada"}),
    (USER, [], {"enabled": False}, {"enabled": True}, {"enabled": False}),
    (USER, ["x"], {"groups": ["x"]}, {}, {}),
    (USER, ["x", "y"], {"groups": ["x"]}, {}, {}),
    (USER, ["x", "y"], {"groups": ["x"], "purge_groups": True}, {"groups": ["x", "y"]}, {"groups": ["x"]}),
    (USER, ["x"], {"groups": [], "purge_groups": True}, {"groups": ["x"]}, {"groups": []}),
    (USER, ["x"], {"groups": ["y"]}, {"groups": ["x"]}, {"groups": ["x", "y"]}),
    (USER, ["x"], {"purge_groups": True}, {}, {}),
]


@pytest.mark.parametrize(("user", "groups", "options", "before", "after"), TEST_PLANS)
def test_difference(
    user: dict[str, t.Any] | None,
    groups: list[str],
    options: dict[str, t.Any],
    before: dict[str, t.Any],
    after: dict[str, t.Any],
) -> None:
    plan = plan_user(user, groups, {"username": "ada", **options})
    assert (plan.before, plan.after) == (before, after)
    assert plan.changed is (before != after)


def test_what_is_not_managed_is_written_back() -> None:
    plan = plan_user(USER, [], {"username": "ada", "email": "new@example.com"})
    assert plan.representation == {**USER, "email": "new@example.com"}


def test_memberships_alone_leave_the_user_unwritten() -> None:
    plan = plan_user(USER, ["old"], {"username": "ada", "groups": ["new"], "purge_groups": True})
    assert (plan.representation, plan.join, plan.leave) == ({}, ("new",), ("old",))


NAMES = st.sets(st.sampled_from("abcdef"))


@given(NAMES, NAMES, st.booleans())
def test_memberships_end_as_wanted_and_stay_so(have: set[str], wanted: set[str], purge: bool) -> None:
    options = {"username": "ada", "groups": sorted(wanted), "purge_groups": purge}
    plan = plan_user(USER, have, options)
    result = (have | {*plan.join}) - {*plan.leave}
    assert result == (wanted if purge else have | wanted)
    assert not plan_user(USER, result, options).changed


def test_a_name_without_a_group_is_an_error() -> None:
    groups = [{"name": "x", "id": "1"}]
    assert group_ids(groups, ["x"]) == {"x": "1"}
    with pytest.raises(PlanError, match="there is no group y"):
        group_ids(groups, ["x", "y"])
