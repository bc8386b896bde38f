"""Requests of an OCPP 1.6 CSMS, and how their outcomes are answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from controller.charging.commands import (
    Outcome,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    StartRemotely,
    UnlockConnector,
)
from controller.charging.tokens import BilledBy, Token, TokenInfo
from controller.csms.ocpp16.encode import id_tag_info
from controller.csms.ocpp16.profiles import clear_profile, composite, profile_of, set_profile
from controller.csms.requests import (
    Asked,
    EmptyCache,
    Ids,
    ListResult,
    ListVersion,
    Present,
    ReadVariables,
    RefusalError,
    Request,
    StopByRemoteId,
    Told,
    Trigger,
    UpdateList,
    Wanted,
    WriteVariables,
    Written,
)
from controller.csms.rpc import Fault, Payload
from controller.csms.table import BY_KEY, MAX_ITEMS, Access, Variable
from controller.csms.variables import VariableError

Decoder = Callable[[Payload, Ids], Request]


def decode(action: str, payload: Payload, ids: Ids) -> Request:
    """What the CALL wants.

    Raises:
        RefusalError: the action is known and not supported, or its values make no sense.
    """
    decoder = _DECODERS.get(action)
    if decoder is None:
        raise RefusalError(Fault.NOT_SUPPORTED, f"{action} is not supported")
    return decoder(payload, ids)


def _status(status: str) -> Payload:
    return {"status": status}


def _started_or_stopped(outcome: Outcome) -> Payload:
    return _status("Accepted" if outcome.result in {Result.DONE, Result.SCHEDULED} else "Rejected")


def _scheduled_too(outcome: Outcome) -> Payload:
    statuses = {Result.DONE: "Accepted", Result.SCHEDULED: "Scheduled"}
    return _status(statuses.get(outcome.result, "Rejected"))


def _unlocked(outcome: Outcome) -> Payload:
    statuses = {Result.DONE: "Unlocked", Result.SCHEDULED: "Unlocked", Result.FAILED: "UnlockFailed"}
    return _status(statuses.get(outcome.result, "NotSupported"))


def _remote_start(payload: Payload, ids: Ids) -> Request:
    """A charging profile in it is for the transaction that it starts (5.16.2)."""
    tag = cast(str, payload["idTag"])
    evse = ids.evse(payload["connectorId"]) if "connectorId" in payload else None
    if not tag or (evse is None and "connectorId" in payload):
        return Told(_status("Rejected"))
    token = Token(tag.upper(), tag, billed_by=BilledBy.CSMS)
    profile = profile_of(cast(Payload, payload["chargingProfile"])) if "chargingProfile" in payload else None
    return Asked(StartRemotely(token, evse, profile=profile), _started_or_stopped)


def _remote_stop(payload: Payload, _: Ids) -> Request:
    return StopByRemoteId(str(payload["transactionId"]), _started_or_stopped)


def _reset(payload: Payload, ids: Ids) -> Request:
    """Soft and Hard both end running transactions first; neither stops the site (R31)."""
    kind = ResetKind.SOFT if payload["type"] == "Soft" else ResetKind.IMMEDIATE
    return Asked(Reset(kind, ids.evses), _started_or_stopped, reboots=True)


def _availability(payload: Payload, ids: Ids) -> Request:
    evses = _addressed(payload["connectorId"], ids)
    if not evses:
        return Told(_status("Rejected"))
    return Asked(SetAvailability(evses, payload["type"] == "Operative"), _scheduled_too)


def _addressed(number: object, ids: Ids) -> tuple[str, ...]:
    """Connector 0 is all of them."""
    if number == 0:
        return ids.evses
    evse = ids.evse(number)
    return () if evse is None else (evse,)


def _unlock(payload: Payload, ids: Ids) -> Request:
    evse = ids.evse(payload["connectorId"])
    return Told(_status("NotSupported")) if evse is None else Asked(UnlockConnector(evse), _unlocked)


def _get_configuration(payload: Payload, _: Ids) -> Request:
    keys = tuple(dict.fromkeys(cast(list[str], payload.get("key") or [])))
    if len(keys) > MAX_ITEMS:
        raise RefusalError(Fault.OCCURRENCE, f"more than {MAX_ITEMS} keys")

    def answer(present: Present) -> Payload:
        wanted = keys or [key for key, variable in BY_KEY.items() if variable.access is not Access.WRITE_ONLY]
        found = [_configuration(key, present.values) for key in wanted if key in BY_KEY]
        unknown = [key for key in wanted if key not in BY_KEY]
        return {"configurationKey": found} | ({"unknownKey": unknown} if unknown else {})

    return ReadVariables(answer)


def _configuration(key: str, values: Mapping[str, str]) -> Payload:
    variable = BY_KEY[key]
    told: Payload = {"key": key, "readonly": variable.access is Access.READ_ONLY}
    if variable.access is Access.WRITE_ONLY:
        return told
    return {**told, "value": values.get(variable.name, "")[:500]}


def _change_configuration(payload: Payload, _: Ids) -> Request:
    key, value = cast(str, payload["key"]), cast(str, payload["value"])
    if key not in BY_KEY:
        return Told(_status("NotSupported"))

    def answer(results: Sequence[Written]) -> Payload:
        return _status(_write_status(results[0]))

    return WriteVariables(((key, value),), answer)


def _write_status(result: Written) -> str:
    match result:
        case VariableError():
            return "Rejected"
        case Variable(reboot=reboot):
            return "RebootRequired" if reboot else "Accepted"


_WANTED = {
    "BootNotification": Wanted.BOOT,
    "Heartbeat": Wanted.HEARTBEAT,
    "MeterValues": Wanted.METER_VALUES,
    "StatusNotification": Wanted.STATUS,
}


def _trigger(payload: Payload, ids: Ids) -> Request:
    wanted = _WANTED.get(cast(str, payload["requestedMessage"]))
    if wanted is None:
        return Told(_status("NotImplemented"))
    evses = _addressed(payload.get("connectorId", 0), ids)
    if not evses:
        return Told(_status("Rejected"))
    return Trigger(wanted, evses, lambda done: _status("Accepted" if done else "Rejected"), boot_again=True)


def _send_list(payload: Payload, _: Ids) -> Request:
    def answer(result: ListResult) -> Payload:
        return _status(result.value)

    items = cast(list[Payload], payload.get("localAuthorizationList") or [])
    infos: list[TokenInfo] = []
    removed: list[str] = []
    for item in items:
        uid = cast(str, item["idTag"]).upper()
        told = item.get("idTagInfo")
        info = id_tag_info(cast(Payload, told), uid) if told is not None else None
        if info is None:
            removed.append(uid)
        else:
            infos.append(info)
    full = payload["updateType"] == "Full"
    return UpdateList(cast(int, payload["listVersion"]), full, tuple(infos), tuple(removed), answer)


_DECODERS: Mapping[str, Decoder] = {
    "ChangeAvailability": _availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": lambda _, __: EmptyCache(lambda done: _status("Accepted" if done else "Rejected")),
    "ClearChargingProfile": clear_profile,
    "DataTransfer": lambda _, __: Told(_status("UnknownVendorId")),
    "GetCompositeSchedule": composite,
    "GetConfiguration": _get_configuration,
    "GetLocalListVersion": lambda _, __: ListVersion(lambda version: {"listVersion": version}),
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "Reset": _reset,
    "SendLocalList": _send_list,
    "SetChargingProfile": set_profile,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
}
