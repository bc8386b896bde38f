"""From shares to setpoints that may be sent now: cuts at once, raises only into room that is proven.

A raise of one EVSE follows its last raise by 5 s (R7), or by more where the charger keeps it in EEPROM. It
takes only what is left when every other EVSE counts at what it may still be drawing: a cut whose setpoint is
not confirmed, or that the EV has had no time to follow, has not made room yet. So current passes from one car
to another without both having it. A first setpoint after plug-in waits for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.circuits import Tree
from controller.allocation.request import Request, tight
from controller.allocation.sharing import Share
from controller.allocation.watch import Watched

BETWEEN_RAISES_S = 5.0
WRITTEN_WITHIN_S = 3.0
WORTH_A_WRITE_MA = 500
"""An EEPROM is not worn for less (R12), unless it is the first current or the last up to the maximum."""


@dataclass(frozen=True, slots=True)
class Emission:
    """`delayed`: it shall have more, later; `behind` are the links whose cuts it waits for, if it does."""

    current_ma: int
    raised: bool = False
    delayed: bool = False
    behind: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sharing:
    """A question and its answer. `room_ma` per link is for the reachable EVSEs together."""

    requests: Mapping[str, Request]
    shares: Mapping[str, Share]
    room_ma: Sequence[int]
    now_s: float


def emit(tree: Tree, evses: Sequence[Watched], sharing: Sharing) -> dict[str, Emission]:
    """Setpoints of the reachable EVSEs."""
    reachable = {one.point.id: one for one in evses if one.reachable}
    emissions = {name: Emission(_floor(one, sharing)) for name, one in reachable.items()}
    left = list(sharing.room_ma)
    for name, one in reachable.items():
        _occupy(left, tree, one, max(one.counted_ma, emissions[name].current_ma))
    for name, share in sharing.shares.items():
        if share.current_ma > emissions[name].current_ma:
            emissions[name] = _raise(reachable[name], emissions[name].current_ma, left, sharing)
            grown = max(0, emissions[name].current_ma - reachable[name].counted_ma)
            _occupy(left, tree, reachable[name], grown if emissions[name].raised else 0)
    return emissions


def _floor(evse: Watched, sharing: Sharing) -> int:
    """What it may have without any raise: the old setpoint or the new share, the lower; 0 below its minimum."""
    share = sharing.shares.get(evse.point.id)
    if share is None:
        return 0
    kept = min(evse.point.on_grid(evse.memory.set_ma), share.current_ma)
    return kept if kept >= sharing.requests[evse.point.id].least_ma else 0


def _raise(evse: Watched, from_ma: int, left: Sequence[int], sharing: Sharing) -> Emission:
    raised_s = evse.memory.raised_s
    if raised_s is not None and sharing.now_s - raised_s < _between_raises_s(evse):
        return Emission(from_ma, delayed=True)
    request = sharing.requests[evse.point.id]
    wanted = sharing.shares[evse.point.id].current_ma
    own_ma = max(evse.counted_ma, from_ma)
    free = min((left[link] for link in request.links), default=0) + own_ma
    possible = min(wanted, evse.point.on_grid(max(0, free)))
    delayed = possible < wanted
    behind = tight(request, left, wanted - own_ma) if delayed else ()
    if possible <= from_ma or possible < request.least_ma or _not_worth_it(evse, from_ma, possible):
        return Emission(from_ma, delayed=True, behind=behind)
    return Emission(possible, raised=True, delayed=delayed, behind=behind)


def _between_raises_s(evse: Watched) -> float:
    """The charger counts from when its EEPROM was written, a while after the setpoint was sent."""
    worn_s = evse.point.raise_interval_s
    return max(BETWEEN_RAISES_S, worn_s + WRITTEN_WITHIN_S if worn_s else 0.0)


def _not_worth_it(evse: Watched, from_ma: int, to_ma: int) -> bool:
    worn = evse.point.raise_interval_s > 0
    return worn and 0 < from_ma < to_ma < min(from_ma + WORTH_A_WRITE_MA, evse.point.max_ma)


def _occupy(left: list[int], tree: Tree, evse: Watched, amount_ma: int) -> None:
    for link in tree.links(evse.point, evse.phases) if amount_ma else ():
        left[link] -= amount_ma
