"""A pseudo-terminal that stands for a serial port."""

import array
import contextlib
import fcntl
import os
import termios
import tty

from sim.device_profile import SerialLine

_BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}


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
