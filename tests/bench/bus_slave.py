"""Modbus slaves in a process of their own, for the benchmark of the field bus.

A serial line is a pty on which bytes take their time: a frame is heard when its last byte has passed, an answer
arrives in the pieces of a UART's FIFO, and a request that begins inside the silence of 3.5 characters, or while a
slave speaks, is not heard and counts as a violation. Time is kept by sleeping without slack and by absolute
instants, so that no error adds up. None of the driver's code is in here.

Spoken to in lines of JSON: on standard input `{"dead": [1, 2]}`, `{"report": true}` or `{"reset": true}`.
"""

import contextlib
import ctypes
import json
import os
import random
import select
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from sim.device_profile import SerialLine
from sim.pdu import crc, rtu_length
from sim.serial_line import LineTiming, Pty

FIFO = 14
"""Bytes that a 16550 collects before it tells; the last piece of a frame comes at once."""
PR_SET_TIMERSLACK = 29
SPIN_S = 0.00008
"""What waking up takes: waited out, so that a slave is as exact as a UART."""
OUTLIVED_S = 0.5
"""A request to a dead slave costs at most this: longer, and the master was doing something else."""


@dataclass(slots=True)
class Tally:
    """What was on the line since the last reset."""

    requests: int = 0
    answered: int = 0
    ideal_s: float = 0.0
    first_s: float = 0.0
    last_s: float = 0.0
    dead_requests: int = 0
    dead_s: float = 0.0
    writes: list[tuple[int, int, int, float]] = field(default_factory=list)
    """Unit, address, first word, and when the acknowledgement had left the line."""


class Memory:
    """Registers of all units: what was written there, else a number made of unit and address."""

    def __init__(self) -> None:
        self._written: dict[tuple[int, int], int] = {}

    def answer(self, unit: int, request: bytes) -> bytes:
        function, address, third = struct.unpack(">BHH", request[:5])
        if function in (3, 4):
            words = [self._word(unit, address + place) for place in range(third)]
            return struct.pack(f">BB{third}H", function, 2 * third, *words)
        if function in (1, 2):
            return bytes([function, (third + 7) // 8]) + bytes((third + 7) // 8)
        values = struct.unpack(f">{third}H", request[6:]) if function == 16 else (third,)
        for place, value in enumerate(values):
            self._written[unit, address + place] = value
        return request[:5]

    def _word(self, unit: int, address: int) -> int:
        return self._written.get((unit, address), word(unit, address))


def word(unit: int, address: int) -> int:
    """What a register holds that nobody wrote to."""
    return (unit * 251 + address * 7) & 0xFFFF


class SerialSlave:
    def __init__(self, settings: Mapping[str, object]) -> None:
        line = SerialLine(int(str(settings["baud"])), "N", 1)
        self.pty = Pty(line)
        self._timing = LineTiming(line)
        self._throttled = bool(settings["throttled"])
        low_s, high_s = float(str(settings["turnaround_low_s"])), float(str(settings["turnaround_high_s"]))
        self._turnaround_s = (low_s, high_s)
        self._rng = random.Random(int(str(settings["seed"])))
        self._memory = Memory()
        self._dead: frozenset[int] = frozenset()
        self._asked_dead_s: float | None = None
        self._orders = os.fdopen(0, "rb", buffering=0, closefd=False)
        self.tally = Tally()

    def run(self) -> None:
        os.set_blocking(self.pty.master, False)
        poller = select.poll()
        poller.register(self.pty.master, select.POLLIN)
        poller.register(0, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self.pty.master in ready:
                self._hear(time.monotonic())
            if 0 in ready and not self._command(self._orders.readline()):
                return

    def _command(self, text: bytes) -> bool:
        if not text:
            return False
        order = json.loads(text)
        if "dead" in order:
            self._dead = frozenset(order["dead"])
        if "reset" in order:
            self.tally, self._timing.violations, self._asked_dead_s = Tally(), 0, None
        if "report" in order:
            _say({"violations": self._timing.violations, "tally": asdict(self.tally)})
        return True

    def _hear(self, now_s: float) -> None:
        data = self._read()
        if not data or (self._throttled and not self._timing.begins(now_s)):
            return
        length = rtu_length(data)
        if length != len(data) or crc(data[:-2]) != data[-2:]:
            return
        if not self._throttled:
            self.pty.write(self._framed(data))
            self.tally.answered += 1
            return
        self._count(now_s, data[0])
        end_s = self._timing.takes(now_s, len(data))
        if data[0] not in self._dead:
            self._answer(data, end_s)

    def _count(self, now_s: float, unit: int) -> None:
        """Time spent on the dead: from each request to one of them to the next request."""
        tally = self.tally
        if self._asked_dead_s is not None:
            tally.dead_s += min(now_s - self._asked_dead_s, OUTLIVED_S)
        self._asked_dead_s = now_s if unit in self._dead else None
        tally.requests += 1
        tally.dead_requests += unit in self._dead
        tally.first_s = tally.first_s or now_s

    def _answer(self, request: bytes, end_s: float) -> None:
        turnaround_s = self._rng.uniform(*self._turnaround_s)
        frame = self._framed(request)
        now_s = begin_s = end_s + turnaround_s
        for start in range(0, len(frame), FIFO):
            part = frame[start : start + FIFO]
            _sleep_until(begin_s + (start + len(part)) * self._timing.char_s)
            if self._interrupted():
                return
            now_s = time.monotonic()  # before the write, which may wake the master on this very core
            self.pty.write(part)
        self._timing.ended(now_s)
        tally = self.tally
        tally.answered += 1
        tally.last_s = now_s
        tally.ideal_s += (len(request) + len(frame)) * self._timing.char_s + turnaround_s + self._timing.gap_s
        if request[1] in (5, 6, 16):
            at = 7 if request[1] == 16 else 4
            address, value = struct.unpack(">H", request[2:4])[0], struct.unpack(">H", request[at : at + 2])[0]
            tally.writes.append((request[0], address, value, now_s))

    def _framed(self, request: bytes) -> bytes:
        body = request[:1] + self._memory.answer(request[0], request[1:-2])
        return body + crc(body)

    def _interrupted(self) -> bool:
        """Whether the master speaks while a slave does: both are lost."""
        if not self._read():
            return False
        self._timing.violations += 1
        return True

    def _read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.pty.master, 4096)
        return b""


def _sleep_until(until_s: float) -> None:
    wait_s = until_s - time.monotonic() - SPIN_S
    if wait_s > 0:
        time.sleep(wait_s)
    while time.monotonic() < until_s:
        pass


def _say(message: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def be_hardware() -> None:
    """As punctual as may be: a slave is not slowed down by what else its master's computer does."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def main() -> None:
    be_hardware()
    slave = SerialSlave(json.loads(sys.argv[1]))
    _say({"port": slave.pty.path})
    slave.run()


if __name__ == "__main__":
    main()
