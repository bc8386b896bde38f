"""A reader that plays a USB keyboard, by the kernel's input devices.

`evdev` is imported with this module, and this module only where such a reader is configured.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import evdev

from drivers.api import DeviceError, Fault, Feedback, Health, HealthChanged, Sink, TokenRead
from drivers.profile import DeviceProfile
from drivers.rfid import ascii_line
from drivers.rfid.keys import ENTER, KEY, Event, text_of
from drivers.rfid.listening import STALE_S
from drivers.rfid.presence import Presence
from drivers.setups import ReaderSetup

REOPEN_S = 1.0

_log = logging.getLogger(__name__)


class KeyboardReader:
    """A `TokenReader`. The device is grabbed: what it types reaches nobody else, no console above all.

    While it is missing it is tried again each second; health tells of the changes.
    """

    def __init__(self, setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> None:
        """Raises ValueError for a device profile that does not say what such a reader types."""
        if profile.ascii is None:
            raise ValueError(f"device profile {profile.id} does not say what a keyboard types")
        self._id, self._path, self._sink = setup.id, setup.port, sink
        decimal = profile.ascii.digits == "decimal"
        self._split = partial(ascii_line.split, decimal=decimal, reverse_bytes=profile.ascii.reverse_bytes)
        self._presence = Presence(profile.repeat_s or 0.0)
        self._health = Health.UNKNOWN
        self._rest = b""
        self._bell = asyncio.Event()

    @property
    def id(self) -> str:
        return self._id

    @property
    def health(self) -> Health:
        return self._health

    async def show(self, feedback: Feedback) -> None:
        """These readers have neither light nor sound to command."""

    async def run(self) -> None:
        while True:
            try:
                with self._grabbed() as device:
                    await self._listen(device)
            except DeviceError as error:
                self._changed(Health.LOST, str(error))
            except OSError as error:
                self._changed(Health.LOST, f"{self._path} is gone, or another program has it: {error}")
            await asyncio.sleep(REOPEN_S)

    @contextmanager
    def _grabbed(self) -> Iterator["evdev.InputDevice[str]"]:
        device = evdev.InputDevice(self._path)
        loop = asyncio.get_running_loop()
        try:
            if ENTER not in device.capabilities().get(KEY, ()):
                raise DeviceError(
                    Fault.MISMATCH, f"{self._path} is no keyboard; take one of /dev/input/by-id/*-event-kbd"
                )
            device.grab()
            loop.add_reader(device.fd, self._bell.set)
            yield device
        finally:
            loop.remove_reader(device.fd)
            device.close()  # which lets go of it, too

    async def _listen(self, device: "evdev.InputDevice[str]") -> None:
        self._rest = b""
        self._changed(Health.OK, f"{self._path} is open")
        while True:
            self._bell.clear()
            try:
                events = [Event(event.type, event.code, event.value) for event in device.read()]
            except BlockingIOError:
                events = []
            self._typed(text_of(events))
            try:
                async with asyncio.timeout(STALE_S if self._rest else None):
                    await self._bell.wait()
            except TimeoutError:
                # The line lost its end and must not become the head of another.
                self._rest = b""

    def _typed(self, text: bytes) -> None:
        uids, self._rest = self._split(self._rest + text)
        now_s = asyncio.get_running_loop().time()
        for uid in uids:
            if self._presence.arrives(uid, now_s):
                self._sink(TokenRead(self._id, uid, now_s))

    def _changed(self, health: Health, text: str) -> None:
        if health is self._health:
            return
        self._health = health
        _log.log(logging.INFO if health is Health.OK else logging.WARNING, "reader %s: %s", self._id, text)
        self._sink(HealthChanged(self._id, health, text, asyncio.get_running_loop().time()))
