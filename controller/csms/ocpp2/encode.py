"""Entries and reports as OCPP 2.0.1 messages, and what the CSMS answers to them."""

from datetime import datetime

from controller.charging.records import (
    Entry,
    MeterValue,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from controller.charging.tokens import Token, TokenInfo
from controller.charging.view import EvseView
from controller.csms.dialect import BootAnswer, BootReason, EntryReply, Message, Registration, Setting
from controller.csms.ocpp2.status import status_of
from controller.csms.rpc import Payload
from controller.csms.table import CURRENT, ENERGY, OFFERED, POWER, POWER_OFFERED, SOC
from controller.csms.wire import integer_of, text_of, time_of, timestamp, token_status

MAX_ID_TOKEN = 36
CONNECTOR = 1
VENDOR = "ampyard"
TOKEN_KINDS = frozenset(
    {"Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization"}
)


_REASONS = {StopReason.UNLOCK_COMMAND: "Remote"}
"""ReasonEnumType has no word for it; triggerReason has."""


def boot(reason: BootReason, firmware: str, serial: str) -> Message:
    station = {
        "model": "Site controller",
        "vendorName": "Ampyard",
        "serialNumber": serial[:25],
        "firmwareVersion": firmware[:50],
    }
    return Message("BootNotification", {"chargingStation": station, "reason": reason.value})


def boot_answer(payload: Payload) -> BootAnswer | None:
    try:
        registration = Registration(payload.get("status"))
    except ValueError:
        return None
    return BootAnswer(
        registration, max(0, integer_of(payload.get("interval")) or 0), time_of(payload.get("currentTime"))
    )


def authorize(token: Token) -> Message | None:
    if not 0 < len(token.shown) <= MAX_ID_TOKEN:
        return None
    return Message("Authorize", {"idToken": id_token(token)})


def id_token(token: Token) -> Payload:
    """An alias of a site account is a local id (R20)."""
    kind = token.kind if token.kind in TOKEN_KINDS and token.shown.upper() == token.uid.upper() else "Local"
    return {"idToken": token.shown[:MAX_ID_TOKEN], "type": kind}


def token_info(payload: Payload, uid: str) -> TokenInfo | None:
    """Of Authorize and TransactionEvent answers."""
    info = payload.get("idTokenInfo")
    return id_token_info(info, uid) if isinstance(info, dict) else None


def id_token_info(info: Payload, uid: str) -> TokenInfo | None:
    status = token_status(info.get("status"))
    if status is None:
        return None
    group = info.get("groupIdToken")
    name = text_of(group.get("idToken"), MAX_ID_TOKEN) if isinstance(group, dict) else None
    return TokenInfo(uid, status, name, time_of(info.get("cacheExpiryDateTime")))


def entry(written: Entry, setting: Setting) -> Message:
    payload: dict[str, object] = {
        "eventType": _event_type(written),
        "timestamp": timestamp(setting.at),
        "triggerReason": written.trigger.value,
        "seqNo": written.seq,
        "offline": setting.offline,
        "transactionInfo": _info(written),
        "evse": {"id": setting.number, "connectorId": CONNECTOR},
    }
    token = None if isinstance(written, TransactionUpdated) else written.token
    if token is not None:
        payload["idToken"] = id_token(token)
    meter = written.meter
    values = [] if meter is None else _values(meter, _measurands(written, setting))
    if values:
        payload["meterValue"] = [_sampled(setting.at, values)]
    if isinstance(written, TransactionEnded) and written.estimated:
        payload["customData"] = {"vendorId": VENDOR, "estimated": True}
    return Message("TransactionEvent", payload)


def entry_reply(written: Entry, payload: Payload) -> EntryReply:
    match written:
        case TransactionStarted(token=token) | TransactionEnded(token=Token() as token):
            return EntryReply(info=token_info(payload, token.uid))
        case _:
            return EntryReply()


def status(number: int, view: EvseView, at: datetime) -> Message:
    payload = {
        "timestamp": timestamp(at),
        "connectorStatus": status_of(view),
        "evseId": number,
        "connectorId": CONNECTOR,
    }
    return Message("StatusNotification", payload)


def samples(number: int, view: EvseView, at: datetime) -> Message | None:
    """A triggered MeterValues."""
    values = []
    if view.energy_wh is not None:
        values.append(_value(ENERGY, view.energy_wh, "Trigger"))
    if view.power_w is not None:
        values.append(_value(POWER, view.power_w, "Trigger"))
    if not values:
        return None
    return Message("MeterValues", {"evseId": number, "meterValue": [_sampled(at, values)]})


def _event_type(written: Entry) -> str:
    match written:
        case TransactionStarted():
            return "Started"
        case TransactionUpdated():
            return "Updated"
        case TransactionEnded():
            return "Ended"


def _info(written: Entry) -> Payload:
    info: dict[str, object] = {"transactionId": written.transaction, "chargingState": written.state.value}
    match written:
        case TransactionStarted(remote_start_id=int() as remote_start_id):
            info["remoteStartId"] = remote_start_id
        case TransactionEnded(reason=reason):
            info["stoppedReason"] = _REASONS.get(reason, reason.value)
        case _:
            pass
    return info


def _measurands(written: Entry, setting: Setting) -> frozenset[str]:
    started, updated, ended = setting.measurands
    match written:
        case TransactionStarted():
            return started
        case TransactionUpdated():
            return updated
        case TransactionEnded():
            return ended


def _sampled(at: datetime, values: list[Payload]) -> Payload:
    return {"timestamp": timestamp(at), "sampledValue": values}


_UNITS = {ENERGY: "Wh", POWER: "W", CURRENT: "A", OFFERED: "A", POWER_OFFERED: "W", SOC: "Percent"}


def _value(measurand: str, value: float, context: str, phase: str | None = None) -> Payload:
    sampled: Payload = {
        "value": value,
        "context": context,
        "measurand": measurand,
        "location": "EV" if measurand == SOC else "Outlet",
        "unitOfMeasure": {"unit": _UNITS[measurand]},
    }
    return {**sampled, "phase": phase} if phase else sampled


def _values(meter: MeterValue, measurands: frozenset[str]) -> list[Payload]:
    context = meter.context.value
    values = [_value(ENERGY, meter.energy_wh, context)]
    if meter.power_w is not None:
        values.append(_value(POWER, meter.power_w, context))
    if meter.current_ma is not None:
        amperes = zip(("L1", "L2", "L3"), meter.current_ma, strict=True)
        values += [_value(CURRENT, current / 1000, context, phase) for phase, current in amperes]
    if meter.offered_ma is not None:
        values.append(_value(OFFERED, meter.offered_ma / 1000, context))
    if meter.offered_w is not None:
        values.append(_value(POWER_OFFERED, meter.offered_w, context))
    if meter.soc_percent is not None:
        values.append(_value(SOC, meter.soc_percent, context))
    return [value for value in values if value["measurand"] in measurands]
