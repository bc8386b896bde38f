"""A pseudo-terminal that stands for a serial port, and the time that frames take on the line behind it."""

import array
import contextlib
import fcntl
import math
import os
import termios
import tty

from sim.device_profile import SerialLine

_BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}

FIXED_GAP_ABOVE = 19200
FIXED_GAP_S = 0.00175
"""Above 19200 baud the silence between frames no longer shrinks (MODBUS over serial line V1.02, 2.5.1.1)."""


class LineTiming:
    """When the line is busy, and whether a frame that begins now keeps the silence of 3.5 characters before it.

    Slaves do not see a frame that begins too early: for them it is the rest of the one before.
    """

    def __init__(self, line: SerialLine) -> None:
        self.char_s = (1 + line.data_bits + (line.parity != "N") + line.stop_bits) / line.baud
        self.gap_s = 3.5 * self.char_s if line.baud <= FIXED_GAP_ABOVE else FIXED_GAP_S
        self.violations = 0
        self._busy_until_s = -math.inf

    def begins(self, now_s: float) -> bool:
        """A frame of the master begins: whether it is heard. What is not counts as a violation."""
        if now_s - self._busy_until_s >= self.gap_s:
            return True
        self.violations += 1
        return False

    def takes(self, begin_s: float, size: int) -> float:
        """So many bytes go over the line from then on; returns when the last one has left it."""
        self._busy_until_s = max(self._busy_until_s, begin_s + size * self.char_s)
        return self._busy_until_s

    def ended(self, now_s: float) -> None:
        """The last byte of a frame has just left the line."""
        self._busy_until_s = max(self._busy_until_s, now_s)


class Pty:
    """Both ends of a pty: the simulator keeps the slave open, so that a client may come and go."""

    def __init__(self, line: SerialLine) -> None:
        """Open a pair; the client opens `path`. Until then the line has the settings of `line`."""
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        settings[4] = settings[5] = getattr(termios, f"B{line.baud}")
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)

    def write(self, data: bytes) -> None:
        """Put bytes on the line; a client that does not read loses them."""
        if self.master >= 0:
            with contextlib.suppress(BlockingIOError):
                os.write(self.master, data)

    def speaks(self, line: SerialLine) -> bool:
        """Whether the client has set the right speed. A pty does not carry parity or stop bits."""
        return bool(_BAUDS.get(termios.tcgetattr(self._slave)[5]) == line.baud)

    @property
    def unread(self) -> int:
        """Bytes that no client has fetched."""
        count = array.array("i", [0])
        fcntl.ioctl(self._slave, termios.FIONREAD, count)
        return count[0]

    def drop_unread(self) -> None:
        termios.tcflush(self._slave, termios.TCIFLUSH)

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)
        self.master = -1
