"""Samples for the tables of both versions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    MeterValue,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.tokens import BilledBy, Token
from controller.csms.dialect import Message, Setting
from controller.csms.rpc import Payload
from controller.csms.schemas import Kind, Version, validate
from controller.csms.table import MEASURANDS
from drivers.api import Phases

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "11111111-2222-3333-4444-555555555555"
TOKEN = Token("04A1B2C3D4E5F6", "04A1B2C3D4E5F6", billed_by=BilledBy.CSMS)
ALL = frozenset(MEASURANDS)


def at(seconds: float = 0) -> Instant:
    return Instant("boot", seconds, AT + timedelta(seconds=seconds), trusted=True)


def setting(**changes: Any) -> Setting:
    return replace(Setting(2, AT, offline=False, remote_id="5", measurands=(ALL, ALL, ALL)), **changes)


def meter(context: SampleContext) -> MeterValue:
    return MeterValue(context, 12345, 11040, Phases(16000, 15900, 16032), 16000)


DC_METER = MeterValue(SampleContext.PERIODIC, 12345, 41200, offered_w=60000, soc_percent=57)


def started(**changes: Any) -> TransactionStarted:
    entry = TransactionStarted(
        transaction=KEY,
        seq=0,
        evse="A2",
        at=at(),
        trigger=Trigger.AUTHORIZED,
        state=ChargingState.EV_CONNECTED,
        token=TOKEN,
        billed_by=BilledBy.CSMS,
        meter=meter(SampleContext.BEGIN),
    )
    return replace(entry, **changes)


def updated(**changes: Any) -> TransactionUpdated:
    entry = TransactionUpdated(
        transaction=KEY,
        seq=1,
        evse="A2",
        at=at(60),
        trigger=Trigger.METER_VALUE_PERIODIC,
        state=ChargingState.CHARGING,
        meter=meter(SampleContext.PERIODIC),
    )
    return replace(entry, **changes)


def ended(**changes: Any) -> TransactionEnded:
    entry = TransactionEnded(
        transaction=KEY,
        seq=2,
        evse="A2",
        at=at(120),
        trigger=Trigger.STOP_AUTHORIZED,
        state=ChargingState.EV_CONNECTED,
        reason=StopReason.LOCAL,
        meter=meter(SampleContext.END),
        token=TOKEN,
    )
    return replace(entry, **changes)


def fits(version: Version, message: Message | None) -> dict[str, Any]:
    """The payload of a message that fits its schema."""
    assert message is not None
    assert validate(version, message.action, Kind.REQUEST, message.payload) is None
    return dict(message.payload)


def answer_fits(version: Version, action: str, payload: Payload) -> dict[str, Any]:
    assert validate(version, action, Kind.RESPONSE, payload) is None
    return dict(payload)
