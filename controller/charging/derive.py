"""What the world should look like, derived from the last committed state; nothing here remembers anything."""

from dataclasses import dataclass

from controller.charging.evidence import START_WITHIN_S
from controller.charging.instant import Instant
from controller.charging.records import ChargingState
from controller.charging.rules import Rules
from controller.charging.session import (
    Authorising,
    EvseState,
    Idle,
    Payer,
    Running,
    Starting,
    Stopping,
    Waiting,
)
from controller.charging.step import CHECKPOINT_S
from controller.charging.view import EvseStatus
from drivers.api import EvState


def permit(state: EvseState) -> bool:
    """Whether energy may flow. True only in a transaction whose start is part of the state."""
    return isinstance(state.phase, Running) and not state.phase.transaction.invalid


@dataclass(frozen=True, slots=True)
class Authorise:
    """Somebody must find out whether this payer may charge; ends in a Verdict."""

    payer: Payer


@dataclass(frozen=True, slots=True)
class ReadRegister:
    """A register at rest, received after `after`, is needed; ends in a RegisterRead."""

    after: Instant


Want = Authorise | ReadRegister


def wants(state: EvseState) -> Want | None:
    """What the state waits for from the outside, if anything."""
    match state.phase:
        case Authorising(payer):
            return Authorise(payer)
        case Starting(_, since) if state.plug is not None:
            return ReadRegister(since)
        case Stopping(since=since):
            return ReadRegister(since)
        case _:
            return None


def deadline(state: EvseState, rules: Rules) -> Instant | None:
    """When the state wants to be woken by DeadlinePassed; None: never."""
    match state.phase:
        case Waiting(_, until):
            return until
        case Stopping(since=since):
            return since.later(rules.register_wait_s)
        case Authorising(_, since) | Starting(_, since):
            return since.later(START_WITHIN_S)
        case Running(transaction, unseen) if not unseen:
            checkpoint = transaction.looked.later(CHECKPOINT_S)
            if rules.sample_interval_s <= 0:
                return checkpoint
            sample = transaction.sampled.later(rules.sample_interval_s)
            return min(checkpoint, sample, key=lambda at: at.mono_s)
        case _:
            return None


def unbilled_wh(state: EvseState, register_wh: int) -> int:
    """Energy that flowed since the last transaction while nobody paid (R15); 0 while one runs.

    A register below where it rested was exchanged or reset, and says nothing.
    """
    if isinstance(state.phase, Running | Stopping) or state.rest_wh is None:
        return 0
    return max(0, register_wh - state.rest_wh)


def charging_state(pilot: EvState | None, offered_ma: int) -> ChargingState:
    """R22: SuspendedEV or SuspendedEVSE follows from the pilot and the offered current together."""
    if pilot is EvState.A:
        return ChargingState.IDLE
    if offered_ma <= 0:
        return ChargingState.SUSPENDED_EVSE
    if pilot in {EvState.C, EvState.D}:
        return ChargingState.CHARGING
    if pilot is EvState.B:
        return ChargingState.SUSPENDED_EV
    return ChargingState.EV_CONNECTED


def status(state: EvseState, *, pilot: EvState | None, reachable: bool) -> EvseStatus:
    """What people call the state of the EVSE."""
    if not reachable:
        return EvseStatus.UNREACHABLE
    if state.fault is not None or pilot in {EvState.E, EvState.F}:
        return EvseStatus.FAULTED
    if not state.operative:
        return EvseStatus.UNAVAILABLE
    return _phase_status(state)


_BY_CHARGING_STATE = {
    ChargingState.CHARGING: EvseStatus.CHARGING,
    ChargingState.SUSPENDED_EV: EvseStatus.SUSPENDED_EV,
    ChargingState.SUSPENDED_EVSE: EvseStatus.SUSPENDED_EVSE,
    ChargingState.EV_CONNECTED: EvseStatus.STARTING,
    ChargingState.IDLE: EvseStatus.STARTING,
}


def _phase_status(state: EvseState) -> EvseStatus:
    match state.phase:
        case Authorising():
            return EvseStatus.AUTHORISING
        case Waiting():
            return EvseStatus.WAITING
        case Starting():
            return EvseStatus.STARTING
        case Running(transaction):
            return _BY_CHARGING_STATE[transaction.state]
        case Stopping():
            return EvseStatus.FINISHING
        case Idle() if state.plug is None:
            return EvseStatus.AVAILABLE
        case Idle():
            return EvseStatus.FINISHING if state.plug.finished else EvseStatus.PLUGGED
