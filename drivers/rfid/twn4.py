"""An Elatec TWN4 with its Simple Protocol: asked for cards again and again, and told what to show."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from drivers.api import DeviceError, Fault, Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.port import Port
from drivers.rfid.tokens import card_of
from drivers.rfid.twn4_frames import request, split, uid_in
from drivers.rfid.twn4_panel import Panel

SEARCH_TAG = b"\x05\x00\x10"
"""16: the most bytes of a UID that it may send."""
ANSWER_S = 0.5
LATE_S = 1.0
"""So much later what came in time is still looked at: the loop may have been busy."""
LOOK_EVERY_S = 0.06
AGAIN_S = 0.01
LOOKS = 3
"""An answer has no checksum: a card counts when one of so many looks before showed it, too."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class _Wish:
    feedback: Feedback
    done: asyncio.Future[None]

    def ends(self, failed: DeviceError | None) -> None:
        """Tell who asked for it, if he still waits."""
        if self.done.done():
            return
        if failed is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failed)


class Twn4:
    """A `Dialogue`. Lights and sound come between two looks for a card; the newest wish counts."""

    def __init__(self, *, reverse_bytes: bool) -> None:
        self._reverse_bytes = reverse_bytes
        self._wish: _Wish | None = None
        self._there = False

    async def converse(self, port: Port, ears: Ears) -> None:
        line = _Line(port)
        await line.settle()
        await line.look()
        panel = Panel(line.order)
        await panel.prepare()
        self._there = True
        ears.ready(f"{port.name}: a TWN4 answers")
        try:
            await self._watch(line, panel, ears)
        finally:
            self._there = False
            self._drop_wish()

    async def _watch(self, line: "_Line", panel: Panel, ears: Ears) -> None:
        before: deque[str | None] = deque(maxlen=LOOKS)
        while True:
            uid = uid_in(await line.look(), reverse_bytes=self._reverse_bytes)
            card = None if uid is None else card_of(uid)
            sure = card in before
            before.append(card)
            if uid is None:
                ears.nothing()
            elif sure:
                ears.heard(uid)
            await self._express(panel)
            await asyncio.sleep(LOOK_EVERY_S if sure or uid is None else AGAIN_S)

    async def show(self, feedback: Feedback) -> None:
        if not self._there:
            raise DeviceError(Fault.CLOSED, "the reader is not there")
        self._drop_wish()
        self._wish = _Wish(feedback, asyncio.get_running_loop().create_future())
        await self._wish.done

    async def _express(self, panel: Panel) -> None:
        wish, failed = self._wish, None
        try:
            await (panel.go_on() if wish is None else panel.begin(wish.feedback))
        except DeviceError as error:
            failed = error
        if wish is not None:
            wish.ends(failed)
            self._wish = None if self._wish is wish else self._wish
        if failed is not None and failed.fault is not Fault.REFUSED:
            raise failed

    def _drop_wish(self) -> None:
        if self._wish is not None:
            self._wish.ends(DeviceError(Fault.CLOSED, "the reader shows something newer, or is gone"))
        self._wish = None


class _Line:
    """One question at a time. Answers carry no name: one of the wrong shape is left over from another question."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._rest = b""
        self._answers: list[bytes] = []

    async def settle(self) -> None:
        """End what somebody else began, and forget the answer to it."""
        self._rest, self._answers = b"", []
        self._port.write(b"\r")
        await self._port.drain()

    async def look(self) -> bytes:
        """The answer to SearchTag.

        Raises:
            DeviceError: TIMEOUT, the reader does not give one.
        """
        return await self._ask(SEARCH_TAG, lambda answer: len(answer) > 1 and answer[0] == 0)

    async def order(self, command: bytes) -> None:
        """A command that is only confirmed.

        Raises:
            DeviceError: REFUSED, the reader does not know it or cannot; TIMEOUT, no answer.
        """
        answer = await self._ask(command, lambda answer: len(answer) == 1)
        if answer[0]:
            raise DeviceError(Fault.REFUSED, f"{self._port.name}: error {answer[0]} to {command.hex().upper()}")

    async def _ask(self, command: bytes, fits: Callable[[bytes], bool]) -> bytes:
        for _ in range(TRIES):
            self._port.write(request(command))
            answer = await self._answer(fits)
            if answer is not None:
                return answer
            await self.settle()
        text = f"{self._port.name}: no TWN4 answers; its firmware must be one with the Simple Protocol, without CRC"
        raise DeviceError(Fault.TIMEOUT, text)

    async def _answer(self, fits: Callable[[bytes], bool]) -> bytes | None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + ANSWER_S
        while True:
            while self._answers:
                answer = self._answers.pop(0)
                if fits(answer):
                    return answer
            left_s = until_s - loop.time()
            came = await self._port.read(max(left_s, 0.0))
            if not came or left_s < -LATE_S:
                return None
            answers, self._rest = split(self._rest + came)
            self._answers += answers
