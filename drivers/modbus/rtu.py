"""Modbus RTU over a serial port: strict request and response, silence before every request.

pyserial opens and configures the port; bytes are read and written on the raw descriptor in the event loop.
"""

import asyncio
import os
import select
import time

import serial

from drivers.api import DeviceError, Fault, Line
from drivers.modbus import pdu
from drivers.modbus.blocks import char_s, gap_s
from drivers.modbus.frames import Search, frame
from drivers.modbus.link import Answer
from drivers.modbus.pdu import Request

BABBLE_S = 1.0
"""A line that is not silent for this long has another master or a fault."""


class RtuLink:
    ambiguous = True

    def __init__(self, line: Line) -> None:
        self._line = line
        self._port: serial.Serial | None = None
        self._char_s = char_s(line)
        self._gap_s = gap_s(line)
        self._busy_until_s = 0.0
        """When the last byte, ours or theirs, left the line."""
        self._echoes = False
        self.fresh = True
        self._search: Search | None = None
        self._found: asyncio.Future[Answer] | None = None
        self._request: Request | None = None

    @property
    def is_open(self) -> bool:
        return self._port is not None

    async def open(self) -> None:
        self.close()
        port = _open_port(self._line)
        self._port = port
        self._echoes, self.fresh = False, True
        os.set_blocking(port.fileno(), False)
        self._busy_until_s = time.monotonic()
        asyncio.get_running_loop().add_reader(port.fileno(), self._readable)

    def close(self) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        asyncio.get_running_loop().remove_reader(port.fileno())
        port.close()
        if self._found is not None and not self._found.done():
            self._found.set_exception(DeviceError(Fault.CLOSED, f"{self._line.port}: closed"))

    async def exchange(self, request: Request, timeout_s: float) -> Answer:
        await self._silence()
        data = frame(request)
        self._search = Search(request, echoes=self._echoes)
        self._request = request
        self._found = asyncio.get_running_loop().create_future()
        try:
            self._send(data)
            limit_s = self._busy_until_s + timeout_s + (request.answer_size + 3) * self._char_s
            async with asyncio.timeout_at(limit_s):
                return await self._found
        except TimeoutError:
            raise DeviceError(Fault.TIMEOUT, f"unit {request.unit}: no answer") from None
        finally:
            if request.is_read:
                self._echoes, self.fresh = self._echoes or self._search.echoed, False
            self._search = self._found = self._request = None

    async def _silence(self) -> None:
        """Wait until nothing was on the line for 3.5 characters; what comes meanwhile is dropped.

        The loop's clock is the monotonic clock, on which every time here is counted.
        """
        give_up_s = max(time.monotonic(), self._busy_until_s) + BABBLE_S
        while True:
            wait_s = self._busy_until_s + self._gap_s - time.monotonic()
            if wait_s <= 0:
                before_s = self._busy_until_s
                self._readable()  # what lies in the kernel's buffer is old
                if self._busy_until_s == before_s:
                    return
            if time.monotonic() > give_up_s:
                raise DeviceError(Fault.TIMEOUT, f"{self._line.port}: never silent, is there another master?")
            await asyncio.sleep(max(wait_s, 0.0))

    def _send(self, data: bytes) -> None:
        if self._port is None:
            raise DeviceError(Fault.CLOSED, f"{self._line.port}: closed")
        try:
            sent = os.write(self._port.fileno(), data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.close()
            raise DeviceError(Fault.CLOSED, f"{self._line.port}: {error}") from error
        self._busy_until_s = time.monotonic() + sent * self._char_s
        if sent < len(data):
            raise DeviceError(Fault.TIMEOUT, f"{self._line.port}: the line takes no bytes")

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.fileno(), 4096)
            gone = not data and _ends(self._port.fileno())
        except BlockingIOError:
            return
        except OSError:
            data, gone = b"", True
        if gone:
            self.close()
        if not data:
            return
        self._busy_until_s = max(self._busy_until_s, time.monotonic())
        if self._search is not None:
            self._offer(data)

    def _offer(self, data: bytes) -> None:
        search, found, request = self._search, self._found, self._request
        if search is None or found is None or request is None or found.done():
            return
        answer = search.feed(data)
        if answer is None:
            return
        try:
            found.set_result(Answer(pdu.values(request, answer), time.monotonic()))
        except DeviceError as error:
            found.set_exception(error)


def _ends(descriptor: int) -> bool:
    """A terminal reads empty also while nothing came; only one that hung up stays readable then."""
    return bool(select.select([descriptor], [], [], 0)[0])


def _open_port(line: Line) -> serial.Serial:
    on_pty = os.path.realpath(line.port).startswith("/dev/pts/")
    try:
        return serial.Serial(
            line.port,
            line.baud,
            parity="N" if on_pty else line.parity,  # a pty has no parity and refuses one
            stopbits=line.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise DeviceError(Fault.CLOSED, f"{line.port}: {error}") from error
