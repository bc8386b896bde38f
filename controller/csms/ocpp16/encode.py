"""Entries and reports as OCPP 1.6 messages, and what the CSMS answers to them."""

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
from controller.csms.ocpp16.status import error_of, status_of
from controller.csms.rpc import Payload
from controller.csms.table import CURRENT, ENERGY, OFFERED, POWER, POWER_OFFERED, SOC
from controller.csms.wire import integer_of, text_of, time_of, timestamp, token_status

MAX_ID_TAG = 20
UNKNOWN_TRANSACTION = -1
"""Errata 3.18: the start was never acknowledged."""

_REASONS = {
    StopReason.GROUND_FAULT: "Other",
    StopReason.IMMEDIATE_RESET: "HardReset",
    StopReason.REBOOT: "SoftReset",
}


def boot(_: BootReason, firmware: str, serial: str) -> Message:
    payload = {
        "chargePointVendor": "Ampyard",
        "chargePointModel": "Site controller",
        "chargePointSerialNumber": serial[:25],
        "firmwareVersion": firmware[:50],
    }
    return Message("BootNotification", payload)


def boot_answer(payload: Payload) -> BootAnswer | None:
    try:
        registration = Registration(payload.get("status"))
    except ValueError:
        return None
    return BootAnswer(
        registration, max(0, integer_of(payload.get("interval")) or 0), time_of(payload.get("currentTime"))
    )


def authorize(token: Token) -> Message | None:
    if not 0 < len(token.shown) <= MAX_ID_TAG:
        return None
    return Message("Authorize", {"idTag": token.shown})


def token_info(payload: Payload, uid: str) -> TokenInfo | None:
    """Of Authorize, StartTransaction and StopTransaction answers."""
    info = payload.get("idTagInfo")
    return id_tag_info(info, uid) if isinstance(info, dict) else None


def id_tag_info(info: Payload, uid: str) -> TokenInfo | None:
    status = token_status(info.get("status"))
    if status is None:
        return None
    return TokenInfo(uid, status, text_of(info.get("parentIdTag"), MAX_ID_TAG), time_of(info.get("expiryDate")))


def entry(written: Entry, setting: Setting) -> Message | None:
    match written:
        case TransactionStarted():
            return _started(written, setting)
        case TransactionUpdated():
            return _updated(written, setting)
        case TransactionEnded():
            return _ended(written, setting)


def entry_reply(written: Entry, payload: Payload) -> EntryReply:
    match written:
        case TransactionStarted(token=token):
            remote_id = integer_of(payload.get("transactionId"))
            return EntryReply(None if remote_id is None else str(remote_id), token_info(payload, token.uid))
        case TransactionEnded(token=Token() as token):
            return EntryReply(info=token_info(payload, token.uid))
        case _:
            return EntryReply()


def status(number: int, view: EvseView, at: datetime) -> Message:
    code, info = error_of(view)
    payload: dict[str, object] = {
        "connectorId": number,
        "errorCode": code,
        "status": status_of(view),
        "timestamp": timestamp(at),
    }
    return Message("StatusNotification", payload | ({"info": info} if info else {}))


def whole_status(operative: bool, at: datetime) -> Message:
    payload = {
        "connectorId": 0,
        "errorCode": "NoError",
        "status": "Available" if operative else "Unavailable",
        "timestamp": timestamp(at),
    }
    return Message("StatusNotification", payload)


def samples(number: int, view: EvseView, at: datetime) -> Message | None:
    """A triggered MeterValues outside any transaction."""
    values = []
    if view.energy_wh is not None:
        values.append(_value(ENERGY, view.energy_wh, "Trigger"))
    if view.power_w is not None:
        values.append(_value(POWER, view.power_w, "Trigger"))
    if not values:
        return None
    return Message("MeterValues", {"connectorId": number, "meterValue": [_sampled(at, values)]})


def _started(written: TransactionStarted, setting: Setting) -> Message:
    payload = {
        "connectorId": setting.number,
        "idTag": written.token.shown[:MAX_ID_TAG],
        "meterStart": written.meter.energy_wh,
        "timestamp": timestamp(setting.at),
    }
    return Message("StartTransaction", payload)


def _updated(written: TransactionUpdated, setting: Setting) -> Message | None:
    values = [] if written.meter is None else _values(written.meter, setting.measurands[1])
    if not values:
        return None
    payload = {
        "connectorId": setting.number,
        "transactionId": _transaction_id(setting),
        "meterValue": [_sampled(setting.at, values)],
    }
    return Message("MeterValues", payload)


def _ended(written: TransactionEnded, setting: Setting) -> Message:
    payload: dict[str, object] = {
        "transactionId": _transaction_id(setting),
        "meterStop": written.meter.energy_wh,
        "timestamp": timestamp(setting.at),
        "reason": _REASONS.get(written.reason, written.reason.value),
    }
    if written.token is not None:
        payload["idTag"] = written.token.shown[:MAX_ID_TAG]
    values = _values(written.meter, setting.measurands[2])
    if values:
        payload["transactionData"] = [_sampled(setting.at, values)]
    return Message("StopTransaction", payload)


def _transaction_id(setting: Setting) -> int:
    """Any integer counts, also 0 and below (errata 3.54)."""
    return UNKNOWN_TRANSACTION if setting.remote_id is None else int(setting.remote_id)


def _sampled(at: datetime, values: list[Payload]) -> Payload:
    return {"timestamp": timestamp(at), "sampledValue": values}


_UNITS = {ENERGY: "Wh", POWER: "W", CURRENT: "A", OFFERED: "A", POWER_OFFERED: "W", SOC: "Percent"}


def _value(measurand: str, value: float, context: str, phase: str | None = None) -> Payload:
    sampled = {"value": str(value), "context": context}
    sampled |= {
        "measurand": measurand,
        "location": "EV" if measurand == SOC else "Outlet",
        "unit": _UNITS[measurand],
    }
    return sampled | ({"phase": phase} if phase else {})


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
