"""Two independent implementations of Modbus on one wire: pymodbus against our engine, and against the simulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.api import DeviceError, Fault
from drivers.modbus.bus import ModbusBus
from drivers.setups import Endpoint
from sim.scenario_file import parse_scenario
from sim.world import World
from tests.sim.sites import evse, scenario

WORDS = [0x4366, 0x8000, 0x0001, 0xFFFF, 0x1234]


@asynccontextmanager
async def pymodbus_server() -> AsyncIterator[Endpoint]:
    """A slave with five holding registers from address 100, made by somebody else."""
    device = SimDevice(7, simdata=[SimData(100, values=WORDS, datatype=DataType.REGISTERS)])
    server: Any = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.listen()
    try:
        yield Endpoint("127.0.0.1", server.transport.sockets[0].getsockname()[1])
    finally:
        await server.shutdown()


async def connected(bus: ModbusBus) -> bool:
    try:
        await bus.read_raw(7, "holding", 100, 1)
    except DeviceError as error:
        if error.fault is not Fault.CLOSED:
            raise
        return False
    return True


@asynccontextmanager
async def our_bus(endpoint: Endpoint) -> AsyncIterator[ModbusBus]:
    bus = ModbusBus("peer", endpoint, lambda _: None)
    running = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(10):
            while not await connected(bus):
                await asyncio.sleep(0.02)
        yield bus
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_our_engine_reads_and_writes_a_pymodbus_slave() -> None:
    async with pymodbus_server() as endpoint, our_bus(endpoint) as bus:
        assert await bus.read_raw(7, "holding", 100, 5) == WORDS
        await bus.write_raw(7, 6, 104, [0xBEEF])
        await bus.write_raw(7, 16, 100, [1, 2])
        assert await bus.read_raw(7, "holding", 100, 5) == [1, 2, 0x0001, 0xFFFF, 0xBEEF]


async def test_an_exception_of_a_pymodbus_slave_is_a_refusal() -> None:
    async with pymodbus_server() as endpoint, our_bus(endpoint) as bus:
        with pytest.raises(DeviceError) as caught:
            await bus.read_raw(7, "holding", 900, 2)
        assert caught.value.fault is Fault.REFUSED


@asynccontextmanager
async def simulated() -> AsyncIterator[World]:
    world = World(parse_scenario(scenario(evse())))
    await world.start()
    running = asyncio.create_task(world.run())
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await world.stop()


async def test_a_pymodbus_client_reads_the_simulated_charger() -> None:
    async with simulated() as world:
        client = AsyncModbusTcpClient("127.0.0.1", port=int(world.buses["bus-A1"].port))
        assert await client.connect()
        try:
            cable = await client.read_holding_registers(1004, count=2, device_id=255)
            assert cable.registers == [0, 0]
            beyond = await client.read_holding_registers(1005, count=2, device_id=255)
            assert beyond.isError()
        finally:
            client.close()
