"""The only reader of time: monotonic seconds, boot id, and wall time with its trust (R26).

The system clock is never stepped. Wall time is an offset to the monotonic clock, so that a jump of the system clock
(a wrong RTC, somebody's `date -s`) moves no record.
"""

import ctypes
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from controller.charging.instant import Instant, Sync

BELOW_FLOOR_S = 60.0
"""A source may be this much behind the last known time and is still believed: two clocks never agree quite."""
CEILING = datetime(2200, 1, 1, tzinfo=UTC)
"""No source is believed beyond it; later sums would run out of the calendar."""
KERNEL_EVERY_S = 5.0
"""How often the kernel is asked while nobody else has vouched for the time."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STA_UNSYNC = 0x0040


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` of adjtimex(2); the padding covers the rest on every architecture."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_synchronised() -> bool:
    """Whether NTP or PTP holds the system clock; False also where the kernel cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    timex = _Timex(modes=0)
    answered = adjtimex(ctypes.byref(timex)) >= 0
    return answered and not int(timex.status) & STA_UNSYNC


@cache
def boot_id(path: Path = BOOT_ID) -> str:
    """The kernel's id of this boot; a random one for this process where there is none."""
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return str(uuid.uuid4())


def system_wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where time comes from; a test plants its own."""

    mono: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = system_wall
    boot: Callable[[], str] = boot_id
    synchronised: Callable[[], bool] = kernel_synchronised


class Clock:
    """The time of this process.

    `floor` is the last trusted time that was kept before this start: wall time is never below it. `syncs` are the
    known syncs by boot: one of this boot is trusted again, so that a restarted process does not forget the time.
    """

    def __init__(
        self,
        *,
        floor: datetime | None = None,
        syncs: Mapping[str, Sync] | None = None,
        machine: Machine | None = None,
    ) -> None:
        self._machine = machine or Machine()
        self.boot = self._machine.boot()
        self._floor = datetime.min.replace(tzinfo=UTC) if floor is None else _aware(floor)
        self._anchor = Sync(self.boot, self.mono(), self._machine.wall())
        self.sync: Sync | None = None
        self.source = ""
        """Who vouched for the time last: "kernel", "kept", or what `set_trusted` was told."""
        self._kernel_asked_s = -KERNEL_EVERY_S
        kept = (syncs or {}).get(self.boot)
        if kept is not None:
            self._believe(kept, "kept")
        self._ask_kernel()

    def mono(self) -> float:
        """Seconds on the monotonic clock of this boot; only differences mean anything."""
        return self._machine.mono()

    def now(self) -> Instant:
        if self.sync is None:
            self._ask_kernel()
        mono_s = self.mono()
        return Instant(self.boot, mono_s, self._wall_at(mono_s), self.sync is not None)

    def set_trusted(self, wall: datetime, source: str) -> float:
        """Take the time from a source that is trusted, for instance a CSMS.

        A time more than BELOW_FLOOR_S below the floor, or beyond CEILING, is not believed and changes nothing.

        Returns:
            By how many seconds `wall` differs from the time believed until now; positive: it is later.

        Raises:
            ValueError: `wall` has no time zone, or is outside the calendar in UTC.
        """
        mono_s = self.mono()
        wall = _aware(wall)
        step_s = (wall - self._wall_at(mono_s)).total_seconds()
        self._believe(Sync(self.boot, mono_s, wall), source)
        return step_s

    def _believe(self, sync: Sync, source: str) -> None:
        if sync.wall > CEILING:
            return
        now = sync.wall + timedelta(seconds=self.mono() - sync.mono_s)
        if (self._floor - now).total_seconds() > BELOW_FLOOR_S:
            return
        self._anchor = self.sync = sync
        self.source = source

    def _ask_kernel(self) -> None:
        """NTP may have set the system clock since; below the floor it is no proof, whatever the kernel says."""
        mono_s = self.mono()
        if mono_s - self._kernel_asked_s < KERNEL_EVERY_S:
            return
        self._kernel_asked_s = mono_s
        if self._machine.synchronised():
            self._believe(Sync(self.boot, mono_s, self._machine.wall()), "kernel")

    def _wall_at(self, mono_s: float) -> datetime:
        wall = self._anchor.wall + timedelta(seconds=mono_s - self._anchor.mono_s)
        return max(wall, self._floor)


def _aware(wall: datetime) -> datetime:
    if wall.tzinfo is None:
        raise ValueError(f"a time without a zone: {wall.isoformat()}")
    try:
        return wall.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"no such time in UTC: {wall.isoformat()}") from error
