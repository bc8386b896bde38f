"""From shares to setpoints that may be sent now: cuts at once, raises only into room that is proven.

A raise of one EVSE follows its last raise by 5 s (R7), or by more where the charger keeps it in EEPROM. It
takes only what is left when every other EVSE counts at what it may still be drawing: a cut whose setpoint is
not confirmed, or that the EV has had no time to follow, has not made room yet. So current passes from one car
to another without both having it. A first setpoint after plug-in waits for nothing else. Where an EVSE has a
largest raise, one raise adds no more than that (a ramp), though never less than its minimum from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from controller.allocation.request import tight
from controller.allocation.sharing import Shares
from controller.allocation.situation import Question
from controller.allocation.watch import Watched

BETWEEN_RAISES_S = 5.0
WRITTEN_WITHIN_S = 3.0
WORTH_A_WRITE_MA = 500
"""No raise is smaller, unless it is the first current or the last up to the maximum: an EEPROM is not worn for the
noise of a meter (R12), and no setpoint dances to it."""


class Emission(NamedTuple):
    """`delayed`: it shall have more, later; `behind` are the links whose cuts it waits for, if it does."""

    current_ma: int
    raised: bool = False
    delayed: bool = False
    behind: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question and its answer."""

    question: Question
    shares: Shares
    now_s: float


def emit(evses: Sequence[Watched], question: Question, shares: Shares, now_s: float) -> dict[str, Emission]:
    """Setpoints of the reachable EVSEs."""
    answered = _Answered(question, shares, now_s)
    reachable = {one.point.id: one for one in evses if one.reachable}
    emissions = {name: Emission(_floor(one, answered)) for name, one in reachable.items()}
    left = list(question.room_ma)
    for name, one in reachable.items():
        _occupy(left, question.links[name], max(one.counted_ma, emissions[name].current_ma))
    for name, share in shares.items():
        if share.current_ma > emissions[name].current_ma:
            one = reachable[name]
            emissions[name] = _raise(one, emissions[name].current_ma, left, answered)
            if emissions[name].raised:
                grown_ma = max(0, emissions[name].current_ma - one.counted_ma)
                _occupy(left, question.links[name], grown_ma)
    return emissions


def _floor(evse: Watched, answered: _Answered) -> int:
    """What it may have without any raise: the old setpoint or the new share, the lower; 0 below its minimum."""
    share = answered.shares.get(evse.point.id)
    if share is None:
        return 0
    kept = min(evse.point.on_grid(evse.memory.set_ma), share.current_ma)
    return kept if kept >= answered.question.requests[evse.point.id].least_ma else 0


def _raise(evse: Watched, from_ma: int, left: Sequence[int], answered: _Answered) -> Emission:
    request = answered.question.requests[evse.point.id]
    wanted = answered.shares[evse.point.id].current_ma
    if _not_worth_it(evse, from_ma, wanted, request.most_ma):
        return Emission(from_ma)  # it has what it may: what binds its share is its reason
    raised_s = evse.memory.raised_s
    if raised_s is not None and answered.now_s - raised_s < _between_raises_s(evse):
        return Emission(from_ma, delayed=True)
    own_ma = max(evse.counted_ma, from_ma)
    links = answered.question.links[evse.point.id]
    free = _free_ma(links, left) + own_ma
    possible = min(wanted, _ramped(evse, from_ma, request.least_ma), evse.point.on_grid(max(0, free)))
    delayed = possible < wanted
    behind = tight(links, left, wanted - own_ma) if delayed else ()
    if (
        possible <= from_ma
        or possible < request.least_ma
        or _not_worth_it(evse, from_ma, possible, request.most_ma)
    ):
        return Emission(from_ma, delayed=True, behind=behind)
    return Emission(possible, raised=True, delayed=delayed, behind=behind)


def _free_ma(links: Sequence[int], left: Sequence[int]) -> int:
    """What its current may grow by; a link that counts it thrice has a third to give."""
    return min((left[link] // links.count(link) for link in links), default=0)


def _ramped(evse: Watched, from_ma: int, least_ma: int) -> int:
    most_raise_ma = evse.point.most_raise_ma
    return max(least_ma, from_ma + most_raise_ma) if most_raise_ma else evse.point.max_ma


def _between_raises_s(evse: Watched) -> float:
    """The charger counts from when its EEPROM was written, a while after the setpoint was sent."""
    worn_s = evse.point.raise_interval_s
    return max(BETWEEN_RAISES_S, worn_s + WRITTEN_WITHIN_S if worn_s else 0.0)


def _not_worth_it(evse: Watched, from_ma: int, to_ma: int, most_ma: int) -> bool:
    last_ma = evse.point.max_ma if evse.point.raise_interval_s else most_ma
    return 0 < from_ma < to_ma < min(from_ma + WORTH_A_WRITE_MA, last_ma)


def _occupy(left: list[int], links: Sequence[int], amount_ma: int) -> None:
    for link in links if amount_ma else ():
        left[link] -= amount_ma
