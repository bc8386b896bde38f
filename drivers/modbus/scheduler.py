"""One task per wire: decides what goes next, and is alone with the link.

Order: a reduction, another write, a fast read, a slow read, the probe of a lost unit; within a class the longest
waiting. Callers wait on a future of their own, so that cancelling one never cancels a transfer.
"""

import asyncio
import enum
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.api import DeviceError, Fault, Health
from drivers.modbus.link import Answer, Link
from drivers.modbus.pdu import ExceptionAnswerError, Request
from drivers.modbus.unit import Timing, Unit

REOPEN_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Back-off between attempts to open port or connection."""
SILENT_S = 2.0
"""A wire on which nobody answered for this long, though everybody was asked, is lost itself."""
REOPEN_SILENT_S = 10.0
"""Least time between two reopenings because of silence."""
DEAD_SHARE = 0.03
"""Share of the wire's time for probes of lost units, while others are alive."""
DEAD_CREDIT_S = 1.0
STARVED_S = 5.0
"""A slow read that waited this long counts as a fast one."""


class Urgency(enum.IntEnum):
    SAFETY = 0
    """A reduction."""
    WRITE = 1
    FAST = 2
    SLOW = 3
    PROBE = 4


@dataclass(slots=True, eq=False)
class Job:
    request: Request
    unit: Unit
    urgency: Urgency
    since_s: float
    future: asyncio.Future[Answer]

    def rank(self, now_s: float) -> tuple[int, float]:
        starved = self.urgency is Urgency.SLOW and now_s - self.since_s > STARVED_S
        return (Urgency.FAST if starved else self.urgency), self.since_s


@dataclass(slots=True)
class Counters:
    transactions: int = 0
    errors: int = 0
    timeouts: int = 0
    busy_s: float = 0.0


@dataclass(slots=True)
class Condition:
    """Whether anybody answers on the wire."""

    health: Health = Health.UNKNOWN
    answered_s: float = field(default_factory=time.monotonic)
    opened_s: float = -math.inf
    reopened_s: float = -math.inf
    silent: set[int] = field(default_factory=set)
    """Units that missed since anybody answered."""


class Scheduler:
    def __init__(self, link: Link, *, timing: Timing, on_health: Callable[[Health, str], None]) -> None:
        self.counters = Counters()
        self._link = link
        self._timing = timing
        self._on_health = on_health
        self._condition = Condition()
        self._jobs: list[Job] = []
        self._units: dict[int, Unit] = {}
        self._wake = asyncio.Event()
        self._closed: str | None = "not running"
        """Why no transfer is possible now."""
        self._credit_s = DEAD_CREDIT_S
        self._credited_s = time.monotonic()

    def unit(self, number: int, spacing_s: float = 0.0) -> Unit:
        """The unit, created at its first mention; the longest spacing that any device asks for holds."""
        unit = self._units.setdefault(number, Unit(number, self._timing))
        unit.spacing_s = max(unit.spacing_s, spacing_s)
        return unit

    async def transfer(self, request: Request, urgency: Urgency) -> Answer:
        """Queue a request and wait for its answer.

        Raises:
            DeviceError: as `Link.exchange`; CLOSED at once while the wire is down.
        """
        if self._closed is not None:
            raise DeviceError(Fault.CLOSED, self._closed)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._jobs.append(Job(request, self.unit(request.unit), urgency, time.monotonic(), future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Serve until cancelled; a fault of the wire is reopened, never raised."""
        self._closed = None
        try:
            while True:
                if not self._link.is_open:
                    await self._open()
                job, wait_s = self._pick()
                if job is None:
                    await self._idle(wait_s)
                elif not job.future.done():
                    await self._serve(job)
        finally:
            self._link.close()
            self._shut("not running")

    async def _open(self) -> None:
        attempt = 0 if time.monotonic() - self._condition.opened_s > 1.0 else 1
        first = attempt
        while not self._link.is_open:
            pause_s = REOPEN_S[min(attempt, len(REOPEN_S) - 1)]
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            try:
                await self._link.open()
            except DeviceError as error:
                self._shut(str(error))
                self._set_health(Health.LOST, str(error))
            attempt += 1
        self._closed = None
        self._condition.opened_s = time.monotonic()
        if attempt > first + 1:
            self._revive()

    def _shut(self, text: str) -> None:
        self._closed = text
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(DeviceError(Fault.CLOSED, text))

    async def _idle(self, wait_s: float | None) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _pick(self) -> tuple[Job | None, float | None]:
        """The next job, removed from the queue; or how long until one may go (None: until one is queued)."""
        now_s = time.monotonic()
        dead_s = self._dead_wait_s(now_s)
        waits = {id(job): job.unit.ready_s - now_s for job in self._jobs}
        for job in self._jobs:
            if job.urgency is Urgency.PROBE:
                waits[id(job)] = max(waits[id(job)], dead_s)
        ready = [job for job in self._jobs if waits[id(job)] <= 0]
        if ready:
            job = min(ready, key=lambda job: job.rank(now_s))
            self._jobs.remove(job)
            return job, None
        return None, min(waits.values(), default=None)

    def _dead_wait_s(self, now_s: float) -> float:
        """How long until the budget for lost units lets one be probed."""
        self._credit_s = min(DEAD_CREDIT_S, self._credit_s + DEAD_SHARE * (now_s - self._credited_s))
        self._credited_s = now_s
        if self._credit_s > 0 or all(unit.lost for unit in self._units.values()):
            return 0.0
        return -self._credit_s / DEAD_SHARE + 0.001

    async def _serve(self, job: Job) -> None:
        try:
            if self._confusable(job):
                await self._settle(job.unit, job.request)
                self._jobs.append(job)
                return
            answer = await self._exchange(job.unit, job.request)
        except DeviceError as error:
            if job.urgency is Urgency.PROBE and error.fault is Fault.TIMEOUT:
                self._credit_s -= time.monotonic() - self._credited_s
            if not job.future.done():
                job.future.set_exception(error)
        else:
            if not job.future.done():
                job.future.set_result(answer)

    def _confusable(self, job: Job) -> bool:
        """Whether something else than its answer could be taken for it: a late answer, or the line's own echo."""
        if self._link.fresh and not job.request.is_read:
            return True
        return self._link.ambiguous and job.unit.confusable(job.request, time.monotonic())

    async def _settle(self, unit: Unit, request: Request) -> None:
        """Read something else first: after that no late answer is under way, and it is known if the line echoes."""
        try:
            await self._exchange(unit, unit.another_shape(request))
        except ExceptionAnswerError as error:
            if error.fault is not Fault.REFUSED:
                raise

    async def _exchange(self, unit: Unit, request: Request) -> Answer:
        timeout_s = unit.timeout_s(request)
        begin_s = time.monotonic()
        answered = False
        self.counters.transactions += 1
        try:
            answer = await self._link.exchange(request, timeout_s)
            answered = True
        except DeviceError as error:
            answered = self._was_answered(unit, request, error)
            self._count(error, unit, timeout_s)
            if error.fault is Fault.REFUSED and not answered:
                raise DeviceError(Fault.TIMEOUT, f"{error}, perhaps of an older request") from error
            raise
        finally:
            now_s = time.monotonic()
            self.counters.busy_s += now_s - begin_s
            if answered:
                unit.answered(now_s, now_s - begin_s)
                self._heard(now_s)
            else:
                unit.may_come_late(request, now_s)
        return answer

    def _was_answered(self, unit: Unit, request: Request, error: DeviceError) -> bool:
        """An exception may be late too: it counts only where no older request had the same function."""
        if error.fault is Fault.DATA:
            return True
        late = self._link.ambiguous and unit.may_be_late_exception(request.function)
        return error.fault is Fault.REFUSED and not late

    def _count(self, error: DeviceError, unit: Unit, timeout_s: float) -> None:
        self.counters.errors += 1
        if error.fault is Fault.TIMEOUT:
            self.counters.timeouts += 1
            unit.missed(time.monotonic(), timeout_s)
            self._missed(unit)

    def _heard(self, now_s: float) -> None:
        condition = self._condition
        condition.answered_s = now_s
        condition.silent.clear()
        if condition.health is not Health.OK:
            was_lost = condition.health is Health.LOST
            self._set_health(Health.OK, "answers")
            if was_lost:
                self._revive()

    def _missed(self, unit: Unit) -> None:
        condition = self._condition
        condition.silent.add(unit.number)
        now_s = time.monotonic()
        alive = {other.number for other in self._units.values() if other.devices > 0 and other.misses < 2}
        if now_s - condition.answered_s < SILENT_S or alive - condition.silent:
            return
        for other in self._units.values():
            other.lose()
        self._set_health(Health.LOST, "nobody answers")
        if now_s - condition.reopened_s >= REOPEN_SILENT_S:
            condition.reopened_s = now_s
            self._link.close()

    def _revive(self) -> None:
        for unit in self._units.values():
            unit.revive()

    def _set_health(self, health: Health, text: str) -> None:
        if self._condition.health is not health:
            self._condition.health = health
            self._on_health(health, text)
