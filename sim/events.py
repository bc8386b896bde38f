"""The record of what happened in the simulated hardware."""

import asyncio
from collections import deque

from sim.clock import SimClock, monotonic_s

KEEP = 50_000

Scalar = str | float | int | bool | None
Event = dict[str, Scalar]


class EventLog:
    """Events numbered from 1; the oldest are dropped beyond `KEEP`."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=KEEP)
        self._last = 0
        self._news = asyncio.Event()

    def add(self, kind: str, **facts: Scalar) -> None:
        """Record an event with the real monotonic time and the simulated one."""
        self._last += 1
        stamp: Event = {"seq": self._last, "t_s": monotonic_s(), "sim_s": self._clock.now_s, "kind": kind}
        self._events.append(stamp | facts)
        self._news.set()
        self._news = asyncio.Event()

    @property
    def last(self) -> int:
        return self._last

    def since(self, seq: int) -> list[Event]:
        missing = min(self._last - seq, len(self._events))
        if missing <= 0:
            return []
        return [self._events[i] for i in range(len(self._events) - missing, len(self._events))]

    async def wait(self, seq: int, timeout_s: float) -> list[Event]:
        """Events after `seq`; when there are none, wait for one at most `timeout_s` real seconds."""
        if self._last <= seq:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return []
        return self.since(seq)
