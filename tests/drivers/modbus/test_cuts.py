"""A cut waits for nothing that it makes pointless, and for no knowledge that it does not need (R3)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.api import DeviceError, Fault, Health, Setpoint
from drivers.modbus.pdu import Request
from drivers.modbus.scheduler import Urgency
from drivers.setups import Endpoint

Until = Callable[..., Awaitable[None]]
LIMIT, ENABLE = 20, 21


def setpoint(current_ma: int, *, enabled: bool = True, seconds: float = 5.0) -> Setpoint:
    return Setpoint(current_ma, enabled, time.monotonic() + seconds)


@pytest.fixture
async def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> Callable[..., Awaitable[Any]]:
    """One outlet on TCP, found and polled so seldom that what is asked is what its setpoints ask."""

    async def build(**profile: Any) -> Any:
        tcp_station.units.setdefault(1, memory())
        running = start_bus(endpoint, fast_s=60)
        running.evse = running.bus.add_evse(new_evse(), charger(**profile))
        await until(lambda: running.evse.health is Health.OK)
        await asyncio.sleep(0.2)
        return running

    return build


def urgencies(running: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, Urgency]]:
    """What is written from now on, to which address, and how urgent it is."""
    scheduler = running.bus._scheduler
    seen: list[tuple[int, Urgency]] = []
    transfer = scheduler.transfer

    async def noting(request: Request, urgency: Urgency, **more: Any) -> Any:
        if not request.is_read:
            seen.append((request.address, urgency))
        return await transfer(request, urgency, **more)

    monkeypatch.setattr(scheduler, "transfer", noting)
    return seen


async def test_r03_a_cut_does_not_wait_until_an_older_raise_is_read_back(start: Any, tcp_station: Any) -> None:
    running = await start()
    tcp_station.delay_s = 0.1
    before = len(tcp_station.asked)
    raising = asyncio.create_task(running.evse.apply(setpoint(16000)))
    await asyncio.sleep(0.05)
    await running.evse.apply(setpoint(7000))
    with pytest.raises(DeviceError, match="superseded"):
        await raising
    asked = [(one.address, one.is_write, one.values) for one in tcp_station.asked[before:]]
    assert asked[:2] == [(LIMIT, True, [160]), (LIMIT, True, [70])]
    assert tcp_station.units[1][LIMIT] == 70


async def test_r03_a_raise_that_still_waits_for_the_wire_is_not_sent_once_a_cut_was_ordered(
    start: Any, tcp_station: Any
) -> None:
    running = await start()
    tcp_station.delay_s = 0.1
    before = len(tcp_station.asked)
    busy = asyncio.create_task(running.bus.read_raw(1, "holding", 900, 1))
    await asyncio.sleep(0.02)
    raising = asyncio.create_task(running.evse.apply(setpoint(16000)))
    await asyncio.sleep(0.02)
    await running.evse.apply(setpoint(0, enabled=False))
    await asyncio.gather(busy, raising, return_exceptions=True)
    asked = [(one.address, one.values) for one in tcp_station.asked[before:] if one.is_write]
    assert (LIMIT, [160]) not in asked
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][ENABLE]) == (0, 0)


async def test_a_raise_after_a_cut_does_not_break_it_off(start: Any, tcp_station: Any) -> None:
    running = await start()
    await running.evse.apply(setpoint(16000))
    tcp_station.delay_s = 0.05
    cutting = asyncio.create_task(running.evse.apply(setpoint(7000)))
    await asyncio.sleep(0.02)
    await running.evse.apply(setpoint(9000))
    with pytest.raises(DeviceError, match="superseded"):
        await cutting
    values = [one.values for one in tcp_station.writes(LIMIT)]
    assert values[-2:] == [[70], [90]]


async def test_r03_a_cut_is_one_also_after_an_attempt_of_which_nobody_knows_what_became(
    start: Any, tcp_station: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start()
    await running.evse.apply(setpoint(16000))
    seen = urgencies(running, monkeypatch)
    tcp_station.twist = lambda asked, good: [] if asked.is_write else None
    with pytest.raises(DeviceError):
        await running.evse.apply(setpoint(10000))
    tcp_station.twist = None
    await running.evse.apply(setpoint(10000))
    assert seen == [(LIMIT, Urgency.SAFETY)] * 2


SHOWN = """
[registers.current_limit_readback]
address = 60
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "r"
class = "fast"
"""


async def test_r12_a_cut_of_what_a_charger_raised_by_itself_does_not_count_as_a_raise(
    start: Any, tcp_station: Any
) -> None:
    running = await start(volatile=False, interval_s=60, write_only="current_limit", more=SHOWN)
    tcp_station.units[1][60] = 60
    await running.evse.apply(setpoint(6000))
    await asyncio.sleep(0.9)  # latency of the model and its grace
    tcp_station.units[1][60] = 320
    await running.evse.read_now()
    tcp_station.units[1][60] = 80
    await running.evse.apply(setpoint(8000))
    assert [one.values for one in tcp_station.writes(LIMIT)] == [[60], [80]]


async def test_r03_a_lock_is_written_where_the_setpoint_in_an_eeprom_cannot_be_read(
    start: Any, tcp_station: Any
) -> None:
    running = await start(volatile=False)
    tcp_station.units[1].update({LIMIT: 160, ENABLE: 1})

    def refuses_to_tell(asked: Any, good: bytes) -> Any:
        if asked.is_write or asked.address != LIMIT:
            return None
        return [(0, good[:4] + b"\0\3" + good[6:7] + bytes([good[7] | 0x80, 4]))]

    tcp_station.twist = refuses_to_tell
    with pytest.raises(DeviceError):
        await running.evse.apply(setpoint(0, enabled=False))  # it cannot be read back either
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][ENABLE]) == (0, 0)


async def test_r12_a_lock_of_an_eeprom_that_holds_it_is_not_written_again(start: Any, tcp_station: Any) -> None:
    running = await start(volatile=False)
    await running.evse.apply(setpoint(0, enabled=False))
    assert tcp_station.writes(LIMIT) == []


async def test_a_lost_outlet_is_told_to_lock_less_and_less_often(
    start: Any, tcp_station: Any, until: Until
) -> None:
    """Each time costs all others on its wire a time-out."""
    running = await start()
    tcp_station.twist = lambda asked, good: []
    with pytest.raises(DeviceError):
        await running.evse.read_now()
    await until(lambda: running.evse.health is Health.LOST)
    before, begin_s = len(tcp_station.asked), time.monotonic()
    while time.monotonic() < begin_s + 4.5:
        with pytest.raises(DeviceError) as caught:
            await running.evse.apply(setpoint(0, enabled=False))
        assert caught.value.fault in (Fault.TIMEOUT, Fault.CLOSED)
        await asyncio.sleep(0.1)
    writes = [one for one in tcp_station.asked[before:] if one.is_write]
    assert 1 <= len(writes) <= 3
    with pytest.raises(DeviceError):
        await running.evse.apply(setpoint(0, enabled=True))  # another one at once
    assert len([one for one in tcp_station.asked[before:] if one.is_write]) == len(writes) + 1
