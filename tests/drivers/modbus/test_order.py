"""What goes over a wire next, in virtual time: classes, deadlines, shares, pauses, what is shared or replaced."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers.api import DeviceError, Fault, Health
from drivers.modbus import pdu
from drivers.modbus.link import Answer, Done
from drivers.modbus.pdu import Request
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.survey_guest import Guest
from drivers.modbus.unit import GUEST, RTU
from tests.drivers.modbus.virtual_time import run_virtually

GAP_S, READ_S, WRITE_S = 0.002, 0.03, 0.015


@dataclass
class ToyLink:
    """Each request waits a gap, then takes its time; the dead cost their timeout."""

    most: int = 1
    ambiguous = True
    fresh = False
    is_open: bool = False
    dead: set[int] = field(default_factory=set)
    sent: list[tuple[float, Request]] = field(default_factory=list)
    under_way: int = 0
    highest: int = 0
    dead_s: float = 0.0
    longest: int = 125
    """Longer reads are refused."""
    _waiting: asyncio.TimerHandle | None = None

    async def open(self, lost: Callable[[], None]) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def begin(self, request: Request, timeout_s: float, done: Done) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(GAP_S, self._send, request, timeout_s, done)

    def withdraw(self) -> bool:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        return waiting is not None

    def line_s(self, request: Request) -> float:
        return READ_S if request.is_read else WRITE_S

    def _send(self, request: Request, timeout_s: float, done: Done) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = None
        self.sent.append((loop.time(), request))
        self.under_way += 1
        self.highest = max(self.highest, self.under_way)
        if request.unit in self.dead:
            self.dead_s += timeout_s
            loop.call_later(timeout_s, self._end, done, DeviceError(Fault.TIMEOUT, "no answer"))
        elif request.count > self.longest:
            refused = pdu.ExceptionAnswerError(request.unit, 2)
            loop.call_later(self.line_s(request), self._end, done, refused)
        else:
            answer = Answer((0,) * request.count, loop.time(), 0.005)
            loop.call_later(self.line_s(request), self._end, done, answer)

    def _end(self, done: Done, outcome: Answer | DeviceError) -> None:
        self.under_way -= 1
        done(outcome)

    def order(self) -> list[tuple[int, int]]:
        return [(request.unit, request.address) for _, request in self.sent]


def on_wire(test: Callable[[Scheduler, ToyLink], Awaitable[None]], *, most: int = 1) -> None:
    async def main() -> None:
        link = ToyLink(most)
        scheduler = Scheduler(link, timing=RTU, on_health=lambda health, text: None)
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0.001)
        try:
            await test(scheduler, link)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    run_virtually(main())


def read(address: int, unit: int = 1, count: int = 1) -> Request:
    return pdu.read(unit, "holding", address=address, count=count)


def write(address: int, value: int = 1, unit: int = 1) -> Request:
    return pdu.write(unit, 6, address=address, words=(value,))


def start(work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
    return asyncio.create_task(work)


async def poll(scheduler: Scheduler, unit: int) -> None:
    """As a poller does, for ever."""
    while True:
        lost = scheduler.unit(unit).lost
        try:
            await scheduler.transfer(read(unit, unit, 20), Urgency.PROBE if lost else Urgency.FAST)
        except DeviceError:
            await asyncio.sleep(0.25 if scheduler.unit(unit).lost else 0)


@contextlib.asynccontextmanager
async def polled(scheduler: Scheduler, units: range) -> Any:
    tasks = [asyncio.create_task(poll(scheduler, unit)) for unit in units]
    await asyncio.sleep(2)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_within_a_class_the_earliest_deadline_goes_first() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        now_s = asyncio.get_running_loop().time()
        due = {1: 0.0, 2: 5.0, 3: 1.0, 4: 0.5}
        await asyncio.gather(
            *(scheduler.transfer(read(at), Urgency.FAST, due_s=now_s + due_s) for at, due_s in due.items())
        )
        assert [address for _, address in link.order()] == [1, 4, 3, 2]

    on_wire(test)


def test_a_cut_takes_the_place_of_a_read_that_still_waits_for_silence() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        first = start(scheduler.transfer(read(1), Urgency.FAST))
        await asyncio.sleep(GAP_S / 2)
        await scheduler.transfer(write(2), Urgency.SAFETY)
        await first
        assert [address for _, address in link.order()] == [2, 1]

    on_wire(test)


def test_equal_reads_that_wait_are_one() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        busy = start(scheduler.transfer(read(9), Urgency.FAST))
        await asyncio.sleep(0)
        same = [start(scheduler.transfer(read(1, count=2), Urgency.FAST)) for _ in range(3)]
        await asyncio.sleep(0)
        same[1].cancel()
        answers = await asyncio.gather(busy, same[0], same[2])
        assert [answer.values for answer in answers[1:]] == [(0, 0), (0, 0)]
        assert len(link.sent) == 2

    on_wire(test)


def test_of_two_writes_to_one_register_that_wait_the_newer_is_sent() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        busy = start(scheduler.transfer(read(9), Urgency.FAST))
        await asyncio.sleep(GAP_S + 0.001)
        old = start(scheduler.transfer(write(1, 16), Urgency.WRITE))
        await asyncio.sleep(0.001)
        other = start(scheduler.transfer(write(2, 16), Urgency.WRITE))
        new = start(scheduler.transfer(write(1, 6), Urgency.SAFETY))
        with pytest.raises(DeviceError, match="superseded") as caught:
            await old
        assert caught.value.fault is Fault.REFUSED
        await asyncio.gather(busy, other, new)
        assert [request.words for _, request in link.sent] == [(), (6,), (16,)]

    on_wire(test)


def test_a_slow_read_has_its_share_while_fast_ones_never_pause() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        async with polled(scheduler, range(1, 9)):
            waits = []
            for address in range(100, 140):
                begin_s = asyncio.get_running_loop().time()
                await scheduler.transfer(read(address), Urgency.SLOW)
                waits.append(asyncio.get_running_loop().time() - begin_s)
            assert max(waits) < 1.5
            share = len(waits) * READ_S / sum(waits)
            assert 0.03 < share < 0.08

    on_wire(test)


def test_dead_units_have_a_small_share_of_a_busy_wire_and_are_still_asked() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        async with polled(scheduler, range(1, 11)):
            link.dead = {2, 5, 9}
            await asyncio.sleep(10)
            assert link.dead_s < 0.5
            before_s, asked = link.dead_s, len(link.sent)
            await asyncio.sleep(60)
            assert link.dead_s - before_s < 0.7
            assert {2, 5, 9} <= {request.unit for _, request in link.sent[asked:]}
            link.dead = set()
            await asyncio.sleep(30)
            assert not any(scheduler.unit(unit).lost for unit in (2, 5, 9))

    on_wire(test)


def test_on_an_idle_wire_a_dead_unit_is_asked_more_often() -> None:
    probes: dict[float, int] = {}

    async def beat(scheduler: Scheduler, pause_s: float) -> None:
        while True:
            await scheduler.transfer(read(0, 7, 20), Urgency.FAST)
            await asyncio.sleep(pause_s)

    def test_with(pause_s: float) -> Callable[[Scheduler, ToyLink], Awaitable[None]]:
        async def test(scheduler: Scheduler, link: ToyLink) -> None:
            async with polled(scheduler, range(1, 2)):
                beating = asyncio.create_task(beat(scheduler, pause_s))
                link.dead = {1}
                await asyncio.sleep(60)
                probes[pause_s] = sum(request.unit == 1 for at_s, request in link.sent if at_s > 1010)
                beating.cancel()

        return test

    for pause_s in (0.0, 0.5):
        on_wire(test_with(pause_s))
    assert 0 < probes[0.0] < 0.5 * probes[0.5]


def test_a_read_does_not_begin_where_a_cut_waits_for_the_pause_of_its_unit() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        scheduler.unit(1, spacing_s=0.1)
        async with polled(scheduler, range(2, 5)):
            for _ in range(10):
                await scheduler.transfer(read(1), Urgency.FAST)
                begin_s = asyncio.get_running_loop().time()
                await scheduler.transfer(write(50), Urgency.SAFETY)
                took_s = asyncio.get_running_loop().time() - begin_s
                assert took_s < 0.1 + GAP_S + WRITE_S + 0.003

    on_wire(test)


def test_the_cut_of_a_unit_that_missed_comes_after_those_that_answer() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead = {1}
        with pytest.raises(DeviceError):
            await scheduler.transfer(read(1), Urgency.FAST)
        link.sent.clear()
        await asyncio.sleep(1)
        await asyncio.gather(
            *(scheduler.transfer(write(50, unit=unit), Urgency.SAFETY) for unit in (3, 1, 2)),
            return_exceptions=True,
        )
        assert [unit for unit, _ in link.order()][:3] == [3, 2, 1]

    on_wire(test)


@pytest.mark.parametrize(("pipeline", "spacing_s", "expected"), [(1, 0.0, 1), (3, 0.0, 3), (3, 0.01, 1)])
def test_more_than_one_request_is_under_way_only_where_the_unit_allows_it(
    pipeline: int, spacing_s: float, expected: int
) -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        scheduler.unit(1, spacing_s, pipeline=pipeline)
        await asyncio.gather(*(scheduler.transfer(read(at), Urgency.FAST) for at in range(10)))
        assert link.highest == expected

    on_wire(test, most=8)


def test_a_fault_of_our_own_ends_the_wire_instead_of_leaving_everybody_waiting() -> None:
    async def main() -> None:
        def broken(health: object, text: str) -> None:
            raise ZeroDivisionError

        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        scheduler = Scheduler(ToyLink(), timing=RTU, on_health=broken)
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0.001)
        asked = start(scheduler.transfer(read(1), Urgency.FAST))
        with pytest.raises(RuntimeError, match="failed in a callback"):
            await running
        asked.cancel()

    run_virtually(main())


def test_every_unit_has_its_own_figures() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead = {2}
        await scheduler.transfer(read(1), Urgency.FAST)
        with pytest.raises(DeviceError):
            await scheduler.transfer(read(1, unit=2), Urgency.FAST)
        good, dead = (scheduler.units[unit].counters for unit in (1, 2))
        assert (good.transactions, good.timeouts, good.lost_s) == (1, 0, 0.0)
        assert (dead.transactions, dead.timeouts) == (1, 1)
        assert dead.lost_s == dead.busy_s > 0
        assert scheduler.counters.busy_s == pytest.approx(good.busy_s + dead.busy_s)

    on_wire(test)


# A scan while others use the wire (R39)


async def ask(guest: Guest, units: range) -> int:
    """How many of them answered."""
    found = 0
    for unit in units:
        with contextlib.suppress(DeviceError):
            await guest.transfer(read(0, unit), Urgency.SLOW)
            found += 1
    return found


def test_r39_a_scan_has_a_bounded_share_of_a_busy_wire() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead |= set(range(100, 248))
        async with polled(scheduler, range(1, 4)):
            for unit in range(1, 4):
                scheduler.unit(unit).devices = 1
            begin_s, sent = asyncio.get_running_loop().time(), len(link.sent)
            scanning = asyncio.create_task(ask(Guest(scheduler), range(100, 248)))
            await asyncio.sleep(60)
            spent_s = sum(GUEST.first_s for _, request in link.sent[sent:] if request.unit >= 100)
            passed_s = asyncio.get_running_loop().time() - begin_s
            assert 0.02 < spent_s / passed_s < 0.05, "it goes on, with its share"
            scanning.cancel()

    on_wire(test)


def test_r39_a_scan_of_an_idle_wire_is_not_slow() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead |= set(range(1, 248)) - {7, 240}
        async with asyncio.timeout(247 * GUEST.first_s / 0.25):
            assert await ask(Guest(scheduler), range(1, 248)) == 2

    on_wire(test)


def test_r39_a_scan_goes_after_everything_else_and_a_cut_goes_next() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        busy = start(scheduler.transfer(read(1), Urgency.FAST))
        await asyncio.sleep(GAP_S * 2)
        guest = start(Guest(scheduler).transfer(read(9, 99), Urgency.SAFETY))
        await asyncio.sleep(0)
        others = [
            start(scheduler.transfer(read(3), Urgency.FAST)),
            start(scheduler.transfer(write(4), Urgency.SAFETY)),
        ]
        await asyncio.gather(busy, guest, *others)
        assert link.order() == [(1, 1), (1, 4), (1, 3), (99, 9)]

    on_wire(test)


def test_r39_a_question_of_a_scan_that_has_not_begun_gives_way_to_a_cut() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        await asyncio.sleep(5)
        guest = start(Guest(scheduler).transfer(read(9, 99), Urgency.PROBE))
        await asyncio.sleep(GAP_S / 2)
        await asyncio.gather(guest, start(scheduler.transfer(write(4), Urgency.SAFETY)))
        assert link.order() == [(1, 4), (99, 9)]

    on_wire(test)


def test_r39_no_question_of_a_scan_begins_that_would_delay_a_cut_that_waits_for_its_unit() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead.add(99)
        unit = scheduler.unit(1)
        await asyncio.sleep(5)
        unit.quiet_until_s = asyncio.get_running_loop().time() + GUEST.first_s / 2
        cut = start(scheduler.transfer(write(4), Urgency.SAFETY))
        guest = start(Guest(scheduler).transfer(read(9, 99), Urgency.PROBE))
        await asyncio.gather(guest, cut, return_exceptions=True)
        assert link.order() == [(1, 4), (99, 9)]

    on_wire(test)


def test_r39_silent_addresses_are_no_dead_units_of_the_wire() -> None:
    heard: list[Health] = []

    async def main() -> None:
        link = ToyLink()
        scheduler = Scheduler(link, timing=RTU, on_health=lambda health, text: heard.append(health))
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0.001)
        scheduler.unit(1).devices = 1
        link.dead |= set(range(100, 120))
        await scheduler.transfer(read(1), Urgency.FAST)
        await ask(Guest(scheduler), range(100, 120))
        assert list(scheduler.units) == [1], "nobody remembers them"
        assert not scheduler.unit(1).lost
        counters = scheduler.counters
        assert (counters.transactions, counters.errors, counters.timeouts) == (21, 0, 0)
        assert counters.busy_s > 20 * GUEST.first_s, "but the time that they took is told"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(main())
    assert heard == [Health.OK]


def test_r39_a_scan_of_a_wire_without_devices_does_not_make_it_silent() -> None:
    """Silence opens a wire anew, and raises an alarm."""
    heard: list[Health] = []

    async def main() -> None:
        link = ToyLink(dead=set(range(1, 248)))
        scheduler = Scheduler(link, timing=RTU, on_health=lambda health, text: heard.append(health))
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0.001)
        await ask(Guest(scheduler), range(1, 40))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(main())
    assert heard == []


def test_r39_a_scan_waits_while_a_device_of_the_site_has_missed() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead.add(1)
        unit = scheduler.unit(1)
        unit.devices = 1
        with contextlib.suppress(DeviceError):
            await scheduler.transfer(read(1), Urgency.FAST)
        guest = start(Guest(scheduler).transfer(read(9, 99), Urgency.PROBE))
        await asyncio.sleep(1)
        assert not guest.done()
        link.dead.clear()
        await scheduler.transfer(read(1), Urgency.FAST)
        await guest

    on_wire(test)


def test_r39_a_guest_only_reads_unless_somebody_may_write() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        with pytest.raises(ValueError, match="only reads"):
            await Guest(scheduler).transfer(write(1), Urgency.WRITE)
        assert not link.sent
        await Guest(scheduler, writes=True).transfer(write(1, unit=9), Urgency.WRITE)
        assert link.order() == [(9, 1)]

    on_wire(test)


def test_units_without_devices_do_not_keep_a_wire_from_counting_as_lost() -> None:
    """Then the probes of the lost ones would have only their small share, for nobody's sake."""

    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        scheduler.unit(2)  # its device was taken off the wire
        unit = scheduler.unit(1)
        unit.devices = 1
        link.dead.add(1)
        unit.lose()
        begin_s = asyncio.get_running_loop().time()
        for _ in range(3):
            with contextlib.suppress(DeviceError):
                await scheduler.transfer(read(1), Urgency.PROBE)
        assert asyncio.get_running_loop().time() - begin_s < 5

    on_wire(test)


def test_a_unit_that_refuses_whatever_is_longer_is_believed_again_by_another_function() -> None:
    """Its exceptions to longer reads could be late ones of the read that it missed."""

    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead.add(1)
        with pytest.raises(DeviceError):
            await scheduler.transfer(read(0), Urgency.FAST)
        link.dead.clear()
        link.longest = 1
        with pytest.raises(DeviceError, match="perhaps of an older request"):
            await scheduler.transfer(read(0), Urgency.FAST)
        assert await scheduler.transfer(read(0), Urgency.FAST)
        assert [(one.function, one.count) for _, one in link.sent] == [(3, 1), (3, 2), (4, 1), (3, 1)]

    on_wire(test)


# What a wire, a unit or a gateway that misbehaves may cost


@dataclass
class Flapping(ToyLink):
    """Opens each time, and is closed a moment later before anybody answers."""

    openings: int = 0
    flaps: bool = True

    async def open(self, lost: Callable[[], None]) -> None:
        await super().open(lost)
        self.openings += 1
        if self.flaps:
            asyncio.get_running_loop().call_later(0.01, self._hang_up, lost)

    def _hang_up(self, lost: Callable[[], None]) -> None:
        self.close()
        lost()


def test_a_gateway_that_closes_each_connection_at_once_is_not_stormed() -> None:
    """Some devices take one master only, and run out of sockets when they are asked four times a second."""
    told: list[Health] = []

    async def main() -> None:
        link = Flapping()
        scheduler = Scheduler(link, timing=RTU, on_health=lambda health, text: told.append(health))
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(60)
        assert link.openings < 22
        with pytest.raises(DeviceError) as caught:
            await scheduler.transfer(read(1), Urgency.SAFETY)
        assert caught.value.fault is Fault.CLOSED, "nobody waits for it"
        link.flaps = False
        await asyncio.sleep(5)
        await scheduler.transfer(read(1), Urgency.FAST)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(main())
    assert told == [Health.LOST, Health.OK]


def test_a_unit_gets_its_pause_also_after_an_exception_that_may_be_a_late_one() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        scheduler.unit(1, spacing_s=0.2)
        link.dead.add(1)
        with pytest.raises(DeviceError):
            await scheduler.transfer(read(0), Urgency.FAST)
        link.dead.clear()
        link.longest = 1
        for _ in range(3):
            with contextlib.suppress(DeviceError):
                await scheduler.transfer(read(0), Urgency.FAST)
        times = [at_s for at_s, _ in link.sent]
        assert len(times) > 3
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.2

    on_wire(test)


def test_cuts_for_a_lost_unit_take_no_longer_than_for_one_that_misses_for_the_first_time() -> None:
    """Each of them holds up the wire, also for the cuts of others."""

    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        await scheduler.transfer(read(1), Urgency.FAST)
        link.dead.add(1)
        scheduler.unit(1).lose()
        took_s = []
        for _ in range(40):
            before_s = link.dead_s
            with contextlib.suppress(DeviceError):
                await scheduler.transfer(write(5), Urgency.SAFETY)
            took_s.append(link.dead_s - before_s)
            await asyncio.sleep(1)
        assert max(took_s) <= RTU.floor_s + 0.001

    on_wire(test)
