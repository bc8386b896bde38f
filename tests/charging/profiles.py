"""Charging profiles for tests: times are seconds from NOON, limits amperes or watts."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.charging.charging_profiles import (
    STATION,
    ChargingProfile,
    Period,
    ProfileKind,
    Purpose,
    RateUnit,
    Recurrence,
    Schedule,
)
from controller.charging.composite import Circumstances, Span, composite, milliseconds
from controller.charging.profile_book import Installed

Told = tuple[int, float] | tuple[int, float, int] | tuple[int, float, int, int]
"""A period: start, limit, and perhaps the number of phases and the one to use."""
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
"""A Monday."""


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def schedule(*periods: Told, **changes: Any) -> Schedule:
    unit = changes.pop("unit", RateUnit.AMPERE)
    made = tuple(Period(start, round(limit * 1000), *rest) for start, limit, *rest in periods)
    return Schedule(unit, made, **changes)


def profile(number: int, purpose: Purpose, *periods: Told, **changes: Any) -> ChargingProfile:
    """Absolute from `start` (seconds from NOON, default 0); `start` None: relative."""
    start, level = changes.pop("start", 0), changes.pop("level", 0)
    told = {name: changes.pop(name) for name in ("unit", "duration_s", "min_rate_milli", "id") if name in changes}
    made = schedule(*periods, start=None if start is None else at(start), **told)
    kind = ProfileKind.RELATIVE if start is None else ProfileKind.ABSOLUTE
    if changes.get("recurrence") is not None:
        kind = ProfileKind.RECURRING
    for name in ("valid_from", "valid_to"):
        if name in changes:
            changes[name] = at(changes[name])
    return ChargingProfile(number, level, purpose, kind, made, **changes)


def default(number: int, *periods: Told, **changes: Any) -> Installed:
    evse = changes.pop("evse", STATION)
    return Installed(evse, profile(number, Purpose.TX_DEFAULT, *periods, **changes))


def station(number: int, *periods: Told, **changes: Any) -> Installed:
    return Installed(STATION, profile(number, Purpose.STATION_MAX, *periods, **changes))


def of_transaction(number: int, *periods: Told, **changes: Any) -> Installed:
    changes = {"transaction": "t-1", "start": None} | changes
    return Installed("A1", profile(number, Purpose.TX, *periods, **changes))


def now(seconds: float = 0, **changes: Any) -> Circumstances:
    return Circumstances(milliseconds(at(seconds)), **changes)


def spans(
    installed: Iterable[Installed], when: Circumstances, duration_s: int, evse: str = "A1"
) -> tuple[Span, ...]:
    found = composite(installed, evse, when, until_ms=duration_s * 1000, most=100_000)
    assert found is not None
    return found


DAILY, WEEKLY = Recurrence.DAILY, Recurrence.WEEKLY
