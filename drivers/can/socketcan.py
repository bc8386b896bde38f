"""CAN interfaces of the kernel through python-can, without a thread: the loop waits for its file descriptor."""

import asyncio
import contextlib
from collections.abc import Callable

import can

from drivers.can.frame import Frame, SocketCan
from drivers.can.link import REST_S, Ear
from drivers.can.trouble import trouble_of

BATCH = 64
"""Frames taken in one turn of the loop, so that a full bus does not starve everything else."""

Open = Callable[[], can.BusABC]


class PythonCanLink:
    """Any bus of python-can that has a file descriptor and whose calls return at once with a timeout of 0."""

    def __init__(self, bus: can.BusABC, ear: Ear) -> None:
        self._bus = bus
        self._ear = ear
        self._fd = bus.fileno()
        self._open = True
        asyncio.get_running_loop().add_reader(self._fd, self._receive)

    def send(self, frame: Frame) -> bool:
        if not self._open:
            raise OSError("the interface is closed")
        message = can.Message(arbitration_id=frame.id, data=frame.data, is_extended_id=frame.extended, check=False)
        try:
            self._bus.send(message, timeout=0)
        except can.CanError as error:
            if _full(error):
                return False
            raise OSError(f"cannot send: {error}") from error
        return True

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        asyncio.get_running_loop().remove_reader(self._fd)
        with contextlib.suppress(can.CanError, OSError):
            self._bus.shutdown()

    def _receive(self) -> None:
        self._read()
        if self._open:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.call_later(REST_S, self._go_on)

    def _go_on(self) -> None:
        if self._open:
            asyncio.get_running_loop().add_reader(self._fd, self._receive)

    def _read(self) -> None:
        for _ in range(BATCH):
            try:
                message = self._bus.recv(timeout=0)
            except ValueError as error:
                self._ear.garbled(f"no frame: {error}")
                continue
            except (can.CanError, OSError) as error:
                self._end(f"the interface is gone: {error}")
                return
            if message is None:
                return
            self._tell(message)

    def _tell(self, message: can.Message) -> None:
        if message.is_error_frame:
            self._ear.troubled(trouble_of(message.arbitration_id, bytes(message.data)))
        elif message.is_remote_frame or message.is_fd:
            self._ear.garbled("a remote or FD frame")
        else:
            self._ear.heard(Frame(message.arbitration_id, bytes(message.data), message.is_extended_id))

    def _end(self, text: str) -> None:
        self.close()
        self._ear.lost(text)


def _full(error: can.CanError) -> bool:
    # ENOBUFS is the transmit queue of the interface; without a number python-can says that the socket is not ready.
    return error.error_code in (105, 11) or "buffer full" in str(error).lower()


async def open_socketcan(line: SocketCan, ear: Ear) -> PythonCanLink:
    """Open an interface of the kernel, error frames included.

    Raises:
        OSError: there is none, or it is down.
    """
    try:
        bus = can.Bus(
            interface="socketcan", channel=line.channel, receive_own_messages=False, ignore_rx_error_frames=False
        )
    except (can.CanError, OSError) as error:
        raise OSError(
            f"{line.channel} cannot be opened ({error}): is it there and up? "
            f"(ip link set {line.channel} up type can bitrate {line.bitrate} restart-ms 500)"
        ) from error
    return PythonCanLink(bus, ear)
