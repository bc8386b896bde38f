"""One register of somebody's controller, over a real socket to the simulator's server."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction

import pytest

from drivers.api import DeviceEvent, Health, HealthChanged, SensorRead
from drivers.modbus.bus import ModbusBus
from drivers.setups import Endpoint, RegisterSetup
from sim.bus_faults import Fault, Faults
from sim.clock import SimClock
from sim.modbus_server import Slaves, TcpBus
from sim.panels import Panel

Until = Callable[..., Awaitable[None]]
LIMIT = RegisterSetup("limit", 7, "holding", 100, "u16", Fraction(100), True, None, 0.05)


class Plant:
    """A panel behind a socket, and the bus that reads it."""

    def __init__(self, setup: RegisterSetup) -> None:
        self.panel = Panel("plc", 7, {"holding": {"100": 320, "101": 0}, "discrete": {"3": 1}})
        self.faults = Faults(SimClock(), random.Random(1))
        self.server = TcpBus("wire", Slaves({7: self.panel}, self.faults, random.Random(1)))
        self.events: list[DeviceEvent] = []
        self.setup = setup

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Plant"]:
        await self.server.start()
        self.bus = ModbusBus("wire", Endpoint("127.0.0.1", self.server.port), self.events.append)
        self.bus.add_sensor(self.setup)
        task = asyncio.create_task(self.bus.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})
            await self.server.stop()

    def values(self) -> list[int | None]:
        return [event.value for event in self.events if isinstance(event, SensorRead)]

    def health(self) -> Health | None:
        found = [e.health for e in self.events if isinstance(e, HealthChanged) and e.device == "limit"]
        return found[-1] if found else None


@pytest.mark.parametrize(
    ("setup", "words", "value"),
    [
        (LIMIT, [320], 32_000),
        (replace(LIMIT, type="s16"), [0xFFFF], -100),
        (replace(LIMIT, type="u32"), [0x0001, 0x0000], 6_553_600),
        (replace(LIMIT, type="u32", high_word_first=False), [0x0001, 0x0000], 100),
        (
            replace(LIMIT, type="float32", scale=Fraction(1000)),
            list(struct.unpack(">2H", struct.pack(">f", 12.5))),
            12_500,
        ),
        (replace(LIMIT, type="float32"), list(struct.unpack(">2H", struct.pack(">f", float("nan")))), None),
        (replace(LIMIT, bit=3, scale=Fraction(1)), [0b1000], 1),
        (replace(LIMIT, bit=2, scale=Fraction(1)), [0b1000], 0),
        (replace(LIMIT, table="discrete", address=3, type="bool", scale=Fraction(1)), None, 1),
    ],
)
async def test_a_register_is_read_as_declared(
    setup: RegisterSetup, words: list[int] | None, value: int | None, until: Until
) -> None:
    plant = Plant(setup)
    if words is not None:
        plant.panel.set("holding", 100, words)
    async with plant.running():
        await until(lambda: plant.values())
        assert plant.values()[0] == value
        assert plant.health() is Health.OK


async def test_a_change_is_seen_and_silence_is_told_and_ends(until: Until) -> None:
    plant = Plant(LIMIT)
    async with plant.running():
        await until(lambda: plant.values())
        plant.panel.set("holding", 100, [80])
        await until(lambda: plant.values()[-1] == 8000)
        plant.faults.set(Fault("silent", "plc", 1.0, None))
        await until(lambda: plant.health() is Health.LOST, timeout_s=20)
        silent = len(plant.values())
        await asyncio.sleep(0.2)
        assert len(plant.values()) == silent, "what is not heard is not repeated as news"
        plant.faults.clear()
        await until(lambda: len(plant.values()) > silent, timeout_s=30)


async def test_a_register_that_is_not_there_is_no_value(until: Until) -> None:
    plant = Plant(replace(LIMIT, address=500))
    async with plant.running():
        await until(lambda: plant.health() is Health.LOST)
        assert plant.values() == []


async def test_r36_a_register_comes_and_goes_while_the_wire_runs(until: Until) -> None:
    plant = Plant(LIMIT)
    async with plant.running():
        await until(lambda: plant.values())
        plant.bus.remove("limit")
        await asyncio.sleep(0.1)
        seen = len(plant.values())
        await asyncio.sleep(0.2)
        assert len(plant.values()) == seen
        plant.bus.add_sensor(LIMIT)
        await until(lambda: len(plant.values()) > seen)
