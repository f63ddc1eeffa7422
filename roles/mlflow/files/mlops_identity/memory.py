# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are remembered for seconds, and asked for by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

LIMIT = 10_000
# How long the others go on with the last answer while one thread asks again.
GRACE_SECONDS = 10.0


@dataclass
class Reading:
    """How old what is remembered may be for the request that is being answered, and whether any of it was used."""

    not_before: float
    used: bool = False

    def takes(self, asked_at: float) -> bool:
        """Return whether an answer that was asked for then may be used, and note that it is."""
        if asked_at < self.not_before:
            return False
        self.used = True
        return True


_READING: ContextVar[Reading | None] = ContextVar("mlops_identity_reading", default=None)


def ask_anew(now: float | None = None) -> None:
    """Let the current request use nothing that was asked for before now."""
    _READING.set(Reading(time.monotonic() if now is None else now))


@contextmanager
def remembering() -> Iterator[Reading]:
    """Let what is remembered answer: only where an answer that allows nothing is asked for again."""
    reading = Reading(float("-inf"))
    token = _READING.set(reading)
    try:
        yield reading
    finally:
        _READING.reset(token)


def may_use(asked_at: float) -> bool:
    """Return whether the current request may use an answer that was asked for then."""
    reading = _READING.get()
    return reading is None or reading.takes(asked_at)


@dataclass
class Answer(Generic[Value]):
    """A value, for how many seconds it may be used without asking again, and how many it is old already."""

    value: Value
    seconds: float
    age: float = 0.0


@dataclass
class _Entry(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    answer: Answer[Value] | None = None
    asked_at: float = float("-inf")
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
        usable = answer is not None and now < entry.due + GRACE_SECONDS and may_use(entry.asked_at)
        if answer is not None and usable and now < entry.due:
            return answer.value
        if not entry.lock.acquire(blocking=not usable):
            assert answer is not None
            return answer.value
        try:
            return self._asked(key, entry, ask)
        finally:
            entry.lock.release()

    def _asked(self, key: Key, entry: _Entry[Value], ask: Callable[[Value | None], Answer[Value]]) -> Value:
        # Another thread may have asked while this one waited.
        asked_at = self._clock()
        if entry.answer is not None and asked_at < entry.due and may_use(entry.asked_at):
            return entry.answer.value
        try:
            answer = ask(entry.answer.value if entry.answer else None)
        except BaseException:
            self.forget(key)
            raise
        self._remember(entry, answer, asked_at)
        return answer.value

    def _remember(self, entry: _Entry[Value], answer: Answer[Value], asked_at: float) -> None:
        entry.asked_at = asked_at - answer.age
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
        self._remember(self._entry(key), Answer(value, seconds), self._clock())

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
