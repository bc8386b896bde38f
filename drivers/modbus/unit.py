"""What is known of one unit: how fast it answers, when it may be asked again, what may still come late."""

import asyncio
from dataclasses import dataclass

from drivers.modbus.pdu import READ_FUNCTION, Request, Shape, read

LOST_AFTER = 3
"""Misses in a row after which a unit counts as lost."""
STALE_S = 15.0
"""An answer that comes later than this is not expected."""
SMOOTHING = 0.2


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for an answer: at first, at least, at most."""

    first_s: float = 0.5
    floor_s: float = 0.15
    ceiling_s: float = 1.0


class Unit:
    """Mutable, owned by its wire's scheduler; devices behind it read it."""

    def __init__(self, number: int, timing: Timing) -> None:
        self.number = number
        self.spacing_s = 0.0
        self.ready_s = 0.0
        """No request before this time."""
        self.hushed_until_s = 0.0
        """No polling before this time, so that the unit's own watchdog can fire."""
        self.lifted = asyncio.Event()
        self.devices = 0
        """Devices that are polled behind this unit."""
        self.misses = 0
        self.untried = True
        """Not asked yet, or not since the wire came back: its first probe is free of the budget for the dead."""
        self.revived = asyncio.Event()
        self._timing = timing
        self._turnaround_s: float | None = None
        self._stale: dict[Shape, float] = {}

    @property
    def lost(self) -> bool:
        return self.misses >= LOST_AFTER

    def hush(self, until_s: float) -> None:
        self.hushed_until_s = until_s
        self.lifted.clear()

    def lift(self) -> None:
        """End the hush: somebody commands the unit again."""
        self.hushed_until_s = 0.0
        self.lifted.set()

    def lose(self) -> None:
        self.misses = max(self.misses, LOST_AFTER)
        self.revived.clear()

    def revive(self) -> None:
        """The wire is back: try at once."""
        self.untried = True
        self.revived.set()

    def timeout_s(self, request: Request) -> float:
        """Grows with each miss and starts again, so that a unit that became slow is heard sooner or later."""
        timing = self._timing
        if not request.is_read and not self.lost:
            return timing.ceiling_s
        usual_s = timing.first_s if self._turnaround_s is None else 4 * self._turnaround_s
        return min(timing.ceiling_s, max(timing.floor_s, usual_s) * (1 << self.misses % 4))

    def answered(self, now_s: float, turnaround_s: float) -> None:
        self.misses = 0
        self.untried = False
        self._stale.clear()
        self.revived.set()
        self.ready_s = now_s + self.spacing_s
        old_s = self._turnaround_s
        self._turnaround_s = turnaround_s if old_s is None else old_s + SMOOTHING * (turnaround_s - old_s)

    def missed(self, now_s: float, quiet_s: float) -> None:
        """No answer: leave the unit alone for as long as was waited, so that a late answer falls into silence."""
        self.misses += 1
        self.untried = False
        self.ready_s = now_s + max(quiet_s, self.spacing_s)
        if self.lost:
            self.revived.clear()

    def may_come_late(self, request: Request, now_s: float) -> None:
        self._stale[request.shape] = now_s

    def confusable(self, request: Request, now_s: float) -> bool:
        """Whether a late answer could be taken for the answer to this request."""
        self._stale = {shape: t_s for shape, t_s in self._stale.items() if now_s - t_s < STALE_S}
        if request.is_read:
            return request.shape in self._stale
        return any(function == request.function for function, _ in self._stale)

    def may_be_late_exception(self, function: int) -> bool:
        """Whether an exception for this function could belong to an older request."""
        return any(stale == function for stale, _ in self._stale)

    def another_shape(self, request: Request) -> Request:
        """A cheap read whose answer no late answer resembles: by another function, else of another count.

        An exception is as good an answer where no late one can have the same function. Which of the two comes first
        alternates, for the sake of units that do not answer a function that they do not know.
        """
        by_function = [
            read(self.number, table, address=request.address, count=1)
            for table in READ_FUNCTION
            if table in ("holding", "input") and not self.may_be_late_exception(READ_FUNCTION[table])
        ]
        if by_function and (self.misses % 2 == 0 or not request.is_read):
            return by_function[0]
        return self._other_count(request)

    def _other_count(self, request: Request) -> Request:
        function = 4 if request.function == 4 else 3
        free = [count for count in (1, 2, 4, 3, 5, 6, 7, 8) if (function, count) not in self._stale]
        count = free[0] if free else 9
        return Request(self.number, function, min(request.address, 0x10000 - count), count)
