"""Fields of charging profiles that both versions spell alike."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast

from controller.charging.charging_profiles import Period, RateUnit, Schedule
from controller.charging.rates import Rate
from controller.csms.requests import RefusalError
from controller.csms.rpc import Fault, Payload
from controller.csms.wire import time_of

MOST = 10**10
"""No rate is believed beyond it, whatever its unit."""


def moment(fields: Payload, name: str) -> datetime | None:
    """None: the field is not there.

    Raises:
        RefusalError: it is no time.
    """
    if name not in fields:
        return None
    at = time_of(fields[name])
    if at is None:
        raise RefusalError(Fault.PROPERTY, f"{name} is no time")
    return at


def milli(value: object) -> int:
    """Thousandths of a number, rounded down.

    Raises:
        RefusalError: it is none, or beyond reason.
    """
    number = Decimal(repr(value))
    if not number.is_finite() or abs(number) > MOST:
        raise RefusalError(Fault.PROPERTY, "a rate is no number, or out of range")
    return int((number * 1000).to_integral_value("ROUND_FLOOR"))


def schedule(fields: Payload) -> Schedule:
    periods = cast(list[Payload], fields["chargingSchedulePeriod"])
    rate = fields.get("minChargingRate")
    return Schedule(
        unit=RateUnit(fields["chargingRateUnit"]),
        periods=tuple(_period(one) for one in periods),
        start=moment(fields, "startSchedule"),
        duration_s=cast(int | None, fields.get("duration")),
        min_rate_milli=None if rate is None else milli(rate),
        id=cast(int, fields.get("id", 0)),
    )


def _period(fields: Payload) -> Period:
    return Period(
        start_s=cast(int, fields["startPeriod"]),
        limit_milli=milli(fields["limit"]),
        phases=cast(int | None, fields.get("numberPhases")),
        phase_to_use=cast(int | None, fields.get("phaseToUse")),
    )


def unit_of(fields: Payload) -> RateUnit | None:
    told = fields.get("chargingRateUnit")
    return None if told is None else RateUnit(told)


def rate(limit_milli: int) -> float:
    """A JSON number; with one decimal it is the same in every reader."""
    return limit_milli / 1000


def rates(several: tuple[Rate, ...]) -> list[Mapping[str, object]]:
    return [
        {"startPeriod": one.start_s, "limit": rate(one.limit_milli), "numberPhases": one.phases} for one in several
    ]
