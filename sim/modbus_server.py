"""Modbus slaves on TCP sockets and on serial lines (ptys), byte for byte."""

import asyncio
import contextlib
import os
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from sim import ascii_frames
from sim.bus_faults import LATE_S, SLOW_S, Faults
from sim.clock import monotonic_s
from sim.device_profile import SerialLine
from sim.pdu import Slave, answer, crc, exception, rtu_length
from sim.registers import DEVICE_FAILURE
from sim.serial_line import LineTiming, Pty

TURNAROUND_S = (0.001, 0.02)
EARLY_DROP_RATE = 0.5
"""How often a slave that needs spacing misses a request that comes too early."""
NO_TARGET = 0x0B
SILENCE_S = 0.05
"""A request that does not go on for so long is given up."""
PAUSE_S = 1.0
"""The same in ASCII, where a frame may pause."""
CHUNK = 16


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and how it goes out. `kinds` are the faults that hit it."""

    pdu: bytes
    delay_s: float
    kinds: frozenset[str]

    @property
    def late(self) -> bool:
        return "late" in self.kinds


class Slaves:
    """The units on one bus, behind its faults."""

    def __init__(self, slaves: Mapping[int, Slave], faults: Faults, rng: random.Random) -> None:
        self.faults = faults
        self.rng = rng
        self._slaves = slaves
        self._free_s: dict[int, float] = {}

    def has(self, unit: int) -> bool:
        return unit in self._slaves

    def knows(self, device: str) -> bool:
        """Whether that is the id or unit number of a device here."""
        return any(device in (*slave.names, str(unit)) for unit, slave in self._slaves.items())

    def broadcast(self, request: bytes) -> None:
        for slave in self._slaves.values():
            if slave.answers:
                answer(slave, request)

    def exchange(self, unit: int, request: bytes) -> Reply | None:
        """Serve one request; None when nothing comes back. A silent slave has not heard it either."""
        slave = self._slaves[unit]
        kinds = self.faults.drawn((*slave.names, str(unit)))
        if not slave.answers or "silent" in kinds or self._too_early(slave):
            return None
        pdu = exception(request, DEVICE_FAILURE) if "exception" in kinds else answer(slave, request)
        if "garbage" in kinds:
            pdu = self.rng.randbytes(self.rng.randint(3, 40))
        delay_s = self.rng.uniform(*TURNAROUND_S)
        if "slow" in kinds:
            delay_s += self.rng.uniform(*SLOW_S)
        if "late" in kinds:
            delay_s += self.rng.uniform(*LATE_S)
        self._free_s[unit] = monotonic_s() + delay_s + 0.9 * slave.spacing_s
        return Reply(pdu, delay_s, kinds)

    def _too_early(self, slave: Slave) -> bool:
        early = monotonic_s() < self._free_s.get(slave.unit, 0.0)
        return slave.spacing_s > 0 and early and self.rng.random() < EARLY_DROP_RATE


class TcpBus:
    """A Modbus TCP server on a port of its own."""

    def __init__(self, bus_id: str, slaves: Slaves) -> None:
        self.id = bus_id
        self.slaves = slaves
        self.port = 0
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self.drop_clients()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    def drop_clients(self) -> None:
        """Cut all connections, as a device does that loses its mains or restarts."""
        for task in self._clients:
            task.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            try:
                while await self._serve(reader, writer):
                    pass
            finally:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; False when the stream makes no sense."""
        transaction, protocol, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        if protocol != 0 or not 2 <= length <= 254:
            return False
        request = await reader.readexactly(length - 1)
        if not self.slaves.has(unit):
            reply: Reply | None = Reply(exception(request, NO_TARGET), 0.0, frozenset())
        else:
            reply = self.slaves.exchange(unit, request)
        if reply is None:
            return True
        frames = _tcp_frames(reply, transaction, unit=unit, request=request)
        if reply.late:
            asyncio.get_running_loop().call_later(reply.delay_s, _write_open, writer, b"".join(frames))
            return True
        await asyncio.sleep(reply.delay_s)
        for frame in frames:
            writer.write(frame)
            await writer.drain()
            await asyncio.sleep(self.slaves.rng.uniform(0.02, 0.1) if len(frames) > 1 else 0)
        return True


def _write_open(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


def _tcp_frames(reply: Reply, transaction: int, *, unit: int, request: bytes) -> list[bytes]:
    """TCP has a checksum of its own: a `crc` fault shows as a header that is no Modbus."""
    protocol = 0x5A5A if "crc" in reply.kinds else 0
    frame = struct.pack(">HHHB", transaction, protocol, len(reply.pdu) + 1, unit) + reply.pdu
    if "garbage" in reply.kinds:
        frame = reply.pdu
    if "echo" in reply.kinds:
        frame = struct.pack(">HHHB", transaction, 0, len(request) + 1, unit) + request + frame
    return [frame[:5], frame[5:]] if "split" in reply.kinds else [frame]


class RtuBus:
    """A serial line with several units; every byte takes the time that it takes at that baud rate.

    A request that begins within 3.5 characters after the last byte on the line is not heard, as by real slaves;
    `violations` counts them.
    """

    def __init__(self, bus_id: str, slaves: Slaves, line: SerialLine) -> None:
        self.id = bus_id
        self.slaves = slaves
        self.line = line
        self.pty = Pty(line)
        self._heard = asyncio.Event()
        self._buffer = bytearray()
        self._request_ends_s = 0.0
        self._timing = LineTiming(line)
        self._text = line.framing == "ascii"
        """Frames are found by their first character: no silence is needed before them."""

    @property
    def port(self) -> str:
        return self.pty.path

    def listen(self) -> None:
        asyncio.get_running_loop().add_reader(self.pty.master, self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.pty.master)
        self.pty.close()

    @property
    def violations(self) -> int:
        return self._timing.violations

    def _readable(self) -> None:
        now_s = monotonic_s()
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.pty.master, 4096)
            if self._buffer or self._text or self._timing.begins(now_s):
                self._buffer += data
                self._request_ends_s = self._timing.takes(now_s, len(data))
                self._heard.set()

    async def run(self) -> None:
        """Serve requests one after another, as a wire does."""
        while True:
            frame = await self._frame()
            if frame is not None and self.pty.speaks(self.line):
                await self._serve(frame)

    async def _frame(self) -> bytes | None:
        """Unit and PDU of the next good frame; None after noise, which is dropped."""
        return await (self._text_frame() if self._text else self._binary_frame())

    async def _text_frame(self) -> bytes | None:
        while b"\r\n" not in self._buffer:
            if not await self._goes_on(PAUSE_S):
                return None
        line, _, rest = bytes(self._buffer).partition(b"\r\n")
        self._buffer[:] = rest
        return ascii_frames.body_of(line)

    async def _goes_on(self, silence_s: float) -> bool:
        """Wait for more; a frame that does not go on is dropped."""
        self._heard.clear()
        try:
            async with asyncio.timeout(silence_s if self._buffer else None):
                await self._heard.wait()
        except TimeoutError:
            self._buffer.clear()
            return False
        return True

    async def _binary_frame(self) -> bytes | None:
        length = rtu_length(self._buffer)
        while length is None or len(self._buffer) < length:
            if not await self._goes_on(SILENCE_S):
                return None
            length = rtu_length(self._buffer)
        frame = bytes(self._buffer[:length])
        if crc(frame[:-2]) != frame[-2:]:
            del self._buffer[0]
            return None
        del self._buffer[:length]
        return frame[:-2]

    async def _serve(self, frame: bytes) -> None:
        await _sleep_until(self._request_ends_s)
        unit, request = frame[0], frame[1:]
        if unit == 0:
            self.slaves.broadcast(request)
        reply = self.slaves.exchange(unit, request) if self.slaves.has(unit) else None
        if reply is None:
            return
        wire = _wire(reply, frame, text=self._text)
        if reply.late:
            asyncio.get_running_loop().call_later(reply.delay_s, self._put, wire)
            return
        begin_s = self._request_ends_s + reply.delay_s
        if "split" in reply.kinds:
            await self._speak(wire[:3], begin_s)
            begin_s, wire = monotonic_s() + self.slaves.rng.uniform(0.02, 0.1), wire[3:]
        await self._speak(wire, begin_s)

    async def _speak(self, wire: bytes, begin_s: float) -> None:
        """In the pieces of a UART's FIFO, each when its last byte has passed."""
        for start in range(0, len(wire), CHUNK):
            part = wire[start : start + CHUNK]
            await _sleep_until(begin_s + (start + len(part)) * self._timing.char_s)
            self._put(part)

    def _put(self, part: bytes) -> None:
        self._timing.ended(monotonic_s())
        self.pty.write(part)


async def _sleep_until(until_s: float) -> None:
    await asyncio.sleep(max(0.0, until_s - monotonic_s()))


def _wire(reply: Reply, request: bytes, *, text: bool) -> bytes:
    """The answer as it goes over the line, with its faults."""
    sealed, spoilt = (ascii_frames.sealed, ascii_frames.spoilt) if text else (_rtu_sealed, _rtu_spoilt)
    frame = request[:1] + reply.pdu
    closed = spoilt(frame) if "crc" in reply.kinds else sealed(frame)
    wire = reply.pdu if "garbage" in reply.kinds else closed
    return sealed(request) + wire if "echo" in reply.kinds else wire


def _rtu_sealed(frame: bytes) -> bytes:
    return frame + crc(frame)


def _rtu_spoilt(frame: bytes) -> bytes:
    check = crc(frame)
    return frame + bytes([check[0] ^ 0x55, check[1]])
