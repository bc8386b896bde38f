"""A reader that plays a USB keyboard, by the kernel's input devices.

`evdev` is imported with this module, and this module only where such a reader is configured.
"""

from contextlib import ExitStack

import evdev

from drivers.api import DeviceError, Fault
from drivers.rfid.keys import ENTER, KEY, Event, text_of

QUIET_S = 0.2
"""Slow ones take some 30 ms for a key."""


class Keyboard:
    """A `Device` whose bytes are what it types. It is grabbed: its keys reach nobody else, no console above all."""

    def __init__(self, path: str) -> None:
        """Open it; blocks for some 50 ms.

        Raises:
            DeviceError: CLOSED, it is not there, or not ours to have; MISMATCH, it is no keyboard.
        """
        self.name = path
        try:
            self._device = _grabbed(path)
        except OSError as error:
            text = f"{path} is not there, not readable for group input, or another program has it: {error}"
            raise DeviceError(Fault.CLOSED, text) from error

    def fileno(self) -> int:
        return self._device.fileno()

    def receive(self) -> bytes:
        return text_of([Event(event.type, event.code, event.value) for event in self._device.read()])

    def close(self) -> None:
        self._device.close()  # which lets go of it, too


def _grabbed(path: str) -> "evdev.InputDevice[str]":
    with ExitStack() as unless_kept:
        device = evdev.InputDevice(path)
        unless_kept.callback(device.close)
        if ENTER not in device.capabilities().get(KEY, ()):
            text = f"{path} is no keyboard; take one of /dev/input/by-id/*-event-kbd"
            raise DeviceError(Fault.MISMATCH, text)
        device.grab()
        unless_kept.pop_all()
        return device
