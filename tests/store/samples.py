"""Entries and routes for the tests of the store."""

from datetime import UTC, datetime

from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    Route,
    SampleContext,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.tokens import BilledBy, Token
from controller.store.store import Commit

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ROUTE = Route("operator", "CP-7")
OTHER = Route("operator", "CP-8")


def moment(seconds: float = 0.0) -> Instant:
    return Instant("boot-1", 100.0, NOON, trusted=True).later(seconds)


def started(transaction: str = "t-1") -> TransactionStarted:
    return TransactionStarted(
        transaction=transaction,
        seq=0,
        evse="A1",
        at=moment(),
        trigger=Trigger.AUTHORIZED,
        state=ChargingState.EV_CONNECTED,
        token=Token("04A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        billed_by=BilledBy.CSMS,
        meter=MeterValue(SampleContext.BEGIN, 1000),
    )


def updated(seq: int, transaction: str = "t-1") -> TransactionUpdated:
    meter = MeterValue(SampleContext.PERIODIC, 1000 + seq)
    return TransactionUpdated(
        transaction=transaction,
        seq=seq,
        evse="A1",
        at=moment(seq),
        trigger=Trigger.METER_VALUE_PERIODIC,
        state=ChargingState.CHARGING,
        meter=meter,
    )


def queue(*entries: Entry, route: Route | None = ROUTE) -> Commit:
    return Commit(entries=[(entry, route) for entry in entries])
