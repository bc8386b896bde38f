"""A CAN bus in one process: bit times, arbitration, error frames. Nodes and ports see every frame but their own."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple

BUS_OFF_CLASS = 0x40
RESTARTED_CLASS = 0x100
BACKLOG = 4096


class WireFrame(NamedTuple):
    can_id: int
    data: bytes
    extended: bool = True

    @property
    def bits(self) -> int:
        """Without stuffing: 29-bit 67, 11-bit 47, and eight for each byte."""
        return (67 if self.extended else 47) + 8 * len(self.data)


class Party(NamedTuple):
    """Who is on the wire. `error` gets the class bits of an error frame."""

    frame: Callable[[WireFrame], None]
    error: Callable[[int], None]


class CanWire:
    """`bitrate` 0: no time passes on the wire. `drop` says which frames get lost on the way to others."""

    def __init__(self, bitrate: int = 0) -> None:
        self.bitrate = bitrate
        self.carried = 0
        self.overflows = 0
        self.drop: Callable[[WireFrame], bool] = lambda frame: False
        self._parties: list[Party] = []
        self._waiting: list[tuple[int, int, WireFrame, Party | None]] = []
        self._order = itertools.count()
        self._busy = False

    def join(self, party: Party) -> Callable[[], None]:
        self._parties.append(party)
        return lambda: self._parties.remove(party) if party in self._parties else None

    def put(self, frame: WireFrame, sender: Party | None) -> None:
        """Take part in arbitration: the lowest identifier that waits goes next."""
        if not self.bitrate:
            asyncio.get_running_loop().call_soon(self._carry, frame, sender)
            return
        if len(self._waiting) >= BACKLOG:
            self.overflows += 1
            return
        # A standard frame wins against an extended one with the same first 11 bits.
        key = frame.can_id << 1 | 1 if frame.extended else frame.can_id << 19
        heapq.heappush(self._waiting, (key, next(self._order), frame, sender))
        self._next()

    def fail(self, classes: int) -> None:
        """Every controller on the bus reports an error frame of these classes."""
        for party in list(self._parties):
            party.error(classes)

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        _, _, frame, sender = heapq.heappop(self._waiting)
        asyncio.get_running_loop().call_later(frame.bits / self.bitrate, self._sent, frame, sender)

    def _sent(self, frame: WireFrame, sender: Party | None) -> None:
        self._busy = False
        self._carry(frame, sender)
        self._next()

    def _carry(self, frame: WireFrame, sender: Party | None) -> None:
        self.carried += 1
        if self.drop(frame):
            return
        for party in list(self._parties):
            if party is not sender:
                party.frame(frame)
