"""Frames that wait for the bus: bounded, the urgent first, the newest of a kind only."""

import enum
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, replace

from drivers.can.frame import Frame


class Priority(enum.IntEnum):
    """Lower goes first; in one class the older goes first."""

    OFF = 0
    SETPOINT = 1
    READ = 2
    PROBE = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frame with the time (monotonic) after which it must not be sent any more."""

    frame: Frame
    priority: Priority
    expires_s: float
    slot: Hashable = None
    """A newer frame with the same slot takes the place of this one, whatever its priority: an order to switch on
    must not follow the order to switch off that overtook it. None: stands for itself."""
    since_s: float = 0.0
    """When it was queued, or the one whose place it took."""


class Outbox:
    """At most `room` frames. A full box gives way to what is more urgent and refuses the rest."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._rows: tuple[deque[Waiting], ...] = tuple(deque() for _ in Priority)
        self._size = 0
        self.expired = 0
        self.pushed_out = 0

    def __len__(self) -> int:
        return self._size

    def put(self, waiting: Waiting) -> bool:
        """Whether it was taken in."""
        if self._replaced(waiting):
            return True
        if self._size >= self._room and not self._push_out(waiting.priority):
            return False
        self._rows[waiting.priority].append(waiting)
        self._size += 1
        return True

    def put_back(self, waiting: Waiting) -> None:
        """The link could not take it now: it stays the first of its class."""
        self._rows[waiting.priority].appendleft(waiting)
        self._size += 1

    def take(self, now_s: float) -> Waiting | None:
        for row in self._rows:
            while row:
                waiting = row.popleft()
                self._size -= 1
                if waiting.expires_s > now_s:
                    return waiting
                self.expired += 1
        return None

    def clear(self) -> int:
        """Drop all; returns how many."""
        dropped = self._size
        for row in self._rows:
            row.clear()
        self._size = 0
        return dropped

    def _replaced(self, waiting: Waiting) -> bool:
        if waiting.slot is None:
            return False
        for priority, row in enumerate(self._rows):
            for place, older in enumerate(row):
                if older.slot == waiting.slot:
                    return self._take_place(row, place, waiting, same=priority == waiting.priority)
        return False

    def _take_place(self, row: deque[Waiting], place: int, waiting: Waiting, *, same: bool) -> bool:
        if same:
            row[place] = replace(waiting, since_s=row[place].since_s)
            return True
        del row[place]
        self._size -= 1
        return False

    def _push_out(self, priority: Priority) -> bool:
        for row in reversed(self._rows[priority + 1 :]):
            if row:
                row.pop()
                self._size -= 1
                self.pushed_out += 1
                return True
        return False
