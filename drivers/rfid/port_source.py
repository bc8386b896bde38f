"""A reader at a port: opened and closed aside, so that a device that hangs does not hold up the loop."""

from collections.abc import Callable
from contextlib import suppress

from drivers.api import DeviceError, Feedback
from drivers.rfid.dialogue import Dialogue, Ears
from drivers.rfid.port import Device, Port
from drivers.rfid.worker import Worker

OPEN_S = 5.0
"""Each request to a USB device that hangs takes the kernel five seconds, and opening a port takes several."""
CLOSE_S = 1.0


class PortSource:
    """A `Source`."""

    def __init__(self, name: str, opened: Callable[[], Device], dialogue: Dialogue) -> None:
        """`opened` opens the device; it may block, and raises DeviceError."""
        self._opened = opened
        self._dialogue = dialogue
        self._worker = Worker(name)

    async def attend(self, ears: Ears) -> None:
        device = await self._worker.call(self._opened, OPEN_S, unwanted=_close)
        port = Port(device)
        try:
            await self._dialogue.converse(port, ears)
        finally:
            port.leave()
            with suppress(DeviceError):
                await self._worker.call(device.close, CLOSE_S)

    async def show(self, feedback: Feedback) -> None:
        await self._dialogue.show(feedback)


def _close(device: Device) -> None:
    device.close()
