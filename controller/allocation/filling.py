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
from operator import attrgetter

from controller.allocation.request import Request

_EPSILON = 1e-9
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Fill:
    """In the order of the requests. `bound_by` is None for one that has its maximum."""

    current_ma: list[float]
    bound_by: list[int | None]


def fill(ordered: Sequence[Request], room_ma: Sequence[int]) -> Fill:
    """`ordered` are admitted, highest priority first: their minimums fit together."""
    classes = [list(members) for _, members in groupby(ordered, key=attrgetter("priority"))]
    left = [float(room) for room in room_ma]
    for lower in classes[1:]:
        _take(left, lower, [request.least_ma for request in lower])
    result = Fill([], [])
    for place, members in enumerate(classes):
        if place > 0:
            _take(left, members, [-request.least_ma for request in members])
        level = _Level(members, left)
        level.rise()
        if place < len(classes) - 1:
            _take(left, members, level.current)
        result.current_ma.extend(level.current)
        result.bound_by.extend(level.bound_by)
    return result


def _take(left: list[float], requests: Sequence[Request], amounts_ma: Sequence[float]) -> None:
    for request, amount_ma in zip(requests, amounts_ma, strict=True):
        for link in request.links:
            left[link] -= amount_ma


@dataclass(slots=True)
class _Spot:
    """The EVSEs that load the very same links, by their place: they are bound together.

    `links` are those that can bind.
    """

    links: tuple[int, ...]
    places: list[int]
    bound: bool = False


@dataclass(slots=True)
class _Level:
    """The rising level of one priority; EVSEs are counted by their place in `requests`."""

    requests: Sequence[Request]
    room: Sequence[float]
    current: list[float] = field(init=False)
    bound_by: list[int | None] = field(init=False)
    _spots: list[_Spot] = field(default_factory=list)
    _spot: list[_Spot] = field(default_factory=list)
    """Of each EVSE."""
    _below: list[list[_Spot]] = field(init=False)
    """Of each link that can bind."""
    _resting: list[float] = field(init=False)
    """A of a link: the load that does not rise."""
    _rising: list[int] = field(init=False)
    """S of a link: the sum of rising weights."""
    _open: list[bool] = field(init=False)
    """Neither full nor bound."""
    _started: list[bool] = field(init=False)
    _moved: set[int] = field(default_factory=set)
    """Links that rise differently since they were last looked at."""
    _expected: dict[int, float] = field(default_factory=dict)
    """The level of a link's valid entry in `_binds`."""
    _binds: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.requests)
        self.current = [float(request.least_ma) for request in self.requests]
        self.bound_by = [None] * count
        self._open = [True] * count
        self._started = [False] * count
        self._resting = [0.0] * len(self.room)
        self._rising = [0] * len(self.room)
        self._group()
        self._find_links()

    def _group(self) -> None:
        known: dict[tuple[int, ...], _Spot] = {}
        for place, request in enumerate(self.requests):
            spot = known.get(request.links)
            if spot is None:
                spot = known[request.links] = _Spot(request.links, [])
                self._spots.append(spot)
            spot.places.append(place)
            self._spot.append(spot)

    def _find_links(self) -> None:
        """Leave out the links that could carry everybody's maximum."""
        requests, resting = self.requests, self._resting
        highest = [0] * len(self.room)
        for spot in self._spots:
            most_ma = sum([requests[place].most_ma for place in spot.places])
            for link in spot.links:
                highest[link] += most_ma
        can_bind = [most > room for most, room in zip(highest, self.room, strict=True)]
        below = self._below = [[] for _ in self.room]
        for spot in self._spots:
            spot.links = tuple([link for link in spot.links if can_bind[link]])
            least_ma = sum([requests[place].least_ma for place in spot.places])
            for link in spot.links:
                resting[link] += least_ma
                below[link].append(spot)

    def rise(self) -> None:
        requests, binds = self.requests, self._binds
        starts = sorted([(one.least_ma / one.weight, place) for place, one in enumerate(requests)])
        fulls = sorted([(one.most_ma / one.weight, place) for place, one in enumerate(requests)])
        starts.append((_NEVER, 0))
        start = 0
        for level, place in fulls:
            while starts[start][0] <= level or (binds and binds[0][0] < level):
                if binds and binds[0][0] < starts[start][0]:
                    self._bind(*heapq.heappop(binds))
                else:
                    start = self._start(starts, start)
            if self._open[place]:
                self._full(place)

    def _start(self, starts: Sequence[tuple[float, int]], first: int) -> int:
        """Let all rise that start at this level, and return the next one's place in the list."""
        level = starts[first][0]
        starting: dict[tuple[int, ...], list[int]] = {}
        while starts[first][0] == level:
            place = starts[first][1]
            first += 1
            if self._open[place]:
                self._started[place] = True
                request = self.requests[place]
                moved = starting.setdefault(self._spot[place].links, [0, 0])
                moved[0] += request.least_ma
                moved[1] += request.weight
        for links, (least_ma, weight) in starting.items():
            self._move(links, -least_ma, weight)
        self._moved.update(*starting)
        self._look_ahead(level, starts[first][0])
        return first

    def _look_ahead(self, level: float, until: float) -> None:
        """Expect the links that bind before the next ones start to rise; the others are looked at again then."""
        resting, rising, room = self._resting, self._rising, self.room
        for link in [one for one in self._moved if resting[one] + rising[one] * until >= room[one]]:
            self._moved.remove(link)
            if rising[link]:
                self._expect(link, max(level, (room[link] - resting[link]) / rising[link]))

    def _expect(self, link: int, level: float) -> None:
        if level < self._expected.get(link, _NEVER):
            self._expected[link] = level
            heapq.heappush(self._binds, (level, link))

    def _full(self, place: int) -> None:
        request = self.requests[place]
        self._open[place] = False
        self.current[place] = float(request.most_ma)
        self._move(self._spot[place].links, request.most_ma, -request.weight)

    def _bind(self, level: float, link: int) -> None:
        if self._expected.get(link) != level:
            return
        del self._expected[link]
        if not self._rising[link]:
            return
        binds_at = self._binds_at(link)
        if binds_at > level + _EPSILON:
            self._expect(link, binds_at)
            return
        for spot in self._below[link]:
            if not spot.bound:
                self._stop(spot, level, link)

    def _stop(self, spot: _Spot, level: float, link: int) -> None:
        resting_ma, weight = 0.0, 0
        spot.bound = True
        for place in spot.places:
            if not self._open[place]:
                continue
            self._open[place] = False
            self.bound_by[place] = link
            request = self.requests[place]
            if self._started[place]:
                current_ma = min(request.weight * level, float(request.most_ma))
                self.current[place] = current_ma
                resting_ma += current_ma
                weight += request.weight
        self._move(spot.links, resting_ma, -weight)

    def _binds_at(self, link: int) -> float:
        return (self.room[link] - self._resting[link]) / self._rising[link]

    def _move(self, links: Sequence[int], resting_ma: float, rising: int) -> None:
        resting, slope = self._resting, self._rising
        for link in links:
            resting[link] += resting_ma
            slope[link] += rising
