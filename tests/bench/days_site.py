"""The site that the days of cars come to, and the best that could be done there by somebody who knows the future.

Three boards hang on one connection; a board may carry 60 % of it. Outlets are spread over the boards in turn and
rotated over the phases, as an installer would. Of each scarcity the connection is so large, in whole amperes, that
the best possible plan meets the given share of what all cars of all days would take.

The best plan is a linear program over the whole day with every arrival, departure and appetite known. Between two
of those moments nothing changes, so one current for each car in each such interval is all that matters. It needs no
minimum, no steps and no fairness: an upper bound that nobody can reach, and that without this knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import highspy
import numpy as np

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint, Tree
from drivers.api import Phases
from tests.bench.days_sessions import Stay

_BOARDS = 3
_BOARD_PERCENT = 60
_ROTATIONS = (Rotation.L1L2L3, Rotation.L2L3L1, Rotation.L3L1L2)
_LARGEST_A = 250


@dataclass(frozen=True, slots=True)
class DaySite:
    """`room_ma` per link."""

    main_a: int
    tree: Tree
    room_ma: tuple[int, ...]

    @classmethod
    def of(cls, main_a: int) -> "DaySite":
        main = _circuit("main", None, 1000 * main_a)
        board_ma = main_a * _BOARD_PERCENT // 100 * 1000
        boards = [_circuit(f"board-{place}", "main", board_ma) for place in range(_BOARDS)]
        tree = Tree.of([main, *boards])
        return cls(main_a, tree, tuple(amount for one in tree.circuits for amount in one.rating_ma))

    def links(self, stay: Stay) -> tuple[int, ...]:
        rotation = _ROTATIONS[stay.station // _BOARDS % 3]
        board = f"board-{stay.station % _BOARDS}"
        point = SupplyPoint(stay.id, board, rotation, stay.phases, 6_000, max(6_000, stay.most_ma), 1_000, 1.0)
        return self.tree.links(point, stay.phases)


def scarce(days: Sequence[Sequence[Stay]], met: float) -> tuple[DaySite, list[float]]:
    """The site at which the best plans meet that share of all demand, and what they deliver on each day."""
    demand_wh = sum(stay.takes_wh for day in days for stay in day)
    smallest, largest = 1, _LARGEST_A
    while smallest < largest:
        middle = (smallest + largest) // 2
        enough = sum(_best(days, DaySite.of(middle))) >= met * demand_wh
        smallest, largest = (smallest, middle) if enough else (middle + 1, largest)
    site = DaySite.of(smallest)
    return site, _best(days, site)


def _best(days: Sequence[Sequence[Stay]], site: DaySite) -> list[float]:
    return [clairvoyant_wh(day, site) for day in days]


def clairvoyant_wh(day: Sequence[Stay], site: DaySite) -> float:
    """The most energy that the cars of a day can have by the time they leave.

    Raises:
        RuntimeError: the solver found no optimum.
    """
    program = _Program()
    links = {stay.id: site.links(stay) for stay in day}
    moments = sorted({moment for stay in day for moment in (stay.arrives_s, stay.departs_s)})
    for place, (start_s, end_s) in enumerate(pairwise(moments)):
        hours = (end_s - start_s) / 3600
        for stay in day:
            if stay.arrives_s <= start_s and end_s <= stay.departs_s:
                column = program.column(stay.most_ma / 1000, gain=stay.watts_per_a * hours)
                program.load(f"energy of {stay.id}", stay.takes_wh, column, stay.watts_per_a * hours)
                for link in links[stay.id]:
                    program.load(f"{place} on {link}", site.room_ma[link] / 1000, column, 1.0)
    return program.most()


class _Program:
    """Maximise the gain of columns under rows that hold at most so much."""

    def __init__(self) -> None:
        self._highest: list[float] = []
        self._gains: list[float] = []
        self._rows: dict[str, tuple[float, list[tuple[int, float]]]] = {}

    def column(self, highest: float, *, gain: float) -> int:
        self._highest.append(highest)
        self._gains.append(gain)
        return len(self._gains) - 1

    def load(self, row: str, room: float, column: int, factor: float) -> None:
        self._rows.setdefault(row, (room, []))[1].append((column, factor))

    def most(self) -> float:
        solver = highspy.Highs()
        solver.silent()
        count = len(self._gains)
        solver.addVars(count, np.zeros(count), np.array(self._highest))
        solver.changeColsCost(count, np.arange(count, dtype=np.int32), -np.array(self._gains))
        rooms, entries = [room for room, _ in self._rows.values()], [row for _, row in self._rows.values()]
        flat = [entry for row in entries for entry in row]
        starts = np.cumsum([0, *(len(row) for row in entries[:-1])], dtype=np.int32)
        solver.addRows(
            len(rooms),
            np.full(len(rooms), -highspy.kHighsInf),
            np.array(rooms),
            len(flat),
            starts,
            np.array([column for column, _ in flat], dtype=np.int32),
            np.array([factor for _, factor in flat]),
        )
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise RuntimeError(f"HiGHS: {solver.getModelStatus()}")
        return -float(solver.getInfo().objective_function_value)


def _circuit(name: str, parent: str | None, rating_ma: int) -> Circuit:
    return Circuit(name, parent, Phases(rating_ma, rating_ma, rating_ma), 1000, Phases(0, 0, 0))
