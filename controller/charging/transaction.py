"""How a transaction begins, is recorded and ends: the state and the entry that becomes durable with it.

`step` says when; what is billed later stands here. Each takes the state before and gives a `Step`.
"""

from dataclasses import replace

from controller.charging.instant import Instant
from controller.charging.records import (
    ChargingState,
    Entry,
    MeterValue,
    SampleContext,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    Trigger,
)
from controller.charging.session import (
    EvseState,
    Idle,
    Payer,
    RegisterRead,
    Running,
    SampleTaken,
    StateSeen,
    Stopping,
    Transaction,
)
from controller.charging.tokens import BilledBy

Step = tuple[EvseState, tuple[Entry, ...]]


def begin(state: EvseState, payer: Payer, event: RegisterRead, *, billed_by: BilledBy) -> Step:
    meter = replace(event.meter, context=SampleContext.BEGIN)
    transaction = Transaction(
        id=event.fresh_id,
        payer=payer,
        billed_by=billed_by,
        next_seq=1,
        started=event.at,
        start_wh=meter.energy_wh,
        last_wh=meter.energy_wh,
        last_at=event.at,
        looked=event.at,
        sampled=event.at,
        state=ChargingState.EV_CONNECTED,
    )
    entry = TransactionStarted(
        transaction=transaction.id,
        seq=0,
        evse=state.evse,
        at=event.at,
        trigger=payer.trigger,
        state=transaction.state,
        token=payer.token,
        billed_by=billed_by,
        meter=meter,
        remote_start_id=payer.remote_start_id,
    )
    return replace(state, phase=Running(transaction), message=None), (entry,)


def end(state: EvseState, phase: Stopping, at: Instant, meter: MeterValue, *, estimated: bool = False) -> Step:
    """A register below its begin value was reset or exchanged: then the last proven one counts."""
    transaction = phase.transaction
    if meter.energy_wh < transaction.start_wh:
        meter, estimated = MeterValue(SampleContext.END, transaction.last_wh), True
    connected = state.plug is not None and not phase.departed
    entry = TransactionEnded(
        transaction=transaction.id,
        seq=transaction.next_seq,
        evse=state.evse,
        at=at,
        trigger=phase.trigger,
        state=ChargingState.EV_CONNECTED if connected else ChargingState.IDLE,
        reason=phase.reason,
        meter=replace(meter, context=SampleContext.END),
        token=phase.token,
        estimated=estimated,
    )
    plug = replace(state.plug, free_since=at, finished=True) if state.plug and connected else state.plug
    after = replace(
        state,
        phase=Idle(),
        plug=plug,
        operative=state.wanted_operative,
        message=None,
        rest_wh=entry.meter.energy_wh,
    )
    return after, (entry,)


def record(state: EvseState, transaction: Transaction, event: StateSeen | SampleTaken) -> Step:
    trigger = event.trigger if isinstance(event, SampleTaken) else Trigger.CHARGING_STATE_CHANGED
    entry = TransactionUpdated(
        transaction=transaction.id,
        seq=transaction.next_seq,
        evse=state.evse,
        at=event.at,
        trigger=trigger,
        state=transaction.state,
        meter=event.meter,
    )
    kept = replace(checkpoint(transaction, event.at, event.meter), next_seq=transaction.next_seq + 1)
    return running(state, kept), (entry,)


def running(state: EvseState, transaction: Transaction) -> EvseState:
    unseen = isinstance(state.phase, Running) and state.phase.unseen
    return replace(state, phase=Running(transaction, unseen))


def checkpoint(transaction: Transaction, at: Instant, meter: MeterValue | None) -> Transaction:
    """The proof for the next resumption. A register never counts backwards: a lower value is not believed."""
    if meter is None:
        return transaction
    return replace(transaction, last_wh=max(transaction.last_wh, meter.energy_wh), last_at=at, looked=at)
