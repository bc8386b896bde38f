"""Requests of an OCPP 2.0.1 CSMS, and how their outcomes are answered."""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from controller.charging.commands import (
    Outcome,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    StartRemotely,
    StopRemotely,
    UnlockConnector,
)
from controller.charging.tokens import BilledBy, Token, TokenInfo
from controller.csms.ocpp2.encode import CONNECTOR, id_token_info
from controller.csms.ocpp2.model import address_of, read, report, unknown_status, variable_at
from controller.csms.ocpp2.profiles import clear_profile, composite, get_profiles, profile_of, set_profile
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
    SendReport,
    Told,
    TransactionStatus,
    Trigger,
    UpdateList,
    Wanted,
    WriteVariables,
    Written,
)
from controller.csms.rpc import Fault, Payload
from controller.csms.table import MAX_ITEMS, MAX_LIST_ITEMS, Variable

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


def _status(status: str, why: str = "") -> dict[str, object]:
    return {"status": status, "statusInfo": {"reasonCode": why}} if why else {"status": status}


def _started(outcome: Outcome) -> Payload:
    """With the transactionId if one already runs, which it then joins (F01)."""
    status = "Accepted" if outcome.result in {Result.DONE, Result.SCHEDULED} else "Rejected"
    return _status(status, outcome.reason) | ({"transactionId": outcome.transaction} if outcome.transaction else {})


def _stopped(outcome: Outcome) -> Payload:
    if outcome.result is Result.UNKNOWN:
        return _status("Rejected", "TxNotFound")
    return _status("Accepted" if outcome.result in {Result.DONE, Result.SCHEDULED} else "Rejected")


def _scheduled_too(outcome: Outcome) -> Payload:
    statuses = {Result.DONE: "Accepted", Result.SCHEDULED: "Scheduled"}
    return _status(statuses.get(outcome.result, "Rejected"))


def _unlocked(outcome: Outcome) -> Payload:
    if outcome.result in {Result.DONE, Result.SCHEDULED}:
        return _status("Unlocked")
    if outcome.result is Result.UNKNOWN:
        return _status("UnknownConnector")
    return _status("OngoingAuthorizedTransaction" if outcome.transaction else "UnlockFailed")


def _remote_start(payload: Payload, ids: Ids) -> Request:
    """A charging profile in it is for the transaction that it starts (K05)."""
    told = cast(Payload, payload["idToken"])
    name, group = cast(str, told["idToken"]), cast(Payload, payload.get("groupIdToken") or {})
    evse = ids.evse(payload["evseId"]) if "evseId" in payload else None
    if evse is None and "evseId" in payload:
        return Told(_status("Rejected", "UnknownEvse"))
    if not name:
        return Told(_status("Rejected", "InvalidIdToken"))
    token = Token(
        uid=name.upper(),
        shown=name,
        kind=cast(str, told["type"]),
        group=cast(str | None, group.get("idToken")) or None,
        billed_by=BilledBy.CSMS,
    )
    profile = profile_of(cast(Payload, payload["chargingProfile"])) if "chargingProfile" in payload else None
    if profile is None and "chargingProfile" in payload:
        return Told(_status("Rejected", "InvalidProfile"))
    return Asked(StartRemotely(token, evse, cast(int, payload["remoteStartId"]), profile=profile), _started)


def _remote_stop(payload: Payload, _: Ids) -> Request:
    return Asked(StopRemotely(cast(str, payload["transactionId"])), _stopped)


def _reset(payload: Payload, ids: Ids) -> Request:
    """Of the whole station or of one EVSE; never of the site's control (R31)."""
    kind = ResetKind(payload["type"])
    if "evseId" not in payload or payload["evseId"] == 0:
        return Asked(Reset(kind, ids.evses), _scheduled_too, reboots=True)
    evse = ids.evse(payload["evseId"])
    if evse is None:
        return Told(_status("Rejected", "UnknownEvse"))
    return Asked(Reset(kind, (evse,)), _scheduled_too)


def _addressed(evse: object, ids: Ids) -> tuple[str, ...]:
    """Of an EVSEType or its absence, which means all; an unknown EVSE or connector is none."""
    if not isinstance(evse, dict):
        return ids.evses
    name = ids.evse(evse["id"])
    return () if name is None or evse.get("connectorId", CONNECTOR) != CONNECTOR else (name,)


def _availability(payload: Payload, ids: Ids) -> Request:
    evses = _addressed(payload.get("evse"), ids)
    if not evses:
        return Told(_status("Rejected", "UnknownEvse"))
    return Asked(SetAvailability(evses, payload["operationalStatus"] == "Operative"), _scheduled_too)


def _unlock(payload: Payload, ids: Ids) -> Request:
    evse = ids.evse(payload["evseId"])
    if evse is None or payload["connectorId"] != CONNECTOR:
        return Told(_status("UnknownConnector"))
    return Asked(UnlockConnector(evse), _unlocked)


def _get_variables(payload: Payload, _: Ids) -> Request:
    items = _at_most(cast(list[Payload], payload["getVariableData"]), MAX_ITEMS)

    def answer(present: Present) -> Payload:
        return {"getVariableResult": [_got(item, present) for item in items]}

    return ReadVariables(answer)


def _at_most(items: list[Payload], limit: int) -> list[Payload]:
    if len(items) > limit:
        raise RefusalError(Fault.OCCURRENCE, f"more than {limit} items")
    return items


def _echo(item: Payload, status: str) -> dict[str, object]:
    address = address_of(item)
    return {
        "attributeStatus": status,
        "attributeType": address.attribute,
        "component": item["component"],
        "variable": item["variable"],
    }


def _got(item: Payload, present: Present) -> Payload:
    status, value = read(address_of(item), present)
    return _echo(item, status) | ({} if value is None else {"attributeValue": value})


def _set_variables(payload: Payload, ids: Ids) -> Request:
    items = _at_most(cast(list[Payload], payload["setVariableData"]), MAX_ITEMS)
    refused = [_refused(item, ids) for item in items]
    assignments = tuple(
        (variable.name, cast(str, item["attributeValue"]))
        for item, status in zip(items, refused, strict=True)
        if status is None and (variable := variable_at(address_of(item))) is not None
    )

    def answer(results: Sequence[Written]) -> Payload:
        written = iter(results)
        statuses = [_write_status(next(written)) if status is None else status for status in refused]
        return {"setVariableResult": [_echo(*pair) for pair in zip(items, statuses, strict=True)]}

    return WriteVariables(assignments, answer)


def _refused(item: Payload, ids: Ids) -> str | None:
    """Why an item is not even tried."""
    address = address_of(item)
    if variable_at(address) is None:
        hardware = read(address, Present({}, (None,) * len(ids.evses), ""))[0]
        return "Rejected" if hardware == "Accepted" else unknown_status(address, len(ids.evses))
    return None if address.attribute == "Actual" else "NotSupportedAttributeType"


def _write_status(result: Written) -> str:
    if not isinstance(result, Variable):
        return "Rejected"
    return "RebootRequired" if result.reboot else "Accepted"


def _base_report(payload: Payload, _: Ids) -> Request:
    base = payload["reportBase"]
    if base == "SummaryInventory":
        return Told(_status("NotSupported"))
    request_id = cast(int, payload["requestId"])
    return SendReport(
        request_id, lambda present: report(present, full=base == "FullInventory"), _status("Accepted")
    )


_WANTED = {
    "BootNotification": Wanted.BOOT,
    "Heartbeat": Wanted.HEARTBEAT,
    "MeterValues": Wanted.METER_VALUES,
    "StatusNotification": Wanted.STATUS,
    "TransactionEvent": Wanted.TRANSACTION,
}


def _trigger(payload: Payload, ids: Ids) -> Request:
    wanted, evse = _WANTED.get(cast(str, payload["requestedMessage"])), payload.get("evse")
    if wanted is None:
        return Told(_status("NotImplemented"))
    evses = _addressed(evse, ids)
    connector = isinstance(evse, dict) and "connectorId" in evse
    if not evses or (wanted is Wanted.STATUS and not connector):
        return Told(_status("Rejected"))
    return Trigger(wanted, evses, lambda done: _status("Accepted" if done else "Rejected"))


def _send_list(payload: Payload, _: Ids) -> Request:
    items = _at_most(cast(list[Payload], payload.get("localAuthorizationList") or []), MAX_LIST_ITEMS)
    infos: list[TokenInfo] = []
    removed: list[str] = []
    for item in items:
        uid = cast(str, cast(Payload, item["idToken"])["idToken"]).upper()
        told = item.get("idTokenInfo")
        info = id_token_info(cast(Payload, told), uid) if told is not None else None
        if info is None:
            removed.append(uid)
        else:
            infos.append(info)
    return UpdateList(
        version=cast(int, payload["versionNumber"]),
        full=payload["updateType"] == "Full",
        infos=tuple(infos),
        removed=tuple(removed),
        answer=_list_answer,
    )


def _list_answer(result: ListResult) -> Payload:
    if result is ListResult.NOT_SUPPORTED:
        return _status("Failed", "NotEnabled")
    return _status(result.value)


def _transaction_status(payload: Payload, _: Ids) -> Request:
    def answer(ongoing: bool | None, waiting: bool) -> Payload:
        told = {"messagesInQueue": waiting}
        return told if ongoing is None else {"ongoingIndicator": ongoing, **told}

    return TransactionStatus(cast(str | None, payload.get("transactionId")), answer)


_DECODERS: Mapping[str, Decoder] = {
    "ChangeAvailability": _availability,
    "ClearCache": lambda _, __: EmptyCache(lambda done: _status("Accepted" if done else "Rejected")),
    "ClearChargingProfile": clear_profile,
    "DataTransfer": lambda _, __: Told(_status("UnknownVendorId")),
    "GetBaseReport": _base_report,
    "GetChargingProfiles": get_profiles,
    "GetCompositeSchedule": composite,
    "GetLocalListVersion": lambda _, __: ListVersion(lambda version: {"versionNumber": version}),
    "GetTransactionStatus": _transaction_status,
    "GetVariables": _get_variables,
    "RequestStartTransaction": _remote_start,
    "RequestStopTransaction": _remote_stop,
    "Reset": _reset,
    "SendLocalList": _send_list,
    "SetChargingProfile": set_profile,
    "SetVariables": _set_variables,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
}
