"""A moment, as a record keeps it (R26)."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Instant:
    """When something happened, with enough to derive UTC later.

    `boot` identifies the machine's boot, `mono_s` counts within it (it goes on across restarts of the process).
    `wall` is aware UTC as believed at that moment; `trusted` says whether a CSMS or NTP had confirmed it.
    """

    boot: str
    mono_s: float
    wall: datetime
    trusted: bool

    def later(self, seconds: float) -> "Instant":
        return Instant(self.boot, self.mono_s + seconds, self.wall + timedelta(seconds=seconds), self.trusted)

    def seconds_since(self, earlier: "Instant") -> float:
        """Elapsed seconds; by the wall clock, and never negative, where the machine has rebooted between."""
        if self.boot == earlier.boot:
            return self.mono_s - earlier.mono_s
        return max(0.0, (self.wall - earlier.wall).total_seconds())

    def proven_seconds_since(self, earlier: "Instant") -> float | None:
        """Elapsed seconds; None where the machine has rebooted between and a wall clock was not trusted."""
        if self.boot != earlier.boot and not (self.trusted and earlier.trusted):
            return None
        return self.seconds_since(earlier)

    def to_row(self) -> dict[str, object]:
        return {
            "boot": self.boot,
            "mono_s": self.mono_s,
            "wall": self.wall.isoformat(),
            "trusted": self.trusted,
        }

    @classmethod
    def from_row(cls, row: dict[str, object]) -> "Instant":
        """The moment that `to_row` wrote.

        Raises:
            KeyError: a field is missing.
            ValueError: a field is of another type, not finite, without a zone, or outside the calendar.
        """
        boot, mono_s, trusted = row["boot"], row["mono_s"], row["trusted"]
        if not (isinstance(boot, str) and type(mono_s) in {float, int} and isinstance(trusted, bool)):
            raise ValueError(f"no moment: {row!r}")
        seconds = float(str(mono_s))
        wall = datetime.fromisoformat(str(row["wall"]))
        if wall.tzinfo is None or not math.isfinite(seconds):
            raise ValueError(f"no moment: {row!r}")
        try:
            return cls(boot, seconds, wall.astimezone(UTC), trusted)
        except OverflowError as error:
            raise ValueError(f"no moment: {row!r}") from error


@dataclass(frozen=True, slots=True)
class Sync:
    """Proof of the time of one boot: at `mono_s` a trusted source said `wall`."""

    boot: str
    mono_s: float
    wall: datetime


def wire_utc(at: Instant, sync: Sync | None) -> datetime:
    """UTC of `at` for the wire: as recorded if it was trusted, else derived from the sync of its own boot.

    Without a sync of that boot the recorded wall time is the best that is known.
    """
    if at.trusted or sync is None or sync.boot != at.boot:
        return at.wall
    return sync.wall + timedelta(seconds=at.mono_s - sync.mono_s)
