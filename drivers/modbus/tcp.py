"""Modbus TCP: matched by transaction id, failed at once when the peer closes, one request at a time or a few."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass

from drivers.api import DeviceError, Fault
from drivers.modbus import pdu
from drivers.modbus.link import Answer, Done
from drivers.modbus.pdu import Request
from drivers.modbus.timers import Deadline
from drivers.setups import Endpoint

CONNECT_S = 3.0
MOST = 8
HEAD = struct.Struct(">HHHB")
"""Transaction, protocol (0), length of what follows including the unit, unit."""


@dataclass(slots=True, eq=False)
class Exchange:
    request: Request
    done: Done
    begun_s: float
    limit_s: float


class TcpLink:
    ambiguous = False
    fresh = False
    most = MOST

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.lost

    async def open(self, lost: Callable[[], None]) -> None:
        self.close()
        host, port = self._endpoint.host, self._endpoint.port
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, self._connection = await loop.create_connection(lambda: Connection(host, lost), host, port)
        except TimeoutError:
            raise DeviceError(Fault.CLOSED, f"{host}:{port}: connecting timed out") from None
        except (OSError, UnicodeError) as error:  # a host name may be impossible
            raise DeviceError(Fault.CLOSED, f"{host}:{port}: {error}") from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def begin(self, request: Request, timeout_s: float, done: Done) -> None:
        if self._connection is None or self._connection.lost:
            error = DeviceError(Fault.CLOSED, f"{self._endpoint.host}: not connected")
            asyncio.get_running_loop().call_soon(done, error)
        else:
            self._connection.begin(request, timeout_s, done)

    def withdraw(self) -> bool:
        return False

    def line_s(self, request: Request) -> float:
        return 0.0


class Connection(asyncio.Protocol):
    """One connection from its making to its loss; never reused."""

    def __init__(self, host: str, lost: Callable[[], None]) -> None:
        self.lost = False
        self._host = host
        self._tell_lost: Callable[[], None] | None = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._transaction = 0
        self._open: dict[int, Exchange] = {}
        self._deadline = Deadline(self._late)

    def close(self) -> None:
        """Without telling that it is lost."""
        self._tell_lost = None
        self._abort("closed")

    def begin(self, request: Request, timeout_s: float, done: Done) -> None:
        if self._transport is None:
            return
        self._transaction = self._transaction % 0xFFFF + 1
        now_s = self._loop.time()
        self._open[self._transaction] = Exchange(request, done, now_s, now_s + timeout_s)
        body = request.pdu
        self._transport.write(HEAD.pack(self._transaction, 0, len(body) + 1, request.unit) + body)
        if len(self._open) == 1:
            self._deadline.at(now_s + timeout_s)
        else:
            self._watch()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"connection lost: {exc}" if exc else "the peer closed the connection")

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        while len(buffer) >= HEAD.size:
            transaction, protocol, length, unit = HEAD.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self._abort("what it sends is no Modbus")  # in a stream there is no way to find the next frame
                return
            if len(buffer) < 6 + length:
                break
            body, buffer = buffer[HEAD.size : 6 + length], buffer[6 + length :]
            self._offer(transaction, unit, body)
            if self.lost:
                return
        self._buffer = buffer

    def _offer(self, transaction: int, unit: int, body: bytes) -> None:
        exchange = self._open.get(transaction)
        if exchange is None or unit != exchange.request.unit:
            return
        now_s = self._loop.time()
        came_s = (
            now_s if now_s <= exchange.limit_s else exchange.begun_s
        )  # we were late: it may lie there since then
        outcome: Answer | DeviceError
        try:
            outcome = Answer(pdu.values(exchange.request, body), came_s, now_s - exchange.begun_s)
        except DeviceError as error:
            outcome = error
        del self._open[transaction]
        self._watch()
        exchange.done(outcome)

    def _watch(self) -> None:
        if not self._open:
            self._deadline.lift()
        else:
            self._deadline.at(min(exchange.limit_s for exchange in self._open.values()))

    def _late(self) -> None:
        now_s = self._loop.time()
        late = [transaction for transaction, exchange in self._open.items() if exchange.limit_s <= now_s]
        exchanges = [self._open.pop(transaction) for transaction in late]
        self._watch()
        for exchange in exchanges:
            exchange.done(DeviceError(Fault.TIMEOUT, f"unit {exchange.request.unit}: no answer"))

    def _abort(self, text: str) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lose(text)

    def _lose(self, text: str) -> None:
        if self.lost:
            return
        self.lost = True
        self._buffer = b""
        self._deadline.close()
        exchanges, self._open = list(self._open.values()), {}
        for exchange in exchanges:
            exchange.done(DeviceError(Fault.CLOSED, f"{self._host}: {text}"))
        tell, self._tell_lost = self._tell_lost, None
        if tell is not None:
            tell()
