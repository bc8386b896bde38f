"""A Modbus device of our own making: raw bytes over a pty and over TCP, none of the driver's code."""

import asyncio
import contextlib
import os
import re
import struct
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.api import DeviceEvent
from drivers.modbus.bus import ModbusBus
from drivers.modbus.unit import Timing
from drivers.profile import DeviceProfile, load
from drivers.setups import Endpoint, EvseSetup, Line, MeterSetup

QUICK = Timing(first_s=0.15, floor_s=0.15, ceiling_s=0.3)


def checksum(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


@dataclass
class Asked:
    t_s: float
    unit: int
    function: int
    address: int
    values: list[int]
    """Written values; for a read its count."""

    @property
    def is_write(self) -> bool:
        return self.function in (5, 6, 16)


Answers = list[tuple[float, bytes]]
"""Bytes to send and how long after the request, for one request."""


@dataclass
class Station:
    """Units with registers (input and holding share one space) that answer as the test wishes."""

    units: dict[int, dict[int, int]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)
    delay_s: float = 0.0
    exceptions: dict[tuple[int, int], int] = field(default_factory=dict)
    """(unit, address) -> exception code."""
    ignore_writes: set[int] = field(default_factory=set)
    """Addresses that acknowledge a write and keep their value."""
    refusals: dict[int, int] = field(default_factory=dict)
    """Address -> how many of the next writes there are refused."""
    twist: Callable[[Asked, bytes], Answers | None] | None = None
    """Makes something else of a good frame (RTU) or body (TCP, with unit); None: as it is."""

    def respond(self, unit: int, body: bytes) -> bytes | None:
        """Unit and PDU of the answer, or None for silence."""
        function, address, third = struct.unpack(">BHH", body[:5])
        if function in (1, 2, 3, 4):
            values = [third]
        elif function == 16:
            values = list(struct.unpack(f">{third}H", body[6 : 6 + 2 * third]))
        else:
            values = [third]
        self.asked.append(Asked(time.monotonic(), unit, function, address, values))
        memory = self.units.get(unit)
        if memory is None or unit in self.silent:
            return None
        code = self.exceptions.get((unit, address))
        if code is not None:
            return bytes([unit, function | 0x80, code])
        if self.asked[-1].is_write and self.refusals.get(address, 0) > 0:
            self.refusals[address] -= 1
            return bytes([unit, function | 0x80, 4])
        if function in (3, 4):
            words = [memory.get(address + i, 0) for i in range(third)]
            return bytes([unit, function, 2 * third]) + struct.pack(f">{third}H", *words)
        if function in (1, 2):
            bits = [memory.get(address + i, 0) for i in range(third)]
            data = bytearray((third + 7) // 8)
            for i, bit in enumerate(bits):
                data[i // 8] |= (bit & 1) << i % 8
            return bytes([unit, function, len(data)]) + bytes(data)
        for i, value in enumerate(values):
            if address + i not in self.ignore_writes:
                memory[address + i] = value
        return bytes([unit]) + body[:5]

    def answers(self, unit: int, body: bytes, frame: Callable[[bytes], bytes]) -> Answers:
        answer = self.respond(unit, body)
        if answer is None:
            return []
        good = frame(answer)
        if self.twist is not None:
            twisted = self.twist(self.asked[-1], good)
            if twisted is not None:
                return twisted
        return [(self.delay_s, good)]

    def writes(self, address: int | None = None) -> list[Asked]:
        return [a for a in self.asked if a.is_write and address in (None, a.address)]


class PtyStation(Station):
    """A serial line: one pty, requests cut by their length."""

    def open(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.master)
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self.slave)
        self.buffer = b""
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.master, self.read)

    def close(self) -> None:
        self.loop.remove_reader(self.master)
        os.close(self.master)
        os.close(self.slave)

    def read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.buffer += os.read(self.master, 4096)
        while len(self.buffer) >= 8:
            size = 9 + self.buffer[6] if self.buffer[1] == 16 else 8
            if len(self.buffer) < size:
                return
            frame, self.buffer = self.buffer[:size], self.buffer[size:]
            assert checksum(frame[:-2]) == frame[-2:]
            for delay_s, data in self.answers(frame[0], frame[1:-2], lambda body: body + checksum(body)):
                self.send_later(delay_s, data)

    def send_later(self, delay_s: float, data: bytes) -> None:
        if delay_s <= 0:
            os.write(self.master, data)
        else:
            self.loop.call_later(delay_s, self.send_now, data)

    def send_now(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self.master, data)


class TcpStation(Station):
    """A Modbus TCP server."""

    async def open(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()
        self.connections = 0
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.server.close()
        self.hang_up()
        await asyncio.sleep(0.02)

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        self.connections += 1
        try:
            while True:
                head = await reader.readexactly(7)
                transaction, _, length, unit = struct.unpack(">HHHB", head)
                body = await reader.readexactly(length - 1)

                def frame(answer: bytes, transaction: int = transaction) -> bytes:
                    return struct.pack(">HHH", transaction, 0, len(answer)) + answer

                for delay_s, data in self.answers(unit, body, frame):
                    if delay_s > 0:
                        asyncio.get_running_loop().call_later(delay_s, writer.write, data)
                    else:
                        writer.write(data)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


@pytest.fixture
async def pty_station() -> AsyncIterator[PtyStation]:
    station = PtyStation()
    station.open()
    yield station
    station.close()


@pytest.fixture
async def tcp_station() -> AsyncIterator[TcpStation]:
    station = TcpStation()
    await station.open()
    yield station
    await station.close()


@pytest.fixture
def line(pty_station: PtyStation) -> Line:
    return Line(pty_station.port, 115200, "N", 1)


@pytest.fixture
def endpoint(tcp_station: TcpStation) -> Endpoint:
    return Endpoint("127.0.0.1", tcp_station.port)


CHARGER = """
schema = 1
id = "{id}"
vendor = "Test"
model = "Charger"
kind = "charger"
driver = "modbus"
confidence = "high"
sources = ["made for the tests"]
fall_back = "hold_last"

[tcp]
port = 502
[rtu]
baud = 115200
parity = "N"
stop_bits = 1

[modbus]
outlets = 2
outlet_offset = 100
global_registers = ["comm_timeout", "failsafe_current", "standby"]

[state]
register = "status"
values = {{ 1 = "A", 2 = "B", 3 = "C", 4 = "F", 9 = "starting" }}

[setpoint]
min_a = 6
max_a = 32
step_a = 0.1
pause = {pause}
volatile = {volatile}
min_interval_s = {interval_s}
latency_s = 0.2

[enable]
register = "enable"
on = 1
off = 0
{watchdog}
[commission]
standby = 4

[registers.status]
address = 10
table = "holding"
type = "u16"
access = "r"
class = "fast"
[registers.current_l1]
address = 11
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "r"
class = "fast"
high = 80
[registers.current_l2]
address = 12
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "r"
class = "fast"
high = 80
[registers.current_l3]
address = 13
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "r"
class = "fast"
high = 80
[registers.energy_import_total]
address = 14
table = "holding"
type = "u32"
unit = "Wh"
scale = 10
access = "r"
class = "fast"
[registers.rfid_tag]
address = 16
table = "holding"
type = "bytes"
count = 4
access = "r"
class = "fast"
[registers.current_limit]
address = 20
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "rw"
write_fc = 6
class = "fast"
[registers.enable]
address = 21
table = "holding"
type = "u16"
access = "rw"
write_fc = 16
class = "fast"
[registers.comm_timeout]
address = 1000
table = "holding"
type = "u16"
unit = "s"
scale = 0.001
access = "rw"
write_fc = 16
class = "slow"
[registers.failsafe_current]
address = 1001
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "rw"
write_fc = 16
class = "slow"
[registers.standby]
address = 1002
table = "holding"
type = "u16"
access = "rw"
write_fc = 16
[registers.heartbeat]
address = 1010
table = "holding"
type = "u16"
access = "w"
write_fc = 6
"""

ANY_REQUEST = '[watchdog]\nmethod = "any_request"\ntimeout_min_s = 0.5\ntimeout_max_s = 60\n'

METER = """
schema = 1
id = "test-meter"
vendor = "Test"
model = "Meter"
kind = "meter"
driver = "modbus"
confidence = "high"
sources = ["made for the tests"]

[tcp]
port = 502

[registers.voltage_l1]
address = 0
table = "input"
type = "float32"
unit = "V"
access = "r"
class = "fast"
[registers.current_l1]
address = 6
table = "input"
type = "float32"
unit = "A"
access = "r"
class = "fast"
[registers.current_l2]
address = 8
table = "input"
type = "float32"
unit = "A"
access = "r"
class = "fast"
[registers.current_l3]
address = 10
table = "input"
type = "float32"
unit = "A"
access = "r"
class = "fast"
[registers.active_power_l1]
address = 12
table = "input"
type = "float32"
unit = "W"
access = "r"
class = "fast"
[registers.active_power_l2]
address = 14
table = "input"
type = "float32"
unit = "W"
access = "r"
class = "fast"
[registers.active_power_l3]
address = 16
table = "input"
type = "float32"
unit = "W"
access = "r"
class = "fast"
[registers.active_power_total]
address = 18
table = "input"
type = "float32"
unit = "W"
access = "r"
class = "fast"
[registers.energy_import_total]
address = 20
table = "input"
type = "float32"
unit = "Wh"
scale = 1e3
access = "r"
class = "fast"
[registers.energy_export_total]
address = 22
table = "input"
type = "float32"
unit = "Wh"
scale = 1e3
access = "r"
class = "slow"
"""

ChargerProfile = Callable[..., DeviceProfile]


@pytest.fixture
def charger(tmp_path: Path) -> ChargerProfile:
    def build(
        *,
        pause: str = '"zero"',
        volatile: bool = True,
        watchdog: str = ANY_REQUEST,
        write_only: str = "",
        interval_s: float = 0,
        more: str = "",
    ) -> DeviceProfile:
        path = tmp_path / "test-charger.toml"
        text = CHARGER.format(
            id=path.stem, pause=pause, volatile=str(volatile).lower(), watchdog=watchdog, interval_s=interval_s
        )
        head, found, rest = text.partition(f"[registers.{write_only}]")
        if found:
            own, rest = rest.split("\n[", 1)
            rest = re.sub('class = ".*"', "", own.replace('"rw"', '"w"')) + "\n[" + rest
        path.write_text(head + found + rest + more)
        return load(path)

    return build


@pytest.fixture
def meter_profile(tmp_path: Path) -> DeviceProfile:
    path = tmp_path / "test-meter.toml"
    path.write_text(METER)
    return load(path)


def evse_setup(*, id: str = "A1", unit: int = 1, outlet: int = 1, failsafe_ma: int = 6000) -> EvseSetup:
    return EvseSetup(
        id=id,
        unit=unit,
        outlet=outlet,
        failsafe_ma=failsafe_ma,
        watchdog_timeout_s=15.0,
        min_ma=6000,
        max_ma=16000,
        power_up_ma=None,
    )


def meter_setup(*, unit: int = 5, ct_ratio: float = 1, reversed: bool = False) -> MeterSetup:
    return MeterSetup(id="grid", unit=unit, ct_ratio=ct_ratio, reversed=reversed, period_s=0.1)


@pytest.fixture
def new_evse() -> Callable[..., EvseSetup]:
    return evse_setup


@pytest.fixture
def new_meter() -> Callable[..., MeterSetup]:
    return meter_setup


def charger_memory() -> dict[int, int]:
    """An idle charger with an EV: offers 0 A, locked, 12340 Wh."""
    return {10: 2, 14: 0, 15: 1234, 20: 0, 21: 0, 1000: 5000, 1001: 100, 1002: 0}


@pytest.fixture
def memory() -> Callable[[], dict[int, int]]:
    return charger_memory


class Running:
    """A bus at work and what it told."""

    def __init__(self, bus: ModbusBus, events: list[DeviceEvent]) -> None:
        self.bus = bus
        self.events = events

    def of(self, kind: type[DeviceEvent]) -> list[DeviceEvent]:
        return [event for event in self.events if isinstance(event, kind)]


StartBus = Callable[..., Running]


@pytest.fixture
async def start_bus() -> AsyncIterator[Callable[..., Running]]:
    tasks: list[asyncio.Task[None]] = []

    def start(wire: Line | Endpoint, *, fast_s: float = 0.05) -> Running:
        events: list[DeviceEvent] = []
        bus = ModbusBus("bus", wire, events.append, fast_s=fast_s, timing=QUICK)
        tasks.append(asyncio.create_task(bus.run()))
        return Running(bus, events)

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_until(condition: Callable[[], object], timeout_s: float = 8.0) -> None:
    limit_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < limit_s, "did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    return wait_until
