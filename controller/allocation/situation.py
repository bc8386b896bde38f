"""The tick's question to `sharing`: who asks for how much, and what room each link has, under a list of limits.

It is a function of the limits, so that the same question can be asked again without one of them (`reasons`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.allocation.circuits import Tree
from controller.allocation.image import EvseMemory, Limit
from controller.allocation.limits import Lowest, Room, room
from controller.allocation.overdraw import PAUSED, REDUCED
from controller.allocation.request import Request
from controller.allocation.watch import Watched
from drivers.api import Phases

HEADROOM_FOR_S = 30.0
"""So long must the minimum of a paused EVSE have fitted before it starts again."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a tick knows, apart from the limits."""

    tree: Tree
    evses: Sequence[Watched]
    base_ma: Sequence[Phases]
    now_s: float

    def reserved_ma(self) -> list[int]:
        """Per link: unreachable EVSEs at what counts of them, and what others draw above their bound."""
        reserved = [0] * (3 * len(self.tree.circuits))
        for one in self.evses:
            amount = one.surplus_ma if one.reachable else one.counted_ma
            for link in self.tree.links(one.point, one.phases) if amount else ():
                reserved[link] += amount
        return reserved


@dataclass(frozen=True, slots=True)
class Question:
    """`capped` names the limit that lowers an EVSE's own maximum."""

    requests: Mapping[str, Request]
    room: Room
    lowest: Lowest
    capped: Mapping[str, Limit]


def pose(situation: Situation, limits: Iterable[Limit]) -> Question:
    lowest = Lowest.of(limits)
    requests: dict[str, Request] = {}
    capped: dict[str, Limit] = {}
    for one in situation.evses:
        if not may_charge(one) or one.image.demand is None:
            continue
        most_ma, limit = lowest.evse(one.point)
        if limit is not None:
            capped[one.point.id] = limit
        demand = one.image.demand
        least_ma = one.point.least_ma(demand.min_ma)
        requests[one.point.id] = Request(
            id=one.point.id,
            least_ma=least_ma,
            most_ma=min(most_ma, least_ma) if one.memory.overdraw_stage == REDUCED else most_ma,
            step_ma=one.point.step_ma,
            links=situation.tree.links(one.point, one.phases),
            weight=max(1, demand.weight),
            priority=demand.priority,
            keep=one.memory.admitted,
            since_s=demand.since_s,
            probation=_on_probation(one.memory, situation.now_s),
        )
    reserved = situation.reserved_ma()
    found = room(situation.tree.circuits, lowest, base_ma=situation.base_ma, reserved_ma=reserved)
    return Question(requests, found, lowest, capped)


def may_charge(evse: Watched) -> bool:
    """It takes part in the sharing of this tick."""
    return evse.wants and evse.reachable and evse.memory.overdraw_stage < PAUSED


def _on_probation(memory: EvseMemory, now_s: float) -> bool:
    return memory.paused and (memory.fits_s is None or now_s - memory.fits_s < HEADROOM_FOR_S)
