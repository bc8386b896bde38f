"""A reader's serial port, opened by pyserial."""

import os
import termios
from contextlib import suppress

import serial

from drivers.api import DeviceError, Fault
from drivers.setups import Line

CHUNK = 4096


class SerialDevice:
    """A `Device`."""

    def __init__(self, line: Line) -> None:
        """Open it; blocks.

        Raises:
            DeviceError: CLOSED, it is not there, or cannot be had with these settings.
        """
        self.name = line.port
        self._serial = _open(line)

    def fileno(self) -> int:
        fd: int = self._serial.fileno()
        return fd

    def receive(self) -> bytes:
        data = os.read(self.fileno(), CHUNK)
        if not data:
            raise OSError("hung up")
        return data

    def close(self) -> None:
        # The kernel waits up to 30 s for a reader that takes no more bytes; nobody needs them any more.
        with suppress(OSError, termios.error):
            termios.tcflush(self.fileno(), termios.TCOFLUSH)
        self._serial.close()


def _open(line: Line) -> serial.Serial:
    try:
        return serial.Serial(
            port=line.port,
            baudrate=line.baud,
            parity=line.parity,
            stopbits=line.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:
        raise DeviceError(Fault.CLOSED, f"{line.port} cannot be opened: {error}") from error
