"""Charging profiles in OCPP 2.0.1 (block K)."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import cast

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
from controller.charging.commands import Outcome, Result
from controller.charging.profile_book import Criteria, Installed
from controller.csms.dialect import Message
from controller.csms.limits import ExternalLimit
from controller.csms.rates import moment, rate, rates, schedule, unit_of
from controller.csms.requests import ClearProfiles, Composite, Ids, InstallProfile, Request, SendProfiles, Told
from controller.csms.rpc import Payload
from controller.csms.wire import timestamp

SOURCE = "CSO"
"""Who limits, where a CSMS has set the profile."""
PER_REPORT = 4
"""Profiles in one message: each can have hundreds of periods."""


def profile_of(fields: Payload) -> ChargingProfile | None:
    """None: several schedules, of which only ISO 15118 could choose (K01.FR.34).

    Raises:
        RefusalError: a field makes no sense.
    """
    schedules = cast(list[Payload], fields["chargingSchedule"])
    if len(schedules) != 1:
        return None
    recurrence = fields.get("recurrencyKind")
    return ChargingProfile(
        id=cast(int, fields["id"]),
        stack_level=cast(int, fields["stackLevel"]),
        purpose=Purpose(fields["chargingProfilePurpose"]),
        kind=ProfileKind(fields["chargingProfileKind"]),
        schedule=schedule(schedules[0]),
        recurrence=None if recurrence is None else Recurrence(recurrence),
        valid_from=moment(fields, "validFrom"),
        valid_to=moment(fields, "validTo"),
        transaction=cast(str | None, fields.get("transactionId")),
    )


def status(value: str, reason: str = "", text: str = "") -> Payload:
    """`reason` empty: there is nothing to add."""
    if not reason:
        return {"status": value}
    info = {"reasonCode": reason} | ({"additionalInfo": text[:512]} if text else {})
    return {"status": value, "statusInfo": info}


def set_profile(payload: Payload, ids: Ids) -> Request:
    evse = _place(payload["evseId"], ids)
    profile = profile_of(cast(Payload, payload["chargingProfile"]))
    if evse is None:
        return Told(status("Rejected", "UnknownEvse"))
    if profile is None:
        return Told(status("Rejected", "InvalidProfile", "one chargingSchedule is expected"))
    return InstallProfile(evse, profile, _accepted)


def clear_profile(payload: Payload, ids: Ids) -> Request:
    """An id alone says it all (K10.FR.03); external constraints are never among them (FR.08, 09)."""
    if "chargingProfileId" in payload:
        return ClearProfiles(Criteria(ids=(cast(int, payload["chargingProfileId"]),)), _cleared)
    fields = cast(Payload, payload.get("chargingProfileCriteria") or {})
    criteria = _criteria(fields, fields, ids)
    return Told(status("Unknown")) if criteria is None else ClearProfiles(criteria, _cleared)


def get_profiles(payload: Payload, ids: Ids) -> Request:
    """What the CSMS has set, and what limits from elsewhere amount to (K11.FR.06)."""
    fields, request_id = cast(Payload, payload["chargingProfile"]), cast(int, payload["requestId"])
    sources = cast(list[str] | None, fields.get("chargingLimitSource"))
    criteria = _criteria(fields, payload, ids)

    def reports(found: Sequence[Installed], external: Sequence[ExternalLimit]) -> Sequence[Payload]:
        told = _reports(found, ids, SOURCE)
        for limit in external:
            made = _constraint(limit, ids)
            if criteria and criteria.fit(made) and (sources is None or limit.source.value in sources):
                told += _reports([made], ids, limit.source.value)
        last = len(told) - 1
        return [{"requestId": request_id, **one, "tbc": place < last} for place, one in enumerate(told)]

    ours = sources is None or SOURCE in sources
    return SendProfiles(criteria if ours else None, _found, reports)


def composite(payload: Payload, ids: Ids) -> Request:
    number = cast(int, payload["evseId"])
    evse = _place(number, ids)
    if evse is None:
        return Told(status("Rejected", "UnknownEvse"))
    duration_s = cast(int, payload["duration"])
    return Composite(evse, duration_s, unit_of(payload), lambda outcome: _scheduled(number, outcome))


def external_limit(limit: ExternalLimit, with_schedule: bool) -> Message:
    """K11.FR.02 and 03, K13; never from the CSO (K11.FR.05)."""
    place: dict[str, object] = {} if limit.evse is None else {"evseId": limit.evse}
    if limit.released:
        return Message("ClearedChargingLimit", {"chargingLimitSource": limit.source.value, **place})
    told: dict[str, object] = {"chargingLimit": {"chargingLimitSource": limit.source.value}}
    if with_schedule:
        unit = RateUnit.WATT if limit.value_ma is None else RateUnit.AMPERE
        value = limit.value if unit is RateUnit.WATT else rate(limit.value)
        period = {"startPeriod": 0, "limit": value}
        told["chargingSchedule"] = [{"id": 1, "chargingRateUnit": unit.value, "chargingSchedulePeriod": [period]}]
    return Message("NotifyChargingLimit", told | place)


def _place(number: object, ids: Ids) -> str | None:
    return STATION if number == 0 else ids.evse(number)


def _criteria(fields: Payload, placed: Payload, ids: Ids) -> Criteria | None:
    """None: an EVSE is named that is not there."""
    evse = _place(placed["evseId"], ids) if "evseId" in placed else None
    if evse is None and "evseId" in placed:
        return None
    purpose, numbers = fields.get("chargingProfilePurpose"), cast(list[int] | None, fields.get("chargingProfileId"))
    return Criteria(
        ids=None if numbers is None else tuple(numbers),
        evse=evse,
        purpose=None if purpose is None else Purpose(purpose),
        stack_level=cast(int | None, fields.get("stackLevel")),
    )


def _accepted(outcome: Outcome) -> Payload:
    if outcome.result is Result.DONE:
        return status("Accepted")
    return status("Rejected", outcome.reason or "InternalError", outcome.text)


def _cleared(outcome: Outcome) -> Payload:
    return status("Accepted" if outcome.result is Result.DONE else "Unknown")


def _found(anything: bool) -> Payload:
    return status("Accepted" if anything else "NoProfiles")


def _scheduled(number: int, outcome: Outcome) -> Payload:
    told = outcome.schedule
    if told is None:
        return status("Rejected", outcome.reason or "InternalError", outcome.text)
    return {
        "status": "Accepted",
        "schedule": {
            "evseId": number,
            "duration": told.duration_s,
            "scheduleStart": timestamp(told.start),
            "chargingRateUnit": told.unit.value,
            "chargingSchedulePeriod": rates(told.rates),
        },
    }


def _reports(found: Sequence[Installed], ids: Ids, source: str) -> list[dict[str, object]]:
    """Each about one EVSE (K09.FR.02)."""
    numbered = [(0 if one.evse == STATION else ids.number(one.evse), one) for one in found]
    placed = sorted(((number, one) for number, one in numbered if number is not None), key=lambda pair: pair[0])
    parts: list[tuple[int, list[Payload]]] = []
    for number, pairs in groupby(placed, key=lambda pair: pair[0]):
        told = [_profile(one.profile) for _, one in pairs]
        parts += [(number, told[first : first + PER_REPORT]) for first in range(0, len(told), PER_REPORT)]
    return [{"chargingLimitSource": source, "evseId": number, "chargingProfile": told} for number, told in parts]


def _constraint(limit: ExternalLimit, ids: Ids) -> Installed:
    watts = limit.value_ma is None
    period = Period(0, limit.value * 1000 if watts else limit.value)
    told = Schedule(RateUnit.WATT if watts else RateUnit.AMPERE, (period,), id=1)
    profile = ChargingProfile(limit.number, 0, Purpose.EXTERNAL, ProfileKind.RELATIVE, told)
    return Installed(STATION if limit.evse is None else ids.evses[limit.evse - 1], profile)


def _profile(profile: ChargingProfile) -> Payload:
    optional = {
        "recurrencyKind": profile.recurrence.value if profile.recurrence else None,
        "validFrom": timestamp(profile.valid_from) if profile.valid_from else None,
        "validTo": timestamp(profile.valid_to) if profile.valid_to else None,
        "transactionId": profile.transaction,
    }
    return {
        "id": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose.value,
        "chargingProfileKind": profile.kind.value,
        "chargingSchedule": [_schedule(profile.schedule)],
    } | _given(optional)


def _schedule(told: Schedule) -> Payload:
    optional = {
        "startSchedule": timestamp(told.start) if told.start else None,
        "duration": told.duration_s,
        "minChargingRate": None if told.min_rate_milli is None else rate(told.min_rate_milli),
    }
    return {
        "id": told.id,
        "chargingRateUnit": told.unit.value,
        "chargingSchedulePeriod": [_period(one) for one in told.periods],
    } | _given(optional)


def _period(one: Period) -> Payload:
    told = {"startPeriod": one.start_s, "limit": rate(one.limit_milli)}
    return told | _given({"numberPhases": one.phases, "phaseToUse": one.phase_to_use})


def _given(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
