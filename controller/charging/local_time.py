"""Local time as people write it into rules: parts of the week, and the next time that a clock shows an hour."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

DAY_MIN = 24 * 60
WEEK_MIN = 7 * DAY_MIN
DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
EVERY_DAY = frozenset(range(len(DAYS)))
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def clock_minutes(text: str) -> int:
    """Minutes after midnight of "07:30"; "24:00" is the end of a day.

    Raises:
        ValueError: it is no time of day.
    """
    if text == "24:00":
        return DAY_MIN
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day such as 07:30")
    return int(found[1]) * 60 + int(found[2])


def clock_text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the week, by what the clock on the wall shows; `days` count from 0, Monday.

    One whose end is not after its begin goes over midnight, and belongs to the day on which it begins. An hour that
    the clock shows twice in autumn is in it twice; one that is left out in spring is in no window.
    """

    days: frozenset[int] = EVERY_DAY
    from_min: int = 0
    to_min: int = DAY_MIN

    def holds(self, local: datetime) -> bool:
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.from_min < self.to_min:
            return today in self.days and self.from_min <= minute < self.to_min
        if minute >= self.from_min:
            return today in self.days
        return minute < self.to_min and (today - 1) % 7 in self.days

    def week(self) -> int:
        """Its minutes of the week as bits, for comparing windows with each other."""
        length = (self.to_min - self.from_min) % DAY_MIN or DAY_MIN
        span = (1 << length) - 1
        bits = 0
        for day in self.days:
            bits |= span << (day * DAY_MIN + self.from_min)
        return bits & WHOLE_WEEK | bits >> WEEK_MIN


WHOLE_WEEK = (1 << WEEK_MIN) - 1


def next_at(by_min: int, *, after: datetime, zone: tzinfo) -> datetime:
    """The first moment after `after` (aware) at which the clock shows `by_min`, in UTC.

    On the day on which the clock leaves that time out it is when the clock would have shown it without the change,
    by summer or by winter time: the earlier if it is still to come.
    """
    midnight = after.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return min(moment for moment in _occurrences(midnight, by_min, zone) if moment > after)


def _occurrences(midnight: datetime, by_min: int, zone: tzinfo) -> Iterable[datetime]:
    for days in range(3):
        clock = midnight + timedelta(days=days, minutes=by_min)
        for fold in (0, 1):
            yield clock.replace(tzinfo=zone, fold=fold).astimezone(UTC)
