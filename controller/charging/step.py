"""What follows from an event: `step(state, event, rules) -> (state, entries)`.

Everything that an EVSE's session does is decided here and nowhere else; `transaction.py` keeps the books of what
is decided. Read it with `session.py` open:

    Idle -> Authorising -> Waiting -> Starting -> Running -> Stopping -> Idle
              (token)      (no plug)  (register)             (register)

A plug may come first (the state's `plug` is beside the phase) or last (Waiting). Energy flows only in Running,
which is entered together with the entry TransactionStarted: whoever makes the entries durable before acting on
the state cannot give energy away. Events that mean nothing in a phase leave the state as it is, each by an arm
that says so.
"""

from dataclasses import replace
from typing import assert_never

from controller.charging.evidence import may_still_start, plug_after, same_stay
from controller.charging.instant import Instant
from controller.charging.modes import Chosen
from controller.charging.records import ChargingState, MeterValue, SampleContext, StopReason, Trigger
from controller.charging.rules import Rules
from controller.charging.session import (
    Authorising,
    AvailabilityAsked,
    DeadlinePassed,
    Event,
    EvseState,
    FaultSeen,
    Idle,
    LateVerdict,
    ModeAsked,
    Payer,
    Plug,
    Plugged,
    Presented,
    RegisterRead,
    Resumed,
    Running,
    SampleTaken,
    Starting,
    StateSeen,
    StopAsked,
    Stopping,
    Transaction,
    Unplugged,
    Verdict,
    Waiting,
)
from controller.charging.tokens import BilledBy, TokenStatus
from controller.charging.transaction import Step, begin, checkpoint, end, record, running

REPEAT_S = 5.0
"""A card presented again within this time is the same gesture and never a stop (R18)."""
AGAIN = "please present your card again"
CHECKPOINT_S = 60.0
"""A running transaction is made durable at least this often, so that a crash costs at most this much proof."""

Evidence = RegisterRead | StateSeen | SampleTaken | LateVerdict | FaultSeen | Resumed | DeadlinePassed


def step(state: EvseState, event: Event, rules: Rules) -> Step:
    """The state after `event`, and the entries that must be durable before anybody acts on that state."""
    match event:
        case Plugged():
            return _plugged(state, event), ()
        case Unplugged():
            return _unplugged(state, event.at), ()
        case Presented():
            return _presented(state, event, rules), ()
        case Verdict():
            return _verdict(state, event, rules), ()
        case StopAsked():
            return _stop_asked(state, event), ()
        case AvailabilityAsked():
            return _availability(state, operative=event.operative), ()
        case ModeAsked():
            return _mode_asked(state, event), ()
        case _:
            return _step_on_evidence(state, event, rules)


def _step_on_evidence(state: EvseState, event: Evidence, rules: Rules) -> Step:
    """The other half of the table: what meters, clock and CSMS tell of a session."""
    match event:
        case RegisterRead():
            return _register_read(state, event, rules)
        case StateSeen() | SampleTaken():
            return _sampled(state, event)
        case LateVerdict():
            return _late_verdict(state, event, rules)
        case FaultSeen():
            return replace(state, fault=event.fault), ()
        case Resumed():
            return _resumed(state, event, rules)
        case DeadlinePassed():
            return _deadline_passed(state, event, rules)
        case _:
            assert_never(event)


def _plugged(state: EvseState, event: Plugged) -> EvseState:
    plug = Plug(event.id, event.at, event.at, event.counter)
    if state.plug is not None or isinstance(state.phase, Running):
        # The plug-out was missed between two readings: that stay is over, and its card was not for this one.
        gone = _unplugged(state, event.at)
        return replace(gone, plug=plug, message=None if isinstance(state.phase, Idle) else AGAIN)
    match state.phase:
        case Waiting(payer, until):
            if event.at.seconds_since(until) >= 0:
                return replace(state, plug=plug, phase=Idle(), message=AGAIN)
            return replace(state, plug=plug, phase=Starting(payer, event.at), message=None)
        case _:
            return replace(state, plug=plug, message=None)


def _unplugged(state: EvseState, at: Instant) -> EvseState:
    gone = replace(state, plug=None, message=None)
    match state.phase:
        case Running(transaction):
            asked = StopAsked(at, StopReason.EV_DISCONNECTED, Trigger.EV_DEPARTED)
            return replace(gone, phase=replace(_stopping(transaction, asked), departed=True))
        case Stopping():
            return replace(gone, phase=replace(state.phase, departed=True))
        case Authorising() | Starting() if state.plug is not None:
            return replace(gone, phase=Idle())  # whoever left takes the card along; the next car is not theirs
        case Idle() | Authorising() | Waiting() | Starting():
            return gone


def _presented(state: EvseState, event: Presented, rules: Rules) -> EvseState:
    payer = event.payer
    match state.phase:
        case Idle() | Waiting() if not state.operative:
            return replace(state, message="out of service")
        case Idle() | Waiting() if event.checked:
            return _authorised(state, payer, event.at, rules)
        case Idle() | Waiting():
            return replace(state, phase=Authorising(payer, event.at), message=None)
        case Running(transaction) if _means_stop(transaction, event):
            asked = StopAsked(event.at, StopReason.LOCAL, Trigger.STOP_AUTHORIZED, payer.token)
            return _stop(state, transaction, asked)
        case Running(transaction) if not transaction.payer.token.same_payer(payer.token):
            return replace(state, message="in use by another card")
        case Authorising() | Starting() | Running() | Stopping():
            return state


def _means_stop(transaction: Transaction, event: Presented) -> bool:
    """A payer's own card ends the session, but not its repetition (R18), and a remote start never does."""
    return (
        transaction.payer.token.same_payer(event.payer.token)
        and event.payer.trigger is not Trigger.REMOTE_START
        and event.at.seconds_since(transaction.started) >= REPEAT_S
    )


def _authorised(state: EvseState, payer: Payer, at: Instant, rules: Rules) -> EvseState:
    if state.plug is not None:
        return replace(state, phase=Starting(payer, at), message=None)
    return replace(state, phase=Waiting(payer, at.later(rules.connection_timeout_s)), message=None)


def _verdict(state: EvseState, event: Verdict, rules: Rules) -> EvseState:
    match state.phase:
        case Authorising(payer, since) if payer.token.uid == event.token.uid:
            if not may_still_start(since, event.at):
                return replace(state, phase=Idle(), message=AGAIN)
            if event.accepted:
                return _authorised(state, replace(payer, token=event.token), event.at, rules)
            return replace(state, phase=Idle(), message=f"card refused: {event.text}")
        case _:
            return state  # an answer that nobody waits for any more


def _register_read(state: EvseState, event: RegisterRead, rules: Rules) -> Step:
    match state.phase:
        case Starting(_, since) if state.plug is None or not may_still_start(since, event.at):
            return replace(state, phase=Idle(), message=AGAIN), ()
        case Starting(payer):
            return begin(state, payer, event, billed_by=payer.token.billed_by or rules.billed_by)
        case Stopping():
            return end(state, state.phase, event.at, event.meter)
        case _:
            return state, ()


def _sampled(state: EvseState, event: StateSeen | SampleTaken) -> Step:
    if not isinstance(state.phase, Running) or state.phase.unseen:
        return state, ()
    transaction = state.phase.transaction
    if isinstance(event, StateSeen):
        if event.state is transaction.state:
            return state, ()
        transaction = replace(transaction, state=event.state)
    return record(state, transaction, event)


def _stop_asked(state: EvseState, event: StopAsked) -> EvseState:
    match state.phase:
        case Running(transaction):
            return _stop(state, transaction, event)
        case Authorising() | Waiting() | Starting():
            return replace(state, phase=Idle(), message=None)
        case Idle() | Stopping():
            return state


def _stop(state: EvseState, transaction: Transaction, asked: StopAsked) -> EvseState:
    return replace(state, phase=_stopping(transaction, asked), message=None)


def _stopping(transaction: Transaction, asked: StopAsked) -> Stopping:
    return Stopping(transaction, asked.reason, asked.trigger, asked.at, asked.token)


def _late_verdict(state: EvseState, event: LateVerdict, rules: Rules) -> Step:
    if not isinstance(state.phase, Running) or state.phase.transaction.id != event.transaction:
        return state, ()
    transaction = state.phase.transaction
    if event.info.status is TokenStatus.ACCEPTED or transaction.billed_by is not BilledBy.CSMS:  # R20
        return state, ()
    if rules.stop_on_invalid:
        asked = StopAsked(event.at, StopReason.DEAUTHORIZED, Trigger.DEAUTHORIZED)
        return replace(_stop(state, transaction, asked), message=_refusal(event)), ()
    if transaction.invalid:
        return state, ()  # said before
    invalid = replace(transaction, invalid=True, state=ChargingState.SUSPENDED_EVSE)
    after, entries = record(state, invalid, StateSeen(event.at, invalid.state))  # C15.FR.06, E05.FR.02
    return replace(after, message=_refusal(event)), entries


def _refusal(event: LateVerdict) -> str:
    return f"card refused: {event.info.status.value}"


def _availability(state: EvseState, *, operative: bool) -> EvseState:
    match state.phase:
        case Running() | Stopping():
            return replace(state, wanted_operative=operative)
        case Idle() | Authorising() | Waiting() | Starting() if operative:
            return replace(state, operative=True, wanted_operative=True, message=None)
        case Idle() | Authorising() | Waiting() | Starting():
            return replace(state, phase=Idle(), operative=False, wanted_operative=False, message=None)


def _mode_asked(state: EvseState, event: ModeAsked) -> EvseState:
    """A mode belongs to a transaction and ends with it."""
    if not isinstance(state.phase, Running):
        return state
    chosen = None if event.mode is None else Chosen(event.mode, event.at)
    return running(state, replace(state.phase.transaction, chosen=chosen))


def _resumed(state: EvseState, event: Resumed, rules: Rules) -> Step:
    """R17: what began before the start of the controller goes on only on evidence of the same plug-in."""
    if state.rest_wh is None:
        state = replace(state, rest_wh=event.register_wh)
    match state.phase:
        case Running(transaction) | Stopping(transaction):
            if same_stay(state, transaction, event, rules):
                return _gone_on(state, event), ()
            return _broken_off(state, transaction, event)
        case Waiting(_, until) if event.at.seconds_since(until) < 0:
            return _resumed_plug(state, event), ()
        case Authorising(_, since) | Starting(_, since) if may_still_start(since, event.at):
            return _resumed_plug(state, event), ()
        case Idle():
            return _resumed_plug(state, event), ()
        case Authorising() | Waiting() | Starting():
            return replace(_resumed_plug(replace(state, phase=Idle()), event), message=AGAIN), ()


def _resumed_plug(state: EvseState, event: Resumed) -> EvseState:
    """Plug-in, plug-out or another car, as if seen only now."""
    plug = plug_after(state.plug, event)
    if plug == state.plug:
        return state
    if plug is None:
        return _unplugged(state, event.at)
    return _plugged(state, Plugged(event.at, event.id, event.counter))


def _gone_on(state: EvseState, event: Resumed) -> EvseState:
    if not isinstance(state.phase, Running) or not event.plugged:
        return _resumed_plug(state, event)
    transaction = replace(state.phase.transaction, looked=event.at, sampled=event.at)
    if event.register_wh is not None:
        transaction = checkpoint(transaction, event.at, MeterValue(SampleContext.TRIGGER, event.register_wh))
    return replace(state, plug=plug_after(state.plug, event), phase=Running(transaction))


def _broken_off(state: EvseState, transaction: Transaction, event: Resumed) -> Step:
    """What the register gained since may be another's: the transaction ends with the last proven value."""
    asked = StopAsked(event.at, StopReason.OTHER, Trigger.ABNORMAL_CONDITION)
    if not event.plugged:
        asked = StopAsked(event.at, StopReason.EV_DISCONNECTED, Trigger.EV_DEPARTED)
    ending = state.phase if isinstance(state.phase, Stopping) else _stopping(transaction, asked)
    proven = MeterValue(SampleContext.END, transaction.last_wh)
    ending = replace(ending, departed=ending.departed or not event.plugged)
    after, entries = end(state, ending, event.at, proven, estimated=True)
    plug = Plug(event.id, event.at, event.at, event.counter) if event.plugged else None
    return replace(after, plug=plug, message=AGAIN if plug else None), entries


def _deadline_passed(state: EvseState, event: DeadlinePassed, rules: Rules) -> Step:
    match state.phase:
        case Waiting(_, until) if event.at.seconds_since(until) >= 0:
            return replace(state, phase=Idle(), message="no car was plugged in: present the card again"), ()
        case Authorising(_, since) | Starting(_, since) if not may_still_start(since, event.at):
            return replace(state, phase=Idle(), message=AGAIN), ()
        case Running(transaction, unseen) if not unseen:
            return _sample_due(state, transaction, event, rules)
        case Stopping(transaction, _, _, since) if event.at.seconds_since(since) >= rules.register_wait_s:
            last = MeterValue(SampleContext.END, transaction.last_wh)
            return end(state, state.phase, event.at, event.meter or last, estimated=event.meter is None)
        case _:
            return state, ()


def _sample_due(state: EvseState, transaction: Transaction, event: DeadlinePassed, rules: Rules) -> Step:
    due = rules.sample_interval_s > 0 and event.at.seconds_since(transaction.sampled) >= rules.sample_interval_s
    if due and event.meter is not None:
        kept = replace(transaction, sampled=event.at)
        sample = SampleTaken(event.at, event.meter, Trigger.METER_VALUE_PERIODIC)
        return record(state, kept, sample)
    kept = replace(checkpoint(transaction, event.at, event.meter), looked=event.at)
    if due:
        kept = replace(kept, sampled=event.at)  # no believable reading: this sample is left out, not invented
    return running(state, kept), ()
