"""A Modbus outlet against a device of raw bytes, from finding it to losing it."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from drivers.api import (
    DeviceError,
    EvseRead,
    EvState,
    Fault,
    Health,
    HealthChanged,
    MeterRead,
    Phases,
    Setpoint,
    TokenRead,
    Unlocker,
)
from drivers.setups import Endpoint, Line

Until = Callable[..., Awaitable[None]]
HEARTBEAT = '[watchdog]\nmethod = "heartbeat"\nvalue = 21930\n'
REWRITE = '[watchdog]\nmethod = "rewrite"\n'
LIMIT, ENABLE, TIMEOUT, FAILSAFE, STANDBY, BEAT = 20, 21, 1000, 1001, 1002, 1010


def setpoint(current_ma: int, *, enabled: bool = True, seconds: float = 5.0) -> Setpoint:
    return Setpoint(current_ma, enabled, time.monotonic() + seconds)


@pytest.fixture
async def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> Callable[..., Awaitable[Any]]:
    """One outlet on TCP, found; `running.evse` is it."""

    async def build(*, failsafe_ma: int = 6000, **profile: Any) -> Any:
        tcp_station.units.setdefault(1, memory())
        running = start_bus(endpoint)
        running.evse = running.bus.add_evse(new_evse(failsafe_ma=failsafe_ma), charger(**profile))
        await until(lambda: running.evse.health is Health.OK)
        return running

    return build


async def test_r01_fail_safe_is_verified_only_after_writing_and_reading_back(start: Any, tcp_station: Any) -> None:
    running = await start()
    memory = tcp_station.units[1]
    assert (memory[TIMEOUT], memory[FAILSAFE], memory[STANDBY]) == (15000, 60, 4)
    order = [asked.address for asked in tcp_station.writes()]
    assert order.index(FAILSAFE) < order.index(TIMEOUT)
    fall_back = running.evse.fall_back
    assert (fall_back.verified, fall_back.watchdog_timeout_s, fall_back.failsafe_ma) == (True, 15.0, 6000)
    assert fall_back.holds_last
    for address in (FAILSAFE, TIMEOUT, STANDBY):
        wrote_s = tcp_station.writes(address)[-1].t_s
        assert any(a.t_s > wrote_s and a.address == address and not a.is_write for a in tcp_station.asked)


@pytest.mark.parametrize("address", [FAILSAFE, TIMEOUT])
async def test_r01_a_value_that_the_device_does_not_keep_is_not_verified(
    start: Any, tcp_station: Any, address: int
) -> None:
    tcp_station.ignore_writes.add(address)
    running = await start()
    assert not running.evse.fall_back.verified
    told = [e.text for e in running.of(HealthChanged) if e.device == "A1"]
    assert any(text in told[-1] for text in ("failsafe_current", "comm_timeout"))


async def test_r01_a_model_without_watchdog_is_never_verified(start: Any) -> None:
    running = await start(watchdog="")
    assert not running.evse.fall_back.verified
    assert running.evse.fall_back.watchdog_timeout_s is None


async def test_r01_what_was_verified_stands_while_the_device_is_lost_and_is_verified_anew_when_it_is_found(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    assert running.evse.fall_back.verified
    tcp_station.units[1][FAILSAFE] = 320  # it restarted meanwhile
    tcp_station.silent.clear()
    await until(lambda: running.evse.health is Health.OK)
    assert running.evse.fall_back.verified
    assert tcp_station.units[1][FAILSAFE] == 60


async def test_readings_come_without_being_asked_for(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    tcp_station.units[1].update({10: 3, 11: 160, 12: 159, 13: 158})
    await until(lambda: running.evse.latest.state is EvState.C)
    await until(lambda: running.evse.latest.current_ma == Phases(16000, 15900, 15800))
    reading = running.of(EvseRead)[-1].reading
    assert time.monotonic() - reading.t_s < 2
    assert reading.energy_wh == 12340


async def test_read_now_brings_only_what_was_received_after_the_call(start: Any, tcp_station: Any) -> None:
    running = await start()
    tcp_station.units[1][10] = 3
    before_s = time.monotonic()
    reading = await running.evse.read_now()
    assert reading.t_s > before_s
    assert reading.state is EvState.C


async def test_read_now_fails_for_a_lost_outlet(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    tcp_station.silent.add(1)
    with pytest.raises(DeviceError) as caught:
        await running.evse.read_now()
    assert caught.value.fault in (Fault.TIMEOUT, Fault.CLOSED)


async def test_apply_writes_rounded_down_in_order_and_reads_back(start: Any, tcp_station: Any) -> None:
    running = await start()
    begin = len(tcp_station.asked)
    await running.evse.apply(setpoint(13279))
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][ENABLE]) == (132, 1)
    asked = [(a.address, a.is_write) for a in tcp_station.asked[begin:]]
    assert asked.index((LIMIT, True)) < asked.index((LIMIT, False)) < asked.index((ENABLE, True))
    assert (ENABLE, False) in asked[asked.index((ENABLE, True)) :]
    begin = len(tcp_station.asked)
    await running.evse.apply(setpoint(0, enabled=False))
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][ENABLE]) == (0, 0)
    assert [a.address for a in tcp_station.asked[begin:] if a.is_write] == [ENABLE, LIMIT]


async def test_a_lock_is_tried_on_both_registers_even_if_one_refuses(start: Any, tcp_station: Any) -> None:
    running = await start()
    await running.evse.apply(setpoint(16000))
    tcp_station.exceptions[(1, ENABLE)] = 4
    with pytest.raises(DeviceError) as caught:
        await running.evse.apply(setpoint(0, enabled=False))
    assert caught.value.fault is Fault.REFUSED
    assert tcp_station.units[1][LIMIT] == 0


async def test_r12_an_equal_setpoint_renews_without_a_write(start: Any, tcp_station: Any) -> None:
    running = await start()
    await running.evse.apply(setpoint(10000, seconds=0.4))
    writes = len(tcp_station.writes())
    await running.evse.apply(setpoint(10000, seconds=1.5))
    assert len(tcp_station.writes()) == writes
    await asyncio.sleep(0.8)
    assert tcp_station.units[1][LIMIT] == 100, "the lease was not renewed"


async def test_a_read_back_that_differs_is_refused(start: Any, tcp_station: Any) -> None:
    running = await start()
    tcp_station.ignore_writes.add(LIMIT)
    with pytest.raises(DeviceError) as caught:
        await running.evse.apply(setpoint(10000))
    assert caught.value.fault is Fault.REFUSED
    assert tcp_station.units[1][ENABLE] == 0, "released though the current is not known"
    tcp_station.ignore_writes.clear()
    await running.evse.apply(setpoint(10000))
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][ENABLE]) == (100, 1)


async def test_a_value_that_changes_behind_our_back_is_written_again(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    await running.evse.apply(setpoint(10000))
    tcp_station.units[1][LIMIT] = 320
    await until(lambda: running.evse.latest.offered_ma == 32000)
    await asyncio.sleep(0.9)  # latency of the model and its grace
    await running.evse.apply(setpoint(10000))
    assert tcp_station.units[1][LIMIT] == 100


async def test_the_latest_setpoint_wins_and_the_older_caller_is_told(start: Any, tcp_station: Any) -> None:
    running = await start()
    tcp_station.delay_s = 0.05
    tasks = [asyncio.create_task(running.evse.apply(setpoint(ma))) for ma in (16000, 12000, 8000)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [(r.fault, "superseded" in str(r)) for r in results if isinstance(r, DeviceError)]
    assert faults == [(Fault.REFUSED, True)] * 2
    assert results[2] is None
    assert tcp_station.units[1][LIMIT] == 80
    assert 120 not in [asked.values[0] for asked in tcp_station.writes(LIMIT)]


async def test_cancelling_the_caller_does_not_cancel_the_setpoint(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    tcp_station.delay_s = 0.05
    caller = asyncio.create_task(running.evse.apply(setpoint(10000)))
    await until(lambda: tcp_station.writes(LIMIT))
    caller.cancel()
    await until(lambda: tcp_station.units[1][ENABLE] == 1)
    await running.evse.apply(setpoint(10000))


async def test_on_expiry_the_driver_writes_the_fail_safe_current_and_leaves_the_release(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    await running.evse.apply(setpoint(16000, seconds=0.5))
    await until(lambda: tcp_station.units[1][LIMIT] == 60)
    assert tcp_station.units[1][ENABLE] == 1
    writes = len(tcp_station.writes())
    await asyncio.sleep(0.5)
    assert len(tcp_station.writes()) == writes
    await running.evse.apply(setpoint(16000))
    assert tcp_station.units[1][LIMIT] == 160


async def test_expiry_never_raises_what_the_outlet_offers(start: Any, tcp_station: Any) -> None:
    running = await start()
    await running.evse.apply(setpoint(0, seconds=0.3))
    await asyncio.sleep(0.8)
    assert all(asked.values == [0] for asked in tcp_station.writes(LIMIT))


async def test_a_fail_safe_of_zero_is_said_as_the_model_pauses(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start(failsafe_ma=0, pause='"disable"')
    await running.evse.apply(setpoint(16000, seconds=0.5))
    await until(lambda: tcp_station.units[1][ENABLE] == 0)
    assert tcp_station.units[1][LIMIT] == 160


async def test_an_expired_setpoint_that_cannot_be_taken_back_silences_polling(
    start: Any, tcp_station: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polling feeds an `any_request` watchdog: it must stop until the watchdog has fired."""
    monkeypatch.setattr("drivers.modbus.evse.RETRY_S", 0.2)
    running = await start()
    await running.evse.apply(setpoint(16000, seconds=0.3))
    tcp_station.exceptions[(1, LIMIT)] = 6
    await until(lambda: sum(a.address == LIMIT and a.is_write for a in tcp_station.asked) >= 4, 12)
    await asyncio.sleep(0.3)
    asked = len(tcp_station.asked)
    await asyncio.sleep(0.6)
    assert len(tcp_station.asked) == asked
    tcp_station.exceptions.clear()
    await running.evse.apply(setpoint(8000))
    await until(lambda: len(tcp_station.asked) > asked + 10)


async def test_a_found_outlet_that_nobody_commands_falls_back_too(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    tcp_station.units[1] = memory() | {LIMIT: 160, ENABLE: 1}
    setup = replace(new_evse(), watchdog_timeout_s=1.0)
    start_bus(endpoint).bus.add_evse(setup, charger())
    await until(lambda: tcp_station.units[1][LIMIT] == 60)
    assert tcp_station.units[1][ENABLE] == 1


@pytest.mark.parametrize(("watchdog", "address"), [(HEARTBEAT, BEAT), (REWRITE, TIMEOUT)])
async def test_a_watchdog_is_fed_only_while_a_setpoint_is_valid(
    start_bus: Any,
    endpoint: Endpoint,
    tcp_station: Any,
    charger: Any,
    new_evse: Any,
    memory: Any,
    until: Until,
    watchdog: str,
    address: int,
) -> None:
    tcp_station.units[1] = memory()
    setup = replace(new_evse(), watchdog_timeout_s=0.6)
    evse = start_bus(endpoint).bus.add_evse(setup, charger(watchdog=watchdog))
    await until(lambda: evse.health is Health.OK)
    before = len(tcp_station.writes(address))
    await asyncio.sleep(0.3)
    assert len(tcp_station.writes(address)) == before, "fed without a setpoint"
    await evse.apply(setpoint(16000, seconds=1.0))
    await asyncio.sleep(0.9)
    assert len(tcp_station.writes(address)) - before >= 3
    await until(lambda: tcp_station.units[1][LIMIT] == 60)
    after = len(tcp_station.writes(address))
    await asyncio.sleep(0.5)
    assert len(tcp_station.writes(address)) == after, "fed for an expired setpoint"


async def test_a_watchdog_is_not_fed_when_the_fail_safe_current_cannot_be_written(
    start_bus: Any,
    endpoint: Endpoint,
    tcp_station: Any,
    charger: Any,
    new_evse: Any,
    memory: Any,
    until: Until,
) -> None:
    tcp_station.units[1] = memory()
    setup = replace(new_evse(), watchdog_timeout_s=0.3)
    evse = start_bus(endpoint).bus.add_evse(setup, charger(watchdog=HEARTBEAT))
    await until(lambda: evse.health is Health.OK)
    await evse.apply(setpoint(16000, seconds=0.4))
    tcp_station.exceptions[(1, LIMIT)] = 4
    await asyncio.sleep(0.6)
    fed = len(tcp_station.writes(BEAT))
    assert fed >= 2
    await asyncio.sleep(0.4)
    assert len(tcp_station.writes(BEAT)) == fed


async def test_r12_eeprom_is_spared_but_a_cut_is_never_delayed(start: Any, tcp_station: Any) -> None:
    running = await start(volatile=False, interval_s=60)
    assert running.evse.capabilities.raise_interval_s == 60
    await running.evse.apply(setpoint(10000))
    assert tcp_station.units[1][LIMIT] == 100
    with pytest.raises(DeviceError, match="EEPROM") as caught:
        await running.evse.apply(setpoint(12000))
    assert caught.value.fault is Fault.REFUSED
    assert tcp_station.units[1][LIMIT] == 100
    await running.evse.apply(setpoint(8000))
    assert tcp_station.units[1][LIMIT] == 80
    assert len(tcp_station.writes(LIMIT)) == 2


async def test_r12_only_raises_count_for_the_time_between_raises(start: Any, tcp_station: Any) -> None:
    running = await start(volatile=False, interval_s=0.6)
    await running.evse.apply(setpoint(10000))
    await asyncio.sleep(0.7)
    await running.evse.apply(setpoint(0))
    await running.evse.apply(setpoint(16000))
    assert tcp_station.units[1][LIMIT] == 160
    await running.evse.apply(setpoint(0))
    with pytest.raises(DeviceError, match="EEPROM"):
        await running.evse.apply(setpoint(16000))


@pytest.mark.parametrize("write_only", ["", "current_limit"])
async def test_r12_a_cut_is_not_delayed_where_an_earlier_write_has_failed(
    start: Any, tcp_station: Any, write_only: str
) -> None:
    running = await start(volatile=False, interval_s=60, write_only=write_only)
    await running.evse.apply(setpoint(16000))
    tcp_station.refusals[LIMIT] = 1
    with pytest.raises(DeviceError, match="exception 4"):
        await running.evse.apply(setpoint(12000))
    await running.evse.apply(setpoint(10000))
    assert tcp_station.units[1][LIMIT] == 100


@pytest.mark.parametrize("write_only", ["", "current_limit"])
async def test_r12_a_raise_that_was_refused_may_be_repeated_at_once(
    start: Any, tcp_station: Any, write_only: str
) -> None:
    running = await start(volatile=False, interval_s=60, write_only=write_only)
    tcp_station.refusals[LIMIT] = 1
    with pytest.raises(DeviceError, match="exception 4"):
        await running.evse.apply(setpoint(12000))
    await running.evse.apply(setpoint(12000))
    assert tcp_station.units[1][LIMIT] == 120


async def test_r12_the_first_raise_after_it_was_found_again_is_allowed(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(volatile=False, interval_s=60)
    await running.evse.apply(setpoint(10000))
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    tcp_station.silent.clear()
    await until(lambda: running.evse.health is Health.OK)
    await running.evse.apply(setpoint(12000))
    assert tcp_station.units[1][LIMIT] == 120


ERROR_CODE = """
[registers.error_code]
address = 50
table = "holding"
type = "u16"
access = "r"
class = "slow"
"""


async def test_what_changes_slowly_is_read_seldom_and_does_not_make_a_reading_old(
    start: Any, tcp_station: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.modbus.poller.SLOW_S", 1.0)
    tcp_station.exceptions[(1, 10)] = 2  # makes single reads of the fast block
    running = await start(more=ERROR_CODE)
    tcp_station.units[1][50] = 17
    readings = running.of(EvseRead)
    assert (readings[0].reading.error, readings[0].reading.slow_t_s is None) == (None, False)
    await until(lambda: running.evse.latest.error == "17")
    seen = len(running.of(EvseRead))
    await until(lambda: len(running.of(EvseRead)) > seen + 8)
    asked = sum(asked.address == 50 for asked in tcp_station.asked)
    assert asked * 3 < len(running.of(EvseRead))
    latest = running.evse.latest
    assert latest.error == "17"
    assert latest.slow_t_s < latest.t_s
    assert time.monotonic() - latest.t_s < 1.0


async def test_a_reading_that_was_asked_for_has_what_changes_slowly_anew(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(more=ERROR_CODE)
    await until(lambda: len(running.of(EvseRead)) > 2)
    tcp_station.units[1][50] = 18
    before_s = time.monotonic()
    reading = await running.evse.read_now()
    assert reading.error == "18"
    assert reading.slow_t_s > before_s


async def test_slow_values_do_not_outlive_the_loss_of_the_device(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(more=ERROR_CODE)
    tcp_station.units[1][50] = 19
    assert (await running.evse.read_now()).error == "19"
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    lost_s = time.monotonic()
    tcp_station.units[1][50] = 0
    tcp_station.silent.clear()
    await until(lambda: running.evse.latest.t_s > lost_s)
    assert running.evse.latest.error is None


UNLOCK = """
[registers.unlock]
address = 1020
table = "holding"
type = "u16"
access = "w"
write_fc = 6
values = { 7 = "release the plug" }
"""


async def test_the_plug_is_released_by_the_one_value_of_its_register(start: Any, tcp_station: Any) -> None:
    running = await start(more=UNLOCK)
    assert running.evse.capabilities.unlock
    assert isinstance(running.evse, Unlocker)
    await running.evse.unlock()
    assert tcp_station.units[1][1020] == 7
    tcp_station.exceptions[(1, 1020)] = 4
    with pytest.raises(DeviceError) as caught:
        await running.evse.unlock()
    assert caught.value.fault is Fault.REFUSED


async def test_a_plug_that_cannot_be_released_or_reached_is_an_error(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    assert not running.evse.capabilities.unlock
    with pytest.raises(DeviceError) as caught:
        await running.evse.unlock()
    assert caught.value.fault is Fault.REFUSED


async def test_a_lost_outlet_is_not_asked_to_release_its_plug(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start(more=UNLOCK)
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    with pytest.raises(DeviceError) as caught:
        await running.evse.unlock()
    assert caught.value.fault is Fault.TIMEOUT
    assert not tcp_station.writes(1020)


async def test_a_new_card_is_told_once(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    tcp_station.units[1].update({16: 0x04A1, 17: 0xB2C3})
    await until(lambda: running.of(TokenRead))
    await asyncio.sleep(0.3)
    tcp_station.units[1].update({16: 0, 17: 0})
    await asyncio.sleep(1.0)
    assert running.evse.latest.tag is None
    tcp_station.units[1].update({16: 0x04A1, 17: 0xB2C3})
    await until(lambda: len(running.of(TokenRead)) == 2)
    assert {(event.reader, event.uid) for event in running.of(TokenRead)} == {("A1", "04A1B2C3")}


async def test_a_card_that_lies_there_from_before_is_no_tap(
    start: Any, tcp_station: Any, memory: Any, until: Until
) -> None:
    tcp_station.units[1] = memory() | {16: 0x04A1, 17: 0xB2C3}
    running = await start()
    await until(lambda: len(running.of(EvseRead)) > 3)
    assert running.evse.latest.tag == "04A1B2C3"
    assert running.of(TokenRead) == []


async def test_a_card_that_lies_there_when_a_lost_charger_is_found_again_is_no_tap(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start()
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    tcp_station.units[1].update({16: 0x04A1, 17: 0xB2C3})
    tcp_station.silent.clear()
    await until(lambda: running.evse.health is Health.OK)
    await asyncio.sleep(0.3)
    assert running.of(TokenRead) == []
    tcp_station.units[1].update({16: 0x04D1, 17: 0xD2D3})
    await until(lambda: running.of(TokenRead))
    assert [event.uid for event in running.of(TokenRead)] == ["04D1D2D3"]


async def test_r13_two_outlets_share_a_unit_and_have_their_own_registers(
    start: Any, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    tcp_station.units[1] = memory() | {110: 3, 120: 0, 121: 0}
    running = await start()
    second = running.bus.add_evse(new_evse(id="A2", outlet=2), charger())
    await until(lambda: second.health is Health.OK)
    assert (running.evse.latest.state, second.latest.state) == (EvState.B, EvState.C)
    await second.apply(setpoint(7000))
    assert (tcp_station.units[1][LIMIT], tcp_station.units[1][120]) == (0, 70)
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is second.health is Health.LOST)
    with pytest.raises(ValueError, match="no outlet 3"):
        running.bus.add_evse(new_evse(id="A3", outlet=3), charger())


async def test_r36_devices_come_and_go_while_the_others_charge(
    start: Any, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> None:
    running = await start()
    tcp_station.units[2] = memory()
    other = running.bus.add_evse(new_evse(id="A2", unit=2), charger())
    await until(lambda: other.health is Health.OK)
    await other.apply(setpoint(9000))
    running.bus.remove("A1")
    await asyncio.sleep(0.05)
    with pytest.raises(DeviceError) as caught:
        await running.evse.apply(setpoint(9000))
    assert caught.value.fault is Fault.CLOSED
    await asyncio.sleep(0.3)
    before = len(tcp_station.asked)
    await asyncio.sleep(0.3)
    assert {asked.unit for asked in tcp_station.asked[before:]} == {2}
    assert tcp_station.units[2][LIMIT] == 90
    assert running.bus.figures().devices == ("A2",)


async def test_a_register_that_is_not_there_does_not_hide_its_neighbours(start: Any, tcp_station: Any) -> None:
    tcp_station.exceptions[(1, 10)] = 2  # a read that begins here is refused: block and status
    running = await start()
    reading = running.evse.latest
    assert reading.state is None
    assert reading.energy_wh == 12340


async def test_a_lost_outlet_takes_a_lock_but_no_release(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    tcp_station.silent.add(1)
    await until(lambda: running.evse.health is Health.LOST)
    before = len(tcp_station.writes())
    with pytest.raises(DeviceError):
        await running.evse.apply(setpoint(16000))
    assert len(tcp_station.writes()) == before
    with pytest.raises(DeviceError):
        await running.evse.apply(setpoint(0, enabled=False))
    assert len(tcp_station.writes()) > before or running.bus._scheduler._closed


async def test_a_meter_on_rtu_tells_signed_readings(
    start_bus: Any, line: Line, pty_station: Any, meter_profile: Any, new_meter: Any, until: Until
) -> None:
    words: list[int] = []
    for number in (230.5, 0, 0, 10.0, 11.0, 12.0, -2300.0, 2400.0, 2500.0, 2600.0, 7.5, 1.0):
        words += struct.unpack(">2H", struct.pack(">f", number))
    pty_station.units[5] = dict(enumerate(words))
    running = start_bus(line)
    meter = running.bus.add_meter(new_meter(), meter_profile)
    await until(lambda: running.of(MeterRead))
    reading = running.of(MeterRead)[0].reading
    assert reading.current_ma == Phases(-10000, 11000, 12000)
    assert (reading.power_w, reading.energy_import_wh, reading.signed) == (2600, 7500, True)
    assert reading.voltage_mv == Phases(230500, 0, 0)
    assert meter.period_s == 0.1
    pty_station.units[5][8] = 0x7FC0  # not a number
    await asyncio.sleep(0.3)
    seen = len(running.of(MeterRead))
    await asyncio.sleep(0.4)
    assert len(running.of(MeterRead)) == seen
    assert meter.health is Health.OK
    assert all(not asked.is_write for asked in pty_station.asked)
