"""An open device as a stream of bytes with deadlines, in the event loop."""

import asyncio
import os
from typing import Protocol

from drivers.api import DeviceError, Fault

QUIET_S = 0.05
QUIET_TRIES = 20
LARGEST = 4096
"""More than this unread is noise; the newest stays."""


class Device(Protocol):
    """What is open, and ours alone."""

    @property
    def name(self) -> str: ...

    def fileno(self) -> int: ...

    def receive(self) -> bytes:
        """What has come.

        Raises:
            BlockingIOError: nothing has.
            OSError: it is gone.
        """

    def close(self) -> None:
        """May block for seconds, as may opening it: nothing for the loop."""


class Port:
    """A device until `leave`. Every method raises DeviceError CLOSED once the device is gone."""

    def __init__(self, device: Device) -> None:
        self.name = device.name
        self._device = device
        self._came = bytearray()
        self._gone: DeviceError | None = None
        self._bell = asyncio.Event()
        asyncio.get_running_loop().add_reader(device.fileno(), self._receive)

    async def read(self, within_s: float) -> bytes:
        """What came, as soon as anything did; empty only when nothing came in that time.

        Whoever was kept from looking by a busy loop gets what came meanwhile, however late.
        """
        if not self._came and self._gone is None:
            self._bell.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._bell.wait()
            except TimeoutError:
                pass
        data = bytes(self._came)
        self._came.clear()
        if not data and self._gone is not None:
            raise self._gone
        return data

    def write(self, data: bytes) -> None:
        if self._gone is not None:
            raise self._gone
        try:
            taken = os.write(self._device.fileno(), data)
        except OSError as error:
            raise self._lost(str(error)) from error
        if taken < len(data):
            raise self._lost("it takes no more bytes")

    async def drain(self, quiet_s: float = QUIET_S, tries: int = QUIET_TRIES) -> bool:
        """Drop what is under way, so that the tail of something does not pass for a whole; whether it ended."""
        for _ in range(tries):
            if not await self.read(quiet_s):
                return True
        return False

    def leave(self) -> None:
        """The device stays open."""
        asyncio.get_running_loop().remove_reader(self._device.fileno())

    def _receive(self) -> None:
        try:
            data = self._device.receive()
        except BlockingIOError:
            return
        except OSError as error:
            self._hang_up(str(error))
            return
        if data:
            self._came += data
            del self._came[:-LARGEST]
            self._bell.set()

    def _hang_up(self, why: str) -> None:
        self.leave()  # what hung up stays ready for ever
        self._gone = self._lost(why)
        self._bell.set()

    def _lost(self, why: str) -> DeviceError:
        return DeviceError(Fault.CLOSED, f"{self.name} is gone: {why}")
