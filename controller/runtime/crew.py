"""The tasks behind devices and wires by name, started and stopped one by one (R36)."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from controller.clock import Clock
from controller.runtime.supervise import Supervised

STOPS_WITHIN_S = 5.0

Run = Callable[[], Coroutine[Any, Any, None]]


class Crew:
    def __init__(self, clock: Clock, tasks: asyncio.TaskGroup) -> None:
        self.supervised: dict[str, Supervised] = {}
        self._clock = clock
        self._tasks = tasks
        self._running: dict[str, list[asyncio.Task[None]]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Tasks that were told to stop and may still hold a port."""

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._running.setdefault(name, []).append(self._tasks.create_task(work, name=name))

    def start_supervised(self, name: str, run: Run) -> None:
        self.supervised[name] = Supervised(name, self._when_free(run, set(self._ending)), self._clock)
        self.start(name, self.supervised[name].run())

    def stop(self, name: str) -> None:
        for task in self._running.pop(name, []):
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        self.supervised.pop(name, None)

    def _when_free(self, run: Run, ending: set[asyncio.Task[None]]) -> Run:
        """A port that is still open elsewhere cannot be opened, so what is stopping goes first."""

        async def run_after() -> None:
            if ending:
                await asyncio.wait(ending, timeout=STOPS_WITHIN_S)
            await run()

        return run_after
