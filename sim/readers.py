"""Card readers on serial lines: the bytes that a card makes, or what a reader says when it is asked."""

import asyncio
import os
from collections.abc import Sequence

from sim.clock import SimClock, monotonic_s
from sim.device_profile import DeviceProfile, SerialLine
from sim.pn532 import SimPn532
from sim.serial_line import Pty
from sim.twn4 import SimTwn4

FRAME_EVERY_S = 0.065
"""How often a repeating reader sends a card that lies on it."""
HOLD_S = 0.3
BETWEEN_S = 1.0
"""From one presentation of a repeated tap to the next."""
LOST_AFTER_S = 3.0
"""Bytes that no client fetched in that time are gone, as on a port that nobody has open."""
CARD_BYTES = {"pn532": (4, 7, 10), "twn4": (4, 5, 7, 8, 10)}
"""Readers that speak when they are asked, and the UIDs of the cards that they read."""


def rdm6300_frame(uid: str) -> bytes:
    """STX, version byte and 32-bit id in hex, checksum, ETX.

    Raises:
        ValueError: an EM4100 card has five bytes.
    """
    data = bytes.fromhex(uid)
    if len(data) == 4:
        data = b"\0" + data
    if len(data) != 5:
        raise ValueError(f"an EM4100 card has five bytes, not {uid!r}")
    check = 0
    for byte in data:
        check ^= byte
    return b"\x02" + f"{data.hex().upper()}{check:02X}".encode() + b"\x03"


def ascii_frame(uid: str, *, decimal: bool, reverse: bool) -> bytes:
    """The UID as a line of digits.

    Raises:
        ValueError: no UID in hex.
    """
    data = bytes.fromhex(uid)
    if not data:
        raise ValueError("an empty UID")
    if reverse:
        data = data[::-1]
    digits = str(int.from_bytes(data, "big")) if decimal else data.hex().upper()
    return digits.encode() + b"\r\n"


class SimReader:
    """One reader with a line of its own. Times are simulated seconds."""

    def __init__(self, name: str, profile: DeviceProfile, evses: Sequence[str], *, clock: SimClock) -> None:
        self.name = name
        self.evses = tuple(evses)
        self._profile = profile
        self._clock = clock
        self._pty = Pty(profile.serial or SerialLine(9600, "N", 1))
        self.device = self._device()
        self._sent_s = 0.0
        self._holds: set[asyncio.Task[None]] = set()

    def _device(self) -> SimPn532 | SimTwn4 | None:
        """The other end of the dialogue, at work from now on; None: this reader only sends."""
        if self._profile.driver not in CARD_BYTES:
            return None
        device = SimPn532(self._pty.write) if self._profile.driver == "pn532" else SimTwn4(self._pty.write)
        asyncio.get_running_loop().add_reader(
            self._pty.master, lambda: device.receive(os.read(self._pty.master, 4096))
        )
        return device

    @property
    def port(self) -> str:
        return self._pty.path

    @property
    def repeats(self) -> bool:
        """Whether it sends a card again and again while it lies there."""
        return self._profile.driver == "rdm6300"

    def frame(self, uid: str) -> bytes:
        """What one presentation is made of: bytes on the line, or those of the UID for a reader that is asked.

        Raises:
            ValueError: a card that the reader cannot read.
        """
        if self._profile.driver == "rdm6300":
            return rdm6300_frame(uid)
        if self._profile.driver == "keyboard":
            raise ValueError("a reader that plays a keyboard cannot be simulated")
        if self.device is not None:
            return _card(uid, CARD_BYTES[self._profile.driver])
        options = self._profile.ascii
        return ascii_frame(
            uid, decimal=options.get("digits") == "decimal", reverse=bool(options.get("reverse_bytes"))
        )

    async def tap(self, frame: bytes, *, hold_s: float, times: int) -> None:
        """Present a card; return when its last presentation has begun."""
        for turn in range(times):
            if turn:
                await self._clock.sleep(BETWEEN_S)
            if self.device is None:
                self._send(frame)
                task = asyncio.create_task(self._hold(frame, hold_s))
            else:
                self.device.present(frame)
                task = asyncio.create_task(self._lie(self.device, frame, hold_s))
            self._holds.add(task)
            task.add_done_callback(self._holds.discard)

    async def raw(self, data: bytes) -> None:
        """Put any bytes on the line, once."""
        self._send(data)
        task = asyncio.create_task(self._hold(data, 0.0))
        self._holds.add(task)
        task.add_done_callback(self._holds.discard)

    async def _lie(self, device: SimPn532 | SimTwn4, card: bytes, hold_s: float) -> None:
        await self._clock.sleep(hold_s)
        device.remove(card)

    def _send(self, data: bytes) -> None:
        self._sent_s = monotonic_s()
        self._pty.write(data)

    async def _hold(self, frame: bytes, hold_s: float) -> None:
        until_s = self._clock.now_s + hold_s
        while self.repeats and self._clock.now_s + FRAME_EVERY_S < until_s:
            await self._clock.sleep(FRAME_EVERY_S)
            self._send(frame)
        await asyncio.sleep(LOST_AFTER_S)
        if self._pty.unread and monotonic_s() - self._sent_s >= 0.9 * LOST_AFTER_S:
            self._pty.drop_unread()

    async def close(self) -> None:
        for task in list(self._holds):
            task.cancel()
        await asyncio.gather(*self._holds, return_exceptions=True)
        if self.device is not None:
            asyncio.get_running_loop().remove_reader(self._pty.master)
        self._pty.close()


def _card(uid: str, lengths: Sequence[int]) -> bytes:
    data = bytes.fromhex(uid)
    if len(data) not in lengths:
        raise ValueError(f"this reader reads cards of {', '.join(map(str, lengths))} bytes, not {uid!r}")
    return data
