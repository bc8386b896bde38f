"""Modbus over a serial port, RTU or ASCII: strict request and response, silence before every request.

All times are of the loop's clock, which is the monotonic clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.ascii import ASCII
from drivers.modbus.blocks import char_s, gap_s
from drivers.modbus.frames import Search, ends_with_question, frame
from drivers.modbus.framing import Finder, Framing
from drivers.modbus.link import Answer, Done
from drivers.modbus.pdu import Request
from drivers.modbus.port import Port, SerialPort
from drivers.modbus.timers import Alarm, Deadline, TimerFd
from drivers.setups import Line

BABBLE_S = 1.0
"""A line that is not silent for this long has another master or a fault."""
ANOTHER_S = 0.5
"""For the answer to another master's question: what would come after ours could be that."""
OVERHEARD = 64
"""Characters that are kept of what others said last."""
LOOKS = 4
"""Reads after which a line without a whole echo does not echo, however noisy it is."""
FIFO = 16
"""Characters that a UART may collect before it tells of the first."""
FRAMING = 3
"""Characters of a frame around its PDU: unit and checksum."""


@dataclass(slots=True)
class Exchange:
    """One request: it waits for silence, is sent, and is answered or not."""

    request: Request
    timeout_s: float
    done: Done
    search: Finder
    give_up_s: float
    """When silence must have come."""
    sent: bool = False
    ends_s: float = 0.0
    """When the last byte of the request leaves the line."""
    turnaround_s: float | None = None
    limit_s: float = 0.0
    """When the answer must have begun, and once it has, when it must be there."""


RTU = Framing(
    frame,
    lambda request, echoes: Search(request, echoes=echoes),
    lambda request: request.answer_size + FRAMING,
    ends_with_question,
    pause_s=0.0,
)


class RtuLink:
    """A serial line in the framing that its settings name.

    Both framings keep silence before a request: what comes in it is the rest of an older answer.
    """

    ambiguous = True
    most = 1

    def __init__(
        self,
        line: Line,
        *,
        gap: float | None = None,
        open_port: Callable[[Line], Port] = SerialPort,
        new_alarm: Callable[[], Alarm] = TimerFd,
    ) -> None:
        """`gap`: silence before a request in seconds, other than the standard's."""
        self.fresh = True
        self._line = line
        self._framing = ASCII if line.framing == "ascii" else RTU
        self._open_port, self._new_alarm = open_port, new_alarm
        self._port: Port | None = None
        self._alarm: Alarm | None = None
        self._deadline = Deadline(self._late)
        self._char_s = char_s(line)
        self._gap_s = gap_s(line) if gap is None else gap
        self._busy_until_s = 0.0
        """When the last byte, ours or theirs, left the line."""
        self._overheard = b""
        """What came last while nothing of ours was under way."""
        self._echoes = False
        self._looks = 0
        self._exchange: Exchange | None = None
        self._lost: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._port is not None

    async def open(self, lost: Callable[[], None]) -> None:
        self.close()
        self._loop = asyncio.get_running_loop()
        port = self._open_port(self._line)
        try:
            self._alarm = self._new_alarm()
        except OSError as error:
            port.close()
            raise DeviceError(Fault.CLOSED, f"{self._line.port}: no timer: {error}") from error
        self._port, self._lost = port, lost
        self._echoes, self.fresh, self._looks = False, True, 0
        self._busy_until_s = self._loop.time()
        port.watch(self._readable)

    def close(self) -> None:
        self._lost = None
        self._close("closed")

    def begin(self, request: Request, timeout_s: float, done: Done) -> None:
        if self._port is None:
            closed = DeviceError(Fault.CLOSED, f"{self._line.port}: closed")
            asyncio.get_running_loop().call_soon(done, closed)
            return
        search = self._framing.search(request, self._echoes)
        now_s = self._loop.time()
        give_up_s = max(now_s, self._busy_until_s) + BABBLE_S
        self._exchange = Exchange(request, timeout_s, done, search, give_up_s)
        self._when_silent(now_s)

    def withdraw(self) -> bool:
        if self._exchange is None or self._exchange.sent:
            return False
        self._exchange = None
        if self._alarm is not None:
            self._alarm.cancel()
        return True

    def line_s(self, request: Request) -> float:
        chars = len(self._framing.frame(request)) + self._framing.answer_chars(request)
        return chars * self._char_s + self._gap_s

    def _when_silent(self, now_s: float) -> None:
        """Send, or come back when nothing was on the line for 3.5 characters; what comes meanwhile is dropped."""
        silent_s = self._free_s()
        if now_s >= silent_s:
            self._readable()  # what lies in the kernel's buffer is old
            silent_s = self._free_s()
        exchange = self._exchange
        if exchange is None or self._alarm is None:
            return
        if now_s >= silent_s:
            self._send(exchange)
        elif silent_s > exchange.give_up_s:
            text = f"{self._line.port}: never silent, is there another master?"
            self._loop.call_soon(self._finish, exchange, DeviceError(Fault.TIMEOUT, text))
        else:
            self._alarm.at(silent_s, self._silent)

    def _free_s(self) -> float:
        another = self._overheard and self._framing.asks(self._overheard)
        return self._busy_until_s + (ANOTHER_S if another else self._gap_s)

    def _silent(self) -> None:
        if self._exchange is not None and not self._exchange.sent:
            self._when_silent(self._loop.time())

    def _send(self, exchange: Exchange) -> None:
        data = self._framing.frame(exchange.request)
        if self._port is None:
            return
        exchange.sent = True
        try:
            taken = self._port.write(data)
        except OSError as error:
            self._loop.call_soon(self._gone, self._port, str(error))
            return
        self._busy_until_s = exchange.ends_s = self._loop.time() + taken * self._char_s
        if taken < len(data):
            text = f"{self._line.port}: the line takes no bytes"
            self._loop.call_soon(self._finish, exchange, DeviceError(Fault.TIMEOUT, text))
            return
        first = min(self._framing.answer_chars(exchange.request), FIFO)
        exchange.limit_s = exchange.ends_s + exchange.timeout_s + first * self._char_s
        self._deadline.at(exchange.limit_s)

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = self._port.read()
        except OSError as error:
            self._loop.call_soon(self._gone, self._port, str(error))
            return
        if not data:
            return
        now_s = self._loop.time()
        self._busy_until_s = max(self._busy_until_s, now_s)
        exchange = self._exchange
        if exchange is not None and exchange.sent:
            self._offer(exchange, data, now_s)
        else:
            self._overheard = (self._overheard + data)[-OVERHEARD:]

    def _offer(self, exchange: Exchange, data: bytes, now_s: float) -> None:
        answer = exchange.search.feed(data)
        came_s = (
            now_s if now_s <= exchange.limit_s else exchange.ends_s
        )  # we were late: it may lie there since then
        if exchange.turnaround_s is None:
            exchange.turnaround_s = max(0.0, now_s - exchange.ends_s - len(data) * self._char_s)
            rest_s = self._framing.answer_chars(exchange.request) * self._char_s
            exchange.limit_s = now_s + rest_s + exchange.timeout_s + self._framing.pause_s
        if answer is None:
            pause_s = self._framing.pause_s
            self._deadline.at(min(exchange.limit_s, now_s + pause_s) if pause_s else exchange.limit_s)
            return
        outcome: Answer | DeviceError
        try:
            outcome = Answer(pdu.content(exchange.request, answer), came_s, exchange.turnaround_s)
        except DeviceError as error:
            outcome = error
        self._finish(exchange, outcome)

    def _late(self) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.sent:
            self._finish(exchange, DeviceError(Fault.TIMEOUT, f"unit {exchange.request.unit}: no answer"))

    def _finish(self, exchange: Exchange, outcome: Answer | DeviceError) -> None:
        if self._exchange is not exchange:
            return
        self._exchange = None
        self._overheard = b""
        self._deadline.lift()
        if exchange.request.is_read and exchange.sent:
            self._learn_echo(exchange.search)
        exchange.done(outcome)

    def _learn_echo(self, search: Finder) -> None:
        """One look is not enough where noise came before the answer: it may have been a broken echo."""
        self._echoes = self._echoes or search.echoed
        self._looks += 1
        if self._echoes or search.plain or self._looks >= LOOKS:
            self.fresh = False

    def _gone(self, port: Port, text: str) -> None:
        if self._port is port:
            self._close(text)

    def _close(self, text: str) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        port.close()
        self._deadline.close()
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        if self._exchange is not None:
            self._finish(self._exchange, DeviceError(Fault.CLOSED, f"{self._line.port}: {text}"))
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
