# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of Keycloak's log means: log-ins, log-outs, refusals, and what administrators change. Pure.

Keycloak's listener `jboss-logging` writes an event as name="value" pairs. In a value a quote has a backslash before it,
a backslash has none, and a line break is a space (seen with 26.7). The log's form is JSON. Its other lines are nobody's
doing and become no rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from mlops_audit.lines import Row, Unparsable, moment, text, unparsable_row

LOGGER = "org.keycloak.events"
NAME = re.compile(r'([A-Za-z][\w.-]*)="')
NEXT = re.compile(r', (?=[A-Za-z][\w.-]*=")')
NOBODY = "null"
# The platform's own questions about a token that somebody else has: many, and no log-in.
LEFT_OUT = frozenset({"INTROSPECT_TOKEN", "USER_INFO_REQUEST"})
# Never one of a session, a code, or a token.
DETAILS = {
    "realmName": "realm", "clientId": "client", "error": "error", "reason": "reason", "grant_type": "grant_type",
    "auth_method": "auth_method", "identity_provider": "identity_provider", "impersonator": "impersonator",
}  # fmt: skip
# So long that all of them are whole JSON when they are stored, however many of their characters are escaped.
LONGEST_DETAIL = 90
CONTROL = re.compile("[\x00-\x1f]")


def event_row(line: bytes) -> Row | None:
    """Return the row of a line; None for one that is no event, and for the events that are left out."""
    try:
        said = json.loads(line.decode("utf-8", "replace"))
        if not isinstance(said, Mapping):
            raise Unparsable("no object")
        if said.get("loggerName") != LOGGER:
            return None
        return pairs_row(pairs(str(said["message"])), moment(said.get("timestamp")))
    except (Unparsable, ValueError, KeyError, RecursionError):
        return unparsable_row(line)


def pairs(message: str) -> dict[str, str]:
    """Return the values of an event by name; raises Unparsable if the whole message is not made of them."""
    read = _pairs_from(message, 0, set())
    # The first of a name is Keycloak's own; details of a request come after.
    found = dict(reversed(read or []))
    if not ({"type", "operationType"} & set(found)):
        raise Unparsable("no event")
    return found


def _pairs_from(message: str, begin: int, hopeless: set[int]) -> list[tuple[str, str]] | None:
    """Return the pairs from a place to the end; None if what is there are no pairs.

    A quote without a backslash ends its value. One with a backslash is part of it, or ends a value that ends with a
    backslash: it does if pairs follow up to the end, as nobody else's text has a quote without a backslash.
    """
    name = NAME.match(message, begin)
    if name is None or begin in hopeless:
        return None
    quote = message.find('"', name.end())
    while quote != -1:
        following = NEXT.match(message, quote + 1)
        if following or quote + 1 == len(message):
            rest = _pairs_from(message, following.end(), hopeless) if following else []
            if rest is not None:
                return [(name[1], message[name.end() : quote].replace('\\"', '"')), *rest]
        if quote == name.end() or message[quote - 1] != "\\":
            break
        quote = message.find('"', quote + 1)
    hopeless.add(begin)
    return None


def pairs_row(event: Mapping[str, str], time: str) -> Row | None:
    """Return the row of an event."""
    event = {name: value for name, value in event.items() if value != NOBODY or name == "username"}
    if "type" in event:
        operation, user = event["type"], event.get("username") or event.get("userId")
        about = {"user_id": event.get("userId")}
    else:
        # Here the name is that of the user who was changed.
        operation, user = f"{event['operationType']} {event.get('resourceType', '')}".strip(), event.get("userId")
        about = {"username": event.get("username")}
    refused = "error" in event
    if operation in LEFT_OUT and not refused:
        return None
    about |= {name: event.get(key) for key, name in DETAILS.items()}
    details = {name: CONTROL.sub("\ufffd", value)[:LONGEST_DETAIL] for name, value in about.items() if value}
    return {
        "kind": "event",
        "time": time,
        "operation": text(operation),
        "outcome": "refused" if refused else "allowed",
        "user_name": text(user),
        "remote_addr": text(event.get("ipAddress")),
        "uri": text(event.get("resourcePath")),
        "detail": text(json.dumps(details, sort_keys=True, ensure_ascii=False)),
    }
