"""Ways into a simulated CAN bus from outside: a socketcand server and a pty that speaks slcan."""

import asyncio
import os
import re
import time
from collections.abc import Callable

from sim.can.wire import RESTARTED_CLASS, CanWire, Party, WireFrame
from sim.device_profile import SerialLine
from sim.serial_line import Pty

_SEND = re.compile(r"send ([0-9A-Fa-f]+) ([0-8])((?: [0-9A-Fa-f]{1,2}){0,8})")
UNREAD = 1 << 20


class SocketcandServer:
    """Any number of clients, each in raw mode on the one channel."""

    def __init__(self, wire: CanWire, channel: str = "can0") -> None:
        self._wire = wire
        self._channel = channel
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.mute = False
        """Accepts connections and says nothing at all."""
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        self.disconnect()
        if self._serving:
            await asyncio.wait(self._serving, timeout=2.0)
        self._server = None

    def disconnect(self) -> None:
        for writer in list(self._writers):
            writer.close()

    def raw(self, data: bytes) -> None:
        """Bytes as they are, to every client."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self._serving.add(task)
        self._writers.add(writer)
        task.add_done_callback(self._serving.discard)
        task.add_done_callback(lambda _: self._hang_up(writer))

    def _hang_up(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        party = Party(
            lambda frame: _write(writer, _frame_text(frame)), lambda classes: _write(writer, _error(classes))
        )
        leave: Callable[[], None] | None = None
        try:
            if self.mute:
                await reader.read()
                return
            writer.write(b"< hi >")
            if not await self._handshake(reader, writer):
                return
            leave = self._wire.join(party)
            while True:
                self._request(await _message(reader), party)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return
        finally:
            if leave is not None:
                leave()

    async def _handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if await _message(reader) != f"open {self._channel}":
            writer.write(b"< error could not open bus >")
            return False
        writer.write(b"< ok >")
        if await _message(reader) != "rawmode":
            return False
        writer.write(b"< ok >")
        return True

    def _request(self, text: str, party: Party) -> None:
        found = _SEND.fullmatch(text)
        if found is None:
            return
        data = bytes(int(digits, 16) for digits in found[3].split())
        if len(data) == int(found[2]):
            self._wire.put(WireFrame(int(found[1], 16), data, len(found[1]) == 8), party)


async def _message(reader: asyncio.StreamReader) -> str:
    text = (await reader.readuntil(b">")).decode("ascii", "replace")
    return text.strip().strip("<>").strip()


def _write(writer: asyncio.StreamWriter, text: str) -> None:
    if not writer.is_closing() and writer.transport.get_write_buffer_size() < UNREAD:
        writer.write(text.encode())


def _frame_text(frame: WireFrame) -> str:
    width = 8 if frame.extended else 3
    return f"< frame {frame.can_id:0{width}X} {time.time():.6f} {frame.data.hex().upper()} >"


def _error(classes: int) -> str:
    return f"< error {classes:03X} {time.time():.6f} >"


class SlcanPty:
    """An adapter behind a pseudo-terminal: S and O, C, T and t, F; everything else is answered with BEL."""

    def __init__(self, wire: CanWire) -> None:
        self._wire = wire
        self._pty = Pty(SerialLine(115200, "N", 1))
        self._rest = b""
        self._party = Party(self._frame, self._error)
        self._leave: Callable[[], None] | None = None
        self._flags = 0
        self.open = False
        self.speed: int | None = None
        asyncio.get_running_loop().add_reader(self._pty.master, self._receive)

    @property
    def path(self) -> str:
        return self._pty.path

    def raw(self, data: bytes) -> None:
        self._pty.write(data)

    def flags(self, flags: int) -> None:
        """Status flags of the SJA1000 as the F command shows them."""
        self._flags = flags

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pty.master)
        self._opened(False)
        self._pty.close()

    def _receive(self) -> None:
        try:
            data = os.read(self._pty.master, 4096)
        except OSError:
            return
        *lines, self._rest = (self._rest + data).split(b"\r")
        for line in lines:
            if line:
                self._pty.write(self._answer(line.decode("ascii", "replace")))

    def _answer(self, line: str) -> bytes:
        kind = line[0]
        if kind in "Tt":
            return self._send(line, 8 if kind == "T" else 3)
        if kind == "F" and self.open:
            return f"F{self._flags:02X}\r".encode()
        if kind == "S" and not self.open:
            self.speed = int(line[1:])
            return b"\r"
        if kind in "OC":
            self._opened(kind == "O")
            return b"\r"
        return b"\a"

    def _opened(self, is_open: bool) -> None:
        if self._leave is not None:
            self._leave()
        self.open = is_open
        self._leave = self._wire.join(self._party) if is_open else None

    def _send(self, line: str, digits: int) -> bytes:
        try:
            frame = WireFrame(int(line[1 : 1 + digits], 16), bytes.fromhex(line[2 + digits :]), digits == 8)
        except ValueError:
            return b"\a"
        if not self.open or len(frame.data) != int(line[1 + digits]):
            return b"\a"
        self._wire.put(frame, self._party)
        return b"Z\r" if frame.extended else b"z\r"

    def _frame(self, frame: WireFrame) -> None:
        head = f"T{frame.can_id:08X}" if frame.extended else f"t{frame.can_id:03X}"
        self._pty.write(f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode())

    def _error(self, classes: int) -> None:
        """The protocol has no error frames; a controller in trouble shows it in its flags."""
        if classes & RESTARTED_CLASS:
            self._flags = 0
        else:
            self._flags |= 0x80
