"""Wires of a simulated site that keep exact time: its devices behind throttled ptys and TCP sockets, in threads.

The devices are the simulator's; the wires are those of the other benches of the field bus, so that a request inside
the silence of 3.5 characters is not heard and counts as a violation.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.device_profile import SerialLine
from sim.pdu import Slave, answer
from sim.serial_line import LineTiming, Pty
from tests.bench.bus_slave import Memory, SerialSlave, be_hardware
from tests.bench.bus_tcp_slave import Client, TcpSlaves

WRITES = frozenset((5, 6, 15, 16))
LATE_S = 0.008
"""A slave that answers so much later than it should was held up by the machine: its master may have given it up."""

Written = Callable[[Slave, float, float], None]
"""A device has acknowledged a write: which one, when it had heard it, when the acknowledgement had left."""


@dataclass
class Told:
    """What the last request of a wire was."""

    slave: Slave | None = None
    written: bool = False


class Devices(Memory):
    """The units of one wire in place of a bench's plain registers. What they refuse is no acknowledgement."""

    def __init__(self, slaves: Mapping[int, Slave], lock: threading.RLock) -> None:
        super().__init__()
        self.told = Told()
        self._slaves, self._lock = slaves, lock

    def answer(self, unit: int, request: bytes) -> bytes:
        slave = self._slaves[unit]
        with self._lock:
            found = answer(slave, request)
        self.told = Told(slave, request[0] in WRITES and not found[0] & 0x80)
        return found


class SerialWire(SerialSlave):
    """One throttled line with devices of the simulator."""

    def __init__(
        self, line: SerialLine, slaves: Mapping[int, Slave], *, lock: threading.RLock, told: Written
    ) -> None:
        super().__init__(
            {"baud": line.baud, "throttled": True, "seed": 1, "turnaround_low_s": 0.005, "turnaround_high_s": 0.005}
        )
        self._timing = LineTiming(line)
        self._devices = self._memory = Devices(slaves, lock)
        self._told = told
        self._dead = frozenset(range(256)) - frozenset(slaves)
        self._due_s = 0.0
        """When the last byte of the answer should have left."""
        self._end_s = 0.0
        self._was_late = False
        self.slips = 0
        """Violations while this slave was late itself."""

    @property
    def violations(self) -> int:
        return self._timing.violations

    def run(self) -> None:
        """For ever: a thread that ends with its process."""
        be_hardware()
        poller = selectors.DefaultSelector()
        poller.register(self.pty.master, selectors.EVENT_READ)
        while True:
            poller.select()
            self._hear(time.monotonic())

    def _hear(self, now_s: float) -> None:
        before, late = self._timing.violations, self._was_late
        super()._hear(now_s)
        self._excuse(before, late=late)

    def _interrupted(self) -> bool:
        before = self._timing.violations
        found = super()._interrupted()
        self._excuse(before, late=time.monotonic() > self._due_s + LATE_S)
        return found

    def _excuse(self, before: int, *, late: bool) -> None:
        if late and self._timing.violations > before:
            self.slips += self._timing.violations - before
            self._timing.violations = before

    def _framed(self, request: bytes) -> bytes:
        frame = super()._framed(request)
        self._due_s = self._end_s + self._turnaround_s[1] + len(frame) * self._timing.char_s
        return frame

    def _answer(self, request: bytes, end_s: float) -> None:
        before = self.tally.answered
        self._end_s = end_s
        super()._answer(request, end_s)
        self._was_late = time.monotonic() > self._due_s + LATE_S
        told = self._devices.told
        if told.slave is not None and told.written and self.tally.answered > before:
            self._told(told.slave, end_s, self.tally.last_s)


class TcpWires(TcpSlaves):
    """Many devices, each with a port of its own, that answer at once."""

    def __init__(self, lock: threading.RLock, told: Written) -> None:
        super().__init__()
        self._lock, self._told = lock, told
        self._wires: dict[int, Devices] = {}

    def listen_for(self, slaves: Mapping[int, Slave]) -> int:
        port = self.listen()
        self._wires[port] = Devices(slaves, self._lock)
        return port

    def run(self) -> None:
        """For ever: a thread that ends with its process."""
        be_hardware()
        while True:
            for key, _ in self.selector.select():
                if isinstance(key.data, Client):
                    self._serve(key.data)
                elif isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj)

    def _serve(self, client: Client) -> None:
        heard_s = time.monotonic()
        self.memory = devices = self._wires[client.connection.getsockname()[1]]
        devices.told = Told()
        super()._serve(client)
        told = devices.told
        if told.slave is not None and told.written:
            self._told(told.slave, heard_s, time.monotonic())


def reader_line(baud: int) -> Pty:
    return Pty(SerialLine(baud, "N", 1))
