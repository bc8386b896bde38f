import asyncio
import os
import time
from typing import Any

import pytest

from drivers.api import DeviceError, Fault
from drivers.modbus.port import SerialPort
from drivers.modbus.timers import Deadline, TimerFd
from drivers.setups import Line
from tests.drivers.modbus.virtual_time import run_virtually


async def test_the_exact_alarm_never_rings_early() -> None:
    alarm = TimerFd()
    rung: list[float] = []
    try:
        for _ in range(30):
            when_s = time.monotonic() + 0.002
            done = asyncio.Event()

            def ring(when_s: float = when_s, done: asyncio.Event = done) -> None:
                rung.append(time.monotonic() - when_s)
                done.set()

            alarm.at(when_s, ring)
            async with asyncio.timeout(5):
                await done.wait()
    finally:
        alarm.close()
    assert min(rung) >= 0
    assert len(rung) == 30


async def test_an_alarm_that_is_set_anew_or_cancelled_rings_as_last_said() -> None:
    alarm = TimerFd()
    rung: list[str] = []
    try:
        alarm.at(time.monotonic() + 0.01, lambda: rung.append("first"))
        alarm.at(time.monotonic() + 0.02, lambda: rung.append("second"))
        await asyncio.sleep(0.1)
        alarm.at(time.monotonic() + 0.01, lambda: rung.append("third"))
        alarm.cancel()
        await asyncio.sleep(0.05)
        alarm.at(time.monotonic() - 1, lambda: rung.append("past"))
        await asyncio.sleep(0.05)
    finally:
        alarm.close()
    assert rung == ["second", "past"]


def test_a_deadline_passes_once_at_its_newest_time_and_not_when_lifted() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        passed: list[float] = []
        deadline = Deadline(lambda: passed.append(loop.time() - begin_s))
        deadline.at(begin_s + 5)
        deadline.at(begin_s + 9)
        await asyncio.sleep(20)
        deadline.at(begin_s + 40)
        deadline.at(begin_s + 30)
        await asyncio.sleep(30)
        deadline.at(begin_s + 60)
        deadline.lift()
        await asyncio.sleep(30)
        return passed

    assert run_virtually(main()) == pytest.approx([9, 30])


async def test_a_port_is_this_process_alones_and_tells_when_it_is_gone(pty_station: Any, line: Line) -> None:
    port = SerialPort(line)
    told = asyncio.Event()
    port.watch(told.set)
    with pytest.raises(DeviceError) as caught:
        SerialPort(line)
    assert caught.value.fault is Fault.CLOSED
    assert port.read() == b""
    assert port.write(b"abc") == 3
    os.write(pty_station.master, b"xyz")
    await asyncio.wait_for(told.wait(), 5)
    assert port.read() == b"xyz"
    port.close()


async def test_a_port_whose_other_end_hangs_up_raises() -> None:
    master, slave = os.openpty()
    port = SerialPort(Line(os.ttyname(slave), 9600, "E", 1))
    os.close(slave)
    os.close(master)
    port.watch(lambda: None)
    with pytest.raises(OSError):
        port.read()
    port.close()
