"""What the cars could take at this instant: fair shares by someone who sees all currents and needs no minimum.

Filled in small equal steps of one level for all: each car rises until it is full, or a link that it loads is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sim.wiring
from controller.allocation.circuits import Circuit
from sim.wiring import Wiring
from tests.closed_loop.station import VOLTS, Station

Link = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """A car that would charge: at most so much on each of these links."""

    most_a: float
    phases: int
    links: tuple[Link, ...]


def wishes(stations: Sequence[Station], parents: dict[str, str | None]) -> list[Wish]:
    return [
        Wish(_most_a(one), len(ev.spec.conductors), _links(one, parents))
        for one in stations
        if (ev := one.outlet.ev) is not None and one.demand is not None and not ev.full
    ]


def _most_a(station: Station) -> float:
    ev = station.outlet.ev
    assert ev is not None
    wanted = ev.spec.max_a if ev.draw_a is None else min(ev.draw_a, ev.spec.max_a)
    taken = ev.spec.max_a if ev.soc <= 0.9 else max(1.0, ev.spec.max_a * (1 - ev.soc) / 0.1)
    return min(wanted, taken, station.point.max_ma / 1000)


def _links(station: Station, parents: dict[str, str | None]) -> tuple[Link, ...]:
    assert station.outlet.ev is not None
    phases = [station.outlet.supply[conductor] for conductor in station.outlet.ev.spec.conductors]
    found: list[Link] = []
    name: str | None = station.point.circuit
    while name is not None:
        found.extend((name, phase) for phase in phases)
        name = parents[name]
    return tuple(found)


def room(circuits: Sequence[Circuit], wiring: Wiring, stations: Sequence[Station]) -> dict[Link, float]:
    """Usable share less the building, by link; where no meter shows it, the building counts its most."""
    cars = Wiring([sim.wiring.Circuit(one.name, one.parent, one.rating_a) for one in wiring.circuits.values()])
    cars.settle(((one.outlet.circuit, one.outlet.drawn_a) for one in stations), powered=True)
    left: dict[Link, float] = {}
    for circuit in circuits:
        here, ours = wiring.circuits[circuit.id].drawn_a, cars.circuits[circuit.id].drawn_a
        for phase in range(3):
            usable = circuit.rating_ma[phase] * circuit.usable_permille / 1e6
            building = max(0.0, here[phase] - ours[phase])
            if circuit.meter is None:
                building = max(building, circuit.max_other_ma[phase] / 1000)
            left[circuit.id, phase] = max(0.0, usable - building)
    return left


def share(asked: Sequence[Wish], left: dict[Link, float]) -> list[float]:
    """Max-min fair amperes of each wish, without minimums or grids."""
    given = [0.0] * len(asked)
    rising = set(range(len(asked)))
    left = dict(left)
    while rising:
        load: dict[Link, int] = {}
        for place in rising:
            for link in asked[place].links:
                load[link] = load.get(link, 0) + 1
        gain = min(
            min(asked[place].most_a - given[place] for place in rising),
            min(left[link] / count for link, count in load.items()),
        )
        for link, count in load.items():
            left[link] -= gain * count
        for place in rising:
            given[place] += gain
        rising = {
            place
            for place in rising
            if given[place] < asked[place].most_a - 1e-9 and all(left[link] > 1e-9 for link in asked[place].links)
        }
    return given


def power_w(asked: Sequence[Wish], given: Sequence[float]) -> float:
    return sum(VOLTS * wish.phases * amps for wish, amps in zip(asked, given, strict=True))
