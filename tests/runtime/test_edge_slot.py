"""An edge comes, goes and changes with the configuration."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.clock import Clock
from controller.runtime.edge_slot import EdgeSlot
from tests.runtime.bench import until


class Edge:
    """One that notes what becomes of it."""

    def __init__(self, plan: str) -> None:
        self.plan = plan
        self.alarm: str | None = f"{plan} is away"
        self.changes = 0
        self.running = False

    def changed(self) -> None:
        self.changes += 1

    async def run(self) -> None:
        self.running = True
        try:
            if self.plan == "broken":
                raise RuntimeError("a bug")
            await asyncio.Event().wait()
        finally:
            self.running = False


class Slot:
    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.tasks = tasks
        self.built: list[Edge] = []
        self.slot: EdgeSlot[str] = EdgeSlot("edge", self._build, Clock())

    async def _build(self, plan: str) -> Edge:
        self.built.append(Edge(plan))
        return self.built[-1]

    def change_to(self, plan: str | None) -> None:
        self.slot.change_to(plan, self.tasks)

    def running(self) -> list[str]:
        return [edge.plan for edge in self.built if edge.running]


@pytest.fixture
async def slot() -> AsyncIterator[Slot]:
    ready: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(Slot(tasks))
            await asyncio.Event().wait()

    life = asyncio.create_task(live())
    yield await ready
    life.cancel()
    await asyncio.wait({life})


async def test_r36_it_is_built_once_and_stays_while_its_slice_does(slot: Slot) -> None:
    slot.change_to("one")
    await until(lambda: slot.running() == ["one"])
    slot.change_to("one")
    await asyncio.sleep(0.05)
    assert len(slot.built) == 1
    slot.slot.changed()
    assert (slot.built[0].changes, slot.slot.alarms) == (1, ("one is away",))


async def test_r36_a_new_slice_is_a_new_edge_and_none_is_none(slot: Slot) -> None:
    slot.change_to("one")
    await until(lambda: slot.running() == ["one"])
    slot.change_to("two")
    await until(lambda: slot.running() == ["two"])
    assert slot.slot.alarms == ("two is away",)
    slot.change_to(None)
    await until(lambda: slot.running() == [])
    slot.slot.changed()
    assert [*slot.slot.alarms, *slot.slot.supervised] == []


async def test_r38_what_is_held_starts_when_it_is_released(slot: Slot) -> None:
    slot.slot.held = True
    slot.change_to("one")
    await asyncio.sleep(0.05)
    assert slot.built == []
    slot.slot.release(slot.tasks)
    await until(lambda: slot.running() == ["one"])


async def test_a_bug_in_an_edge_is_an_alarm_of_its_supervisor(slot: Slot) -> None:
    slot.change_to("broken")
    await until(lambda: slot.slot.supervised[0].alarm)
    assert slot.slot.alarms == ()
