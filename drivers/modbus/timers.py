"""Timers of a wire: an exact one for the silence between frames, a cheap one for limits that are mostly met."""

import asyncio
import ctypes
import math
import os
import time
from collections.abc import Callable
from typing import Protocol

CLOCK_MONOTONIC = 1
CLOEXEC, NONBLOCK = os.O_CLOEXEC, os.O_NONBLOCK
ABSOLUTE = 1
LONGEST_SPIN_S = 0.0002
LATER_S, EARLIER_S = 0.000004, 0.000002
"""Steps by which the time that waking up takes is learned: it settles where one ring of three is too late."""

Then = Callable[[], None]


class Alarm(Protocol):
    """Calls once, at a time of the loop's clock and never before it. Setting it anew replaces what was set."""

    def at(self, when_s: float, then: Then) -> None: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Times(ctypes.Structure):
    _fields_ = [("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2)]


class TimerFd:
    """The kernel's timer as a file descriptor (`os.timerfd_create` came with Python 3.13).

    The loop's own timers are rounded up to a whole millisecond, which is half a gap at 19200 baud. This one rings
    as much earlier as waking up was seen to take, and the rest, some tens of microseconds, is waited out.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, CLOEXEC | NONBLOCK)
        if self._fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._times = Times()
        self._reference = ctypes.byref(self._times)
        self._then: Then | None = None
        self._when_s = 0.0
        self._early_s = 0.0
        asyncio.get_running_loop().add_reader(self._fd, self._ring)

    def at(self, when_s: float, then: Then) -> None:
        self._then, self._when_s = then, when_s
        self._set(max(when_s - self._early_s, 1e-9))

    def cancel(self) -> None:
        if self._then is not None:
            self._then = None
            self._set(0.0)

    def close(self) -> None:
        self._then = None
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _set(self, when_s: float) -> None:
        """0: never."""
        seconds = int(when_s)
        self._times.value[0], self._times.value[1] = seconds, int((when_s - seconds) * 1e9)
        self._libc.timerfd_settime(self._fd, ABSOLUTE, self._reference, None)

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # set anew since the loop saw it
            return
        then, self._then = self._then, None
        if then is None:
            return
        if time.monotonic() > self._when_s:
            self._early_s = min(LONGEST_SPIN_S, self._early_s + LATER_S)
        else:
            self._early_s = max(0.0, self._early_s - EARLIER_S)
            while time.monotonic() < self._when_s:
                pass
        then()


class Deadline:
    """A limit that is set with each request and nearly always lifted before it passes.

    The loop's timer stays where it is when the limit moves back: it is only looked at when it rings.
    """

    def __init__(self, passed: Then) -> None:
        self._passed = passed
        self._limit_s = math.inf
        self._rings_s = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def at(self, limit_s: float) -> None:
        self._limit_s = limit_s
        if self._rings_s <= limit_s:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._set(limit_s)

    def lift(self) -> None:
        self._limit_s = math.inf

    def close(self) -> None:
        self._limit_s = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._forget()

    def _set(self, rings_s: float) -> None:
        self._rings_s = rings_s
        self._handle = asyncio.get_running_loop().call_at(rings_s, self._ring)

    def _forget(self) -> None:
        self._handle, self._rings_s = None, math.inf

    def _ring(self) -> None:
        self._forget()
        if self._limit_s == math.inf:
            return
        if asyncio.get_running_loop().time() < self._limit_s:
            self._set(self._limit_s)
            return
        self._limit_s = math.inf
        self._passed()
