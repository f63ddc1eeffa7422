# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody but governance may do: the decision, view by view."""

from __future__ import annotations

import pytest

from mlops_identity import views
from mlops_identity.closed_views import CLOSED_MESSAGE, CLOSED_RULES
from mlops_identity.config import Config, parse
from mlops_identity.guard import SERVER_RIGHTS_MESSAGE, Asked, content_is_judged, explain, is_governance, refusal
from mlops_identity.identity import Identity

BASIC = parse(
    {
        "mode": "basic",
        "platform_name": "Models",
        "public_url": "https://mlflow.example.com",
        "contact": "Write to ops@example.com.",
        "admin_groups": ["mlflow-admins"],
        "governance_groups": ["governance", "risk"],
        "group_roles": {"team-a": ["team-a"]},
    }
)
OIDC = Config(**{**BASIC.__dict__, "mode": "oidc"})
MAKER = Identity("maker", frozenset({"team-a"}), "token")
ADMIN = Identity("root", frozenset({"mlflow-admins"}), "session")
OFFICER = Identity("officer", frozenset({"team-a", "risk"}), "basic")
NOBODY = Identity("nobody", frozenset(), "token")


@pytest.mark.parametrize(
    ("identity", "expected"),
    [(MAKER, False), (ADMIN, False), (NOBODY, False), (OFFICER, True)],
    ids=lambda value: getattr(value, "username", str(value)),
)
def test_governance_is_a_group_and_nothing_else(identity: Identity, expected: bool) -> None:
    assert is_governance(BASIC, identity) is expected


@pytest.mark.parametrize("view", sorted(views.PROMOTION))
@pytest.mark.parametrize("reads", [False, True])
def test_promotion_is_for_governance_alone(view: str, reads: bool) -> None:
    asked = Asked(view, "/api/2.0/mlflow/anything", reads)
    for identity in (MAKER, ADMIN, NOBODY):
        reason = refusal(BASIC, identity, asked)
        assert reason is not None
        assert "Only governance or risk may" in reason
        assert reason.endswith("Write to ops@example.com.")
    assert refusal(BASIC, OFFICER, asked) is None


@pytest.mark.parametrize("view", sorted(views.CLOSED))
def test_what_runs_with_the_rights_of_the_server_is_closed_to_all(view: str) -> None:
    for identity in (MAKER, ADMIN, OFFICER):
        assert refusal(BASIC, identity, Asked(view, "", False)) == SERVER_RIGHTS_MESSAGE


@pytest.mark.parametrize("rule", sorted(CLOSED_RULES))
def test_users_and_passwords_are_closed_where_keycloak_has_them(rule: str) -> None:
    asked = Asked("update_user_password", rule, False)
    assert refusal(OIDC, OFFICER, asked) == CLOSED_MESSAGE
    assert refusal(BASIC, MAKER, asked) is None


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (Asked("_log_metric", "/api/2.0/mlflow/runs/log-metric", False), False),
        (Asked("_get_run", "/api/2.0/mlflow/runs/get", True), False),
        (Asked("_a_view_of_next_year", "/api/2.0/mlflow/next", True), False),
        (Asked("_a_view_of_next_year", "/api/2.0/mlflow/next", False), True),
        (Asked(None, "", False), False),
        (Asked(None, "", True), False),
    ],
)
def test_an_unknown_view_may_read_and_nothing_else(asked: Asked, refused: bool) -> None:
    for identity in (MAKER, OFFICER):
        reason = refusal(BASIC, identity, asked)
        assert (reason is not None) is refused
        assert reason is None or "_a_view_of_next_year" in reason


@pytest.mark.parametrize("view", sorted(views.CONTENT))
def test_content_is_judged_for_all_but_governance(view: str) -> None:
    asked = Asked(view, "", False)
    assert refusal(BASIC, MAKER, asked) is None
    assert content_is_judged(BASIC, MAKER, asked)
    assert content_is_judged(BASIC, ADMIN, asked)
    assert not content_is_judged(BASIC, OFFICER, asked)


def test_other_views_touch_no_content() -> None:
    assert not content_is_judged(BASIC, MAKER, Asked("_log_metric", "", False))
    assert not content_is_judged(BASIC, MAKER, Asked(None, "", False))


def test_without_governance_groups_nobody_is_named() -> None:
    config = Config(**{**BASIC.__dict__, "governance_groups": frozenset(), "contact": ""})
    assert explain(config, "Only {groups} may. {contact}") == "Only nobody may."


def test_each_view_is_in_one_set() -> None:
    sets = [views.PROMOTION, views.CONTENT, views.CLOSED, views.FREE, views.PUBLIC]
    assert sum(map(len, sets)) == len(frozenset().union(*sets))
