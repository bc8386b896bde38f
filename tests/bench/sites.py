"""Random sites as the allocator sees them: requests, and room per link. Seeded, so every run has the same ones.

Three levels (grid connection, sub-distributions, boards) with about eight EVSEs to a board; cars of one, two and
three phases in any rotation; minimums of 6 or 8 A, maximums of 10 to 32 A, steps of 1 or 0.1 A; odd ratings less
the load of the building. `tight` is what a circuit can carry, as a share of what the cars below it could take.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.allocation.request import Request, Standing

_EVSES_PER_BOARD = 8
_BOARDS_PER_SUB = 4
_ROTATIONS = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0))
_PHASES = (3, 3, 3, 1, 1, 2)
_MOST_A = (10, 13, 16, 16, 20, 25, 32, 32)
_STANDINGS = tuple(Standing)
_WEIGHTS = (1, 1, 1, 1, 2, 3, 7)


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of site. `capped`: with limits on sums of phases (kW) and on groups that are no circuit.

    `plain`: equal weights and steps of 1 A, as those can do with whom we compare. `priorities`: how many occur.
    `mixed`: some charge already, some are due, some on probation; else all are new.
    """

    evses: int
    tight: float = 0.75
    capped: bool = False
    plain: bool = False
    priorities: int = 1
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    requests: tuple[Request, ...]
    room_ma: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Car:
    least_a: int
    most_a: int
    phases: tuple[int, ...]
    weight: int
    step_ma: int


@dataclass(slots=True)
class _Links:
    """By car: how often it counts on which link. By link: what the cars on it could take together."""

    counts: list[dict[int, int]]
    wanted_ma: list[int] = field(default_factory=list)

    def add(self, factors: Mapping[int, int], cars: Sequence[_Car]) -> None:
        link = len(self.wanted_ma)
        self.wanted_ma.append(sum(1000 * cars[place].most_a * factor for place, factor in factors.items()))
        for place, factor in factors.items():
            self.counts[place][link] = factor


def site(seed: int, shape: Shape) -> Site:
    dice = random.Random(seed)
    cars = [_car(dice, plain=shape.plain) for _ in range(shape.evses)]
    links = _Links([{} for _ in cars])
    for members in _circuits(shape.evses):
        for phase in range(3):
            links.add({place: 1 for place in members if phase in cars[place].phases}, cars)
    if shape.capped:
        _cap(dice, links, cars)
    requests = [_request(dice, f"E{place}", car, links.counts[place]) for place, car in enumerate(cars)]
    if shape.mixed or shape.priorities > 1:
        requests = [_placed(dice, request, shape) for request in requests]
    return Site(tuple(requests), tuple(_room_ma(dice, wanted, shape.tight) for wanted in links.wanted_ma))


def _request(dice: random.Random, name: str, car: _Car, counts: Mapping[int, int]) -> Request:
    """The only place where requests are made."""
    return Request(
        id=name,
        least_ma=1000 * car.least_a,
        most_ma=1000 * car.most_a,
        step_ma=car.step_ma,
        links=tuple([link for link, factor in counts.items() for _ in range(factor)]),
        weight=car.weight,
        since_s=float(int(dice.random() * 3600)),
        phases=len(car.phases),
    )


def _placed(dice: random.Random, request: Request, shape: Shape) -> Request:
    priority = int(dice.random() * shape.priorities)
    if not shape.mixed:
        return replace(request, priority=priority)
    standing = _STANDINGS[int(dice.random() * len(_STANDINGS))]
    return replace(request, priority=priority, standing=standing, probation=dice.random() < 0.05)


def _car(dice: random.Random, *, plain: bool) -> _Car:
    rotation = _ROTATIONS[int(dice.random() * 6)]
    return _Car(
        least_a=6 if dice.random() < 0.7 else 8,
        most_a=_MOST_A[int(dice.random() * len(_MOST_A))],
        phases=rotation[: _PHASES[int(dice.random() * len(_PHASES))]],
        weight=1 if plain else _WEIGHTS[int(dice.random() * len(_WEIGHTS))],
        step_ma=1000 if plain or dice.random() < 0.6 else 100,
    )


def levels(evses: int) -> list[int]:
    """The depth of each circuit, in the order of their links, of which each has three."""
    boards = -(-evses // _EVSES_PER_BOARD)
    return [0, *[1] * -(-boards // _BOARDS_PER_SUB), *[2] * boards]


def _circuits(evses: int) -> list[range]:
    """The cars below each circuit, parents first."""
    boards = [range(first, min(first + _EVSES_PER_BOARD, evses)) for first in range(0, evses, _EVSES_PER_BOARD)]
    groups = [boards[first : first + _BOARDS_PER_SUB] for first in range(0, len(boards), _BOARDS_PER_SUB)]
    return [range(evses), *(range(group[0].start, group[-1].stop) for group in groups), *boards]


def _cap(dice: random.Random, links: _Links, cars: Sequence[_Car]) -> None:
    """Power of the whole site, of one board, and of a group that no circuit holds."""
    everyone = range(len(cars))
    board = _circuits(len(cars))[-1]
    group = [place for place in everyone if dice.random() < 0.4]
    for members in (everyone, board, group):
        links.add({place: len(cars[place].phases) for place in members}, cars)


def _room_ma(dice: random.Random, wanted_ma: int, tight: float) -> int:
    """A rating that is an odd number of tenths of an ampere, its usable share, less the building."""
    rating_ma = 100 * int(wanted_ma * tight * (0.7 + 1.1 * dice.random()) / 100)
    building_ma = int(rating_ma * 0.25 * dice.random())
    return max(0, rating_ma * 95 // 100 - building_ma)


def broken(one: Site, current_ma: Mapping[str, int]) -> list[str]:
    """Every limit, minimum, maximum and step that these setpoints break: integers, added up by link."""
    found = []
    load_ma = [0] * len(one.room_ma)
    for request in one.requests:
        amount = current_ma[request.id]
        for link in request.links:
            load_ma[link] += amount
        if amount and not request.least_ma <= amount <= request.most_ma:
            found.append(f"{request.id}: {amount} mA is not between {request.least_ma} and {request.most_ma}")
        if amount % request.step_ma:
            found.append(f"{request.id}: {amount} mA is no multiple of {request.step_ma}")
    for link, (load, room) in enumerate(zip(load_ma, one.room_ma, strict=True)):
        if load > room:
            found.append(f"link {link}: {load} mA of {room}")
    return found
