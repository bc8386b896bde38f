"""Charging profiles in OCPP 1.6 (feature profile SmartCharging)."""

from dataclasses import replace
from typing import cast

from controller.charging.charging_profiles import STATION, ChargingProfile, ProfileKind, Purpose, Recurrence
from controller.charging.commands import Outcome, Result
from controller.charging.profile_book import Criteria
from controller.csms.rates import moment, rates, schedule, unit_of
from controller.csms.requests import ClearProfiles, Composite, Ids, InstallProfile, RefusalError, Request, Told
from controller.csms.rpc import Fault, Payload
from controller.csms.wire import timestamp

_PURPOSES = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}


def profile_of(fields: Payload) -> ChargingProfile:
    """Without a start an absolute schedule is relative to the start of charging (7.13).

    Raises:
        RefusalError: a field makes no sense.
    """
    told = schedule(cast(Payload, fields["chargingSchedule"]))
    kind = ProfileKind(fields["chargingProfileKind"])
    if kind is ProfileKind.ABSOLUTE and told.start is None:
        kind = ProfileKind.RELATIVE
    if kind is ProfileKind.RELATIVE:
        told = replace(told, start=None)
    recurrence = fields.get("recurrencyKind")
    return ChargingProfile(
        id=cast(int, fields["chargingProfileId"]),
        stack_level=cast(int, fields["stackLevel"]),
        purpose=_PURPOSES[cast(str, fields["chargingProfilePurpose"])],
        kind=kind,
        schedule=told,
        recurrence=None if recurrence is None else Recurrence(recurrence),
        valid_from=moment(fields, "validFrom"),
        valid_to=moment(fields, "validTo"),
    )


def set_profile(payload: Payload, ids: Ids) -> Request:
    evse = _place(payload["connectorId"], ids)
    if evse is None:
        raise RefusalError(Fault.PROPERTY, "there is no such connector")  # errata 3.39
    fields = cast(Payload, payload["csChargingProfiles"])
    profile = profile_of(fields)
    named = fields.get("transactionId") if profile.purpose is Purpose.TX else None
    return InstallProfile(evse, profile, _accepted, None if named is None else str(named))


def clear_profile(payload: Payload, ids: Ids) -> Request:
    """Errata 3.25 and 3.26: an id alone says it all; nothing given clears all."""
    if "id" in payload:
        return ClearProfiles(Criteria(ids=(cast(int, payload["id"]),)), _cleared)
    evse = _place(payload["connectorId"], ids) if "connectorId" in payload else None
    if evse is None and "connectorId" in payload:
        return Told({"status": "Unknown"})
    purpose = payload.get("chargingProfilePurpose")
    criteria = Criteria(
        evse=evse,
        purpose=None if purpose is None else _PURPOSES[cast(str, purpose)],
        stack_level=cast(int | None, payload.get("stackLevel")),
    )
    return ClearProfiles(criteria, _cleared)


def composite(payload: Payload, ids: Ids) -> Request:
    number = cast(int, payload["connectorId"])
    evse = _place(number, ids)
    if evse is None:
        return Told({"status": "Rejected"})
    duration_s = cast(int, payload["duration"])
    return Composite(evse, duration_s, unit_of(payload), lambda outcome: _scheduled(number, outcome))


def _place(number: object, ids: Ids) -> str | None:
    return STATION if number == 0 else ids.evse(number)


def _accepted(outcome: Outcome) -> Payload:
    return {"status": "Accepted" if outcome.result is Result.DONE else "Rejected"}


def _cleared(outcome: Outcome) -> Payload:
    return {"status": "Accepted" if outcome.result is Result.DONE else "Unknown"}


def _scheduled(number: int, outcome: Outcome) -> Payload:
    told = outcome.schedule
    if told is None:
        return {"status": "Rejected"}
    return {
        "status": "Accepted",
        "connectorId": number,
        "scheduleStart": timestamp(told.start),
        "chargingSchedule": {
            "duration": told.duration_s,
            "chargingRateUnit": told.unit.value,
            "chargingSchedulePeriod": rates(told.rates),
        },
    }
