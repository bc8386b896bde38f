"""Modbus TCP: one request at a time, matched by transaction id, failed at once when the peer closes."""

import asyncio
import struct
import time

from drivers.api import DeviceError, Endpoint, Fault
from drivers.modbus import pdu
from drivers.modbus.link import Answer
from drivers.modbus.pdu import Request

CONNECT_S = 3.0
HEAD = struct.Struct(">HHHB")
"""Transaction, protocol (0), length of what follows including the unit, unit."""


class TcpLink:
    ambiguous = False
    fresh = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection: Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.lost

    async def open(self) -> None:
        self.close()
        host, port = self._endpoint.host, self._endpoint.port
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                _, self._connection = await loop.create_connection(lambda: Connection(host), host, port)
        except TimeoutError:
            raise DeviceError(Fault.CLOSED, f"{host}:{port}: connecting timed out") from None
        except (OSError, UnicodeError) as error:  # a host name may be impossible
            raise DeviceError(Fault.CLOSED, f"{host}:{port}: {error}") from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    async def exchange(self, request: Request, timeout_s: float) -> Answer:
        if self._connection is None:
            raise DeviceError(Fault.CLOSED, f"{self._endpoint.host}: not connected")
        return await self._connection.exchange(request, timeout_s)


class Connection(asyncio.Protocol):
    """One connection from its making to its loss; never reused."""

    def __init__(self, host: str) -> None:
        self.lost = False
        self._host = host
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._transaction = 0
        self._request: Request | None = None
        self._found: asyncio.Future[Answer] | None = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._lose("closed")

    async def exchange(self, request: Request, timeout_s: float) -> Answer:
        if self.lost or self._transport is None:
            raise DeviceError(Fault.CLOSED, f"{self._host}: not connected")
        self._transaction = self._transaction % 0xFFFF + 1
        self._request = request
        self._found = asyncio.get_running_loop().create_future()
        body = request.pdu
        self._transport.write(HEAD.pack(self._transaction, 0, len(body) + 1, request.unit) + body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._found
        except TimeoutError:
            raise DeviceError(Fault.TIMEOUT, f"unit {request.unit}: no answer") from None
        finally:
            self._request = self._found = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"connection lost: {exc}" if exc else "the peer closed the connection")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= HEAD.size:
            transaction, protocol, length, unit = HEAD.unpack_from(self._buffer)
            if protocol != 0 or not 2 <= length <= 254:
                self.abort()  # in a stream there is no way to find the next frame
                return
            if len(self._buffer) < 6 + length:
                return
            body = bytes(self._buffer[HEAD.size : 6 + length])
            del self._buffer[: 6 + length]
            if transaction == self._transaction:
                self._offer(unit, body)

    def _offer(self, unit: int, body: bytes) -> None:
        request, found = self._request, self._found
        if request is None or found is None or found.done() or unit != request.unit:
            return
        try:
            found.set_result(Answer(pdu.values(request, body), time.monotonic()))
        except DeviceError as error:
            found.set_exception(error)

    def _lose(self, text: str) -> None:
        self.lost = True
        self._buffer.clear()
        if self._found is not None and not self._found.done():
            self._found.set_exception(DeviceError(Fault.CLOSED, f"{self._host}: {text}"))
