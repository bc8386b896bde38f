"""Modbus on the wire: real sockets and ptys, frames written by hand."""

import asyncio
import contextlib
import os
import struct
import termios
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from sim.bus_faults import Fault
from sim.modbus_server import RtuBus
from sim.scenario_file import parse_scenario
from sim.world import World
from tests.sim.raw_modbus import Rtu, Tcp, crc16, read_request, write_many, write_single
from tests.sim.sites import Row, evse, meter, scenario

T = TypeVar("T")


@contextlib.asynccontextmanager
async def live_world(data: Row) -> AsyncIterator[World]:
    world = World(parse_scenario(data))
    await world.start()
    task = asyncio.create_task(world.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.stop()


async def off_loop(act: Callable[[], T]) -> T:
    """Run a blocking master beside the simulator's loop."""
    return await asyncio.to_thread(act)


HEIDELBERG = evse("H1", "heidelberg-energy-control", bus="wire", unit=3, max_current_a=16, energy_wh=123456)
WB_DIN = evse("E1", "evse-wb-din", bus="wire", unit=1)
SDM = meter("m", "eastron-sdm72d-m-v2", bus="wire", unit=7, circuit="main")
WIRE = {"wire": "modbus-rtu"}


def fault(kind: str, device: str | None = None, rate: float = 1.0) -> Fault:
    return Fault(kind, device, rate, None)


def test_own_checksum_agrees_with_published_frames() -> None:
    # widely printed examples: 01 03 00 00 00 0A C5 CD and 11 03 00 6B 00 03 76 87
    assert crc16(bytes.fromhex("01030000000A")) == bytes.fromhex("C5CD")
    assert crc16(bytes.fromhex("1103006B0003")) == bytes.fromhex("7687")


async def test_tcp_reads_one_value_of_a_keba() -> None:
    async with live_world(scenario(evse(energy_wh=123456.7))) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> None:
            with Tcp(port, 255) as box:
                assert box.ask(read_request(3, 1036, 2)) == bytes.fromhex("03040012D687")
                assert box.registers(3, 1004, 2) == (0, 0)

        await off_loop(session)


@pytest.mark.parametrize(
    ("request_pdu", "code"),
    [
        (read_request(3, 1000, 4), 3),  # longer than the model's blocks
        (read_request(3, 1001, 2), 2),  # across a register boundary
        (read_request(3, 1000, 1), 2),  # half a value
        (read_request(3, 1034, 2), 2),  # unknown
        (read_request(4, 1000, 2), 2),  # another table
        (read_request(3, 1000, 0), 3),
        (read_request(3, 5004, 1), 2),  # write-only
        (write_single(1000, 1), 2),  # read-only
        (write_single(5004, 5000), 3),  # below the minimum
        (write_single(5014, 2), 3),  # no such release value
        (write_many(5004, 6000), 1),  # the model takes function 6
        (b"\x2b\x0e\x01\x00\x00", 1),
        (b"\x03", 3),
    ],
)
async def test_tcp_refuses_what_the_model_does_not_take(request_pdu: bytes, code: int) -> None:
    async with live_world(scenario(evse())) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> bytes:
            with Tcp(port, 255) as box:
                return box.ask(request_pdu)

        assert await off_loop(session) == bytes([request_pdu[0] | 0x80, code])


async def test_tcp_write_reaches_the_pilot() -> None:
    async with live_world(scenario(evse(latency_s=0.2))) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> None:
            with Tcp(port, 255) as box:
                assert box.ask(write_single(5004, 13500)) == write_single(5004, 13500)
                assert box.ask(write_single(5014, 1)) == write_single(5014, 1)

        await off_loop(session)
        await world.until(lambda: world.stations[0].controller.offered_a == 13.5, within_s=5, what="no offer")


async def test_tcp_answers_for_an_absent_unit_as_a_gateway_does() -> None:
    async with live_world(scenario(evse())) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> bytes:
            with Tcp(port, 9) as box:
                return box.ask(read_request(3, 1000, 2))

        assert await off_loop(session) == bytes([0x83, 0x0B])


async def test_tcp_drops_a_stream_that_is_no_modbus() -> None:
    async with live_world(scenario(evse())) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> None:
            with Tcp(port, 255) as box:
                box._socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with pytest.raises(ConnectionError):
                    box.receive()

        await off_loop(session)


async def test_several_units_share_one_wire() -> None:
    async with live_world(scenario(WB_DIN, SDM, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> None:
            with Rtu(path) as wire:
                assert wire.ask(1, read_request(3, 1002, 1)) == bytes.fromhex("03020001")
                # 230.0 V as float: 43660000
                assert wire.ask(7, read_request(4, 0, 2)) == bytes.fromhex("040443660000")
                assert wire.ask(2, read_request(3, 1002, 1)) == b""

        await off_loop(session)


async def test_rtu_unknown_register_is_exception_two() -> None:
    async with live_world(scenario(HEIDELBERG, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> None:
            with Rtu(path) as wire:
                assert wire.ask(3, read_request(4, 19, 1)) == bytes.fromhex("8402")
                time.sleep(0.12)
                assert wire.ask(3, read_request(4, 17, 2)) == bytes.fromhex("04040001E240")

        await off_loop(session)


async def test_rtu_ignores_a_bad_checksum_and_finds_the_next_frame() -> None:
    async with live_world(scenario(HEIDELBERG, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)
        frame = bytes([3]) + read_request(4, 5, 1)

        def session() -> None:
            with Rtu(path) as wire:
                assert wire.raw(frame + b"\0\0", wait_s=0.3) == b""
                assert wire.raw(b"\xff\x03" + frame + crc16(frame)) != b""

        await off_loop(session)


async def test_rtu_takes_the_time_of_its_bytes() -> None:
    async with live_world(scenario(SDM, evse(), kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> float:
            with Rtu(path) as wire:
                start = time.monotonic()
                # request 8 bytes, answer 5 + 36 bytes, 10 bits each at 9600 baud: 51 ms
                assert len(wire.ask(7, read_request(4, 0, 18))) == 38
                return time.monotonic() - start - 0.15

        assert await off_loop(session) >= 0.049


async def test_rtu_does_not_hear_a_request_that_follows_an_answer_without_silence() -> None:
    async with live_world(scenario(SDM, evse(), kinds=WIRE)) as world:
        bus = world.buses["wire"]
        assert isinstance(bus, RtuBus)
        frame = _framed(7, read_request(4, 0, 2))

        def session() -> bytes:
            with Rtu(str(bus.port)) as wire:
                for _ in range(50):  # this process may be held up for longer than the silence
                    before = bus.violations
                    assert len(wire.raw(frame, quiet_s=0)) == 9
                    answer = wire.raw(frame, wait_s=0.3)
                    if bus.violations > before:
                        return answer
            raise AssertionError("never within the silence")

        assert await off_loop(session) == b""


async def test_rtu_client_with_the_wrong_speed_hears_nothing() -> None:
    async with live_world(scenario(HEIDELBERG, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> None:
            with Rtu(path) as wire:
                settings = termios.tcgetattr(wire.fd)
                settings[4] = settings[5] = termios.B9600
                termios.tcsetattr(wire.fd, termios.TCSANOW, settings)
                assert wire.raw(_framed(3, read_request(4, 5, 1)), wait_s=0.3) == b""
                settings[4] = settings[5] = termios.B19200
                termios.tcsetattr(wire.fd, termios.TCSANOW, settings)
                assert wire.ask(3, read_request(4, 5, 1)) == bytes.fromhex("04020002")

        await off_loop(session)


async def test_rtu_broadcast_is_obeyed_and_not_answered() -> None:
    async with live_world(scenario(WB_DIN, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> None:
            with Rtu(path) as wire:
                assert wire.raw(_framed(0, write_many(1000, 9)), wait_s=0.3) == b""

        await off_loop(session)
        assert world.stations[0].controller.limit_a == 9


async def test_device_that_needs_spacing_misses_requests_that_come_too_early() -> None:
    async with live_world(scenario(WB_DIN, kinds=WIRE)) as world:
        path = str(world.buses["wire"].port)

        def session() -> tuple[int, int]:
            early = patient = 0
            with Rtu(path) as wire:
                for _ in range(12):
                    early += bool(wire.raw(_framed(1, read_request(3, 1002, 1)), wait_s=0.12, quiet_s=0.001))
                for _ in range(6):
                    time.sleep(0.25)
                    patient += bool(wire.raw(_framed(1, read_request(3, 1002, 1)), wait_s=1.0, quiet_s=0.001))
            return early, patient

        early, patient = await off_loop(session)
        assert early < 12
        assert patient == 6


def _framed(unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + crc16(frame)


REQUEST = _framed(3, read_request(4, 5, 1))
GOOD = _framed(3, bytes.fromhex("04020002"))


async def on_faulty_wire(found: Fault, act: Callable[[Rtu], T]) -> T:
    async with live_world(scenario(HEIDELBERG, kinds=WIRE)) as world:
        bus = world.buses["wire"]
        bus.slaves.faults.set(found)

        def session() -> T:
            with Rtu(str(bus.port)) as wire:
                return act(wire)

        return await off_loop(session)


async def test_silent_bus_says_nothing() -> None:
    assert await on_faulty_wire(fault("silent"), lambda w: w.raw(REQUEST, wait_s=0.3)) == b""


async def test_crc_fault_spoils_the_checksum_only() -> None:
    answer = await on_faulty_wire(fault("crc"), lambda w: w.raw(REQUEST))
    assert answer[:-2] == GOOD[:-2]
    assert answer[-2:] != GOOD[-2:]


async def test_exception_fault_is_a_device_failure() -> None:
    assert await on_faulty_wire(fault("exception"), lambda w: w.raw(REQUEST)) == _framed(3, bytes([0x84, 4]))


async def test_garbage_is_no_frame() -> None:
    answer = await on_faulty_wire(fault("garbage"), lambda w: w.raw(REQUEST))
    assert answer
    assert answer[-2:] != crc16(answer[:-2])


async def test_echo_puts_the_request_before_the_answer() -> None:
    assert await on_faulty_wire(fault("echo"), lambda w: w.raw(REQUEST)) == REQUEST + GOOD


async def test_slow_answers_come_late_but_come() -> None:
    def session(wire: Rtu) -> tuple[bytes, bytes]:
        return wire.raw(REQUEST, wait_s=0.25), wire.raw(b"", wait_s=1.5)

    assert await on_faulty_wire(fault("slow"), session) == (b"", GOOD)


async def test_late_answer_arrives_when_something_else_was_asked() -> None:
    def session(wire: Rtu) -> tuple[bytes, bytes]:
        return wire.raw(REQUEST, wait_s=1.0), wire.raw(b"", wait_s=3)

    assert await on_faulty_wire(fault("late"), session) == (b"", GOOD)


async def test_split_answer_has_a_pause_inside() -> None:
    def session(wire: Rtu) -> list[tuple[bytes, bytes]]:
        found = []
        for _ in range(5):
            time.sleep(0.12)
            os.write(wire.fd, REQUEST)
            found.append((wire.raw(b"", quiet_s=0.005), wire.raw(b"", wait_s=0.4)))
        return found

    # on a busy machine the reader may come after the pause
    assert (GOOD[:3], GOOD[3:]) in await on_faulty_wire(fault("split"), session)


async def test_fault_of_another_device_does_not_hit_this_one() -> None:
    async with live_world(scenario(WB_DIN, SDM, kinds=WIRE)) as world:
        bus = world.buses["wire"]
        bus.slaves.faults.set(fault("silent", "m"))

        def session() -> tuple[bytes, bytes]:
            with Rtu(str(bus.port)) as wire:
                return wire.ask(1, read_request(3, 1002, 1)), wire.ask(7, read_request(4, 0, 2))

        assert await off_loop(session) == (bytes.fromhex("03020001"), b"")


async def test_tcp_crc_fault_breaks_the_header_and_garbage_the_stream() -> None:
    async with live_world(scenario(evse())) as world:
        bus = world.buses["bus-A1"]
        bus.slaves.faults.set(fault("crc"))

        def session() -> int:
            with Tcp(int(bus.port), 255) as box:
                box.send(read_request(3, 1000, 2))
                return box.receive()[1]

        assert await off_loop(session) != 0


async def test_tcp_late_answer_has_the_old_transaction() -> None:
    async with live_world(scenario(evse())) as world:
        bus = world.buses["bus-A1"]
        bus.slaves.faults.set(fault("late"))

        def session() -> list[int]:
            with Tcp(int(bus.port), 255, timeout_s=6) as box:
                box.send(read_request(3, 1000, 2))
                time.sleep(0.2)
                bus.slaves.faults.clear()
                box.send(read_request(3, 1004, 2))
                return [box.receive()[0], box.receive()[0]]

        assert await off_loop(session) == [2, 1]


async def test_charger_without_mains_is_silent() -> None:
    async with live_world(scenario(HEIDELBERG, kinds=WIRE)) as world:
        world.set_power(False)

        def session() -> bytes:
            with Rtu(str(world.buses["wire"].port)) as wire:
                return wire.raw(REQUEST, wait_s=0.3)

        assert await off_loop(session) == b""


async def test_black_out_cuts_the_connections_of_a_charger() -> None:
    async with live_world(scenario(evse())) as world:
        port = int(world.buses["bus-A1"].port)

        def session() -> None:
            with Tcp(port, 255) as box:
                assert box.registers(3, 1004, 2) == (0, 0)
                loop.call_soon_threadsafe(world.set_power, False)
                with pytest.raises(ConnectionError):
                    box.receive()

        loop = asyncio.get_running_loop()
        await off_loop(session)


def test_frames_are_built_as_the_protocol_says() -> None:
    assert write_many(261, 160) == bytes.fromhex("10010500010200A0")
    assert struct.unpack(">BHH", read_request(4, 5, 1)) == (4, 5, 1)
