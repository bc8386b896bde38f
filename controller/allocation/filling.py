"""How much each admitted EVSE gets: exact weighted max-min, found by progressive filling.

Think of a water level `t` that rises from 0. At level t an EVSE takes x(t) = weight * t, but never less than its
minimum and never more than its maximum. So for every link the load is a straight line A + S * t between *events*,
and only events need work:

    start   the level reaches minimum / weight: the EVSE stops lying at its minimum, its weight joins S
    full    the level reaches maximum / weight: it stays at its maximum, its weight leaves S
    bind    a link's line reaches its room: every EVSE below it that is not full stays, bound by this link

Nobody can get more than he then has without taking from somebody who has no more (per weight): that is max-min
fairness. Each EVSE is bound by exactly one link or by its maximum, which is the reason shown to people.

Raising the room of the link that binds an EVSE leaves everything below the level of that event as it was, so that
this EVSE gets more, unless a second link binds at the same level. (It does NOT follow that nobody gets less, nor
that the sum rises: raising one link's room lets some rise, who then press on other links.)

Higher priorities are filled first, the lower ones lying at their minimum meanwhile. Events wait in a heap; the
time at which a link binds is only a lower bound while others below it go on to stop, so it is worked out again
when it comes up. Floats live only here and in the first step of rounding.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from controller.allocation.request import Request

_EPSILON = 1e-9
_START, _FULL, _BIND = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Fill:
    """In the order of the requests. `bound_by` is None for one that has its maximum."""

    current_ma: tuple[float, ...]
    bound_by: tuple[int | None, ...]


def fill(ordered: Sequence[Request], room_ma: Sequence[int]) -> Fill:
    """`ordered` are admitted, highest priority first: their minimums fit together."""
    left = [float(room) for room in room_ma]
    for request in ordered:
        _take(left, request, request.least_ma)
    current: list[float] = []
    bound_by: list[int | None] = []
    for _, group in groupby(ordered, key=lambda request: request.priority):
        members = list(group)
        for request in members:
            _take(left, request, -request.least_ma)
        level = _Level(members, left)
        level.rise()
        for request, taken in zip(members, level.current, strict=True):
            _take(left, request, taken)
        current += level.current
        bound_by += level.bound_by
    return Fill(tuple(current), tuple(bound_by))


def _take(left: list[float], request: Request, amount_ma: float) -> None:
    for link in request.links:
        left[link] -= amount_ma


@dataclass(slots=True)
class _Level:
    """The rising level of one priority; EVSEs are counted by their place in `requests`."""

    requests: Sequence[Request]
    room: Sequence[float]
    current: list[float] = field(init=False)
    bound_by: list[int | None] = field(init=False)
    _resting: dict[int, float] = field(default_factory=dict)
    """A of a link: the load that does not rise."""
    _rising: dict[int, int] = field(default_factory=dict)
    """S of a link: the sum of rising weights."""
    _below: dict[int, list[int]] = field(default_factory=dict)
    """EVSEs on a link that can bind."""
    _open: list[bool] = field(init=False)
    """Neither full nor bound."""
    _started: list[bool] = field(init=False)
    _events: list[tuple[float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.current = [float(request.least_ma) for request in self.requests]
        self.bound_by = [None for _ in self.requests]
        self._open = [True for _ in self.requests]
        self._started = [False for _ in self.requests]

    def rise(self) -> None:
        self._prepare()
        react = {_START: self._start, _FULL: self._full, _BIND: self._bind}
        while self._events:
            level, kind, which = heapq.heappop(self._events)
            react[kind](which, level)

    def _prepare(self) -> None:
        highest: dict[int, int] = {}
        for request in self.requests:
            for link in request.links:
                highest[link] = highest.get(link, 0) + request.most_ma
        for place, request in enumerate(self.requests):
            for link in request.links:
                if highest[link] > self.room[link]:
                    self._below.setdefault(link, []).append(place)
                    self._resting[link] = self._resting.get(link, 0.0) + request.least_ma
                    self._rising.setdefault(link, 0)
            self._events.append((request.least_ma / request.weight, _START, place))
            self._events.append((request.most_ma / request.weight, _FULL, place))
        heapq.heapify(self._events)

    def _start(self, place: int, level: float) -> None:
        if not self._open[place]:
            return
        request = self.requests[place]
        self._started[place] = True
        for link in request.links:
            if link in self._below:
                self._resting[link] -= request.least_ma
                self._rising[link] += request.weight
                heapq.heappush(self._events, (max(level, self._binds_at(link)), _BIND, link))

    def _full(self, place: int, _level: float) -> None:
        if self._open[place]:
            self._stop(place, float(self.requests[place].most_ma))

    def _bind(self, link: int, level: float) -> None:
        if not self._rising[link]:
            return
        binds_at = self._binds_at(link)
        if binds_at > level + _EPSILON:
            heapq.heappush(self._events, (binds_at, _BIND, link))
            return
        for place in self._below[link]:
            if self._open[place]:
                request = self.requests[place]
                self._stop(place, max(float(request.least_ma), min(request.weight * level, float(request.most_ma))))
                self.bound_by[place] = link

    def _binds_at(self, link: int) -> float:
        return (self.room[link] - self._resting[link]) / self._rising[link]

    def _stop(self, place: int, current_ma: float) -> None:
        request = self.requests[place]
        self._open[place] = False
        self.current[place] = current_ma
        if not self._started[place]:
            return
        for link in request.links:
            if link in self._below:
                self._rising[link] -= request.weight
                self._resting[link] += current_ma
