# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody but governance may do, decided from the view that would run and never from the text of a path."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from mlops_identity.closed_views import CLOSED_MESSAGE, CLOSED_RULES
from mlops_identity.config import Config
from mlops_identity.identity import Identity
from mlops_identity.views import CLOSED, CONTENT, FREE, PROMOTION

SERVER_RIGHTS_MESSAGE = "Closed on this platform: it would run on the server's host with the rights of the server."
UNKNOWN_VIEW_MESSAGE = "Refused: this platform does not know what `{view}` changes."
PROMOTION_MESSAGE = (
    "Only {groups} may move an alias or a stage, rename or delete a model, or delete a version. {contact}"
)
CONTENT_MESSAGE = (
    "Files and runs behind a registered version stay as they were registered: only {groups} may change or delete "
    "them. {contact}"
)
SOURCE_MESSAGE = (
    "A version is registered from a run or a logged model of this platform: the source begins with runs:/, models:/ "
    "or mlflow-artifacts:/. Only {groups} may register another. {contact}"
)
# Who promoted a version, why, and who agreed.
RESERVED_TAGS = "promotion."
TAG_MESSAGE = (
    "Tags of a version that begin with promotion. say who promoted it and why: only {groups} may write them. {contact}"
)
PREFIX_MESSAGE = "Refused: this server is at the root of its name, and the request says something else."


@dataclass(frozen=True)
class Asked:
    """The view that would run for a request, the rule it was found by, and whether it only reads."""

    view: str | None
    rule: str
    reads: bool


def is_governance(config: Config, identity: Identity) -> bool:
    """Return whether this identity may change what is in production."""
    return bool(identity.groups & config.governance_groups)


def refusal(config: Config, identity: Identity, asked: Asked) -> str | None:
    """Return why the view must not run for this identity, or None if nothing here forbids it.

    What the view would touch is not looked at: that is asked of the content guard, for views of CONTENT.
    """
    if config.mode == "oidc" and asked.rule in CLOSED_RULES:
        return CLOSED_MESSAGE
    # With no view nothing runs but the answer that there is none.
    if asked.view is None:
        return None
    if asked.view in CLOSED:
        return SERVER_RIGHTS_MESSAGE
    if asked.view in PROMOTION and not is_governance(config, identity):
        return explain(config, PROMOTION_MESSAGE)
    known = asked.reads or asked.view in PROMOTION or asked.view in CONTENT or asked.view in FREE
    return None if known else UNKNOWN_VIEW_MESSAGE.format(view=asked.view)


def content_is_judged(config: Config, identity: Identity, asked: Asked) -> bool:
    """Return whether what the view touches has to be looked at."""
    return asked.view in CONTENT and not is_governance(config, identity)


def is_reserved_tag(key: str) -> bool:
    """Return whether a tag of a version is governance's, in every spelling that a database may take for the same."""
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    return plain.casefold().startswith(RESERVED_TAGS)


def explain(config: Config, message: str) -> str:
    """Return a refusal that says who may, and whom to ask."""
    groups = " or ".join(sorted(config.governance_groups)) or "nobody"
    return message.format(groups=groups, contact=config.contact).strip()
