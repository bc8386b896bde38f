"""Edges and wires that fail: again after a pause, and not for ever."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.clock import Clock, Machine
from controller.runtime import supervise
from controller.runtime.supervise import Supervised
from tests.runtime.bench import until


class Part:
    def __init__(self, *, fails: bool = True) -> None:
        self.starts = 0
        self.fails = fails

    async def run(self) -> None:
        self.starts += 1
        if self.fails:
            raise RuntimeError("boom")
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "FIRST_PAUSE_S", 0.05)


async def test_r38_three_failures_in_five_minutes_set_it_aside(caplog: pytest.LogCaptureFixture) -> None:
    part = Part()
    one = Supervised("wire", part.run, Clock())
    task = asyncio.create_task(one.run())
    await until(lambda: one.alarm == "wire is set aside: RuntimeError: boom")
    assert (part.starts, one.running, supervise.ASIDE_S) == (3, False, 600)
    task.cancel()
    await asyncio.wait({task})
    assert all(record.exc_info for record in caplog.records)


async def test_r38_what_was_set_aside_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "ASIDE_S", 0.05)
    part = Part()
    one = Supervised("wire", part.run, Clock())
    task = asyncio.create_task(one.run())
    await until(lambda: part.starts >= 3 and not one.running)
    part.fails = False
    await until(lambda: one.running and one.alarm is None)
    task.cancel()
    await asyncio.wait({task})


async def test_r38_failures_that_are_far_apart_are_not_a_loop() -> None:
    seconds = iter(range(0, 100_000, 200))
    clock = Clock(machine=Machine(mono=lambda: float(next(seconds)), synchronised=lambda: False))
    part = Part()
    task = asyncio.create_task(Supervised("wire", part.run, clock).run())
    await until(lambda: part.starts > 3)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_the_alarm_goes_when_it_runs_again_and_pauses_grow() -> None:
    part = Part()
    one = Supervised("wire", part.run, Clock())
    task = asyncio.create_task(one.run())
    await until(lambda: one.alarm == "wire was restarted: RuntimeError: boom")
    part.fails = False
    await until(lambda: one.running and one.alarm is None)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def alarm_of(run: Callable[[], Awaitable[None]]) -> str | None:
    """What is said of a part once it has been set aside."""
    one = Supervised("page", run, Clock())
    task = asyncio.create_task(one.run())
    await until(lambda: one.alarm is not None and "set aside" in one.alarm)
    task.cancel()
    await asyncio.wait({task})
    return one.alarm


async def test_ending_by_itself_is_a_failure_too() -> None:
    async def run() -> None:
        return

    assert await alarm_of(run) == "page is set aside: it ended by itself"


async def test_a_cancellation_from_within_is_a_failure_and_not_a_silent_end() -> None:
    async def run() -> None:
        inner = asyncio.get_running_loop().create_future()
        inner.cancel()
        await inner

    assert await alarm_of(run) == "page is set aside: it was cancelled from within"
