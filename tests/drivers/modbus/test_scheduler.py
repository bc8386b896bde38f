"""Who goes next, what a late answer may not do, and what the dead may cost."""

import asyncio
import contextlib
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import DeviceError, Fault, Health, HealthChanged
from drivers.modbus import pdu
from drivers.modbus.bus import ModbusBus
from drivers.modbus.frames import crc
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.modbus.unit import Timing, Unit
from drivers.setups import Endpoint, Line

Until = Callable[..., Awaitable[None]]


async def test_a_reduction_beats_a_write_beats_queued_reads(
    start_bus: Any, line: Line, pty_station: Any, until: Until
) -> None:
    pty_station.units[1] = {}
    pty_station.delay_s = 0.02
    scheduler: Scheduler = start_bus(line).bus._scheduler
    await asyncio.sleep(0.01)
    reads = [
        asyncio.create_task(scheduler.transfer(pdu.read(1, "holding", address=a, count=1), Urgency.FAST))
        for a in range(10)
    ]
    await until(lambda: pty_station.asked)
    write = pdu.write(1, 6, address=500, words=(1,))
    cut = pdu.write(1, 6, address=501, words=(0,))
    await asyncio.gather(scheduler.transfer(write, Urgency.WRITE), scheduler.transfer(cut, Urgency.SAFETY))
    addresses = [asked.address for asked in pty_station.asked]
    assert addresses.index(501) < addresses.index(500)
    assert addresses.index(501) <= 2
    await asyncio.gather(*reads)


async def test_a_cancelled_caller_does_not_cancel_the_transfer(
    start_bus: Any, line: Line, pty_station: Any, until: Until
) -> None:
    pty_station.units[1] = {20: 0, 30: 42, 31: 43}
    pty_station.delay_s = 0.08
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    caller = asyncio.create_task(bus.write_raw(1, 6, 20, [5]))
    await until(pty_station.writes)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    begin_s = time.monotonic()
    assert await bus.read_raw(1, "holding", 30, 2) == [42, 43]
    assert time.monotonic() - begin_s > 0.08, "the cancelled transfer was not waited for"
    assert pty_station.units[1][20] == 5
    assert bus.figures().timeouts == 0


@pytest.mark.parametrize("late_s", [0.2, 0.35, 0.5])
async def test_a_late_answer_is_never_taken_for_that_of_the_next_request(
    start_bus: Any, line: Line, pty_station: Any, late_s: float
) -> None:
    """The rule of quiet window and other shape: same unit, function and count cannot be told apart otherwise."""
    pty_station.units[1] = {100: 1, 101: 2, 900: 3, 901: 4}
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    pty_station.twist = lambda asked, good: [(late_s, good)]
    with pytest.raises(DeviceError) as caught:
        await bus.read_raw(1, "holding", 100, 2)
    assert caught.value.fault is Fault.TIMEOUT
    pty_station.twist = None
    with contextlib.suppress(DeviceError):
        assert await bus.read_raw(1, "holding", 900, 2) == [3, 4]
    asked = pty_station.asked[1]
    assert (asked.function, asked.values) != (3, [2]), "the first request after a miss has the same shape"


@pytest.mark.parametrize("table", ["coil", "discrete"])
async def test_a_late_answer_of_a_few_bits_is_not_taken_for_that_of_other_bits(
    start_bus: Any, line: Line, pty_station: Any, table: Any
) -> None:
    """Three bits or five are one byte: the answers look alike though the counts differ."""
    pty_station.units[1] = {100: 1, 101: 1, 102: 1}
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    pty_station.twist = lambda asked, good: [(0.5, good)]
    with pytest.raises(DeviceError):
        await bus.read_raw(1, table, 100, 3)
    pty_station.twist = None
    with contextlib.suppress(DeviceError):
        assert await bus.read_raw(1, table, 900, 5) == [0] * 5
    assert pty_station.asked[1].function in (3, 4), "the first request after a miss may be answered alike"


async def test_a_late_acknowledgement_is_not_that_of_a_newer_write(
    start_bus: Any, line: Line, pty_station: Any
) -> None:
    pty_station.units[1] = {20: 0, 21: 0}
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    pty_station.twist = lambda asked, good: [(0.4, good)]
    with pytest.raises(DeviceError):
        await bus.write_raw(1, 16, 20, [1])
    pty_station.twist = lambda asked, good: [] if asked.is_write else None
    with pytest.raises(DeviceError):
        await bus.write_raw(1, 16, 20, [2])


async def test_a_silent_unit_does_not_starve_the_others(
    start_bus: Any, line: Line, pty_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    for unit in (1, 2, 3):
        pty_station.units[unit] = memory()
    running = start_bus(line)
    evses = [running.bus.add_evse(new_evse(id=f"E{unit}", unit=unit), charger()) for unit in (1, 2, 3)]
    await until(lambda: all(evse.health is Health.OK for evse in evses))
    pty_station.silent.add(2)
    await until(lambda: evses[1].health is Health.LOST)
    begin_s = time.monotonic()
    before = len(pty_station.asked)
    await asyncio.sleep(1.2)
    asked = [asked for asked in pty_station.asked[before:] if asked.t_s >= begin_s]
    assert sum(a.unit == 2 for a in asked) <= 4
    assert sum(a.unit == 1 for a in asked) > 6
    assert evses[0].health is evses[2].health is Health.OK
    assert [e for e in running.of(HealthChanged) if e.device == "bus" and e.health is Health.LOST] == []


async def test_a_wire_on_which_nobody_answers_is_lost_itself_and_comes_back(
    start_bus: Any, line: Line, pty_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    pty_station.units = {1: memory(), 2: memory()}
    running = start_bus(line)
    evses = [running.bus.add_evse(new_evse(id=f"E{unit}", unit=unit), charger()) for unit in (1, 2)]
    await until(lambda: all(evse.health is Health.OK for evse in evses))
    begin_s = time.monotonic()
    pty_station.silent |= {1, 2}
    await until(lambda: all(evse.health is Health.LOST for evse in evses))
    assert time.monotonic() - begin_s < 5, "R4: a loss is acted on within 5 s"
    await until(lambda: any(e.device == "bus" and e.health is Health.LOST for e in running.of(HealthChanged)))
    pty_station.silent.clear()
    await until(lambda: all(evse.health is Health.OK for evse in evses), 15)
    assert [e.health for e in running.of(HealthChanged) if e.device == "bus"] == [Health.OK, Health.LOST, Health.OK]


async def test_a_closed_connection_is_opened_again(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    tcp_station.units[1] = memory()
    running = start_bus(endpoint)
    evse = running.bus.add_evse(new_evse(), charger())
    await until(lambda: evse.health is Health.OK)
    tcp_station.hang_up()
    await until(lambda: tcp_station.connections == 2)
    await until(lambda: evse.health is Health.OK and evse.fall_back.verified)


async def test_spacing_is_kept_between_two_requests_to_one_unit(
    start_bus: Any, line: Line, pty_station: Any
) -> None:
    pty_station.units = {1: {}, 2: {}}
    bus = start_bus(line).bus
    bus._scheduler.unit(1, spacing_s=0.1)
    await asyncio.sleep(0.01)
    places = enumerate((1, 1, 2, 2, 2))
    await asyncio.gather(*(bus.read_raw(unit, "holding", address, 1) for address, unit in places))
    first, second = [asked.t_s for asked in pty_station.asked if asked.unit == 1]
    assert second - first >= 0.1
    assert sum(first < a.t_s < second for a in pty_station.asked if a.unit == 2) == 3


async def test_figures_count(start_bus: Any, line: Line, pty_station: Any) -> None:
    pty_station.units[1] = {}
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    await bus.read_raw(1, "holding", 0, 1)
    with pytest.raises(DeviceError):
        await bus.read_raw(9, "holding", 0, 1)
    figures = bus.figures()
    assert (figures.transactions, figures.errors, figures.timeouts) == (2, 1, 1)
    assert figures.busy_s > 0.1


async def test_a_bus_that_does_not_run_refuses_at_once(line: Line) -> None:
    with pytest.raises(DeviceError) as caught:
        await ModbusBus("b", line, lambda event: None).read_raw(1, "holding", 0, 1)
    assert caught.value.fault is Fault.CLOSED


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 16]), st.integers(1, 20)), max_size=6), st.integers(0, 5))
def test_the_request_after_a_miss_never_resembles_one_that_may_still_be_answered(
    late: list[tuple[int, int]], misses: int
) -> None:
    unit = Unit(1, Timing())
    asked = [pdu.Request(1, function, 10, count, (0,) * count) for function, count in late]
    for one in asked:
        unit.may_come_late(one, 0.0)
    unit.misses = misses
    request = pdu.read(1, "holding", address=65535, count=1)
    other = unit.another_shape(request)
    assert (other.function, other.answer_size) not in {(one.function, one.answer_size) for one in asked}
    assert other.is_read
    assert other.address + other.count <= 0x10000


async def test_a_write_that_comes_first_on_an_echoing_line_does_not_take_its_echo_for_the_answer(
    start_bus: Any, line: Line, pty_station: Any
) -> None:
    def echo(asked: Any, good: bytes) -> list[tuple[float, bytes]]:
        frame = struct.pack(">BBHH", asked.unit, asked.function, asked.address, asked.values[0])
        frame += crc(frame)
        return [(0, frame)] if asked.is_write and deaf else [(0, frame + good)]

    deaf = True
    pty_station.units[1] = {20: 0}
    pty_station.twist = echo
    bus = start_bus(line).bus
    await asyncio.sleep(0.01)
    with pytest.raises(DeviceError) as caught:
        await bus.write_raw(1, 6, 20, [5])
    assert caught.value.fault is Fault.TIMEOUT
    deaf = False
    await bus.write_raw(1, 6, 20, [6])
    assert [asked.is_write for asked in pty_station.asked][:2] == [False, True]
