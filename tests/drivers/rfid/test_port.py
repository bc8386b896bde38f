"""A serial port as a stream of bytes, at a real pseudo-terminal."""

import asyncio
import os
import termios
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.api import DeviceError, Fault
from drivers.rfid.port import LARGEST, Port
from drivers.rfid.serial_device import SerialDevice
from drivers.setups import Line


@contextmanager
def opened(line: Line) -> Iterator[Port]:
    device = SerialDevice(line)
    port = Port(device)
    try:
        yield port
    finally:
        port.leave()
        device.close()


class Pair:
    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.line = Line(os.ttyname(slave), 9600, "N", 1)
        self._slave = slave

    def hang_up(self) -> None:
        for fd in (self.master, self._slave):
            if fd >= 0:
                os.close(fd)
        self.master = self._slave = -1


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    made.hang_up()


async def test_bytes_come_as_soon_as_they_are_there_and_nothing_when_the_time_is_over(pair: Pair) -> None:
    with opened(pair.line) as port:
        assert await port.read(0.05) == b""
        os.write(pair.master, b"04A1")
        assert await port.read(5) == b"04A1"
        port.write(b"\x05\x00")
        assert os.read(pair.master, 10) == b"\x05\x00"


async def test_draining_drops_what_is_under_way_and_ends_although_the_line_is_never_quiet(pair: Pair) -> None:
    async def chatter() -> None:
        while True:
            os.write(pair.master, b"x")
            await asyncio.sleep(0.01)

    with opened(pair.line) as port:
        os.write(pair.master, b"tail\r\n")
        await port.drain()
        assert await port.read(0.05) == b""
        task = asyncio.create_task(chatter())
        async with asyncio.timeout(10):
            await port.drain()
        task.cancel()


async def test_what_nobody_reads_does_not_pile_up(pair: Pair) -> None:
    with opened(pair.line) as port:
        for _ in range(4):
            os.write(pair.master, b"x" * 2000)
            await asyncio.sleep(0.05)
        assert len(await port.read(1)) <= LARGEST


async def test_a_port_that_hangs_up_fails_whoever_reads_or_writes(pair: Pair) -> None:
    with opened(pair.line) as port:
        waiting = asyncio.create_task(port.read(10))
        await asyncio.sleep(0.05)
        pair.hang_up()
        with pytest.raises(DeviceError) as gone:
            await waiting
        assert gone.value.fault is Fault.CLOSED
        with pytest.raises(DeviceError, match="is gone"):
            port.write(b"x")
        with pytest.raises(DeviceError, match="is gone"):
            await port.read(1)


async def test_a_port_that_hung_up_is_not_read_again_and_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[None] = []
    receive = SerialDevice.receive

    def counted(device: SerialDevice) -> bytes:
        reads.append(None)
        return receive(device)

    monkeypatch.setattr(SerialDevice, "receive", counted)
    with opened(pair.line):
        pair.hang_up()
        await asyncio.sleep(0.2)
        assert len(reads) == 1


async def test_an_error_of_the_driver_is_a_port_that_is_gone(pair: Pair, tmp_path: Path) -> None:
    with opened(pair.line) as port:
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, port._device.fileno())  # reading a folder fails as reading an adapter does that vanished
        os.close(folder)
        port._receive()
        with pytest.raises(DeviceError, match="is gone"):
            await port.read(1)


@pytest.mark.parametrize("name", ["/dev/null", "/no/such/port"])
def test_what_is_no_serial_port_cannot_be_opened(name: str) -> None:
    with pytest.raises(DeviceError, match="cannot be opened"):
        SerialDevice(Line(name, 9600, "N", 1))


async def test_what_came_while_the_loop_was_busy_is_no_silence(pair: Pair) -> None:
    with opened(pair.line) as port:
        waiting = asyncio.create_task(port.read(0.05))
        await asyncio.sleep(0)
        os.write(pair.master, b"04A1")
        time.sleep(0.2)
        assert await waiting == b"04A1"


async def test_draining_says_whether_the_line_became_quiet(pair: Pair) -> None:
    with opened(pair.line) as port:
        os.write(pair.master, b"tail\r\n")
        assert await port.drain()
        os.write(pair.master, b"tail\r\n")
        assert not await port.drain(tries=1)


async def test_what_the_reader_never_took_is_dropped_before_the_port_is_closed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel holds up whoever closes the port for half a minute, should the reader hang; a pty does not.
    dropped: list[tuple[bool, int]] = []
    monkeypatch.setattr(termios, "tcflush", lambda fd, what: dropped.append((os.isatty(fd), what)))
    with opened(pair.line) as port:
        port.write(b"050010\r")
        dropped.clear()
    assert dropped == [(True, termios.TCOFLUSH)]
