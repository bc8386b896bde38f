"""What is known of one unit: how fast it answers, when it may be asked again, what may still come late."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from drivers.api import Fault
from drivers.modbus.pdu import READ_FUNCTION, Request, Shape, read
from drivers.profile_schema import Table

LOST_AFTER = 3
"""Misses in a row after which a unit counts as lost."""
BACK_OFF_S = (0.1, 0.7)
"""Pause after the first and the second miss: a glitch of the wire is over by then."""
PATIENT_EACH = 4
"""Each fourth probe of a lost unit waits longer, ever longer, so that one that became slow is heard in the end."""
STALE_S = 15.0
"""An answer that comes later than this is not expected."""
SETTLING: tuple[Table, ...] = ("holding", "input", "coil", "discrete")
"""Where is read what only shows that no late answer is under way; bits, which most devices refuse, come last."""
SMOOTHING = 0.2
PLAUSIBLE = 4
"""An answer comes within this many usual turnarounds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for an answer to begin: at first, at least, at most; and at least for that to a write."""

    first_s: float = 0.5
    floor_s: float = 0.15
    ceiling_s: float = 1.0
    write_s: float = 0.3


RTU = Timing(first_s=0.1, floor_s=0.025)
"""On a wire that others wait for; who answers late is learned to."""
TCP = Timing()
GUEST = Timing(first_s=0.12, floor_s=0.12, ceiling_s=0.6)
"""For addresses of which nobody knows if anybody is there, while others wait for the wire."""


@dataclass(slots=True)
class Counters:
    """`busy_s`: time of the wire; `lost_s`: that part of it in which nobody answered."""

    transactions: int = 0
    errors: int = 0
    timeouts: int = 0
    busy_s: float = 0.0
    lost_s: float = 0.0
    faults: Counter[Fault] = field(default_factory=Counter)
    """The errors by kind."""


def total(all_of_them: Iterable[Counters]) -> Counters:
    found = Counters()
    for one in all_of_them:
        found.transactions += one.transactions
        found.errors += one.errors
        found.timeouts += one.timeouts
        found.busy_s += one.busy_s
        found.lost_s += one.lost_s
        found.faults += one.faults
    return found


@dataclass(slots=True)
class Learned:
    """The usual turnaround, once answers were seen."""

    usual_s: float | None = None

    def add(self, turnaround_s: float) -> None:
        old_s = self.usual_s
        self.usual_s = turnaround_s if old_s is None else old_s + SMOOTHING * (turnaround_s - old_s)


@dataclass(slots=True, eq=False)
class Unit:
    """Owned by its wire's scheduler; devices behind it read it."""

    number: int
    timing: Timing
    counters: Counters = field(default_factory=Counters)
    spacing_s: float = 0.0
    pipeline: int = 1
    """Requests that it takes at once."""
    guest: bool = False
    """Asked by a scan, and no part of the site: its silence says nothing about the wire."""
    quiet_until_s: float = 0.0
    """No request at all before this time: one may still come late, or the device needs the pause."""
    retry_s: float = 0.0
    """Nothing but a reduction before this time: it missed."""
    hushed_until_s: float = 0.0
    """No polling before this time, so that the unit's own watchdog can fire."""
    lifted: asyncio.Event = field(default_factory=asyncio.Event)
    devices: int = 0
    """Devices that are polled behind this unit."""
    misses: int = 0
    answered_s: float | None = None
    """When it last answered; None: never."""
    untried: bool = True
    """Not asked yet, or not since the wire came back: its first probe is free of the budget for the dead."""
    revived: asyncio.Event = field(default_factory=asyncio.Event)
    _reads: Learned = field(default_factory=Learned)
    _writes: Learned = field(default_factory=Learned)
    _stale: dict[Shape, float] = field(default_factory=dict)
    _settlings: int = 0
    """Requests of another shape since it last answered."""

    @property
    def lost(self) -> bool:
        return self.misses >= LOST_AFTER

    @property
    def heard(self) -> bool:
        """It has answered, and has missed less since than a lost one."""
        return self._reads.usual_s is not None and not self.lost

    @property
    def depth(self) -> int:
        return 1 if self.spacing_s > 0 else self.pipeline

    @property
    def turnaround_s(self) -> float | None:
        return self._reads.usual_s

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
        self.retry_s = 0.0
        self.revived.set()

    def timeout_s(self, request: Request, *, urgent: bool = False) -> float:
        """From the end of the request to the first byte of its answer.

        `urgent`: what is written to a lost unit on the chance that it hears is not waited for as a probe is.
        """
        timing = self.timing
        if not request.is_read and not self.lost:
            usual_s = self._writes.usual_s
            longest_s = timing.ceiling_s if usual_s is None else max(timing.write_s, PLAUSIBLE * usual_s)
            return min(timing.ceiling_s, longest_s)
        usual_s = self._reads.usual_s
        longest_s = timing.first_s if usual_s is None else max(timing.floor_s, PLAUSIBLE * usual_s)
        return min(timing.ceiling_s, longest_s * (1 if urgent and self.lost else self._patience()))

    def _patience(self) -> int:
        if not self.lost:
            return 1 << max(0, self.misses - 1)
        turn, rest = divmod(self.misses - LOST_AFTER + 1, PATIENT_EACH)
        return 1 if rest else 1 << 1 + turn % 5

    def answered(self, now_s: float) -> None:
        self.misses = 0
        self.answered_s = now_s
        self.untried = False
        self._stale.clear()
        self._settlings = 0
        self.revived.set()
        self.retry_s = 0.0
        self.quiet_until_s = now_s + self.spacing_s

    def learn(self, request: Request, turnaround_s: float) -> None:
        (self._reads if request.is_read else self._writes).add(turnaround_s)

    def missed(self, now_s: float, quiet_s: float) -> None:
        """No answer: leave the unit alone for as long as was waited, so that a late answer falls into silence."""
        self.misses += 1
        self.untried = False
        self.quiet_until_s = now_s + max(quiet_s, self.spacing_s)
        back_off_s = BACK_OFF_S[min(self.misses, len(BACK_OFF_S)) - 1]
        self.retry_s = self.quiet_until_s if self.lost else now_s + back_off_s
        if self.lost:
            self.revived.clear()

    def may_come_late(self, request: Request, now_s: float) -> None:
        self._stale[request.shape] = now_s

    def confusable(self, request: Request, now_s: float) -> bool:
        """Whether a late answer could be taken for the answer to this request."""
        if not self._stale:
            return False
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
        alternates, for the sake of units that do not answer a function that they do not know, and of those that
        refuse whatever is longer.
        """
        by_function = [
            read(self.number, table, address=request.address, count=1)
            for table in SETTLING
            if not self.may_be_late_exception(READ_FUNCTION[table])
        ]
        self._settlings += 1
        if by_function and (self._settlings % 2 == 0 or not request.is_read):
            return by_function[0]
        return self._other_count(request)

    def _other_count(self, request: Request) -> Request:
        function = 4 if request.function == 4 else 3
        counts = (1, 2, 4, 3, *range(5, 126))
        others = (Request(self.number, function, min(request.address, 0x10000 - count), count) for count in counts)
        return next((other for other in others if other.shape not in self._stale), request)
