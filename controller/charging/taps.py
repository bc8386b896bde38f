"""Whose tap is it? (R18) Pure: a tap, the EVSEs that the reader serves, and what they are doing."""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.charging.instant import Instant
from controller.charging.session import Authorising, EvseState, Idle, Running, Starting, Stopping, Waiting
from controller.charging.step import REPEAT_S
from controller.charging.tokens import Token


@dataclass(frozen=True, slots=True)
class TapSeen:
    """One presentation of a token at a reader."""

    reader: str
    token: Token
    at: Instant


@dataclass(frozen=True, slots=True)
class Start:
    """The tap is a request to charge at this EVSE."""

    evse: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The tap ends the session of this EVSE."""

    evse: str


@dataclass(frozen=True, slots=True)
class Choose:
    """Several cars might be meant: somebody chooses among them."""

    evses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwaitPlug:
    """No car is there yet: the tap counts for the next one plugged in at an EVSE of this reader."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The tap means nothing, and `text` says why."""

    text: str


Assignment = Start | Stop | Choose | AwaitPlug | Ignore


def assign(
    tap: TapSeen, served: Sequence[EvseState], *, previous: TapSeen | None, timeout_s: float, oldest_first: bool
) -> Assignment:
    """What a tap means.

    A car that waits for a card comes before a stop, so that a payer with one session can start a second.
    Stop rule of a token with several sessions at this reader: the one that started last.
    """
    if previous is not None and previous.token.uid == tap.token.uid and _close(tap, previous):
        return Ignore("the same card was presented a moment ago")
    candidates = _candidates(tap, served, timeout_s)
    if len(candidates) == 1 or (candidates and oldest_first):
        return Start(candidates[0].evse)
    if candidates:
        return Choose(tuple(state.evse for state in candidates))
    return _stop(tap, served) or _tap_first(served)


def _close(tap: TapSeen, previous: TapSeen) -> bool:
    return tap.at.seconds_since(previous.at) < REPEAT_S


def _candidates(tap: TapSeen, served: Sequence[EvseState], timeout_s: float) -> list[EvseState]:
    """Plugged and nobody pays; longest-waiting first.

    A reader of one EVSE can mean no other, so there the age of the plug-in does not matter. At a shared reader
    a car that has stood there for longer than the connection timeout is somebody else's.
    """
    free = [
        state for state in served if state.operative and isinstance(state.phase, Idle) and state.plug is not None
    ]
    if len(served) > 1:
        free = [s for s in free if s.plug is not None and tap.at.seconds_since(s.plug.free_since) <= timeout_s]
    return sorted(free, key=lambda s: -tap.at.seconds_since(s.plug.free_since) if s.plug else 0.0)


def _stop(tap: TapSeen, served: Sequence[EvseState]) -> Stop | Ignore | None:
    own = [
        (tap.at.seconds_since(state.phase.transaction.started), state.evse)
        for state in served
        if isinstance(state.phase, Running) and _pays(state, tap.token)
    ]
    if own:
        seconds, evse = min(own)
        return Stop(evse) if seconds >= REPEAT_S else Ignore("this session has only just begun")
    if any(
        isinstance(s.phase, Authorising | Waiting | Starting | Stopping) and _pays(s, tap.token) for s in served
    ):
        return Ignore("this card is being served")
    return None


def _pays(state: EvseState, token: Token) -> bool:
    match state.phase:
        case Running(transaction) | Stopping(transaction):
            return transaction.payer.token.same_payer(token)
        case Authorising(payer) | Waiting(payer) | Starting(payer):
            return payer.token.same_payer(token)
        case Idle():
            return False


def _tap_first(served: Sequence[EvseState]) -> Assignment:
    free = [s for s in served if s.operative and isinstance(s.phase, Idle)]
    if not free:
        return Ignore("every charging point of this reader is in use or out of service")
    if len(served) == 1:
        return Start(served[0].evse)
    if all(s.plug is not None for s in free):
        return Ignore("the cars here were plugged in too long ago: unplug and plug in again, or choose on the page")
    return AwaitPlug()
