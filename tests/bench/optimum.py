"""What the best allocation would be, from HiGHS: a solver that shares no code and no idea with the product.

`max_min` is the lexicographic weighted max-min: maximise t so that everybody has weight * t; whoever has a positive
dual cannot have more, and stays; again for the rest. Higher priorities first, the lower lying at their minimums.
`most_admitted` is the largest number of cars whose minimums fit together, `most_current` the largest load.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import highspy
import numpy as np

from controller.allocation.request import Request

_DUAL = 1e-7
_TOLERANCE = 1e-10


def counts(request: Request) -> list[tuple[int, int]]:
    """(link, how often its current counts there)."""
    return list(Counter(request.links).items())


def max_min(admitted: Sequence[Request], room_ma: Sequence[int]) -> list[float]:
    """Amperes in the order of the requests, whose minimums fit together; highest priority first."""
    amounts = [request.least_ma / 1000 for request in admitted]
    place = 0
    for _, group in groupby(admitted, key=lambda request: request.priority):
        members = list(group)
        inside = range(place, place + len(members))
        left = [room / 1000 for room in room_ma]
        for other, request in enumerate(admitted):
            for link, factor in counts(request) if other not in inside else ():
                left[link] -= factor * amounts[other]
        amounts[inside.start : inside.stop] = _Ladder(members, left).climb()
        place = inside.stop
    return amounts


class _Ladder:
    """The sequence of linear programs of one priority, warm-started one from another. Column n is t."""

    def __init__(self, members: Sequence[Request], left: Sequence[float]) -> None:
        self._members = members
        self._solver = highspy.Highs()
        self._solver.silent()
        for name, value in (
            ("primal_feasibility_tolerance", _TOLERANCE),
            ("dual_feasibility_tolerance", _TOLERANCE),
            ("presolve", "off"),
            ("simplex_strategy", 4),
        ):
            self._solver.setOptionValue(name, value)
        self._pass(left)

    def _pass(self, left: Sequence[float]) -> None:
        """Rows: first weight * t <= x of each member, then the links they load."""
        count = len(self._members)
        for member in self._members:
            self._solver.addVar(member.least_ma / 1000, member.most_ma / 1000)
        self._solver.addVar(0.0, highspy.kHighsInf)
        self._solver.changeColCost(count, -1.0)
        on_link: dict[int, list[tuple[int, int]]] = {}
        for place, member in enumerate(self._members):
            self._row(0.0, highspy.kHighsInf, [(place, 1.0), (count, -float(member.weight))])
            for link, factor in counts(member):
                on_link.setdefault(link, []).append((place, factor))
        for link, entries in on_link.items():
            self._row(-highspy.kHighsInf, left[link], [(place, float(factor)) for place, factor in entries])

    def _row(self, lower: float, upper: float, entries: Sequence[tuple[int, float]]) -> None:
        columns = np.array([column for column, _ in entries], dtype=np.int32)
        values = np.array([value for _, value in entries])
        self._solver.addRow(lower, upper, len(entries), columns, values)

    def climb(self) -> list[float]:
        count = len(self._members)
        amounts = [0.0] * count
        rising = set(range(count))
        while rising:
            self._solver.run()
            if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                raise RuntimeError(f"HiGHS: {self._solver.getModelStatus()}")
            solution = self._solver.getSolution()
            level = solution.col_value[count]
            duals = list(solution.row_dual)
            held = [place for place in rising if abs(duals[place]) > _DUAL]
            if not held:
                raise RuntimeError("HiGHS: nobody holds the level")
            for place in held:
                amounts[place] = self._members[place].weight * level
                self._solver.changeColBounds(place, amounts[place], amounts[place])
                self._solver.changeRowBounds(place, -highspy.kHighsInf, highspy.kHighsInf)
            rising.difference_update(held)
        return amounts


def most_admitted(requests: Sequence[Request], room_ma: Sequence[int]) -> int:
    """A mixed-integer program: as many as possible, each with its minimum on every link, in whole mA."""
    able = [request for request in requests if request.most_ma >= request.least_ma]
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("mip_rel_gap", 0.0)
    on_link: dict[int, list[tuple[int, int]]] = {}
    for place, request in enumerate(able):
        solver.addVar(0.0, 1.0)
        solver.changeColCost(place, -1.0)
        solver.changeColIntegrality(place, highspy.HighsVarType.kInteger)
        for link, factor in counts(request):
            on_link.setdefault(link, []).append((place, factor * request.least_ma))
    for link, entries in on_link.items():
        columns = np.array([place for place, _ in entries], dtype=np.int32)
        needed = np.array([amount / 1000 for _, amount in entries])
        solver.addRow(-highspy.kHighsInf, max(0, room_ma[link]) / 1000, len(entries), columns, needed)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(f"HiGHS: {solver.getModelStatus()}")
    return round(-float(solver.getInfo().objective_function_value))


def most_current(requests: Sequence[Request], room_ma: Sequence[int]) -> float:
    """The largest sum of what all links carry, in amperes, if minimums did not matter: a linear program."""
    solver = highspy.Highs()
    solver.silent()
    on_link: dict[int, list[tuple[int, int]]] = {}
    for place, request in enumerate(requests):
        solver.addVar(0.0, request.most_ma / 1000)
        solver.changeColCost(place, -float(len(request.links)))
        for link, factor in counts(request):
            on_link.setdefault(link, []).append((place, factor))
    for link, entries in on_link.items():
        columns = np.array([place for place, _ in entries], dtype=np.int32)
        factors = np.array([float(factor) for _, factor in entries])
        solver.addRow(-highspy.kHighsInf, max(0, room_ma[link]) / 1000, len(entries), columns, factors)
    solver.run()
    return -float(solver.getInfo().objective_function_value)
