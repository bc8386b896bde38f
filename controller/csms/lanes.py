"""Who may send the next CALL: one at a time, the urgent first."""

import asyncio
import enum
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class Lane(enum.IntEnum):
    """FIRST: boot and authorisation, somebody is waiting. QUEUE: what must not be lost. REST: the rest."""

    FIRST = 0
    QUEUE = 1
    REST = 2


class Lanes:
    """A lock whose waiters are served by lane, and within a lane in order of arrival."""

    def __init__(self) -> None:
        self._taken = False
        self._numbers = count()
        self._waiting: list[tuple[Lane, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, lane: Lane) -> AsyncIterator[None]:
        """The right to have a CALL open.

        Raises:
            ConnectionError: `send_away` was called while waiting.
        """
        await self._take(lane)
        try:
            yield
        finally:
            self._pass_on()

    def send_away(self) -> None:
        """Everybody who waits gets a ConnectionError."""
        for _, _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(ConnectionError("the connection has ended"))
        self._waiting.clear()

    async def _take(self, lane: Lane) -> None:
        if not self._taken:
            self._taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
