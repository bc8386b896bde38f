"""Chargers that want to be written to again and again: setpoints that run out, life bits, timers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from drivers.api import Health, HealthChanged, Setpoint
from drivers.setups import Endpoint

Until = Callable[..., Awaitable[None]]
LIMIT, BEAT = 20, 1010
RUNS_OUT = '[watchdog]\nmethod = "setpoint"\ntimeout_s = 0.9\nfixed = true\n'
KEEPALIVE = '\n[keepalive]\nregister = "heartbeat"\nvalue = 7\ninterval_s = 0.1\n'
REMAINING = """
[registers.comm_remaining]
address = 1020
table = "holding"
type = "u16"
unit = "s"
scale = 0.1
access = "r"
class = "slow"
"""


@pytest.fixture
async def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> Callable[..., Awaitable[Any]]:
    async def build(*, timer: int = 0, **profile: Any) -> Any:
        tcp_station.units[1] = memory() | {1020: timer}
        running = start_bus(endpoint)
        setup = replace(new_evse(), watchdog_timeout_s=0.9)
        running.evse = running.bus.add_evse(setup, charger(**profile))
        await until(lambda: running.evse.health is Health.OK)
        return running

    return build


def raws(station: Any, address: int) -> list[int]:
    return [asked.values[0] for asked in station.writes(address)]


async def test_a_setpoint_that_runs_out_is_written_again_while_it_is_renewed_and_no_longer(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(watchdog=RUNS_OUT)
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 1.5))
    await until(lambda: len(raws(tcp_station, LIMIT)) >= 3)
    assert set(raws(tcp_station, LIMIT)) == {100}
    await until(lambda: raws(tcp_station, LIMIT)[-1] == 60)
    count = len(raws(tcp_station, LIMIT))
    await asyncio.sleep(0.8)
    assert raws(tcp_station, LIMIT)[count - 1 :] == [60], "nobody renews it: the fail-safe current, once"


async def test_a_newer_setpoint_is_the_one_that_is_written_again(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(watchdog=RUNS_OUT)
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 5))
    await running.evse.apply(Setpoint(7_000, True, time.monotonic() + 5))
    first = raws(tcp_station, LIMIT).index(70)
    await until(lambda: len(raws(tcp_station, LIMIT)) >= first + 3)
    assert set(raws(tcp_station, LIMIT)[first:]) == {70}


async def test_a_register_that_keeps_a_model_obedient_is_written_while_setpoints_are_renewed(
    start: Any, tcp_station: Any, until: Until
) -> None:
    running = await start(watchdog="", more=KEEPALIVE)
    await asyncio.sleep(0.3)
    assert raws(tcp_station, BEAT) == []
    await running.evse.apply(Setpoint(10_000, True, time.monotonic() + 0.8))
    await until(lambda: len(raws(tcp_station, BEAT)) >= 3)
    assert set(raws(tcp_station, BEAT)) == {7}
    await until(lambda: raws(tcp_station, LIMIT)[-1] == 60)
    count = len(raws(tcp_station, BEAT))
    await asyncio.sleep(0.5)
    assert len(raws(tcp_station, BEAT)) <= count + 1
    await running.evse.apply(Setpoint(8_000, True, time.monotonic() + 5))
    await until(lambda: len(raws(tcp_station, BEAT)) >= count + 3)


async def test_r01_what_keeps_a_model_obedient_proves_nothing_of_its_fall_back(start: Any) -> None:
    running = await start(watchdog="", more=KEEPALIVE)
    assert running.evse.fall_back.watchdog_timeout_s is None
    assert not running.evse.fall_back.verified


@pytest.mark.parametrize(("shown", "verified"), [(0, True), (9, True), (10, False), (3000, False)])
async def test_r01_a_timer_that_shows_more_than_the_timeout_disproves_it(
    start: Any, shown: int, verified: bool
) -> None:
    running = await start(watchdog=RUNS_OUT, more=REMAINING, timer=shown)
    assert running.evse.fall_back.verified is verified
    texts = [event.text for event in running.of(HealthChanged) if event.device == "A1"]
    assert any("set the timeout in the charger" in text for text in texts) is not verified
