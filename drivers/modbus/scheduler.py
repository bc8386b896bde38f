"""Decides what goes over a wire next, and is alone with its link.

It is driven by callbacks: the end of one exchange begins the next, in the same turn of the event loop. Callers wait
on futures of their own, so that cancelling one never cancels a transfer.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers.api import DeviceError, Fault, Health
from drivers.modbus.condition import Condition
from drivers.modbus.jobs import (
    DEAD_IDLE_SHARE,
    DEAD_SHARE,
    GUEST_IDLE_SHARE,
    GUEST_SHARE,
    SLOW_SHARE,
    Job,
    Jobs,
    Urgency,
)
from drivers.modbus.link import Answer, Link
from drivers.modbus.pdu import Request
from drivers.modbus.timers import Deadline
from drivers.modbus.unit import Counters, Timing, Unit, total

__all__ = ["Asks", "Scheduler", "Urgency"]

REOPEN_S = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Back-off between attempts to open port or connection."""
SILENT_S = 2.0
"""A wire on which nobody answered for this long, though everybody was asked, is lost itself."""
REOPEN_SILENT_S = 10.0
"""Least time between two reopenings because of silence."""
USUAL_TURNAROUND_S = 0.005


@dataclass(slots=True, eq=False)
class Flight:
    """A job under way. `settles`: with a request of another shape, after which the job itself can be believed."""

    job: Job
    request: Request
    settles: bool
    begun_s: float
    timeout_s: float


class Asks(Protocol):
    """Whoever carries requests to a wire: its scheduler, or somebody who asks one."""

    async def transfer(self, request: Request, urgency: Urgency) -> Answer:
        """Raises DeviceError: not answered, or refused."""


class Scheduler:
    def __init__(self, link: Link, *, timing: Timing, on_health: Callable[[Health, str], None]) -> None:
        self._link = link
        self._timing = timing
        self._on_health = on_health
        self._condition = Condition()
        self._jobs = Jobs()
        self._flying: list[Flight] = []
        self._units: dict[int, Unit] = {}
        self._of_guests = Counters()
        """Exchanges and time only: that nobody answers at an address that is only tried is no fault of the wire."""
        self._timer = Deadline(self._again)
        self._stopped = asyncio.Event()
        """The link is closed, or a callback failed: `run` looks after it."""
        self._broken = False
        self._closed: str | None = "not running"
        """Why no transfer is possible now."""
        self._earned_s = math.inf
        self._busy_s = 0.0
        self._earned_busy_s = 0.0
        self._worst_cut_s = 0.0

    @property
    def counters(self) -> Counters:
        """Of all units together, and the time that guests had."""
        return total([*(unit.counters for unit in self._units.values()), self._of_guests])

    @property
    def waiting(self) -> int:
        """Requests that are queued."""
        return len(self._jobs)

    @property
    def worst_cut_s(self) -> float:
        """The longest that a reduction waited from its order until it went out."""
        return self._worst_cut_s

    @property
    def units(self) -> Mapping[int, Unit]:
        return self._units

    def unit(self, number: int, spacing_s: float = 0.0, *, pipeline: int | None = None) -> Unit:
        """The unit, created at its first mention; the longest spacing that any device behind it asks for holds."""
        unit = self._units.get(number)
        if unit is None:
            unit = self._units[number] = Unit(number, self._timing)
        unit.spacing_s = max(unit.spacing_s, spacing_s)
        if pipeline is not None:
            unit.pipeline = pipeline
        return unit

    @property
    def troubled(self) -> bool:
        """Whether a device of the site has just missed, and is not given up."""
        return any(unit.misses > 0 and not unit.lost for unit in self._units.values() if unit.devices)

    async def transfer(
        self, request: Request, urgency: Urgency, *, due_s: float | None = None, guest: Unit | None = None
    ) -> Answer:
        """Queue a request and wait for its answer. Within its class the earliest `due_s` goes first (now, if None).

        `guest`: the unit, where it is not one of the site's; it is forgotten with its caller.

        An equal read that waits already is shared. A write that waits to the same registers is replaced: its caller
        gets REFUSED, "superseded".

        Raises:
            DeviceError: as `Link.begin` says; CLOSED at once while the wire is down.
        """
        if self._closed is not None:
            raise DeviceError(Fault.CLOSED, self._closed)
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        future: asyncio.Future[Answer] = loop.create_future()
        unit = guest or self._units.get(request.unit) or self.unit(request.unit)
        job = Job(request, unit, urgency, now_s, now_s if due_s is None else due_s, [future])
        if self._flying or self._jobs or urgency is Urgency.PROBE or job.ready_s > now_s:
            self._jobs.add(job)
            self._overtake(job, now_s)
            self._pump()
        elif self._link.is_open:
            self._begin(job, now_s)
        else:
            self._jobs.add(job)
        return await future

    async def run(self) -> None:
        """Serve until cancelled; a fault of the wire is reopened, never raised."""
        self._closed = None
        self._condition.answered_s = _now_s()
        try:
            while True:
                await self._open()
                self._pump()
                await self._stopped.wait()
                if self._broken:
                    raise RuntimeError("the scheduler of a wire failed in a callback; what failed was logged")
        finally:
            self._timer.close()
            self._link.close()
            self._shut("not running")

    async def _open(self) -> None:
        self._stopped.clear()
        attempt = self._condition.first_attempt(_now_s())
        if attempt > 1:
            text = "closed again and again before anybody answers: is another master connected to it?"
            self._shut(text)
            self._set_health(Health.LOST, text)
        while not self._link.is_open:
            pause_s = REOPEN_S[min(attempt, len(REOPEN_S) - 1)]
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            try:
                await self._link.open(self._stopped.set)
            except DeviceError as error:
                self._shut(str(error))
                self._set_health(Health.LOST, str(error))
            attempt += 1
        was_shut, self._closed = self._closed is not None, None
        self._condition.opened_s = _now_s()
        if was_shut:
            self._revive()

    def _shut(self, text: str) -> None:
        self._closed = text
        for unit in self._units.values():
            unit.revived.clear()  # nobody need try again before it is open
        for job in self._jobs.clear():
            job.fail(DeviceError(Fault.CLOSED, text))

    # What goes next.

    def _overtake(self, job: Job, now_s: float) -> None:
        """A more urgent job takes the place of one that still waits for the wire to be silent."""
        if not self._flying or job.urgency >= self._flying[-1].job.urgency or job.ready_s > now_s:
            return
        if self._link.withdraw():
            self._jobs.add(self._flying.pop().job)

    def _again(self) -> None:
        self._broken = True
        try:
            self._pump()
            self._broken = False
        finally:
            self._look_after()

    def _pump(self) -> None:
        """Begin what may begin."""
        while self._link.is_open and len(self._flying) < self._link.most:
            now_s = _now_s()
            self._earn(now_s)
            choice = self._jobs.choose(now_s, all_lost=self._all_lost())
            job, wait_s = choice.job, choice.wait_s
            if job is not None and job.urgency is not Urgency.SAFETY and choice.cut_s < self._takes_s(job):
                job, wait_s = None, choice.cut_s  # not worth delaying a reduction whose unit needs a pause
            if job is None:
                if wait_s < math.inf:
                    self._timer.at(now_s + wait_s)
                return
            if len(self._flying) >= min((job.unit.depth, *(flight.job.unit.depth for flight in self._flying))):
                return
            self._jobs.remove(job)
            if job.wanted:
                self._begin(job, now_s)

    def _all_lost(self) -> bool:
        """Units behind which no device is polled any more do not count, where there are others."""
        polled = [unit for unit in self._units.values() if unit.devices]
        return all(unit.lost for unit in polled or self._units.values())

    def _takes_s(self, job: Job) -> float:
        turnaround_s = job.unit.turnaround_s
        if job.unit.guest and turnaround_s is None:
            turnaround_s = job.unit.timeout_s(job.request)
        return self._link.line_s(job.request) + (USUAL_TURNAROUND_S if turnaround_s is None else turnaround_s)

    def _earn(self, now_s: float) -> None:
        """Slow reads and probes earn their shares of the time that passed, probes more while nothing went on."""
        passed_s = max(0.0, now_s - self._earned_s)
        idle_s = max(0.0, passed_s - (self._busy_s - self._earned_busy_s))
        self._earned_s, self._earned_busy_s = now_s, self._busy_s
        self._jobs.slow.earn(SLOW_SHARE * passed_s)
        self._jobs.dead.earn(DEAD_SHARE * passed_s + DEAD_IDLE_SHARE * idle_s)
        self._jobs.guests.earn(GUEST_SHARE * passed_s + GUEST_IDLE_SHARE * idle_s)

    def _begin(self, job: Job, now_s: float) -> None:
        settles = self._confusable(job, now_s)
        request = job.unit.another_shape(job.request) if settles else job.request
        timeout_s = job.unit.timeout_s(request, urgent=job.urgency <= Urgency.WRITE)
        flight = Flight(job, request, settles, now_s, timeout_s)
        if job.urgency is Urgency.SAFETY and not settles:
            self._worst_cut_s = max(self._worst_cut_s, now_s - job.since_s)
        self._flying.append(flight)
        self._link.begin(request, timeout_s, lambda outcome: self._done(flight, outcome))

    def _confusable(self, job: Job, now_s: float) -> bool:
        """Whether something else than its answer could be taken for it: a late answer, or the line's own echo.

        Then something else is read first. After that no late answer is under way, and it is known if the line
        echoes.
        """
        if self._link.fresh and not job.request.is_read:
            return True
        return self._link.ambiguous and job.unit.confusable(job.request, now_s)

    # What became of it.

    def _done(self, flight: Flight, outcome: Answer | DeviceError) -> None:
        if flight not in self._flying:
            return
        self._flying.remove(flight)
        self._broken = True
        try:
            self._conclude(flight, outcome)
            self._broken = False
        finally:
            self._look_after()

    def _look_after(self) -> None:
        """A fault of our own in a callback ends `run`: nobody shall wait for ever, somebody shall hear of it."""
        if self._broken:
            self._stopped.set()

    def _conclude(self, flight: Flight, outcome: Answer | DeviceError) -> None:
        now_s = _now_s()
        unit, request, spent_s = flight.job.unit, flight.request, now_s - flight.begun_s
        counters = self._of_guests if unit.guest else unit.counters
        counters.transactions += 1
        counters.busy_s += spent_s
        self._busy_s += spent_s
        if isinstance(outcome, Answer):
            unit.learn(request, outcome.turnaround_s)
            self._heard(unit, now_s)
        else:
            outcome = self._misfortune(flight, outcome, now_s)
        self._hand_over(flight, outcome, spent_s)
        if self._jobs:
            self._pump()

    def _hand_over(self, flight: Flight, outcome: Answer | DeviceError, spent_s: float) -> None:
        job = flight.job
        if job.unit.guest:
            self._jobs.guests.earn(-spent_s)
        elif job.urgency is Urgency.SLOW:
            self._jobs.slow.earn(-spent_s)
        elif job.urgency is Urgency.PROBE and _is(outcome, Fault.TIMEOUT):
            self._jobs.dead.earn(-spent_s)
        if flight.settles and (isinstance(outcome, Answer) or _is(outcome, Fault.REFUSED)):
            self._jobs.add(job)
        elif isinstance(outcome, Answer):
            job.resolve(outcome)
        else:
            job.fail(outcome)

    def _misfortune(self, flight: Flight, error: DeviceError, now_s: float) -> DeviceError:
        unit, request = flight.job.unit, flight.request
        answered = self._was_answered(unit, request, error)
        if answered:
            self._heard(unit, now_s)
        unit.counters.errors += 1
        unit.counters.faults[error.fault] += 1
        if error.fault is Fault.TIMEOUT:
            unit.counters.timeouts += 1
            unit.counters.lost_s += now_s - flight.begun_s
            unit.missed(now_s, flight.timeout_s)
            self._missed(unit, now_s)
        if not answered:
            unit.may_come_late(request, now_s)
        if error.fault is Fault.REFUSED and not answered:
            unit.quiet_until_s = max(unit.quiet_until_s, now_s + unit.spacing_s)
            return DeviceError(Fault.TIMEOUT, f"{error}, perhaps of an older request")
        return error

    def _was_answered(self, unit: Unit, request: Request, error: DeviceError) -> bool:
        """An exception may be late too: it counts only where no older request had the same function."""
        if error.fault is Fault.DATA:
            return True
        late = self._link.ambiguous and unit.may_be_late_exception(request.function)
        return error.fault is Fault.REFUSED and not late

    def _heard(self, unit: Unit, now_s: float) -> None:
        unit.answered(now_s)
        condition = self._condition
        condition.answered_s = now_s
        condition.silent.clear()
        if condition.health is not Health.OK:
            was_lost = condition.health is Health.LOST
            self._set_health(Health.OK, "answers")
            if was_lost:
                self._revive()

    def _missed(self, unit: Unit, now_s: float) -> None:
        if unit.guest:
            return
        condition = self._condition
        condition.silent.add(unit.number)
        alive = {other.number for other in self._units.values() if other.devices > 0 and other.misses < 2}
        if now_s - condition.answered_s < SILENT_S or alive - condition.silent:
            return
        for other in self._units.values():
            other.lose()
        self._set_health(Health.LOST, "nobody answers")
        if now_s - condition.reopened_s >= REOPEN_SILENT_S:
            condition.reopened_s = now_s
            self._link.close()
            self._stopped.set()

    def _revive(self) -> None:
        for unit in self._units.values():
            unit.revive()

    def _set_health(self, health: Health, text: str) -> None:
        if self._condition.health is not health:
            self._condition.health = health
            self._on_health(health, text)


def _now_s() -> float:
    """The loop's clock, which is the monotonic clock."""
    return asyncio.get_running_loop().time()


def _is(outcome: Answer | DeviceError, fault: Fault) -> bool:
    return isinstance(outcome, DeviceError) and outcome.fault is fault
