"""The Lawicel ASCII protocol (slcan) at a serial port, read in blocks.

python-can reads a port byte by byte (some 180 us a frame); at full load that is half of a small computer.
"""

import asyncio
import os
import termios

import serial

from drivers.can.frame import Frame, Slcan
from drivers.can.link import REST_S, Ear
from drivers.can.trouble import ErrorState, Trouble

BITRATES = {
    10_000: 0,
    20_000: 1,
    50_000: 2,
    100_000: 3,
    125_000: 4,
    250_000: 5,
    500_000: 6,
    800_000: 7,
    1_000_000: 8,
}
FLAGS_EVERY_S = 1.0
LONGEST_REST = 64

_DATA_OVERRUN = 0x08
_WARNING = 0x04
_PASSIVE = 0x20
_ARBITRATION = 0x40
_BUS_ERROR = 0x80


class SlcanLink:
    """One open adapter. It is asked for its error flags each second; an adapter without them stays silent."""

    def __init__(self, port: serial.Serial, ear: Ear) -> None:
        self._port = port
        self._ear = ear
        self._rest = b""
        self._fd: int = port.fileno()
        self._open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._receive)
        self._asking = self._loop.call_later(FLAGS_EVERY_S, self._ask)

    def send(self, frame: Frame) -> bool:
        return self._write(_line(frame))

    def _write(self, line: bytes) -> bool:
        if not self._open:
            raise OSError("the port is closed")
        try:
            written = os.write(self._fd, line)
        except BlockingIOError:
            return False
        if written < len(line):
            # A line that is cut would be joined to the next one: the port is of no use if it takes only a part.
            raise OSError("the port took a part of a line")
        return True

    def close(self) -> None:
        if not self._open:
            return
        try:
            os.write(self._fd, b"\rC\r")
        except OSError:
            self._ear.garbled("the channel could not be closed")
        self._open = False
        self._asking.cancel()
        self._loop.remove_reader(self._fd)
        self._port.close()

    def _ask(self) -> None:
        try:
            self._write(b"F\r")
        except OSError as error:
            self._end(str(error))
            return
        self._asking = self._loop.call_later(FLAGS_EVERY_S, self._ask)

    def _receive(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"the port is gone: {error}")
            return
        if not data:
            self._end("the port is gone: hung up")
            return
        self._feed(data)
        if self._open:
            self._loop.remove_reader(self._fd)
            self._loop.call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        if self._open:
            self._loop.add_reader(self._fd, self._receive)

    def _feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data.replace(b"\a", b"\a\r")).split(b"\r")
        if len(self._rest) > LONGEST_REST:
            self._rest = b""
            self._ear.garbled("the adapter sends no lines")
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        kind = line[:1]
        if kind in (b"T", b"t"):
            self._frame(line, extended=kind == b"T")
        elif kind == b"F" and len(line) == 3:
            self._flags(line)
        elif line == b"\a":
            self._ear.troubled(Trouble(overflow=True))
        elif kind not in (b"", b"z", b"Z"):
            self._ear.garbled(f"no line of an adapter: {line[:40]!r}")

    def _frame(self, line: bytes, *, extended: bool) -> None:
        frame = frame_of(line, extended=extended)
        if frame is None:
            self._ear.garbled(f"no frame: {line[:40]!r}")
        else:
            self._ear.heard(frame)

    def _flags(self, line: bytes) -> None:
        try:
            flags = int(line[1:], 16)
        except ValueError:
            self._ear.garbled(f"no flags: {line!r}")
            return
        self._ear.troubled(
            Trouble(
                state=_state(flags),
                lost_arbitration=bool(flags & _ARBITRATION),
                bus_error=bool(flags & _BUS_ERROR),
                overflow=bool(flags & _DATA_OVERRUN),
            )
        )

    def _end(self, text: str) -> None:
        if self._open:
            self.close()
            self._ear.lost(text)


def _state(flags: int) -> ErrorState:
    if flags & _PASSIVE:
        return ErrorState.PASSIVE
    return ErrorState.WARNING if flags & _WARNING else ErrorState.ACTIVE


def _line(frame: Frame) -> bytes:
    head = f"T{frame.id:08X}" if frame.extended else f"t{frame.id:03X}"
    return f"{head}{len(frame.data)}{frame.data.hex().upper()}\r".encode()


def frame_of(line: bytes, *, extended: bool) -> Frame | None:
    """A frame from one line without its end; None: it is none. A time stamp of two bytes may follow the data."""
    head = 9 if extended else 4
    try:
        size = int(line[head : head + 1])
        end = head + 1 + 2 * size
        if len(line) not in (end, end + 4) or not line.isalnum():
            return None
        frame = Frame(int(line[1:head], 16), bytes.fromhex(line[head + 1 : end].decode("ascii")), extended)
    except ValueError:
        return None
    return frame if frame.possible else None


async def open_slcan(line: Slcan, ear: Ear, *, listen_only: bool = False) -> SlcanLink:
    """Open the port and the channel behind it; `listen_only`: it acknowledges no frame, and sends none.

    Raises:
        OSError: no such port, in use, or a bit rate that no adapter has.
    """
    code = BITRATES.get(line.bitrate)
    if code is None:
        raise OSError(f"no adapter has {line.bitrate} bit/s: choose one of {', '.join(map(str, BITRATES))}")
    try:
        port = serial.Serial(port=line.port, baudrate=line.baud, timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:
        raise OSError(f"{line.port} cannot be opened: {error}") from error
    try:
        # Empty lines end what an earlier user left half written; C because S is refused while the channel is open.
        os.write(port.fileno(), b"\r\r\rC\r" + f"S{code}\r{'L' if listen_only else 'O'}\r".encode())
    except OSError:
        port.close()
        raise
    return SlcanLink(port, ear)
