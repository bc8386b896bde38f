"""What wires count for whoever watches them: errors by kind, the age of answers, how long cuts wait."""

import asyncio
import contextlib
from typing import Any

import pytest

from drivers.api import DeviceError, DeviceEvent, Fault, Health
from drivers.can.bus import CanBus
from drivers.can.frame import Frame, Socketcand
from drivers.can.host import CanWire
from drivers.can.outbox import Outbox, Priority, Waiting
from drivers.modbus.bus import ModbusBus
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.profile import builtin_folder, load
from drivers.setups import Line, MeterSetup
from sim.can.ports import SocketcandServer
from sim.can.wire import CanWire as SimWire
from tests.drivers.can.rig import until
from tests.drivers.modbus.conftest import PtyStation
from tests.drivers.modbus.test_order import ToyLink, on_wire, read, start, write
from tests.drivers.test_scan import sdm630

METER = load(builtin_folder() / "meters" / "eastron-sdm630-v2.toml")


def nothing(event: DeviceEvent) -> None:
    del event


def test_errors_are_counted_by_kind_for_the_unit_and_for_its_wire() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        link.dead, link.longest = {2}, 20
        for unit, count in ((1, 1), (1, 30), (2, 1)):
            with contextlib.suppress(DeviceError):
                await scheduler.transfer(read(1, unit, count), Urgency.FAST)
        good, dead = (scheduler.units[unit].counters.faults for unit in (1, 2))
        assert (dict(good), dict(dead)) == ({Fault.REFUSED: 1}, {Fault.TIMEOUT: 1})
        assert dict(scheduler.counters.faults) == {Fault.REFUSED: 1, Fault.TIMEOUT: 1}
        assert scheduler.counters.errors == 2

    on_wire(test)


def test_the_longest_wait_of_a_cut_is_known_and_that_of_other_writes_is_no_part_of_it() -> None:
    async def test(scheduler: Scheduler, link: ToyLink) -> None:
        await scheduler.transfer(write(9), Urgency.WRITE)
        assert scheduler.worst_cut_s == 0
        busy = start(scheduler.transfer(read(1), Urgency.FAST))
        await asyncio.sleep(0.01)
        cut = start(scheduler.transfer(write(5), Urgency.SAFETY))
        late = start(scheduler.transfer(write(6), Urgency.WRITE))
        await asyncio.sleep(0.001)
        assert scheduler.waiting == 2
        await asyncio.gather(busy, cut, late)
        # The read takes 32 ms from its order on; the cut came 10 ms after that.
        assert scheduler.worst_cut_s == pytest.approx(0.022, abs=0.002)
        await scheduler.transfer(write(5), Urgency.SAFETY)
        assert scheduler.worst_cut_s == pytest.approx(0.022, abs=0.002), "the worst since the start"
        assert scheduler.waiting == 0

    on_wire(test)


async def test_a_wire_tells_all_kinds_and_the_age_of_an_answer() -> None:
    station = PtyStation(units={1: sdm630()})
    station.open()
    bus = ModbusBus("wire", Line(station.port, 9600, "N", 1), nothing)
    bus.add_meter(MeterSetup("m1", 1, 1.0, reversed=False, period_s=0.3), METER)
    bus.add_meter(MeterSetup("m2", 9, 1.0, reversed=False, period_s=0.3), METER)
    running = asyncio.create_task(bus.run())
    try:
        await until(lambda: any(one.timeouts and one.unit == 9 for one in bus.figures().units), "a time-out")
        await until(lambda: any(one.answer_age_s is not None for one in bus.figures().units), "an answer")
        figures = bus.figures()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        station.close()
    by_unit: dict[int, Any] = {one.unit: one for one in figures.units}
    assert set(figures.faults) == {"timeout", "data", "refused", "closed"}
    assert figures.faults["timeout"] == figures.timeouts == by_unit[9].faults["timeout"]
    assert sum(figures.faults.values()) == figures.errors
    assert 0 <= by_unit[1].answer_age_s < 30
    assert by_unit[9].answer_age_s is None, "it never answered"


def test_a_newer_order_waits_for_as_long_as_the_one_whose_place_it_takes() -> None:
    box = Outbox(9)
    for since_s in (1.0, 2.0):
        box.put(Waiting(Frame(1, b""), Priority.OFF, 9.0, "switch", since_s))
    found = box.take(3.0)
    assert found is not None
    assert found.since_s == 1.0


async def test_a_can_bus_tells_its_errors_by_kind_and_how_long_a_switching_off_waited() -> None:
    sim = SimWire()
    server = SocketcandServer(sim)
    await server.start()
    line = Socketcand("127.0.0.1", server.port, "can0", 20_000)
    wire = CanWire("can-1", line, nothing, back_off_s=(0.05,))
    bus: CanBus = wire._bus
    running = asyncio.create_task(wire.run())
    try:
        await until(lambda: wire.health is Health.OK, "open")
        for number in range(30):
            bus.post(Frame(number, bytes(8)), Priority.READ, within_s=20.0)
        assert wire.figures().waiting == 30
        assert wire.figures().worst_cut_s == 0
        bus.post(Frame(0x999, bytes(8)), Priority.OFF, within_s=20.0)
        sim.fail(0x80)
        await until(lambda: wire.figures().faults["bus-error"] == 1 and wire.figures().waiting == 0, "all sent")
        figures = wire.figures()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.stop()
    assert figures.worst_cut_s is not None
    assert 0 < figures.worst_cut_s < 10
    assert {kind for kind, count in figures.faults.items() if count} == {"bus-error"}
    assert set(figures.faults) == {
        *("garbled", "bus-error", "no-ack", "overflow", "bus-off", "dropped", "refused"),
    }
