"""The strict links against raw bytes: what is not the answer to this very request is never taken for it."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.blocks import gap_s
from drivers.modbus.link import Answer
from drivers.modbus.rtu import RtuLink
from drivers.modbus.tcp import TcpLink
from drivers.setups import Endpoint, Line

READ = pdu.read(1, "holding", address=10, count=2)
WAIT_S = 0.15


def sealed(body: bytes) -> bytes:
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return body + struct.pack("<H", value)


@pytest.fixture
async def rtu(line: Line, pty_station: Any) -> AsyncIterator[RtuLink]:
    pty_station.units[1] = {10: 7, 11: 8, 20: 9, 21: 10, 22: 11, 23: 12}
    link = RtuLink(line)
    await link.open(lambda: None)
    yield link
    link.close()


@pytest.fixture
async def tcp(endpoint: Endpoint, tcp_station: Any) -> AsyncIterator[TcpLink]:
    tcp_station.units[1] = {10: 7, 11: 8, 20: 9, 21: 10}
    link = TcpLink(endpoint)
    await link.open(lambda: None)
    yield link
    link.close()


async def exchange(link: RtuLink | TcpLink, request: pdu.Request, timeout_s: float) -> Answer:
    """What the scheduler does, for one request."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(outcome: Answer | DeviceError) -> None:
        if isinstance(outcome, Answer):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    link.begin(request, timeout_s, done)
    return await future


async def fault_of(link: RtuLink | TcpLink, request: pdu.Request = READ) -> Fault:
    with pytest.raises(DeviceError) as caught:
        await exchange(link, request, WAIT_S)
    return caught.value.fault


async def test_rtu_reads_and_stamps_the_receive_time(rtu: RtuLink) -> None:
    before_s = time.monotonic()
    answer = await exchange(rtu, READ, WAIT_S)
    assert answer.values == (7, 8)
    assert before_s < answer.t_s <= time.monotonic()


def mangled_crc(good: bytes) -> bytes:
    return good[:-1] + bytes([good[-1] ^ 0x55])


@pytest.mark.parametrize(
    "twist",
    [
        pytest.param(mangled_crc, id="bad crc"),
        pytest.param(lambda good: sealed(b"\x02" + good[1:-2]), id="another unit"),
        pytest.param(lambda good: sealed(good[:1] + b"\x04" + good[2:-2]), id="another function"),
        pytest.param(lambda good: sealed(b"\x01\x03\x02\x00\x01"), id="another count"),
        pytest.param(lambda good: good[:-3], id="truncated"),
        pytest.param(lambda good: bytes(200), id="zeros"),
    ],
)
async def test_rtu_takes_nothing_but_the_answer(
    rtu: RtuLink, pty_station: Any, twist: Callable[[bytes], bytes]
) -> None:
    pty_station.twist = lambda asked, good: [(0, twist(good))]
    assert await fault_of(rtu) is Fault.TIMEOUT
    pty_station.twist = None
    assert (await exchange(rtu, READ, WAIT_S)).values == (7, 8)


async def test_rtu_puts_a_split_answer_together_and_looks_behind_noise(rtu: RtuLink, pty_station: Any) -> None:
    pty_station.twist = lambda asked, good: [(0, b"\x01\x03" + good[:4]), (0.03, good[4:])]
    assert (await exchange(rtu, READ, 0.5)).values == (7, 8)


async def test_rtu_learns_that_the_line_echoes(rtu: RtuLink, pty_station: Any) -> None:
    pty_station.twist = lambda asked, good: [(0, sealed(READ_FRAME) + good)]
    assert (await exchange(rtu, READ, WAIT_S)).values == (7, 8)
    write = pdu.write(1, 6, address=20, words=(5,))
    pty_station.twist = lambda asked, good: [(0, good)]  # only the adapter's own copy comes back
    assert await fault_of(rtu, write) is Fault.TIMEOUT
    pty_station.twist = lambda asked, good: [(0, good + good)]
    assert (await exchange(rtu, write, WAIT_S)).values == ()


READ_FRAME = bytes([1]) + READ.pdu


async def test_rtu_waits_for_silence_before_it_asks(rtu: RtuLink, pty_station: Any, line: Line) -> None:
    for _ in range(5):
        await exchange(rtu, READ, WAIT_S)
    ended_s = (await exchange(rtu, READ, WAIT_S)).t_s
    await exchange(rtu, READ, WAIT_S)
    assert pty_station.asked[-1].t_s - ended_s >= gap_s(line)


async def test_rtu_drops_what_comes_between_requests(rtu: RtuLink, pty_station: Any) -> None:
    old = sealed(bytes([1, 3, 4, 0xDE, 0xAD, 0xBE, 0xEF]))
    pty_station.send_now(old)
    assert (await exchange(rtu, READ, WAIT_S)).values == (7, 8)


async def test_rtu_does_not_take_the_answer_to_another_master_for_its_own(rtu: RtuLink, pty_station: Any) -> None:
    """It had asked just before: the unit answers that first."""
    await exchange(rtu, READ, WAIT_S)
    question, answer = sealed(b"\x01\x03\x01\xf4\x00\x02"), sealed(b"\x01\x03\x04\xde\xad\xbe\xef")
    pty_station.send_now(question)
    pty_station.send_later(0.1, answer)
    pty_station.delay_s = 0.15
    assert (await exchange(rtu, READ, 2 * WAIT_S)).values == (7, 8)


async def test_rtu_gives_up_on_a_line_that_is_never_silent(line: Line, pty_station: Any) -> None:
    """The gap is one that the babbling does not leave even where this process has to wait for the processor."""
    rtu = RtuLink(line, gap=0.3)
    await rtu.open(lambda: None)

    async def babble() -> None:
        while True:
            pty_station.send_now(b"\x55" * 8)
            await asyncio.sleep(0)

    babbling = asyncio.create_task(babble())
    await asyncio.sleep(0.02)
    try:
        with pytest.raises(DeviceError, match="another master"):
            await exchange(rtu, READ, WAIT_S)
    finally:
        babbling.cancel()
        rtu.close()
    assert pty_station.asked == []


async def test_rtu_fails_at_once_when_the_port_goes_away(line: Line, pty_station: Any) -> None:
    link = RtuLink(line)
    await link.open(lambda: None)
    waiting = asyncio.create_task(exchange(link, READ, 5))
    await asyncio.sleep(0.02)
    link.close()
    with pytest.raises(DeviceError) as caught:
        await waiting
    assert caught.value.fault is Fault.CLOSED
    assert await fault_of(link) is Fault.CLOSED


async def test_rtu_names_a_port_that_cannot_be_opened() -> None:
    with pytest.raises(DeviceError, match="/dev/no-such-port") as caught:
        await RtuLink(Line("/dev/no-such-port", 9600, "E", 1)).open(lambda: None)
    assert caught.value.fault is Fault.CLOSED


async def test_tcp_reads(tcp: TcpLink) -> None:
    assert (await exchange(tcp, READ, WAIT_S)).values == (7, 8)


async def test_tcp_ignores_a_late_answer(tcp: TcpLink, tcp_station: Any) -> None:
    tcp_station.delay_s = WAIT_S + 0.05
    assert await fault_of(tcp) is Fault.TIMEOUT
    tcp_station.delay_s = 0.12
    other = pdu.read(1, "holding", address=20, count=2)
    assert (await exchange(tcp, other, 1.0)).values == (9, 10)


async def test_tcp_fails_at_once_when_the_peer_closes(tcp: TcpLink, tcp_station: Any) -> None:
    tcp_station.silent.add(1)
    waiting = asyncio.create_task(exchange(tcp, READ, 10))
    await asyncio.sleep(0.05)
    tcp_station.hang_up()
    with pytest.raises(DeviceError) as caught:
        async with asyncio.timeout(2):
            await waiting
    assert caught.value.fault is Fault.CLOSED
    assert not tcp.is_open


async def test_tcp_gives_up_a_stream_that_is_no_modbus(tcp: TcpLink, tcp_station: Any) -> None:
    tcp_station.twist = lambda asked, good: [(0, b"HTTP/1.1 400 Bad Request\r\n\r\n")]
    assert await fault_of(tcp) is Fault.CLOSED
    assert not tcp.is_open


async def test_tcp_names_an_impossible_answer(tcp: TcpLink, tcp_station: Any) -> None:
    tcp_station.twist = lambda asked, good: [(0, good[:5] + b"\x05" + good[6:8] + b"\x02" + good[9:11])]
    assert await fault_of(tcp) is Fault.DATA


async def test_tcp_puts_split_frames_together(tcp: TcpLink, tcp_station: Any) -> None:
    tcp_station.twist = lambda asked, good: [(0, good[:3]), (0.02, good[3:9]), (0.04, good[9:])]
    assert (await exchange(tcp, READ, 1)).values == (7, 8)


async def test_tcp_names_a_host_that_refuses(endpoint: Endpoint, tcp_station: Any) -> None:
    tcp_station.server.close()
    with pytest.raises(DeviceError) as caught:
        await TcpLink(endpoint).open(lambda: None)
    assert caught.value.fault is Fault.CLOSED


def stalls_with_the_answer(asked: Any, good: bytes) -> None:
    """The answer comes at once, but this process is busy with something else."""
    asyncio.get_running_loop().call_soon(time.sleep, 2 * WAIT_S)


async def test_rtu_does_not_call_an_answer_young_that_lay_there_while_this_process_was_busy(
    rtu: RtuLink, pty_station: Any
) -> None:
    pty_station.twist = stalls_with_the_answer
    before_s = time.monotonic()
    answer = await exchange(rtu, READ, WAIT_S)
    assert answer.values == (7, 8)
    assert before_s <= answer.t_s < time.monotonic() - WAIT_S


async def test_tcp_does_not_call_an_answer_young_that_lay_there_while_this_process_was_busy(
    tcp: TcpLink, tcp_station: Any
) -> None:
    tcp_station.twist = stalls_with_the_answer
    before_s = time.monotonic()
    answer = await exchange(tcp, READ, WAIT_S)
    assert answer.values == (7, 8)
    assert before_s <= answer.t_s < time.monotonic() - WAIT_S
