"""An RFID reader at a serial port: taps to the sink, and found again after it was unplugged."""

import asyncio
import logging
from contextlib import closing
from functools import partial

from drivers.api import DeviceError, Feedback, Health, HealthChanged, Sink, TokenRead
from drivers.profile import DeviceProfile
from drivers.rfid import ascii_line, rdm6300
from drivers.rfid.dialogue import Dialogue, Ears
from drivers.rfid.listening import Listening
from drivers.rfid.pn532 import Pn532
from drivers.rfid.port import Port
from drivers.rfid.presence import Presence
from drivers.rfid.twn4 import Twn4
from drivers.setups import Line, ReaderSetup

REOPEN_S = 1.0

_log = logging.getLogger(__name__)


class SerialReader:
    """A `TokenReader` whose dialogue the device profile names.

    A card held to the reader is one tap, until the reader did not see it for the device profile's `repeat_s`.
    While the port is missing, or the reader silent, it is tried again each second; health tells of the changes.
    """

    def __init__(self, setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> None:
        self._id = setup.id
        self._line = line_of(setup, profile)
        self._dialogue = dialogue_of(profile)
        self._presence = Presence(profile.repeat_s or 0.0)
        self._sink = sink
        self._health = Health.UNKNOWN

    @property
    def id(self) -> str:
        return self._id

    @property
    def health(self) -> Health:
        return self._health

    async def show(self, feedback: Feedback) -> None:
        await self._dialogue.show(feedback)

    async def run(self) -> None:
        ears = Ears(ready=partial(self._changed, Health.OK), heard=self._heard)
        while True:
            try:
                with closing(Port(self._line)) as port:
                    await port.drain()
                    await self._dialogue.converse(port, ears)
            except DeviceError as error:
                self._changed(Health.LOST, str(error))
            await asyncio.sleep(REOPEN_S)

    def _heard(self, uid: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._presence.arrives(uid, now_s):
            self._sink(TokenRead(self._id, uid, now_s))

    def _changed(self, health: Health, text: str) -> None:
        if health is self._health:
            return
        self._health = health
        _log.log(logging.INFO if health is Health.OK else logging.WARNING, "reader %s: %s", self._id, text)
        self._sink(HealthChanged(self._id, health, text, asyncio.get_running_loop().time()))


def line_of(setup: ReaderSetup, profile: DeviceProfile) -> Line:
    """Port of the site with the settings of the device profile, but for a baud rate that the site gives.

    Raises:
        ValueError: the device profile is none of a serial reader.
    """
    if profile.serial is None:
        raise ValueError(f"device profile {profile.id} has no serial line")
    defaults = profile.serial
    return Line(setup.port, setup.baud or defaults.baud, defaults.parity, defaults.stop_bits)


def dialogue_of(profile: DeviceProfile) -> Dialogue:
    """How one speaks with this reader.

    Raises:
        ValueError: the device profile names no such dialogue.
    """
    reverse = profile.identity.reverse_bytes
    if profile.driver == "rdm6300":
        return Listening(rdm6300.split)
    if profile.driver == "ascii-line" and profile.ascii is not None:
        decimal = profile.ascii.digits == "decimal"
        return Listening(partial(ascii_line.split, decimal=decimal, reverse_bytes=profile.ascii.reverse_bytes))
    if profile.driver == "pn532":
        return Pn532(reverse_bytes=reverse)
    if profile.driver == "twn4":
        return Twn4(reverse_bytes=reverse)
    raise ValueError(f"device profile {profile.id} names no dialogue of a serial reader")
