"""Which charging profiles hold at a moment, and until when: the composite schedule of an EVSE (K08).

Of each purpose the highest stack level counts that says something at that time; a TxProfile stands in for the
defaults; what is left is for the caller to take the lowest of. Times are milliseconds from now, whole numbers, so
that no boundary is ever missed by a rounding.

A profile whose place in time is not known (no trusted clock, or a transaction from before a reboot) counts with all
its values, of which the lowest binds, and does not keep a lower level from counting too.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from controller.charging.charging_profiles import (
    STATION,
    ChargingProfile,
    Period,
    ProfileKind,
    Purpose,
    RateUnit,
)
from controller.charging.profile_book import Installed

FOREVER = math.inf


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the place of a profile in time depends on.

    `wall_ms` is UTC since 1970, None while no clock is trusted. `transaction` is the running one, `start` names the
    start of the present session; `elapsed_ms` since the transaction began, 0 as if one began now (K08.FR.06), None:
    nobody can tell.
    """

    wall_ms: int | None
    transaction: str | None = None
    start: str = ""
    elapsed_ms: int | None = 0


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A value in force. `limit_milli`: mA on each phase, or mW on all `phases` together (None: not said)."""

    purpose: Purpose
    unit: RateUnit
    limit_milli: int
    phases: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """What holds from `start_ms` on: the ceilings of the EVSE itself, and those that its station shares."""

    start_ms: int
    own: tuple[Ceiling, ...]
    shared: tuple[Ceiling, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """What holds at a moment, until `until_ms`.

    `sure`: a value that holds without doubt is among the ceilings. `doubt`: so is one that may not hold.
    """

    ceilings: tuple[Ceiling, ...]
    until_ms: float
    sure: bool = False
    doubt: bool = False

    def also(self, other: "Held") -> "Held":
        return Held(
            (*self.ceilings, *other.ceilings),
            min(self.until_ms, other.until_ms),
            self.sure or other.sure,
            self.doubt or other.doubt,
        )


NOTHING = Held((), FOREVER)


def held(installed: Iterable[Installed], evse: str, now: Circumstances, at_ms: int = 0) -> Held:
    """What the TxProfiles of an EVSE, or else its defaults, say at `at_ms`."""
    profiles = tuple(installed)
    own = _prevailing(_of_session(profiles, evse, now), now, at_ms)
    return own if own.sure else own.also(_prevailing(_defaults(profiles, evse), now, at_ms))


def held_by_station(installed: Iterable[Installed], now: Circumstances, at_ms: int = 0) -> Held:
    """What the station's own profiles say at `at_ms`: for all its EVSEs together."""
    station = [one for one in installed if one.profile.purpose is Purpose.STATION_MAX]
    return _prevailing(station, now, at_ms)


def composite(
    installed: Iterable[Installed], evse: str, now: Circumstances, *, until_ms: int, most: int
) -> tuple[Span, ...] | None:
    """All that holds from now to `until_ms`; None: more than `most` boundaries lie between."""
    profiles = tuple(installed)
    spans: list[Span] = []
    at_ms: float = 0
    while at_ms < until_ms:
        if most <= 0:
            return None
        most -= 1
        own = held(profiles, evse, now, int(at_ms))
        shared = held_by_station(profiles, now, int(at_ms))
        if not spans or (spans[-1].own, spans[-1].shared) != (own.ceilings, shared.ceilings):
            spans.append(Span(int(at_ms), own.ceilings, shared.ceilings))
        at_ms = min(own.until_ms, shared.until_ms)
    return tuple(spans)


def milliseconds(at: datetime) -> int:
    """Since 1970, in whole numbers all the way."""
    whole = at.replace(microsecond=0)
    return int(whole.timestamp()) * 1000 + at.microsecond // 1000


def _of_session(installed: Iterable[Installed], evse: str, now: Circumstances) -> Iterator[Installed]:
    for one in installed:
        if one.profile.purpose is not Purpose.TX or one.evse != evse:
            continue
        if one.start == now.start if one.start else one.profile.transaction == now.transaction:
            yield one


def _defaults(installed: Iterable[Installed], evse: str) -> Iterator[Installed]:
    for one in installed:
        if one.profile.purpose is Purpose.TX_DEFAULT and one.evse in {evse, STATION}:
            yield one


def _prevailing(installed: Iterable[Installed], now: Circumstances, at_ms: int) -> Held:
    """From the highest level down; on one level an EVSE's own before the station's, and later before earlier."""
    newest_first = reversed(tuple(installed))
    result = NOTHING
    for one in sorted(newest_first, key=lambda one: (-one.profile.stack_level, one.evse == STATION)):
        result = result.also(_reading(one.profile, now, at_ms))
        if result.sure:
            break
    return result


def _placed(profile: ChargingProfile, now: Circumstances) -> bool:
    """Whether its place in time is known."""
    dated = profile.kind is not ProfileKind.RELATIVE or profile.valid_from or profile.valid_to
    if dated and now.wall_ms is None:
        return False
    return profile.kind is not ProfileKind.RELATIVE or now.elapsed_ms is not None


def _reading(profile: ChargingProfile, now: Circumstances, at_ms: int) -> Held:
    """What one profile says."""
    if not _placed(profile, now):
        values = dict.fromkeys(_ceiling(profile, period) for period in profile.schedule.executed)
        return Held(tuple(values), FOREVER, doubt=True)
    opens_ms, closes_ms = _validity(profile, now)
    if at_ms < opens_ms:
        return Held((), opens_ms)
    if at_ms >= closes_ms:
        return NOTHING
    said = _schedule_reading(profile, now, at_ms)
    return replace(said, until_ms=min(said.until_ms, closes_ms))


def _validity(profile: ChargingProfile, now: Circumstances) -> tuple[float, float]:
    """K01.FR.36, 37."""
    wall_ms = now.wall_ms or 0  # only where a date is given, and then it is known
    opens_ms = -FOREVER if profile.valid_from is None else milliseconds(profile.valid_from) - wall_ms
    closes_ms = FOREVER if profile.valid_to is None else milliseconds(profile.valid_to) - wall_ms
    return opens_ms, closes_ms


def _schedule_reading(profile: ChargingProfile, now: Circumstances, at_ms: int) -> Held:
    origin_ms = _origin_ms(profile, now)
    if at_ms < origin_ms:
        return Held((), origin_ms)
    again_ms = FOREVER
    if profile.kind is ProfileKind.RECURRING and profile.recurrence is not None:
        every_ms = profile.recurrence.period_ms
        origin_ms += (at_ms - origin_ms) // every_ms * every_ms
        again_ms = origin_ms + every_ms
    return _period_reading(profile, origin_ms, again_ms, at_ms)


def _origin_ms(profile: ChargingProfile, now: Circumstances) -> int:
    """When its schedule begins, or a recurring one began first."""
    if profile.schedule.start is None:
        return -(now.elapsed_ms or 0)
    return milliseconds(profile.schedule.start) - (now.wall_ms or 0)


def _period_reading(profile: ChargingProfile, origin_ms: int, again_ms: float, at_ms: int) -> Held:
    """K01.FR.11 to 13: a period lasts until the next one, the duration, or the recurrence ends it."""
    schedule = profile.schedule
    ends_ms = again_ms if schedule.duration_s is None else min(again_ms, origin_ms + schedule.duration_s * 1000)
    if at_ms >= ends_ms:
        return Held((), again_ms)
    place = bisect_right(schedule.periods, at_ms - origin_ms, key=lambda one: one.start_s * 1000)
    following = schedule.periods[place : place + 1]
    until_ms = min([ends_ms, *(origin_ms + one.start_s * 1000 for one in following)])
    return Held((_ceiling(profile, schedule.periods[place - 1]),), until_ms, sure=True)


def _ceiling(profile: ChargingProfile, period: Period) -> Ceiling:
    return Ceiling(profile.purpose, profile.schedule.unit, period.limit_milli, period.phases)
