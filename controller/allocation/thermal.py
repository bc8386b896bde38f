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
from collections.abc import Iterable, Iterator, Mapping, Sequence

from controller.allocation.image import Layout
from controller.allocation.phases import LIVE_MA
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import Phases

TRIPS_FROM = 1.05
_LONG_S, _SHORT_AT, _SHORT_S = 3600.0, 2.55, 1.0
_STEEPNESS = math.log(_LONG_S / _SHORT_S) / math.log(_SHORT_AT / TRIPS_FROM)
COOLS_IN_S = 1800.0
SPENT = 0.8
LOCKED_FOR_S = 60.0


def trip_s(ratio: float) -> float:
    """The shortest time after which a cold breaker may trip at so many times its rating."""
    return math.inf if ratio < TRIPS_FROM else _SHORT_S * (_SHORT_AT / ratio) ** _STEEPNESS


def wear(
    worn: Mapping[int, float], layout: Layout, measured_ma: Sequence[Phases | None], elapsed_s: float
) -> dict[int, float]:
    """The spent part of each link's patience; links that have all of it are left out."""
    after: dict[int, float] = {}
    for place, circuit in enumerate(layout.circuits):
        measured = measured_ma[place]
        for phase in range(3):
            link = 3 * place + phase
            ratio = 0.0 if measured is None else measured[phase] / max(1, circuit.rating_ma[phase])
            spent = worn.get(link, 0.0)
            spent += elapsed_s / trip_s(ratio) if ratio >= TRIPS_FROM else -elapsed_s / COOLS_IN_S
            if spent > 0:
                after[link] = min(1.0, spent)
    return after


def to_shed(
    wiring: Wiring,
    evses: Sequence[Watched],
    measured_ma: Sequence[Phases | None],
    worn: Mapping[int, float],
    now_s: float,
) -> dict[str, int]:
    """EVSEs to lock now, each with the link that asks for it."""
    chosen: dict[str, int] = {}
    for link in worn:
        measured = measured_ma[link // 3]
        if measured is None:
            continue
        rating_ma = wiring.circuits[link // 3].rating_ma[link % 3]
        members = [one for one in evses if one.reachable and link in wiring.links[one.point.id][one.phases]]
        reaction_s = max((one.point.settle_s for one in members), default=0.0)
        ratio = measured[link % 3] / max(1, rating_ma)
        if worn[link] + reaction_s / trip_s(ratio) >= SPENT:
            excess_ma = measured[link % 3] - rating_ma
            chosen.update((name, link) for name in _lowest(members, link, excess_ma, chosen, now_s))
    return chosen


def _lowest(
    members: Iterable[Watched], link: int, excess_ma: int, chosen: Mapping[str, int], now_s: float
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


def _going(evse: Watched, chosen: Mapping[str, int], now_s: float) -> bool:
    """Locked so recently that its current may still be in the readings."""
    until_s = evse.memory.shed_until_s
    recently = until_s is not None and now_s < until_s - LOCKED_FOR_S + evse.point.settle_s
    return recently or evse.point.id in chosen


def _rank(evse: Watched, link: int) -> tuple[int, int, str]:
    demand = evse.image.demand
    return (demand.priority if demand is not None else -1, -_drawn(evse, link), evse.point.id)


def _drawn(evse: Watched, link: int) -> int:
    samples = evse.memory.drawing.samples
    return samples[-1].current_ma[link % 3] if samples else evse.counted_ma
