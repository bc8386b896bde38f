"""What a busy device, a busy wire and a closed wire do to the polling of a device."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.api import DeviceError, EvseRead, Fault, Health, HealthChanged
from drivers.modbus.pdu import Request
from drivers.modbus.scheduler import Scheduler, Urgency
from drivers.setups import Endpoint

Until = Callable[..., Awaitable[None]]
ALL_OF_IT = (1, 10)
"""Where the one block of the charger's fast registers begins."""
BUSY = 6
ERROR_CODE = """
[registers.error_code]
address = 50
table = "holding"
type = "u16"
access = "r"
class = "slow"
"""


@pytest.fixture
async def start(
    start_bus: Any, endpoint: Endpoint, tcp_station: Any, charger: Any, new_evse: Any, memory: Any, until: Until
) -> Callable[..., Awaitable[Any]]:
    async def build(**profile: Any) -> Any:
        tcp_station.units[1] = memory()
        running = start_bus(endpoint)
        running.evse = running.bus.add_evse(new_evse(), charger(**profile))
        await until(lambda: running.evse.health is Health.OK)
        return running

    return build


def told(running: Any) -> list[Health]:
    return [event.health for event in running.of(HealthChanged) if event.device == "A1"]


async def test_a_device_that_is_busy_for_a_moment_is_not_lost(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    tcp_station.exceptions[ALL_OF_IT] = BUSY
    refused = len(tcp_station.asked)
    await until(lambda: any(one.address == ALL_OF_IT[1] for one in tcp_station.asked[refused:]))
    with pytest.raises(DeviceError) as caught:
        await running.evse.read_now()
    assert caught.value.fault is Fault.REFUSED
    tcp_station.exceptions.clear()
    seen = len(running.of(EvseRead))
    await until(lambda: len(running.of(EvseRead)) > seen + 2)
    assert told(running) == [Health.OK]


async def test_a_device_that_stays_busy_is_lost(start: Any, tcp_station: Any, until: Until) -> None:
    running = await start()
    begin_s = time.monotonic()
    tcp_station.exceptions[ALL_OF_IT] = BUSY
    await until(lambda: running.evse.health is Health.LOST)
    assert time.monotonic() - begin_s < 5, "R4: a loss is acted on within 5 s"
    tcp_station.exceptions.clear()
    await until(lambda: running.evse.health is Health.OK)


async def test_a_reading_that_is_asked_for_does_not_wait_for_a_slow_one_that_has_no_turn(
    start: Any, tcp_station: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a wire that is always busy that takes seconds, in which nothing of the device would be read at all."""
    monkeypatch.setattr("drivers.modbus.poller.SLOW_S", 0.3)
    monkeypatch.setattr("drivers.modbus.scheduler.SLOW_SHARE", 0.0)
    running = await start(more=ERROR_CODE)
    scheduler: Scheduler = running.bus._scheduler
    scheduler._jobs.slow.saved_s = -1.0
    tcp_station.delay_s = 0.01

    async def keep_busy(address: int) -> None:
        while True:
            await running.bus.read_raw(1, "holding", address, 1, urgency=Urgency.FAST)

    async with asyncio.TaskGroup() as tasks:
        busy = [tasks.create_task(keep_busy(address)) for address in (900, 901, 902)]
        await until(lambda: any(job.urgency is Urgency.SLOW for job in scheduler._jobs._queue.values()))
        begin_s = time.monotonic()
        async with asyncio.timeout(3):
            reading = await running.evse.read_now()
        assert reading.slow_t_s > begin_s
        for task in busy:
            task.cancel()


async def test_a_closed_wire_is_not_asked_four_times_a_second_by_each_of_its_devices(
    start: Any, tcp_station: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start()
    scheduler: Scheduler = running.bus._scheduler
    transfer, asked = scheduler.transfer, list[float]()

    async def noting(request: Request, urgency: Urgency, **more: Any) -> Any:
        asked.append(time.monotonic())
        return await transfer(request, urgency, **more)

    monkeypatch.setattr(scheduler, "transfer", noting)
    tcp_station.server.close()
    tcp_station.hang_up()
    await until(lambda: running.evse.health is Health.LOST)
    await until(lambda: scheduler._closed is not None)
    begin_s = time.monotonic()
    await asyncio.sleep(4)
    assert sum(one > begin_s for one in asked) <= 6
    tcp_station.server = await asyncio.start_server(tcp_station.serve, "127.0.0.1", tcp_station.port)
    await until(lambda: running.evse.health is Health.OK, 15)
