"""Who answers on a serial wire of which nothing is known: only reads, and an ear for whoever else talks (R39)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.api import DeviceError, Fault
from drivers.modbus.blocks import char_s, gap_s
from drivers.modbus.frames import frame
from drivers.modbus.pdu import Request
from drivers.modbus.port import Port, SerialPort
from drivers.modbus.survey_frames import Heard, Reply, judge
from drivers.setups import Line

SETTLE_S = 0.02
"""An adapter on USB may hold bytes back this long."""
BABBLE_S = 1.0
REMEMBER = 4
"""Units that were asked last, from which a late answer may come."""
REPEATS = 3
STRANGE = 4
"""Bursts that nobody asked for, after which the line is listened to again."""
FOREIGN = 3
"""Whole frames of others, after which it does not matter that the line was silent when it was listened to."""

Progress = Callable[[Line, int], None]
"""Called before a unit is asked."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is listened before anything is sent, and again in doubt; and how long an answer is waited for."""

    listen_s: float = 2.5
    """Masters ask at least this often."""
    doubt_s: float = 1.5
    answer_s: float = 0.12
    again_s: float = 0.6
    """For an answer of a unit that was heard already."""
    spacing_s: float = 0.1
    """Between reads of one unit: some meters restart when they are read faster."""


class ForeignMasterError(Exception):
    """Somebody else asks on this wire. Two masters disturb each other, so nothing more was sent."""


@dataclass(frozen=True, slots=True)
class Present:
    """A unit that was heard. `clean` and `spoilt` of its answers; `function` with which it answers."""

    line: Line
    unit: int
    function: int
    clean: int
    spoilt: int

    @property
    def request(self) -> Request:
        """What it is known to answer."""
        return Request(self.unit, self.function, 0, 1)


class Ear:
    """A port with one setting: what is asked on it, and everything that is heard."""

    def __init__(self, line: Line, open_port: Callable[[Line], Port] = SerialPort) -> None:
        """Open the port.

        Raises:
            DeviceError: CLOSED, it is not there, or belongs to somebody.
        """
        self.line = line
        self._loop = asyncio.get_running_loop()
        self._port = open_port(line)
        self._data = bytearray()
        self._heard = asyncio.Event()
        self._lost: OSError | None = None
        self._quiet_from_s = self._loop.time()
        self._port.watch(self._readable)

    def close(self) -> None:
        self._port.close()

    async def listen(self, time_s: float) -> list[bytes]:
        """Bursts that come while nothing is asked, with a pause between them."""
        bursts, end_s = list[bytes](), self._loop.time() + time_s
        while await self._something(end_s):
            await self._settle()
            bursts.append(self._taken())
        return bursts

    async def ask(self, request: Request, timeout_s: float) -> tuple[bytes, bytes]:
        """What lay on the line before, and what came after the request.

        Raises:
            DeviceError: CLOSED, the port is gone.
        """
        await asyncio.sleep(max(0.0, self._quiet_from_s + gap_s(self.line) - self._loop.time()))
        before, data = self._taken(), frame(request)
        self._send(data)
        sent_s = self._loop.time() + len(data) * char_s(self.line)
        echo = len(data)
        await self._something(sent_s + timeout_s)
        while self._data and data.startswith(bytes(self._data[:echo])) and len(self._data) <= echo:
            # its own echo is no answer yet
            size = len(self._data)
            if not await self._something(sent_s + timeout_s, beyond=size):
                break
        await self._settle()
        return before, self._taken()

    def _send(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            self._lost = error
        self._check()
        self._quiet_from_s = self._loop.time() + len(data) * char_s(self.line)

    async def _something(self, until_s: float, beyond: int = 0) -> bool:
        """Wait for more bytes than that; False when none came in time."""
        while len(self._data) <= beyond:
            self._heard.clear()
            try:
                async with asyncio.timeout_at(until_s):
                    await self._heard.wait()
            except TimeoutError:
                return False
            self._check()
        return True

    async def _settle(self) -> None:
        """Until the line is silent, so that nothing of this burst is taken for the next."""
        pause_s, end_s = max(SETTLE_S, 4 * gap_s(self.line)), self._loop.time() + BABBLE_S
        while self._data and self._loop.time() < end_s:
            if not await self._something(self._loop.time() + pause_s, beyond=len(self._data)):
                return

    def _taken(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data

    def _check(self) -> None:
        if self._lost is not None:
            raise DeviceError(Fault.CLOSED, f"{self.line.port}: {self._lost}")

    def _readable(self) -> None:
        try:
            self._data += self._port.read()
        except OSError as error:
            self._lost = error
        self._quiet_from_s = max(self._quiet_from_s, self._loop.time())
        self._heard.set()


class Survey:
    """Goes through units at one setting after another."""

    def __init__(
        self,
        progress: Progress,
        *,
        patience: Patience | None = None,
        open_port: Callable[[Line], Port] = SerialPort,
    ) -> None:
        self._progress, self._open_port = progress, open_port
        self._patience = patience or Patience()
        self._recent: list[int] = []
        self._late: set[int] = set()
        self._strange = self._foreign = 0

    async def hear(self, line: Line) -> None:
        """Listen before anything is sent.

        Raises:
            ForeignMasterError: somebody talks.
            DeviceError: CLOSED.
        """
        ear = Ear(line, self._open_port)
        try:
            self._judge_bursts(line, await ear.listen(self._patience.listen_s))
        finally:
            ear.close()

    async def sweep(self, line: Line, units: Sequence[int], functions: Sequence[int] = (3,)) -> list[Present]:
        """Ask each unit for a register; an exception is an answer too.

        Raises:
            ForeignMasterError: somebody else talks.
            DeviceError: CLOSED.
        """
        found: list[Present] = []
        self._recent.clear()
        ear = Ear(line, self._open_port)
        try:
            for unit in units:
                self._progress(line, unit)
                found += [one for one in [await self._unit(ear, unit, functions)] if one is not None]
                found += await self._latecomers(ear, functions)
        finally:
            ear.close()
        return list({one.unit: one for one in found}.values())

    async def _unit(self, ear: Ear, unit: int, functions: Sequence[int]) -> Present | None:
        for function in functions:
            request = Request(unit, function, 0, 1)
            reply = await self._ask(ear, request, self._patience.answer_s)
            if reply.kind in (Heard.ANSWER, Heard.CROWDED, Heard.GARBLED):
                return await self._repeat(ear, request, reply)
        return None

    async def _latecomers(self, ear: Ear, functions: Sequence[int]) -> list[Present]:
        """Units whose answers came when another one had been asked: asked anew, with patience."""
        found: list[Present] = []
        while self._late:
            request = Request(self._late.pop(), functions[0], 0, 1)
            reply = await self._ask(ear, request, self._patience.again_s)
            if reply.kind in (Heard.ANSWER, Heard.CROWDED):
                found.append(await self._repeat(ear, request, reply))
        self._late.clear()
        return found

    async def _repeat(self, ear: Ear, request: Request, first: Reply) -> Present:
        """One spoilt answer is noise; several are two devices at one address, or a bad wire."""
        kinds = Counter([first.kind])
        for _ in range(REPEATS):
            await asyncio.sleep(self._patience.spacing_s)
            kinds[(await self._ask(ear, request, self._patience.again_s)).kind] += 1
        spoilt = kinds[Heard.CROWDED] + kinds[Heard.GARBLED]
        return Present(ear.line, request.unit, request.function, kinds[Heard.ANSWER], spoilt)

    async def _ask(self, ear: Ear, request: Request, timeout_s: float) -> Reply:
        before, after = await ear.ask(request, timeout_s)
        self._note(judge(before, None, self._recent))
        if request.unit not in self._recent:
            self._recent = [*self._recent[1 - REMEMBER :], request.unit]
        reply = judge(after, request, self._recent)
        self._note(reply, ours=request.unit)
        if self._foreign >= FOREIGN:
            raise _foreign(ear.line, reply.units)
        if self._strange >= STRANGE:
            self._strange = 0
            self._judge_bursts(ear.line, await ear.listen(self._patience.doubt_s))
        return reply

    def _note(self, reply: Reply, ours: int | None = None) -> None:
        """Frames that nobody asked for raise the suspicion at once, noise slowly."""
        if reply.kind is Heard.FOREIGN:
            self._strange += STRANGE
            self._foreign += 1
        elif reply.kind is Heard.LATE:
            self._late.update(set(reply.units) - {ours})
        elif reply.kind is Heard.GARBLED and ours is None:
            self._strange += 1

    def _judge_bursts(self, line: Line, bursts: Sequence[bytes]) -> None:
        replies = [judge(burst, None, self._recent) for burst in bursts]
        units = sorted({unit for reply in replies for unit in reply.units})
        loud = sum(reply.kind in (Heard.FOREIGN, Heard.GARBLED) for reply in replies)
        if loud > 1 or any(reply.kind is Heard.FOREIGN for reply in replies):
            raise _foreign(line, units)


def _foreign(line: Line, units: Sequence[int]) -> ForeignMasterError:
    who = f", to or from unit {', '.join(map(str, units))}" if units else ""
    return ForeignMasterError(
        f"{line.port}: somebody else is talking on this wire{who}: another master, or no Modbus. "
        "Nothing more was sent. Disconnect the other master, then scan again."
    )
