"""Lights and sounder of a TWN4: one sign for each kind of feedback."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from drivers.api import DeviceError, Fault, Feedback

RED, GREEN = 0x01, 0x02
"""The pins at which these readers have their lights."""
OUTPUTS = bytes((0x04, 0x00, RED | GREEN, 0x00, 0x00))
"""Both pins drive, without a pull-up."""
SET, CLEAR = b"\x04\x02", b"\x04\x03"
BEEP = b"\x04\x07"
VOLUME = 0x64
HIGH, LOW = b"\x09\x09", b"\x04\x04"
"""2313 and 1028 Hz. Sources disagree on the byte order of tone and times: these read the same both ways."""
ON, OFF = b"\x01\x01", b"\x00\x00"
"""257 and 0 ms."""
BEEP_EVERY_S = 0.4
LIT_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sign:
    lights: int
    tone: bytes
    beeps: int


SIGNS: Mapping[Feedback, Sign] = {
    Feedback.ACCEPTED: Sign(GREEN, HIGH, 1),
    Feedback.WAITING: Sign(GREEN | RED, HIGH, 2),
    Feedback.REFUSED: Sign(RED, LOW, 3),
}


class Panel:
    """`go_on` is called often; it does what has become due."""

    def __init__(self, order: Callable[[bytes], Awaitable[None]]) -> None:
        self._order = order
        self._has_lights = False
        self._beep = b""
        self._beeps = 0
        self._next_beep_s = 0.0
        self._dark_s: float | None = None

    async def prepare(self) -> None:
        """A model without lights at these pins still has its sounder."""
        try:
            await self._order(OUTPUTS)
        except DeviceError as error:
            if error.fault is not Fault.REFUSED:
                raise
            _log.info("no lights: %s", error)
            return
        self._has_lights = True
        await self._light(0)

    async def begin(self, feedback: Feedback) -> None:
        """Returns when light and first sound are under way.

        Raises:
            DeviceError: REFUSED, the reader has neither; others, it does not answer.
        """
        sign = SIGNS[feedback]
        self._beep = BEEP + bytes((VOLUME,)) + sign.tone + ON + OFF
        self._beeps, self._next_beep_s = sign.beeps, 0.0
        await self._light(sign.lights)
        self._dark_s = asyncio.get_running_loop().time() + LIT_S
        await self.go_on()

    async def go_on(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._dark_s is not None and now_s >= self._dark_s:
            self._dark_s = None
            await self._light(0)
        if self._beeps and now_s >= self._next_beep_s:
            self._beeps, self._next_beep_s = self._beeps - 1, now_s + BEEP_EVERY_S
            await self._sound()

    async def _sound(self) -> None:
        try:
            await self._order(self._beep)
        except DeviceError as error:
            self._beeps = 0
            if error.fault is not Fault.REFUSED or not self._has_lights:
                raise

    async def _light(self, lights: int) -> None:
        """Exactly these, the others not."""
        if not self._has_lights:
            return
        dark = (RED | GREEN) & ~lights
        if lights:
            await self._order(SET + bytes((lights,)))
        if dark:
            await self._order(CLEAR + bytes((dark,)))
