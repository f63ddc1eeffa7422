# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are remembered for seconds, and asked for by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

LIMIT = 10_000
# How long the others go on with the last answer while one thread asks again.
GRACE_SECONDS = 10.0


@dataclass
class Answer(Generic[Value]):
    """A value, and for how many seconds it may be used without asking again."""

    value: Value
    seconds: float


@dataclass
class _Entry(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer[Value] | None = None
    due: float = 0.0


class Memory(Generic[Key, Value]):
    """A bounded number of answers; the one that was not used for longest goes first."""

    def __init__(self, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._lock = threading.Lock()

    def _entry(self, key: Key) -> _Entry[Value]:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            if len(self._entries) > self._limit:
                self._entries.popitem(last=False)
            return entry

    def get(self, key: Key, ask: Callable[[Value | None], Answer[Value]]) -> Value:
        """Return the answer; when it is due, `ask` gets the last one and returns the next.

        What `ask` raises goes to the caller, and nothing is remembered.
        """
        entry = self._entry(key)
        answer = entry.answer
        now = self._clock()
        if answer is not None and now < entry.due:
            return answer.value
        usable = answer is not None and now < entry.due + GRACE_SECONDS
        if not entry.lock.acquire(blocking=not usable):
            assert answer is not None
            return answer.value
        try:
            return self._asked(key, entry, ask)
        finally:
            entry.lock.release()

    def _asked(self, key: Key, entry: _Entry[Value], ask: Callable[[Value | None], Answer[Value]]) -> Value:
        # Another thread may have asked while this one waited.
        if entry.answer is not None and self._clock() < entry.due:
            return entry.answer.value
        try:
            answer = ask(entry.answer.value if entry.answer else None)
        except BaseException:
            self.forget(key)
            raise
        self._remember(entry, answer)
        return answer.value

    def _remember(self, entry: _Entry[Value], answer: Answer[Value]) -> None:
        entry.due = self._clock() + answer.seconds
        entry.answer = answer

    def peek(self, key: Key) -> Value | None:
        """Return an answer that is not due, without asking."""
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or entry.answer is None or self._clock() >= entry.due:
            return None
        return entry.answer.value

    def put(self, key: Key, value: Value, seconds: float) -> None:
        """Remember an answer that nobody asked for."""
        self._remember(self._entry(key), Answer(value, seconds))

    def forget(self, key: Key) -> None:
        """Drop an answer."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)


class Once:
    """Lets something through once in so many seconds, such as a log line."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Return whether it is time again."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return False
            self._next = now + self._seconds
            return True
