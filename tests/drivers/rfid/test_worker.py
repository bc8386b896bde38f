"""Calls that block, in threads of their own."""

import asyncio
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from drivers.api import DeviceError, Fault
from drivers.rfid.worker import Worker
from tests.drivers.rfid.heard import until


class Library:
    """Notes what is called, and how many at once; `hang` until `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.called: list[str] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def hang(self, name: str) -> str:
        with self._lock:
            self.called.append(name)
            self._now += 1
            self.most = max(self.most, self._now)
        self.answers.wait(20)
        time.sleep(0.05)
        with self._lock:
            self._now -= 1
        return name

    def give_back(self, name: str) -> None:
        self.hang(f"-{name}")


@pytest.fixture
def library() -> Iterator[Library]:
    made = Library()
    yield made
    made.answers.set()


async def test_what_comes_too_late_is_given_back_and_the_next_call_waits_for_that(library: Library) -> None:
    worker = Worker("w")
    with pytest.raises(DeviceError) as late:
        await worker.call(partial(library.hang, "a"), 0.1, unwanted=library.give_back)
    assert late.value.fault is Fault.TIMEOUT
    following = asyncio.create_task(worker.call(partial(library.hang, "b"), 10))
    await asyncio.sleep(0.1)
    library.answers.set()
    assert await following == "b"
    assert library.called == ["a", "-a", "b"]
    assert library.most == 1


async def test_what_is_to_be_done_afterwards_comes_before_whoever_waits(library: Library) -> None:
    worker = Worker("w")
    first = asyncio.create_task(worker.call(partial(library.hang, "a"), 10))
    await until(lambda: library.called)
    worker.afterwards(partial(library.give_back, "x"))
    second, third = (asyncio.create_task(worker.call(partial(library.hang, name), 10)) for name in "bc")
    await asyncio.sleep(0.1)
    library.answers.set()
    assert [await first, await second, await third] == ["a", "b", "c"]
    assert library.called == ["a", "-x", "b", "c"]
    assert library.most == 1


async def test_while_a_call_hangs_there_is_no_other(library: Library) -> None:
    worker = Worker("w")
    for _ in range(3):
        with pytest.raises(DeviceError, match="no answer within"):
            await worker.call(partial(library.hang, "a"), 0.05)
    assert library.called == ["a"]
