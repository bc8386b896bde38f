"""The owner of a bus against real sockets and ptys: order, loss, return, bus-off."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.api import DeviceError, DeviceEvent, Fault, Health, HealthChanged
from drivers.can.bus import ROOM, CanBus
from drivers.can.frame import CanLine, Frame, IdFilter, Slcan, Socketcand
from drivers.can.link import Ear, Link
from drivers.can.outbox import Priority
from sim.can.ports import SlcanPty, SocketcandServer
from sim.can.wire import CanWire, Party, WireFrame
from tests.drivers.can.rig import until

HERE = "127.0.0.1"


@asynccontextmanager
async def running(line: CanLine) -> AsyncIterator[tuple[CanBus, list[HealthChanged]]]:
    events: list[HealthChanged] = []

    def sink(event: DeviceEvent) -> None:
        assert isinstance(event, HealthChanged)
        events.append(event)

    bus = CanBus("dc", line, sink, back_off_s=(0.05, 0.1, 0.2))
    task = asyncio.create_task(bus.run())
    try:
        yield bus, events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def served(wire: CanWire) -> AsyncIterator[SocketcandServer]:
    server = SocketcandServer(wire)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def listening(wire: CanWire) -> list[WireFrame]:
    seen: list[WireFrame] = []
    wire.join(Party(seen.append, lambda classes: None))
    return seen


async def test_frames_go_to_whom_they_concern() -> None:
    wire = CanWire()
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 500_000)) as (bus, _):
        one, two = [], []
        end = bus.subscribe(IdFilter(0x100, 0xF00), lambda frame, t_s: one.append((frame.id, t_s)))
        bus.subscribe(IdFilter(0x120, 0xFF0), lambda frame, t_s: two.append(frame.id))
        await until(lambda: bus.health is Health.OK)
        for can_id in (0x101, 0x121, 0x200):
            wire.put(WireFrame(can_id, b""), None)
        wire.put(WireFrame(0x101, b"", extended=False), None)
        await until(lambda: bus.figures.received == 4)
        assert [can_id for can_id, _ in one] == [0x101, 0x121]
        assert two == [0x121]
        assert bus.figures.unwanted == 2
        assert abs(one[0][1] - asyncio.get_running_loop().time()) < 30.0
        end()
        wire.put(WireFrame(0x121, b""), None)
        await until(lambda: len(two) == 2)
        assert len(one) == 2


async def test_the_urgent_overtakes_what_waits() -> None:
    wire = CanWire()
    seen = listening(wire)
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 20_000)) as (bus, _):
        await until(lambda: bus.health is Health.OK)
        for number in range(50):
            bus.post(Frame(number, bytes(8)), Priority.READ, within_s=20.0)
        await until(lambda: bool(seen))
        bus.post(Frame(0x999, bytes(8)), Priority.OFF, within_s=20.0)
        await until(lambda: len(seen) == 51)
        assert [frame.can_id for frame in seen].index(0x999) < 45


async def test_the_queue_is_bounded_and_nothing_is_posted_to_a_closed_bus() -> None:
    async with served(CanWire()) as server, running(Socketcand(HERE, server.port, "can0", 10_000)) as (bus, _):
        with pytest.raises(DeviceError) as caught:
            bus.post(Frame(1, b""), Priority.READ, within_s=1.0)
        assert caught.value.fault is Fault.CLOSED
        await until(lambda: bus.health is Health.OK)
        for number in range(ROOM):
            bus.post(Frame(number, b""), Priority.READ, within_s=1.0)
        with pytest.raises(DeviceError) as caught:
            bus.post(Frame(1, b""), Priority.READ, within_s=1.0)
        assert caught.value.fault is Fault.TIMEOUT
        assert bus.figures.refused == 1
        with pytest.raises(ValueError, match="no CAN frame"):
            bus.post(Frame(1 << 29, b""), Priority.READ, within_s=1.0)


async def test_a_server_that_went_away_is_found_again() -> None:
    wire = CanWire()
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 500_000)) as (bus, events):
        await until(lambda: bus.health is Health.OK)
        port = server.port
        await server.stop()
        await until(lambda: bus.health is Health.LOST)
        await asyncio.sleep(0.2)
        await server.start(port)
        await until(lambda: bus.health is Health.OK)
        assert bus.figures.openings == 2
        assert [event.health for event in events] == [Health.OK, Health.LOST, Health.OK]


async def test_a_port_that_was_pulled_is_found_again(tmp_path: Path) -> None:
    port, wire = tmp_path / "can", CanWire()
    pty = SlcanPty(wire)
    port.symlink_to(pty.path)
    async with running(Slcan(str(port), 500_000)) as (bus, _):
        await until(lambda: pty.open)
        pty.close()
        await until(lambda: bus.health is Health.LOST)
        port.unlink()
        pty = SlcanPty(wire)
        port.symlink_to(pty.path)
        await until(lambda: bus.health is Health.OK and pty.open)
    pty.close()


async def test_bus_off_drops_what_waits_and_opens_the_bus_anew() -> None:
    wire = CanWire()
    seen = listening(wire)
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 10_000)) as (bus, events):
        await until(lambda: bus.health is Health.OK)
        for number in range(100):
            bus.post(Frame(number, bytes(8)), Priority.SETPOINT, within_s=60.0)
        wire.fail(0x40)
        await until(lambda: bus.figures.bus_offs == 1 and bus.health is Health.LOST)
        assert "120 ohm" in events[-1].text
        assert bus.figures.dropped > 50
        await until(lambda: bus.health is Health.OK)
        sent = len(seen)
        bus.post(Frame(0x777, b""), Priority.SETPOINT, within_s=60.0)
        await until(lambda: len(seen) > sent)
        assert seen[-1].can_id == 0x777, "an old setpoint was sent after the bus came back"


async def test_other_error_frames_are_counted_and_change_nothing() -> None:
    wire = CanWire()
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 500_000)) as (bus, _):
        await until(lambda: bus.health is Health.OK)
        for classes in (0x02, 0x20, 0x80, 0x88):
            wire.fail(classes)
        await until(lambda: bus.figures.bus_errors == 2)
        figures = bus.figures
        assert (figures.lost_arbitration, figures.no_ack, figures.bus_offs) == (1, 1, 0)
        assert bus.health is Health.OK


async def test_noise_is_counted_and_frames_after_it_arrive() -> None:
    wire = CanWire()
    async with served(wire) as server, running(Socketcand(HERE, server.port, "can0", 500_000)) as (bus, _):
        await until(lambda: bus.health is Health.OK)
        server.raw(b"\xff\x00 frame > < frame 12 1.0 > < frame 00000001 1.0 001 > < echo >")
        wire.put(WireFrame(0x123, b"\x01"), None)
        await until(lambda: bus.figures.received == 1)
        assert bus.figures.garbled == 4


async def test_pauses_between_attempts_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []

    async def fail(line: CanLine, ear: Ear) -> Link:
        tries.append(asyncio.get_running_loop().time())
        raise OSError("nobody there")

    monkeypatch.setattr("drivers.can.bus.open_socketcand", fail)
    async with running(Socketcand(HERE, 1, "can0", 500_000)) as (_, events):
        await until(lambda: len(tries) == 5)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert all(pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.2), strict=True))
    assert [event.text for event in events] == ["nobody there"]
