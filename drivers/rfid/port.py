"""A serial port as a stream of bytes with deadlines, in the event loop."""

import asyncio
import os
import termios

import serial

from drivers.api import DeviceError, Fault
from drivers.setups import Line

QUIET_S = 0.05
QUIET_TRIES = 20
LARGEST = 4096
"""More than this unread is noise; the newest stays."""


class Port:
    """Open and ours alone until `close`. Every method raises DeviceError CLOSED once the port is gone."""

    def __init__(self, line: Line) -> None:
        """Open it; needs a running loop.

        Raises:
            DeviceError: CLOSED, it is not there, or cannot be had with these settings.
        """
        self.name = line.port
        self._serial = _open(line)
        self._fd: int = self._serial.fileno()
        self._came = bytearray()
        self._gone: DeviceError | None = None
        self._bell = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._receive)

    async def read(self, within_s: float) -> bytes:
        """What came, as soon as anything did; empty when nothing came in that time."""
        if not self._came and self._gone is None:
            self._bell.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._bell.wait()
            except TimeoutError:
                return b""
        data = bytes(self._came)
        self._came.clear()
        if not data and self._gone is not None:
            raise self._gone
        return data

    def write(self, data: bytes) -> None:
        if self._gone is not None:
            raise self._gone
        try:
            taken = os.write(self._fd, data)
        except OSError as error:
            raise self._lost(str(error)) from error
        if taken < len(data):
            raise self._lost("it takes no more bytes")

    async def drain(self, tries: int = QUIET_TRIES) -> None:
        """Drop what is under way, so that the tail of something does not pass for a whole."""
        for _ in range(tries):
            if not await self.read(QUIET_S):
                return

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        self._serial.close()

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, LARGEST)
        except BlockingIOError:
            return
        except OSError as error:
            self._hang_up(str(error))
            return
        if data:
            self._came += data
            del self._came[:-LARGEST]
            self._bell.set()
        else:
            self._hang_up("hung up")

    def _hang_up(self, why: str) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)  # a port that hung up stays ready for ever
        self._gone = self._lost(why)
        self._bell.set()

    def _lost(self, why: str) -> DeviceError:
        return DeviceError(Fault.CLOSED, f"{self.name} is gone: {why}")


def _open(line: Line) -> serial.Serial:
    try:
        return serial.Serial(
            port=line.port,
            baudrate=line.baud,
            parity=line.parity,
            stopbits=line.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:
        raise DeviceError(Fault.CLOSED, f"{line.port} cannot be opened: {error}") from error
