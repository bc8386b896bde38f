"""A PN532 at its high-speed UART: asked for cards again and again."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from drivers.api import DeviceError, Fault, Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.pn532_frames import ACK, NACK, WAKE_UP, Frame, Kind, request, split, uid_in
from drivers.rfid.port import Port

GET_FIRMWARE = b"\x02"
SAM_NORMAL = b"\x14\x01\x00\x01"
LIST_ONE_TYPE_A = b"\x4a\x01\x00"
RELEASE_ALL = b"\x52\x00"

ACK_S = 0.2
ANSWER_S = 0.5
LISTEN_S = 2.0
"""The chip waits for a card without a word: so often it has to show that it still lives."""
LOOK_S = 0.1
"""A search that found nothing for so long is a look without a card."""
ABORT_S = 0.03
LATE_S = 1.0
"""So much later what came in time is still looked at: the loop may have been busy."""
HELD_S = 0.1
"""From one look at a card that lies there to the next."""
TRIES = 3

Told = Callable[[], None]


def _nobody() -> None:
    """Nobody wants to know that nothing came."""


class Pn532:
    """A `Dialogue`. The chip has no light and no sound."""

    def __init__(self, *, reverse_bytes: bool) -> None:
        self._reverse_bytes = reverse_bytes

    async def converse(self, port: Port, ears: Ears) -> None:
        chip = _Chip(port)
        await chip.ask(SAM_NORMAL, before=WAKE_UP)
        version = await chip.ask(GET_FIRMWARE)
        # A chip that does not search is not well, whatever else it answers.
        well = partial(ears.ready, f"{port.name}: a PN532 answers, firmware {'.'.join(map(str, version[2:4]))}")

        def nothing() -> None:
            well()
            ears.nothing()

        while True:
            listed = await chip.card(nothing)
            if listed is None:
                continue
            well()
            uid = uid_in(listed, reverse_bytes=self._reverse_bytes)
            if uid is not None:
                ears.heard(uid)
            await chip.ask(RELEASE_ALL)
            await asyncio.sleep(HELD_S)

    async def show(self, feedback: Feedback) -> None:
        """The chip has neither light nor sound."""


class _UnheardError(Exception):
    """The chip did not acknowledge a command, or did not understand it, or cannot make itself understood."""


class _Chip:
    """One command at a time, each acknowledged first and answered then."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._rest = b""
        self._frames: deque[Frame] = deque()
        self._repeats = 0

    async def ask(self, command: bytes, *, before: bytes = b"") -> bytes:
        """The answer to a command that the chip answers at once.

        Raises:
            DeviceError: TIMEOUT, it does not.
        """
        for _ in range(TRIES):
            self._port.write(before)
            answer = await self._tried(command, within_s=ANSWER_S)
            if answer:
                return answer
        raise self._silent()

    async def card(self, nothing: Told) -> bytes | None:
        """What the chip says of the card that came; None: none came in this time.

        `nothing` is called again and again while it searches in vain.

        Raises:
            DeviceError: TIMEOUT, the chip has not even taken the command.
        """
        for _ in range(TRIES):
            answer = await self._tried(LIST_ONE_TYPE_A, within_s=LISTEN_S, nothing=nothing)
            if answer is not None:
                return answer or None
        raise self._silent()

    async def _tried(self, command: bytes, *, within_s: float, nothing: Told = _nobody) -> bytes | None:
        """The answer; empty: the chip took the command, but has nothing to say yet; None: it did not take it."""
        self._frames.clear()
        self._repeats = 0
        self._port.write(request(command))
        try:
            answer = await self._answer(command[0] + 1, within_s, nothing)
        except _UnheardError:
            answer = None
        return answer or await self._aborted(command[0] + 1, answer)

    async def _answer(self, code: int, within_s: float, nothing: Told) -> bytes:
        """Raises _UnheardError."""
        loop = asyncio.get_running_loop()
        until_s, acknowledged = loop.time() + ACK_S, False
        while (frame := await self._next(until_s, nothing if acknowledged else _nobody)) is not None:
            if frame.answers(code):
                return frame.data
            if frame.kind is Kind.ERROR:
                raise _UnheardError
            if frame.kind is Kind.ACK and not acknowledged:
                until_s, acknowledged = loop.time() + within_s, True
            elif frame.kind is Kind.DAMAGED and acknowledged:
                self._have_repeated()
        if not acknowledged:
            raise _UnheardError
        return b""

    def _have_repeated(self) -> None:
        """Raises _UnheardError where that was in vain often enough."""
        self._repeats += 1
        if self._repeats > TRIES:
            raise _UnheardError
        self._port.write(NACK)

    async def _aborted(self, code: int, answer: bytes | None) -> bytes | None:
        """End the command; what was still under way counts, if it is its answer."""
        self._port.write(ACK)
        until_s = asyncio.get_running_loop().time() + ABORT_S
        while (frame := await self._next(until_s)) is not None:
            if frame.answers(code):
                answer = frame.data
        # The head of something that never ended must not swallow what comes next.
        self._rest = b""
        return answer

    async def _next(self, until_s: float, nothing: Told = _nobody) -> Frame | None:
        """None: nothing came until then; `nothing` is told before."""
        loop = asyncio.get_running_loop()
        while not self._frames:
            left_s = until_s - loop.time()
            came = await self._port.read(min(max(left_s, 0.0), LOOK_S))
            if left_s < -LATE_S or (left_s <= LOOK_S and not came):
                return None
            if not came:
                nothing()
            frames, self._rest = split(self._rest + came)
            self._frames.extend(frames)
        return self._frames.popleft()

    def _silent(self) -> DeviceError:
        text = f"{self._port.name}: no PN532 answers; check power, RX and TX, and that its switches say HSU"
        return DeviceError(Fault.TIMEOUT, text)
