"""An RFID reader at a serial port: taps to the sink, and found again after it was unplugged."""

import asyncio
import logging
import os
import termios
from collections.abc import Callable
from functools import partial

import serial

from drivers.api import Feedback, Health, HealthChanged, Line, ReaderSetup, Sink, TokenRead
from drivers.profile import DeviceProfile
from drivers.rfid import ascii_line, rdm6300

REOPEN_S = 1.0
QUIET_S = 0.05
QUIET_TRIES = 20
STALE_S = 1.0
"""A frame takes some 20 ms: a rest older than this lost its end and must not become the head of another."""

Split = Callable[[bytes], tuple[tuple[str, ...], bytes]]

_log = logging.getLogger(__name__)


class SerialReader:
    """A `TokenReader` whose framing the device profile names. It only sends: `show` has nothing to light.

    A card held to a reader that repeats is one tap, until the reader was silent about it for the device
    profile's `repeat_s`. While the port is missing it is tried again each second; health tells of the changes.
    """

    def __init__(self, setup: ReaderSetup, profile: DeviceProfile, sink: Sink) -> None:
        self._id = setup.id
        self._line = line_of(setup, profile)
        self._split = framing_of(profile)
        self._repeat_s = profile.repeat_s or 0.0
        self._sink = sink
        self._health = Health.UNKNOWN
        self._rest = b""
        self._last_byte_s = 0.0
        self._present: dict[str, float] = {}

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
            self._changed(Health.LOST, await self._until_lost())
            await asyncio.sleep(REOPEN_S)

    async def _until_lost(self) -> str:
        """Listen as long as the port is there; the text says what ended it."""
        try:
            port = _open(self._line)
        except (OSError, ValueError, termios.error) as error:
            return f"{self._line.port} cannot be opened: {error}"
        try:
            await _silence(port)
            return await self._listen(port.fileno())
        except (OSError, termios.error) as error:
            return f"{self._line.port} is gone: {error}"
        finally:
            port.close()

    async def _listen(self, fd: int) -> str:
        self._rest = b""
        self._changed(Health.OK, f"{self._line.port} is open")
        loop = asyncio.get_running_loop()
        lost: asyncio.Future[str] = loop.create_future()
        loop.add_reader(fd, self._receive, fd, lost)
        try:
            return await lost
        finally:
            loop.remove_reader(fd)

    def _receive(self, fd: int, lost: asyncio.Future[str]) -> None:
        try:
            data = os.read(fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._hung_up(fd, lost, f"{self._line.port} is gone: {error}")
            return
        if data:
            self._feed(data, asyncio.get_running_loop().time())
        else:
            self._hung_up(fd, lost, f"{self._line.port} is gone: hung up")

    def _hung_up(self, fd: int, lost: asyncio.Future[str], text: str) -> None:
        asyncio.get_running_loop().remove_reader(fd)  # a port that hung up stays ready for ever
        if not lost.done():
            lost.set_result(text)

    def _feed(self, data: bytes, now_s: float) -> None:
        if now_s - self._last_byte_s > STALE_S:
            self._rest = b""
        self._last_byte_s = now_s
        uids, self._rest = self._split(self._rest + data)
        for uid in uids:
            self._seen(uid, now_s)

    def _seen(self, uid: str, now_s: float) -> None:
        self._present = {uid: at_s for uid, at_s in self._present.items() if now_s - at_s < self._repeat_s}
        held = uid in self._present
        self._present[uid] = now_s
        if not held:
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
        ValueError: the device profile is none of a reader.
    """
    if profile.serial is None:
        raise ValueError(f"device profile {profile.id} has no serial line")
    defaults = profile.serial
    return Line(setup.port, setup.baud or defaults.baud, defaults.parity, defaults.stop_bits)


def framing_of(profile: DeviceProfile) -> Split:
    """How the bytes of this reader become UIDs.

    Raises:
        ValueError: the device profile names no framing.
    """
    if profile.driver == "rdm6300":
        return rdm6300.split
    if profile.driver == "ascii-line" and profile.ascii is not None:
        decimal = profile.ascii.digits == "decimal"
        return partial(ascii_line.split, decimal=decimal, reverse_bytes=profile.ascii.reverse_bytes)
    raise ValueError(f"device profile {profile.id} names no framing")


def _open(line: Line) -> serial.Serial:
    return serial.Serial(
        port=line.port,
        baudrate=line.baud,
        parity=line.parity,
        stopbits=line.stop_bits,
        timeout=0,
        exclusive=True,
    )


async def _silence(port: serial.Serial) -> None:
    """Drop what is under way, so that the tail of a line does not pass for a UID of its own."""
    for _ in range(QUIET_TRIES):
        await asyncio.sleep(QUIET_S)
        if not port.in_waiting:
            return
        port.reset_input_buffer()
