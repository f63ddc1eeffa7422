# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A denial never comes from memory: what was denied is decided again, with nothing older than the request.

What is remembered may allow something for some seconds longer. Whoever was given a right, or made something, may use
it at once, at every worker of every host. Whatever leaves something out of an answer is no question of these, and
remembers nothing older than its request.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from flask import Response, g, request
from starlette.responses import Response as NativeResponse

from mlops_identity import audit, authenticate, browser
from mlops_identity.authorization import DECIDED, current_trail
from mlops_identity.memory import Reading, ask_anew, remembering

Validator = Callable[[str, Any], Awaitable[bool]]


def may_be_stale(status: int, reading: Reading) -> bool:
    """Return whether a denial with this status may come from memory.

    What no memory was asked for was wrong as it came, such as a password. With 403 the memory may have been asked
    before: who somebody is was found out by an earlier question of the same request.
    """
    return status == 403 or (status == 401 and reading.used)


def asking_again(decide: Callable[[], Any]) -> Callable[[], Any]:
    """Return the hook of a request that decides with what is remembered, and denies without."""

    @functools.wraps(decide)
    def decided() -> Any:
        # Pages of the log-in answer by themselves, and must do so once.
        if request.blueprint == browser.BLUEPRINT:
            return decide()
        with remembering() as reading:
            answer = decide()
        if not isinstance(answer, Response) or not may_be_stale(answer.status_code, reading):
            return answer
        _forget()
        return decide()

    return decided


def _forget() -> None:
    ask_anew()
    g.pop(DECIDED, None)
    g.pop(authenticate.REMEMBERED, None)
    current_trail().forget_who()


def install(auth: ModuleType) -> None:
    """Let MLflow's own questions be asked in this way, in both pools. Before its create_app, which keeps the hook."""
    user_of: Callable[[Any], Any] = auth._authenticate_custom_for_fastapi
    validator_for: Callable[[str, str], Validator | None] = auth._find_fastapi_validator

    def user(asked: Any) -> Any:
        ask_anew()
        with remembering() as reading:
            answer = user_of(asked)
        if not isinstance(answer, NativeResponse) or not may_be_stale(answer.status_code, reading):
            return answer
        return user_anew(asked)

    def user_anew(asked: Any) -> Any:
        ask_anew()
        audit.ASGI_TRAIL.get().forget_who()
        return user_of(asked)

    def validator(path: str, method: str) -> Validator | None:
        allows = validator_for(path, method)
        return None if allows is None else asked_again(allows)

    def asked_again(allows: Validator) -> Validator:
        async def allowed(username: str, asked: Any) -> bool:
            with remembering():
                if await allows(username, asked):
                    return True
            known = user_anew(asked)
            is_user = known is not None and not isinstance(known, NativeResponse)
            return is_user and (bool(known.is_admin) or await allows(known.username, asked))

        return allowed

    auth._before_request = asking_again(auth._before_request)  # type: ignore[attr-defined]
    auth._authenticate_custom_for_fastapi = user  # type: ignore[attr-defined]
    auth._find_fastapi_validator = validator  # type: ignore[attr-defined]
