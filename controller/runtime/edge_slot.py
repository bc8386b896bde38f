"""The place of an edge that comes, goes and changes with the configuration, while everything else goes on (R36)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from controller.clock import Clock
from controller.runtime.supervise import Supervised

PlanT = TypeVar("PlanT")


class RunningEdge(Protocol):
    alarm: str | None

    def changed(self) -> None: ...

    async def run(self) -> None: ...


class EdgeSlot(Generic[PlanT]):
    """`build` makes the edge from its slice; it runs supervised. `held`: nothing is started (R38)."""

    def __init__(self, name: str, build: Callable[[PlanT], Awaitable[RunningEdge]], clock: Clock) -> None:
        self.held = False
        self.supervised: tuple[Supervised, ...] = ()
        self._name = name
        self._build = build
        self._clock = clock
        self._plan: PlanT | None = None
        self._edge: RunningEdge | None = None
        self._task: asyncio.Task[None] | None = None

    def change_to(self, plan: PlanT | None, tasks: asyncio.TaskGroup) -> None:
        """Nothing happens to an edge whose slice stays as it is."""
        running = self._task is not None
        if plan == self._plan and running == (plan is not None and not self.held):
            return
        self._plan = plan
        self._stop()
        if plan is not None and not self.held:
            supervised = Supervised(self._name, lambda: self._run(plan), self._clock)
            self.supervised = (supervised,)
            self._task = tasks.create_task(supervised.run(), name=self._name)

    def release(self, tasks: asyncio.TaskGroup) -> None:
        """Start what was held."""
        self.held = False
        self.change_to(self._plan, tasks)

    def changed(self) -> None:
        if self._edge is not None:
            self._edge.changed()

    @property
    def alarms(self) -> tuple[str, ...]:
        alarm = self._edge.alarm if self._edge is not None else None
        return (alarm,) if alarm else ()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task, self.supervised = None, ()

    async def _run(self, plan: PlanT) -> None:
        edge = await self._build(plan)
        self._edge = edge
        try:
            await edge.run()
        finally:
            if self._edge is edge:
                self._edge = None
