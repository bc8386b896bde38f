"""What waits for a wire, in the order in which it goes.

A reduction, another write, a fast read, a slow read, the probe of a lost unit; within a class the earliest
deadline.
"""

import asyncio
import enum
import math
from dataclasses import dataclass, field

from drivers.api import DeviceError, Fault
from drivers.modbus.link import Answer
from drivers.modbus.pdu import Request
from drivers.modbus.unit import Unit

SLOW_SHARE = 0.05
"""Share of the wire's time that slow reads have even while fast ones wait."""
DEAD_SHARE = 0.006
DEAD_IDLE_SHARE = 0.05
"""Share of the wire's time for probes of lost units, and of the time in which it would be idle."""
GUEST_SHARE = 0.03
GUEST_IDLE_SHARE = 0.4
"""The same for a scan while the site runs, answered or not."""
STARVED_S = 5.0
"""A slow read that waited this long counts as a fast one."""
PROBE_PATIENCE_S = 1.0
"""As `STARVED_S`, for a probe that its budget allows."""


class Urgency(enum.IntEnum):
    SAFETY = 0
    """A reduction."""
    WRITE = 1
    FAST = 2
    SLOW = 3
    PROBE = 4


Key = tuple[int, int, int, int]
Rank = tuple[int, bool, float]


@dataclass(slots=True, eq=False)
class Job:
    request: Request
    unit: Unit
    urgency: Urgency
    since_s: float
    due_s: float
    futures: list[asyncio.Future[Answer]]

    @property
    def key(self) -> Key:
        """Two jobs with the same are one read, or a write and its newer version."""
        request = self.request
        return request.unit, request.function, request.address, request.count

    @property
    def wanted(self) -> bool:
        """False when every caller is gone."""
        return any(not future.done() for future in self.futures)

    @property
    def ready_s(self) -> float:
        unit = self.unit
        return unit.quiet_until_s if self.urgency is Urgency.SAFETY else max(unit.quiet_until_s, unit.retry_s)

    def resolve(self, answer: Answer) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(answer)

    def fail(self, error: DeviceError) -> None:
        for future in self.futures:
            if not future.done():
                future.set_exception(error)


@dataclass(slots=True)
class Allowance:
    """A share of the wire's time that can be saved up, and is owed when it was overdrawn."""

    share: float
    most_s: float
    saved_s: float

    def earn(self, time_s: float) -> None:
        self.saved_s = min(self.most_s, self.saved_s + time_s)

    @property
    def wait_s(self) -> float:
        return 0.0 if self.saved_s > 0 else 0.001 - self.saved_s / self.share


@dataclass(slots=True)
class Choice:
    """The job that may go now, or how long until one may (infinite: until one is queued)."""

    job: Job | None = None
    rank: Rank = (99, False, 0.0)
    wait_s: float = math.inf
    cut_s: float = math.inf
    """How long until the next reduction may go."""


@dataclass(slots=True, eq=False)
class Jobs:
    slow: Allowance = field(default_factory=lambda: Allowance(SLOW_SHARE, 0.1, 0.1))
    dead: Allowance = field(default_factory=lambda: Allowance(DEAD_SHARE, 0.1, 0.02))
    guests: Allowance = field(default_factory=lambda: Allowance(GUEST_SHARE + GUEST_IDLE_SHARE, 0.1, 0.0))
    _queue: dict[Key, Job] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, job: Job) -> None:
        """Equal requests become one; of two writes to the same registers the newer one remains."""
        other = self._queue.get(job.key)
        if other is None:
            self._queue[job.key] = job
        elif other.request == job.request:
            other.futures += job.futures
            other.urgency, other.due_s = min(other.urgency, job.urgency), min(other.due_s, job.due_s)
        else:
            older, newer = sorted((other, job), key=lambda one: one.since_s)
            older.fail(DeviceError(Fault.REFUSED, f"unit {job.unit.number}: superseded"))
            self._queue[job.key] = newer

    def remove(self, job: Job) -> None:
        if self._queue.get(job.key) is job:
            del self._queue[job.key]

    def clear(self) -> list[Job]:
        jobs = list(self._queue.values())
        self._queue.clear()
        return jobs

    def choose(self, now_s: float, *, all_lost: bool) -> Choice:
        choice = Choice()
        probe_wait_s = 0.0 if all_lost else self.dead.wait_s
        for job in self._queue.values():
            wait_s = job.ready_s - now_s
            if job.urgency is Urgency.PROBE:
                wait_s = max(wait_s, self.guests.wait_s if job.unit.guest else probe_wait_s)
            if wait_s > 0:
                choice.wait_s = min(choice.wait_s, wait_s)
                if job.urgency is Urgency.SAFETY:
                    choice.cut_s = min(choice.cut_s, wait_s)
            elif (rank := self._rank(job, now_s)) < choice.rank:
                choice.job, choice.rank = job, rank
        return choice

    def _rank(self, job: Job, now_s: float) -> Rank:
        urgency = job.urgency
        if urgency is Urgency.FAST:
            return urgency, True, job.due_s
        if urgency <= Urgency.WRITE:
            return urgency, job.unit.misses > 0, job.due_s
        if urgency is Urgency.SLOW and self.slow.saved_s > 0:
            return Urgency.FAST, False, job.due_s
        patience_s = STARVED_S if urgency is Urgency.SLOW else PROBE_PATIENCE_S
        return (Urgency.FAST if now_s - job.since_s > patience_s else urgency), True, job.since_s
