# Copyright: (c) 2026, mlops.tracking maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that are remembered."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from identity_material import Clock
from mlops_identity.memory import GRACE_SECONDS, Answer, Memory, Once, ask_anew, remembering


def counting(values: list[int], seconds: float = 5) -> Callable[[int | None], Answer[int]]:
    """Return a question that is answered with 1, 2, 3 and so on."""

    def ask(last: int | None) -> Answer[int]:
        values.append((last or 0) + 1)
        return Answer(values[-1], seconds)

    return ask


def test_an_answer_is_asked_for_again_when_it_is_due(clock: Clock) -> None:
    memory: Memory[str, int] = Memory(clock=clock)
    asked: list[int] = []
    steps = [(0.0, 1), (4.9, 1), (5.0, 2), (9.9, 2), (10.0, 3)]
    for seconds, value in steps:
        clock.now = 1000 + seconds
        assert memory.get("key", counting(asked)) == value
    assert asked == [1, 2, 3]


def test_peek_never_asks(clock: Clock) -> None:
    memory: Memory[str, int] = Memory(clock=clock)
    assert memory.peek("key") is None
    memory.put("key", 7, 5)
    assert memory.peek("key") == 7
    clock.now += 5
    assert memory.peek("key") is None
    memory.put("key", 8, 5)
    memory.forget("key")
    memory.forget("key")
    assert memory.peek("key") is None


def test_the_one_unused_for_longest_goes(clock: Clock) -> None:
    memory: Memory[str, int] = Memory(limit=2, clock=clock)
    for key in ("a", "b"):
        memory.put(key, 1, 5)
    memory.get("a", counting([]))
    memory.put("c", 1, 5)
    assert len(memory) == 2
    assert [memory.peek(key) for key in ("a", "b", "c")] == [1, None, 1]


def test_what_ask_raises_is_not_remembered(clock: Clock) -> None:
    memory: Memory[str, int] = Memory(clock=clock)

    def fail(_last: int | None) -> Answer[int]:
        raise KeyError("no answer")

    with pytest.raises(KeyError):
        memory.get("key", fail)
    assert len(memory) == 0
    assert memory.get("key", counting([])) == 1


class Slow:
    """A question that takes until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, _last: str | None) -> Answer[str]:
        self.asked += 1
        self.begun.set()
        assert self.go.wait(10)
        return Answer("new", 5)


def test_threads_without_an_answer_wait_for_one_question(clock: Clock) -> None:
    memory: Memory[str, str] = Memory(clock=clock)
    slow = Slow()
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(memory.get("key", slow))) for _number in range(8)]
    for thread in threads:
        thread.start()
    assert slow.begun.wait(10)
    slow.go.set()
    for thread in threads:
        thread.join(10)
    assert (answers, slow.asked) == (["new"] * 8, 1)


def test_threads_with_an_answer_go_on_with_it_for_a_moment_only(clock: Clock) -> None:
    memory: Memory[str, str] = Memory(clock=clock)
    memory.put("key", "old", 5)
    clock.now += 5
    slow = Slow()
    asker = threading.Thread(target=memory.get, args=("key", slow))
    asker.start()
    assert slow.begun.wait(10)
    assert memory.get("key", slow) == "old"
    clock.now += GRACE_SECONDS
    answers: list[str] = []
    late = threading.Thread(target=lambda: answers.append(memory.get("key", slow)))
    late.start()
    late.join(0.2)
    assert answers == []
    slow.go.set()
    for thread in (asker, late):
        thread.join(10)
    assert (answers, slow.asked) == (["new"], 1)


def test_once(clock: Clock) -> None:
    once = Once(60, clock)
    said = []
    for seconds in (0, 59, 60, 60, 119, 120):
        clock.now = 1000 + seconds
        said.append(once())
    assert said == [True, False, True, False, False, True]


def test_a_request_may_want_nothing_from_before_it(clock: Clock) -> None:
    memory: Memory[str, int] = Memory(clock=clock)
    ask = counting([], 60)

    def request() -> list[int]:
        ask_anew(clock.now)
        with remembering() as reading:
            first = memory.get("key", ask)
        assert reading.used
        # Asked within the request: good for all of it.
        return [first, memory.get("key", ask), memory.get("key", ask)]

    assert memory.get("key", ask) == 1
    clock.now += 1
    assert contextvars.Context().run(request) == [1, 2, 2]
    assert memory.get("key", ask) == 2


def test_who_wants_news_waits_for_them(clock: Clock) -> None:
    memory: Memory[str, str] = Memory(clock=clock)
    memory.put("key", "old", 60)
    asking, may_answer = threading.Event(), threading.Event()

    def slow(_last: str | None) -> Answer[str]:
        asking.set()
        assert may_answer.wait(10)
        return Answer("new", 60)

    def request() -> str:
        ask_anew(clock.now)
        return memory.get("key", slow)

    clock.now += 1
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(contextvars.Context().run, request)
        assert asking.wait(10)
        second = pool.submit(contextvars.Context().run, request)
        may_answer.set()
        assert [first.result(10), second.result(10)] == ["new", "new"]
