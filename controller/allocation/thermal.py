"""The breaker's patience: what is left of it, and who is locked before it ends.

A breaker carries an overload for a time that falls steeply with the current. Of IEC 60898-1 (2.55 x the rating
trips no sooner than after 1 s; 1.13 x never within the hour) the lower edge is drawn here as a straight line
between logarithms, begun at 1.05 x because main switches are tighter. Each second at a current spends its part of
that time; below, the breaker cools within half an hour.

Cuts by the pilot need up to 5 s and the charger's latency. When so much time would not be left, the EVSEs of the
lowest priority that draw there are locked at once, as many as the excess takes: their contactors open sooner than
an EV obeys. They stay locked for a minute.
"""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

from controller.allocation.image import Layout
from controller.allocation.memory import Shed, Worn
from controller.allocation.phases import LIVE_MA
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import NO_CURRENT, Phases

TRIPS_FROM = 1.05
_LONG_S, _SHORT_AT, _SHORT_S = 3600.0, 2.55, 1.0
_STEEPNESS = math.log(_LONG_S / _SHORT_S) / math.log(_SHORT_AT / TRIPS_FROM)
COOLS_IN_S = 1800.0
SPENT = 0.8
LOCKED_FOR_S = 60.0
FRESH: Worn = (0.0, 0.0, 0.0)


def trip_s(ratio: float) -> float:
    """The shortest time after which a cold breaker may trip at so many times its rating."""
    return math.inf if ratio < TRIPS_FROM else _SHORT_S * (_SHORT_AT / ratio) ** _STEEPNESS


def wear(
    worn: Mapping[str, Worn], layout: Layout, measured_ma: Sequence[Phases | None], elapsed_s: float
) -> dict[str, Worn]:
    """What is spent of each circuit's patience, by its id; circuits that have all of it are left out."""
    after: dict[str, Worn] = {}
    for circuit, measured in zip(layout.circuits, measured_ma, strict=True):
        l1, l2, l3 = (
            _spent(before, load_ma / max(1, rating_ma), elapsed_s)
            for before, load_ma, rating_ma in zip(
                worn.get(circuit.id, FRESH), measured or NO_CURRENT, circuit.rating_ma, strict=True
            )
        )
        if l1 or l2 or l3:
            after[circuit.id] = (l1, l2, l3)
    return after


def _spent(before: float, ratio: float, elapsed_s: float) -> float:
    change = elapsed_s / trip_s(ratio) if ratio >= TRIPS_FROM else -elapsed_s / COOLS_IN_S
    return max(0.0, min(1.0, before + change))


def to_shed(
    wiring: Wiring,
    evses: Sequence[Watched],
    measured_ma: Sequence[Phases | None],
    worn: Mapping[str, Worn],
    now_s: float,
) -> dict[str, Shed]:
    """EVSEs to lock now, each with the link that asks for it."""
    chosen: dict[str, Shed] = {}
    for link, spent in _worn_links(wiring, worn):
        measured = measured_ma[link // 3]
        if measured is None:
            continue
        rating_ma = wiring.circuits[link // 3].rating_ma[link % 3]
        members = [one for one in evses if one.reachable and link in wiring.links[one.point.id][one.phases]]
        reaction_s = max((one.point.settle_s for one in members), default=0.0)
        ratio = measured[link % 3] / max(1, rating_ma)
        if spent + reaction_s / trip_s(ratio) >= SPENT:
            excess_ma = measured[link % 3] - rating_ma
            shed = Shed(now_s + LOCKED_FOR_S, wiring.tree.name(link))
            chosen.update((name, shed) for name in _lowest(members, link, excess_ma, chosen, now_s))
    return chosen


def _worn_links(wiring: Wiring, worn: Mapping[str, Worn]) -> Iterator[tuple[int, float]]:
    for place, circuit in enumerate(wiring.circuits):
        for phase, spent in enumerate(worn.get(circuit.id, ())):
            if spent > 0:
                yield 3 * place + phase, spent


def _lowest(
    members: Iterable[Watched], link: int, excess_ma: int, chosen: Container[str], now_s: float
) -> Iterator[str]:
    """Those that go, until the excess is gone. What is locked but still in the meter's reading goes first."""
    order = sorted(members, key=lambda one: (not _going(one, chosen, now_s), *_rank(one, link)))
    for one in order:
        drawn_ma = _drawn(one, link)
        if excess_ma <= 0 or drawn_ma < LIVE_MA:
            continue
        excess_ma -= drawn_ma
        if not _going(one, chosen, now_s):
            yield one.point.id


def _going(evse: Watched, chosen: Container[str], now_s: float) -> bool:
    """Locked so recently that its current may still be in the readings."""
    shed = evse.memory.shed
    recently = shed is not None and now_s < shed.until_s - LOCKED_FOR_S + evse.point.settle_s
    return recently or evse.point.id in chosen


def _rank(evse: Watched, link: int) -> tuple[int, int, str]:
    demand = evse.image.demand
    return (demand.priority if demand is not None else -1, -_drawn(evse, link), evse.point.id)


def _drawn(evse: Watched, link: int) -> int:
    samples = evse.memory.drawing.samples
    return samples[-1].current_ma[link % 3] if samples else evse.counted_ma
