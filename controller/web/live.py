"""Server-Sent Events: the newest view to every open page, at most two a second, and a beat between."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

MIN_INTERVAL_S = 0.5
BEAT_S = 2.0
MAX_LISTENERS = 24
"""Leaves half of the connections to everything else."""


class Pulse:
    """Wakes the open pages when the view has changed, and knows how long ago that was."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self._changed_s: float | None = None
        self.closed = False

    def start(self) -> None:
        """Count the age from here until the first change."""
        self.closed = False
        self._changed_s = asyncio.get_running_loop().time()

    def changed(self) -> None:
        self._changed_s = asyncio.get_running_loop().time()
        self._wake()

    def close(self) -> None:
        """Ends every open stream."""
        self.closed = True
        self._wake()

    @property
    def age_s(self) -> float:
        """Seconds since the view last changed. The controller changes it every cycle."""
        now_s = asyncio.get_running_loop().time()
        return now_s - (now_s if self._changed_s is None else self._changed_s)

    @property
    def full(self) -> bool:
        return len(self._listeners) >= MAX_LISTENERS

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self._listeners.add(woken)
        try:
            yield woken
        finally:
            self._listeners.discard(woken)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()


class _Frames(AsyncIterator[bytes]):
    """What one page receives. Nothing queues up: a page that reads slowly gets the newest view when it can."""

    def __init__(self, pulse: Pulse, woken: asyncio.Event, site: Callable[[], bytes]) -> None:
        self._pulse = pulse
        self._woken = woken
        self._site = site
        self._greeted = False

    async def __anext__(self) -> bytes:
        if not self._greeted:
            self._greeted = True
            return b"retry: 2000\n\n" + self._view() + self._beat()
        await asyncio.sleep(MIN_INTERVAL_S)
        try:
            async with asyncio.timeout(BEAT_S - MIN_INTERVAL_S):
                await self._woken.wait()
        except TimeoutError:
            return self._beat()
        self._woken.clear()
        if self._pulse.closed:
            raise StopAsyncIteration
        return self._view()

    def _view(self) -> bytes:
        return b"event: site\ndata: " + self._site() + b"\n\n"

    def _beat(self) -> bytes:
        return b"event: beat\ndata: " + json.dumps({"age_s": round(self._pulse.age_s, 1)}).encode() + b"\n\n"


class LiveStream(StreamingResponse):
    """The response that stays open until the page goes or the server stops."""

    def __init__(self, pulse: Pulse, site: Callable[[], bytes]) -> None:
        super().__init__(iter(()), media_type="text/event-stream")
        self._pulse = pulse
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._pulse.listen() as woken:
            self.body_iterator = _Frames(self._pulse, woken, self._site)
            await super().__call__(scope, receive, send)
