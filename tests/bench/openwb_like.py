"""A loop that shares current in the way openWB's does, written anew from reading how it works, to compare with.

Stage by stage (minimum, then what is asked for), mode by mode, counter by counter from the leaves to the root: look
up who is below the counter and in that mode, bring them into order by one criterion after another, give back to the
counters what the level below had granted, and go through the list once. Each gets what this counter has left on
each phase, divided by the number of those that still wait, never more than the level below granted; all counters
on its way to the root are charged with it. Lookups walk the tree of counters each time, as there.

Left out, in its favour: PV surplus, unbalance, power limits, phase switching, logging, messages, its data model.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.bench.sites import Site

MODES = tuple(
    (setting, actual, preferred)
    for setting, actual in (
        ("scheduled", "instant"),
        ("time", "time"),
        ("instant", "instant"),
        ("eco", "instant"),
        ("pv", "instant"),
        ("scheduled", "pv"),
        ("eco", "pv"),
        ("pv", "pv"),
    )
    for preferred in (True, False)
)
"""All can get a minimum; the first ten can get more."""

_BEYOND_MINIMUM = 10
_CRITERIA: tuple[Callable[["ChargePoint"], float], ...] = (
    lambda point: point.required_a,
    lambda point: point.soc,
    lambda point: point.imported_wh,
    lambda point: point.plugged_s,
    lambda point: point.number,
)


@dataclass(slots=True)
class ChargePoint:
    """`granted_a` is what the stage before left it with, `set_a` what this stage has given so far."""

    number: int
    name: str
    mode: tuple[str, str, bool]
    phases: tuple[int, ...]
    minimum_a: float
    required_a: float
    soc: float
    imported_wh: float
    plugged_s: float
    granted_a: float = 0.0
    set_a: float | None = None


@dataclass(slots=True)
class Counter:
    """A meter with a limit: what is left of it per phase, in amperes."""

    left_a: list[float]
    counters: list["Counter"] = field(default_factory=list)
    points: list[ChargePoint] = field(default_factory=list)


@dataclass(slots=True)
class Plant:
    root: Counter
    points: list[ChargePoint]

    def share(self) -> None:
        """One pass of control; the result is `set_a` of each charge point."""
        self._next_stage()
        self._give_minimums()
        self._next_stage()
        self._give_more()

    def _next_stage(self) -> None:
        for point in self.points:
            point.granted_a = point.set_a or 0.0
            point.set_a = None

    def _give_minimums(self) -> None:
        for counter, waiting in self._lists(MODES):
            for point in waiting:
                if point.set_a:
                    self._charge(point, -point.minimum_a)
            for point in waiting:
                fits = all(counter.left_a[phase] >= point.minimum_a for phase in point.phases)
                refused = point.set_a == 0
                point.set_a = point.minimum_a if fits and not refused else 0.0
                self._charge(point, point.set_a)

    def _give_more(self) -> None:
        for counter, everyone in self._lists(MODES[:_BEYOND_MINIMUM]):
            waiting = [point for point in everyone if point.granted_a]
            for point in waiting:
                if point.set_a is not None:
                    self._charge(point, point.granted_a - point.set_a)
            while waiting:
                point = waiting[0]
                more = _available(point, waiting, counter)
                below = point.required_a if point.set_a is None else point.set_a
                point.set_a = min(below, point.granted_a + more)
                self._charge(point, point.set_a - point.granted_a)
                waiting.pop(0)

    def _lists(self, modes: Sequence[tuple[str, str, bool]]) -> Iterator[tuple[Counter, list[ChargePoint]]]:
        for mode in modes:
            for level in reversed(_levels(self.root)):
                for counter in level:
                    below = [point.number for point in _below(counter)]
                    of_mode = [point for point in self.points if point.mode == mode]
                    yield counter, [point for point in _preferred(of_mode) if point.number in below]

    def _charge(self, point: ChargePoint, amount_a: float) -> None:
        if amount_a:
            for counter in _path(self.root, point):
                for phase in point.phases:
                    counter.left_a[phase] -= amount_a


def _available(point: ChargePoint, waiting: Sequence[ChargePoint], counter: Counter) -> float:
    """On top of what it has: its part of what the counter has left, where that is less than what is missing."""
    missing, counts = [0.0] * 3, [0] * 3
    for one in waiting:
        for phase in one.phases:
            missing[phase] += one.required_a - one.minimum_a
            counts[phase] += 1
    left = [min(wanted, max(0.0, room)) for wanted, room in zip(missing, counter.left_a, strict=True)]
    parts = [left[phase] / counts[phase] for phase in point.phases if left[phase] != missing[phase]]
    return min([point.required_a - point.granted_a, *parts])


def _preferred(points: Sequence[ChargePoint]) -> list[ChargePoint]:
    """One after another: the lowest by the first criterion; among equals by the next."""
    rest, ordered = list(points), []
    while rest:
        best = rest
        for criterion in _CRITERIA:
            values = [criterion(point) for point in best]
            lowest = min(values)
            best = [point for point, value in zip(best, values, strict=True) if value == lowest]
            if len(best) == 1:
                break
        ordered.append(best[0])
        rest.remove(best[0])
    return ordered


def _levels(root: Counter) -> list[list[Counter]]:
    levels, level = [], [root]
    while level:
        levels.append(level)
        level = [below for counter in level for below in counter.counters]
    return levels


def _below(counter: Counter) -> list[ChargePoint]:
    return [*counter.points, *(point for one in counter.counters for point in _below(one))]


def _path(counter: Counter, point: ChargePoint) -> list[Counter]:
    """From the root; empty: it is not below this counter."""
    if any(one is point for one in counter.points):
        return [counter]
    for below in counter.counters:
        path = _path(below, point)
        if path:
            return [counter, *path]
    return []


def plant(site: Site, levels: Sequence[int]) -> Plant:
    """`levels` holds the depth of each circuit; links are numbered three to a circuit, parents first."""
    counters = [
        Counter([room / 1000 for room in site.room_ma[3 * place : 3 * place + 3]]) for place in range(len(levels))
    ]
    parents: dict[int, int] = {}
    points = []
    for number, request in enumerate(site.requests):
        path = sorted({link // 3 for link in request.links}, key=lambda place: -levels[place])
        parents.update(pairwise(path))
        point = ChargePoint(
            number=number,
            name=request.id,
            mode=("instant", "instant", False),
            phases=tuple(sorted({link % 3 for link in request.links})),
            minimum_a=request.least_ma / 1000,
            required_a=request.most_ma / 1000,
            soc=float(number % 7),
            imported_wh=float(number % 11),
            plugged_s=request.since_s,
        )
        points.append(point)
        counters[path[0]].points.append(point)
    for child, parent in parents.items():
        counters[parent].counters.append(counters[child])
    return Plant(counters[0], points)
