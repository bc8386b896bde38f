"""An Elatec TWN4 with its Simple Protocol: asked for cards again and again, and told what to show."""

import asyncio
from collections.abc import Callable

from drivers.api import DeviceError, Fault, Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.port import Port
from drivers.rfid.twn4_frames import request, split, uid_in
from drivers.rfid.twn4_panel import Panel

SEARCH_TAG = b"\x05\x00\x10"
"""16: the most bytes of a UID that it may send."""
ANSWER_S = 0.5
LOOK_EVERY_S = 0.06
TRIES = 3


class Twn4:
    """A `Dialogue`. Lights and sound come between two looks for a card; the newest wish counts."""

    def __init__(self, *, reverse_bytes: bool) -> None:
        self._reverse_bytes = reverse_bytes
        self._wish: tuple[Feedback, asyncio.Future[None]] | None = None
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
            while True:
                uid = uid_in(await line.look(), reverse_bytes=self._reverse_bytes)
                if uid is not None:
                    ears.heard(uid)
                await self._express(panel)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._there = False
            self._drop_wish()

    async def show(self, feedback: Feedback) -> None:
        if not self._there:
            raise DeviceError(Fault.CLOSED, "the reader is not there")
        self._drop_wish()
        done = asyncio.get_running_loop().create_future()
        self._wish = (feedback, done)
        await done

    async def _express(self, panel: Panel) -> None:
        if self._wish is None:
            await panel.go_on()
            return
        (feedback, done), self._wish = self._wish, None
        try:
            await panel.begin(feedback)
        except DeviceError as error:
            if not done.done():
                done.set_exception(error)
            if error.fault is not Fault.REFUSED:
                raise
        if not done.done():
            done.set_result(None)

    def _drop_wish(self) -> None:
        if self._wish is not None and not self._wish[1].done():
            self._wish[1].set_exception(DeviceError(Fault.CLOSED, "the reader shows something newer, or is gone"))
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
        while (left_s := until_s - loop.time()) > 0:
            while self._answers:
                answer = self._answers.pop(0)
                if fits(answer):
                    return answer
            answers, self._rest = split(self._rest + await self._port.read(left_s))
            self._answers += answers
        return None
