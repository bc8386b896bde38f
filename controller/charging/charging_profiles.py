"""Charging profiles as a CSMS sets them, free of any OCPP version, and which of them make sense (K01).

A profile says how much may be drawn over time. Its purpose says for whom: the station, each transaction, or one.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

MAX_STACK_LEVEL = 9
MAX_PERIODS = 300
MAX_INSTALLED = 200
"""Per station."""
MAX_LIMIT_MILLI = 10**12
PHASES = (1, 2, 3)
STATION = ""
"""In place of an EVSE: the station itself, which is EVSE or connector 0 in OCPP."""


class Purpose(enum.Enum):
    """In the spelling of OCPP 2.x ChargingProfilePurposeEnumType."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class ProfileKind(enum.Enum):
    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Recurrence(enum.Enum):
    """Each 24 hours or seven days from the schedule's start (1.6 errata 3.79); no daylight saving."""

    DAILY = "Daily"
    WEEKLY = "Weekly"

    @property
    def period_ms(self) -> int:
        return 86_400_000 * (1 if self is Recurrence.DAILY else 7)


class RateUnit(enum.Enum):
    AMPERE = "A"
    WATT = "W"


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` of the schedule to the next one. `limit_milli`: mA on each phase, or mW on all together.

    `phases` and `phase_to_use` as they were given.
    """

    start_s: int
    limit_milli: int
    phases: int | None = None
    phase_to_use: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Without `duration_s` its last period goes on. `id` is the CSMS' own (2.x). `min_rate_milli` is only kept."""

    unit: RateUnit
    periods: tuple[Period, ...]
    start: datetime | None = None
    duration_s: int | None = None
    min_rate_milli: int | None = None
    id: int = 0

    @property
    def executed(self) -> Iterator[Period]:
        """Without those that begin past the duration (K01.FR.11)."""
        return (one for one in self.periods if self.duration_s is None or one.start_s < self.duration_s)


@dataclass(frozen=True, slots=True)
class ChargingProfile:
    """`transaction` is our key of the one that a TxProfile is for; times are aware UTC."""

    id: int
    stack_level: int
    purpose: Purpose
    kind: ProfileKind
    schedule: Schedule
    recurrence: Recurrence | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What differs between versions of OCPP.

    `replaces_level`: a profile takes the place of the one with its purpose, level and EVSE; otherwise only of that
    with its id, and a clash is refused (K01.FR.06, 39, 52, 53). `spread_over`: the phases that a power limit counts
    on if it names none (K01.FR.49, 50); None: those of the EVSE (1.6 errata 3.34). `names_transaction`: a TxProfile
    must (K01.FR.03). `dates_station`: a relative limit of the station begins when it is set (2.x: is refused).
    """

    replaces_level: bool
    spread_over: int | None
    names_transaction: bool
    dates_station: bool


OCPP16 = Terms(replaces_level=True, spread_over=None, names_transaction=False, dates_station=True)
OCPP2 = Terms(replaces_level=False, spread_over=3, names_transaction=True, dates_station=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a profile is not taken. `reason` is one of the reason codes of OCPP 2.x."""

    reason: str
    text: str


def fault_of(profile: ChargingProfile) -> Refusal | None:
    """What is wrong with a profile in itself."""
    return next((found for check in _CHECKS for found in check(profile)), None)


def _purpose_faults(profile: ChargingProfile) -> Iterator[Refusal]:
    if profile.purpose is Purpose.EXTERNAL:
        yield Refusal("InvalidProfile", "external constraints are not set by a CSMS (K01.FR.22)")
    if profile.purpose is Purpose.STATION_MAX and profile.kind is ProfileKind.RELATIVE:
        yield Refusal("InvalidProfile", "a limit of the station cannot be relative (K01.FR.38)")
    if profile.purpose is not Purpose.TX and profile.transaction is not None:
        yield Refusal("InvalidProfile", "only a TxProfile may name a transaction")
    if not 0 <= profile.stack_level <= MAX_STACK_LEVEL:
        yield Refusal("InvalidStackLevel", f"stackLevel is not from 0 to {MAX_STACK_LEVEL}")


def _time_faults(profile: ChargingProfile) -> Iterator[Refusal]:
    if profile.valid_from and profile.valid_to and profile.valid_from >= profile.valid_to:
        yield Refusal("InvalidProfile", "validTo is not after validFrom")
    if profile.kind is ProfileKind.RECURRING and profile.recurrence is None:
        yield Refusal("InvalidProfile", "recurrencyKind is missing")
    relative = profile.kind is ProfileKind.RELATIVE
    if relative and profile.schedule.start is not None:
        yield Refusal("InvalidSchedule", "a relative schedule has a startSchedule (K01.FR.41)")
    if not relative and profile.schedule.start is None:
        yield Refusal("InvalidSchedule", "startSchedule is missing (K01.FR.40)")
    if profile.schedule.duration_s is not None and profile.schedule.duration_s <= 0:
        yield Refusal("InvalidSchedule", "duration is not above 0")


def _period_faults(profile: ChargingProfile) -> Iterator[Refusal]:
    periods = profile.schedule.periods
    if not 0 < len(periods) <= MAX_PERIODS:
        yield Refusal("InvalidSchedule", f"the schedule has no period, or more than {MAX_PERIODS}")
    elif periods[0].start_s != 0:
        yield Refusal("InvalidSchedule", "the first startPeriod is not 0 (K01.FR.31)")
    if any(one.start_s >= other.start_s for one, other in pairwise(periods)):
        yield Refusal("InvalidSchedule", "startPeriod does not increase (K01.FR.35)")
    if any(not 0 <= one.limit_milli <= MAX_LIMIT_MILLI for one in periods):
        yield Refusal("InvalidSchedule", "a limit is negative or beyond reason")
    if (profile.schedule.min_rate_milli or 0) < 0:
        yield Refusal("InvalidSchedule", "minChargingRate is negative")


def _phase_faults(profile: ChargingProfile) -> Iterator[Refusal]:
    for one in profile.schedule.periods:
        if one.phases is not None and one.phases not in PHASES:
            yield Refusal("InvalidSchedule", "numberPhases is not 1, 2 or 3")
        if one.phase_to_use is not None and (one.phases != 1 or one.phase_to_use not in PHASES):
            yield Refusal("InvalidSchedule", "phaseToUse needs numberPhases 1 (K01.FR.19)")


_CHECKS = (_purpose_faults, _time_faults, _period_faults, _phase_faults)
