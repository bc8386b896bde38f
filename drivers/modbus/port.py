"""A serial port as bytes in and out: opened and configured by pyserial, read and written in the event loop."""

import asyncio
import contextlib
import fcntl
import os
import select
import struct
import termios
from collections.abc import Callable
from typing import Protocol

import serial
from serial.rs485 import RS485Settings

from drivers.api import DeviceError, Fault
from drivers.setups import Line

TIOCGRS485 = 0x542E
RS485_ENABLED = 1
RS485_STRUCT = 32
"""Size of the kernel's struct serial_rs485."""
CHUNK = 4096


class Port(Protocol):
    def watch(self, readable: Callable[[], None]) -> None:
        """Call whenever there are bytes, or the port is gone."""

    def read(self) -> bytes:
        """What has come; empty when nothing has.

        Raises:
            OSError: the port is gone.
        """

    def write(self, data: bytes) -> int:
        """How many bytes were taken.

        Raises:
            OSError: the port is gone.
        """

    def close(self) -> None: ...


class SerialPort:
    def __init__(self, line: Line) -> None:
        """Open it for this process alone.

        Raises:
            DeviceError: CLOSED, it is not there, or cannot be had with these settings.
        """
        self._serial = _open(line)
        self._fd: int = self._serial.fileno()
        os.set_blocking(self._fd, False)
        _make_prompt(self._serial)
        _let_kernel_drive(self._serial)

    def watch(self, readable: Callable[[], None]) -> None:
        asyncio.get_running_loop().add_reader(self._fd, readable)

    def read(self) -> bytes:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        if not data and self._hung_up():
            raise OSError(f"{self._serial.port}: hung up")
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        self._serial.close()

    def _hung_up(self) -> bool:
        """A terminal reads empty also while nothing came; only one that hung up stays readable then."""
        return bool(select.select([self._fd], [], [], 0)[0])


def _open(line: Line) -> serial.Serial:
    on_pty = os.path.realpath(line.port).startswith("/dev/pts/")
    try:
        return serial.Serial(
            line.port,
            line.baud,
            bytesize=8 if on_pty else line.data_bits,  # a pty has whole bytes and no parity, and refuses all else
            parity="N" if on_pty else line.parity,
            stopbits=line.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        raise DeviceError(Fault.CLOSED, f"{line.port}: {error}") from error


def _make_prompt(port: serial.Serial) -> None:
    """USB adapters hold bytes back for up to 16 ms otherwise. Not every driver knows the flag."""
    with contextlib.suppress(ValueError, OSError, termios.error):
        port.set_low_latency_mode(True)


def _let_kernel_drive(port: serial.Serial) -> None:
    """Let the UART switch its RS-485 transceiver where it can.

    What the device tree has switched on already keeps the polarity that it says. Adapters that switch in hardware
    do not know the request.
    """
    settings = bytearray(RS485_STRUCT)
    try:
        fcntl.ioctl(port.fileno(), TIOCGRS485, settings)
    except OSError:
        return
    if not struct.unpack_from("I", settings)[0] & RS485_ENABLED:
        with contextlib.suppress(ValueError, OSError, termios.error):
            port.rs485_mode = RS485Settings()
