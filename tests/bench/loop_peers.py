"""Stand-ins for the loops of openWB and evcc, as their published algorithms work; they are not that software.

openWB: each 10 s read everything, which takes up to a third of the interval; what the building takes is the meter
less what the charge points report; then charge point by charge point the minimum, then one pass of equal shares of
what is left per remaining charge point. Setpoints are whole amperes.

evcc: each 30 s one load point of all, in turn. It may take what it takes now and the headroom of its circuits: the
rating less the highest phase of the circuit's meter. No shares, no phases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.allocation.circuits import SupplyPoint, Tree
from controller.allocation.image import (
    EvseImage,
    EvsePlan,
    Layout,
    Plan,
    ProcessImage,
    Reason,
    ReasonKind,
)
from controller.allocation.limits import usable_ma
from drivers.api import Phases
from tests.closed_loop.plant import Loop

OPENWB_S = 10.0
EVCC_S = 30.0
GRID_MA = 1000


@dataclass
class Turn:
    """Which load point is next."""

    place: int = 0
    set_ma: dict[str, int] = field(default_factory=dict)


def openwb() -> Loop:
    return Loop(_openwb, Turn, OPENWB_S, prompted=False, thinks_s=OPENWB_S / 3, lease_s=math.inf)


def evcc() -> Loop:
    return Loop(_evcc, Turn, EVCC_S, prompted=False, lease_s=math.inf)


def _openwb(layout: Layout, memory: Turn, image: ProcessImage) -> tuple[Turn, Plan]:
    tree = Tree.of(layout.circuits)
    left = _left(layout, tree, image)
    asking = [(point, one) for point, one in zip(layout.evses, image.evses, strict=True) if one.demand is not None]
    given: dict[str, int] = {}
    for point, _ in asking:
        if all(left[link] >= point.min_ma for link in _links(tree, point)):
            given[point.id] = point.min_ma
            _take(left, tree, point, point.min_ma)
    for place, (point, _) in enumerate(asking):
        if point.id in given:
            remaining = [other for other, _ in asking[place:] if other.id in given]
            share = min((left[link] // _sharers(tree, link, remaining) for link in _links(tree, point)), default=0)
            more_ma = max(0, min(share, point.max_ma - given[point.id]))
            given[point.id] = (given[point.id] + more_ma) // GRID_MA * GRID_MA
            _take(left, tree, point, given[point.id] - point.min_ma)
    return memory, _plan(layout, given)


def _left(layout: Layout, tree: Tree, image: ProcessImage) -> list[int]:
    """Per link: the usable limit less what the meter shows beyond the charge points' own readings."""
    left: list[int] = []
    for place, circuit in enumerate(layout.circuits):
        reading = None if circuit.meter is None else image.meters.get(circuit.meter)
        ours = [0, 0, 0]
        for point, one in zip(layout.evses, image.evses, strict=True):
            if place in tree.paths[point.circuit]:
                for phase, amount in enumerate(_measured(point, one)):
                    ours[phase] += amount
        usable = usable_ma(circuit)
        for phase in range(3):
            base = 0 if reading is None else max(0, reading.current_ma[phase] - ours[phase])
            left.append(usable[phase] - base)
    return left


def _measured(point: SupplyPoint, one: EvseImage) -> Phases:
    if one.reading is None or one.reading.current_ma is None:
        return Phases(0, 0, 0)
    return point.rotation.to_supply(one.reading.current_ma)


def _links(tree: Tree, point: SupplyPoint) -> tuple[int, ...]:
    return tree.links(point, point.phases)


def _sharers(tree: Tree, link: int, remaining: Sequence[SupplyPoint]) -> int:
    return max(1, sum(link in _links(tree, other) for other in remaining))


def _take(left: list[int], tree: Tree, point: SupplyPoint, amount_ma: int) -> None:
    for link in _links(tree, point):
        left[link] -= amount_ma


def _evcc(layout: Layout, memory: Turn, image: ProcessImage) -> tuple[Turn, Plan]:
    tree = Tree.of(layout.circuits)
    set_ma = dict(memory.set_ma)
    point, one = layout.evses[memory.place], image.evses[memory.place]
    drawn_ma = _measured(point, one).highest
    headroom_ma = min(
        min(usable_ma(layout.circuits[place])) - _metered(layout, place, image)
        for place in tree.paths[point.circuit]
    )
    allowed_ma = min(point.max_ma, drawn_ma + headroom_ma) // GRID_MA * GRID_MA
    set_ma[point.id] = allowed_ma if one.demand is not None and allowed_ma >= point.min_ma else 0
    return Turn((memory.place + 1) % len(layout.evses), set_ma), _plan(layout, set_ma)


def _metered(layout: Layout, place: int, image: ProcessImage) -> int:
    meter = layout.circuits[place].meter
    reading = None if meter is None else image.meters.get(meter)
    return 0 if reading is None else reading.current_ma.highest


def _plan(layout: Layout, given: dict[str, int]) -> Plan:
    reason = Reason(ReasonKind.CIRCUIT)
    return Plan(
        tuple(EvsePlan(one.id, given.get(one.id, 0), True, reason, given.get(one.id, 0)) for one in layout.evses),
        (),
    )
