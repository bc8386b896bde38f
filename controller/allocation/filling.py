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

Higher priorities are filled first, the lower ones lying at their minimum meanwhile. Starts and fulls are known from
the beginning, so they are only sorted. Binds wait in a heap, those alone that come before the next start; the level
at which a link binds is only a lower bound while others below it go on to stop, so it is worked out again when it
comes up. What is alike is moved together: EVSEs on the same links (a spot, `request.Placed`) that start or are full
at the same level make one event. Floats live only here and in the first step of rounding.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import groupby

from controller.allocation.request import Placed, Request

_EPSILON = 1e-9
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Fill:
    """In the order of the requests. `bound_by` is None for one that has its maximum."""

    current_ma: list[float]
    bound_by: list[int | None]


def fill(ordered: Iterable[Request], room_ma: Sequence[int]) -> Fill:
    """`ordered` are admitted, highest priority first: their minimums fit together."""
    placed = Placed.of(ordered, list(room_ma))
    left = [float(room) for room in room_ma]
    requests = placed.requests
    if not requests or requests[0].priority == requests[-1].priority:
        return _Level(placed, left).rise()
    classes = [list(members) for _, members in groupby(requests, key=lambda one: one.priority)]
    for lower in classes[1:]:
        _take(left, lower, [request.least_ma for request in lower])
    result = Fill([], [])
    for place, members in enumerate(classes):
        if place > 0:
            _take(left, members, [-request.least_ma for request in members])
        risen = _Level(Placed.of(members, [int(room) for room in left]), left).rise()
        _take(left, members, risen.current_ma)
        result.current_ma.extend(risen.current_ma)
        result.bound_by.extend(risen.bound_by)
    return result


def _take(left: list[float], requests: Sequence[Request], amounts_ma: Sequence[float]) -> None:
    for request, amount_ma in zip(requests, amounts_ma, strict=True):
        for link in request.links:
            left[link] = left[link] - amount_ma


_Bend = dict[int, int]
"""By spot: what joins the sum of its rising weights."""


@dataclass(slots=True)
class _Level:
    """The rising level of one priority. EVSEs that share a spot are bound together.

    Of single EVSEs nothing is noted meanwhile: what each has follows from the level at which its spot was bound.
    """

    placed: Placed
    room: list[float]
    _climbing: list[int] = field(init=False)
    """Of each spot, the sum of its rising weights."""
    _bound_by: list[int | None] = field(init=False)
    """Of each spot."""
    _bound_at: list[float] = field(init=False)
    """Of each spot, a level."""
    _below: list[list[int]] = field(init=False)
    """Of each link that can bind, its spots."""
    _resting: list[float] = field(init=False)
    """A of a link: the load that does not rise."""
    _rising: list[int] = field(init=False)
    """S of a link: the sum of rising weights."""
    _far: list[int] = field(init=False)
    """Links that do not bind before the next EVSEs start to rise."""
    _binds: list[tuple[float, int]] = field(default_factory=list)
    """The other links: each with a level before which it does not bind."""
    _next_start: float = 0.0

    def __post_init__(self) -> None:
        spots, links = len(self.placed.links), len(self.room)
        self._climbing = [0] * spots
        self._bound_by, self._bound_at = [None] * spots, [_NEVER] * spots
        self._resting = [float(least_ma) for least_ma in self.placed.least_ma]
        self._rising = [0] * links
        below: list[list[int]] = [[] for _ in range(links)]
        for spot, path in enumerate(self.placed.links):
            for link in path:
                below[link].append(spot)
        self._below, self._far = below, [link for link, loaded_by in enumerate(below) if loaded_by]

    def rise(self) -> Fill:
        bends, starts = self._bends()
        for level in sorted(bends):
            if self._binds and self._binds[0][0] < level:
                self._bind_below(level)
            self._bend(level, bends[level])
            if level == starts[-1]:
                starts.pop()
                self._look_ahead(level, until=starts[-1])
        return self._result()

    def _bends(self) -> tuple[dict[float, _Bend], list[float]]:
        """By level: where EVSEs that a link can bind start to rise, or are full; and the starts, the last first."""
        bends: dict[float, _Bend] = {}
        starts = {_NEVER}
        spots, links = self.placed.spots, self.placed.links
        for place, one in enumerate(self.placed.requests):
            spot, weight = spots[place], one.weight
            if links[spot]:
                start = one.least_ma / weight
                starts.add(start)
                begins = bends.setdefault(start, {})
                begins[spot] = begins.get(spot, 0) + weight
                ends = bends.setdefault(one.most_ma / weight, {})
                ends[spot] = ends.get(spot, 0) - weight
        return bends, sorted(starts, reverse=True)

    def _bend(self, level: float, bend: _Bend) -> None:
        resting, rising, climbing = self._resting, self._rising, self._climbing
        links, bound_by = self.placed.links, self._bound_by
        for spot, weight in bend.items():
            if bound_by[spot] is None:
                climbing[spot] = climbing[spot] + weight
                resting_ma = weight * level
                for link in links[spot]:
                    resting[link] = resting[link] - resting_ma
                    rising[link] = rising[link] + weight

    def _look_ahead(self, level: float, until: float) -> None:
        """Expect the links that bind before the next EVSEs start to rise; the others are looked at again then."""
        resting, rising, room = self._resting, self._rising, self.room
        looked_at, self._far, self._next_start = self._far, [], until
        for link in looked_at:
            slope = rising[link]
            if slope and resting[link] + slope * until >= room[link]:
                self._binds.append((max(level, (room[link] - resting[link]) / slope), link))
            else:
                self._far.append(link)
        heapify(self._binds)

    def _bind_below(self, level: float) -> None:
        resting, rising, room, binds = self._resting, self._rising, self.room, self._binds
        while binds and binds[0][0] < level:
            expected_at, link = heappop(binds)
            slope = rising[link]
            binds_at = (room[link] - resting[link]) / slope if slope else _NEVER
            if binds_at <= expected_at + _EPSILON:
                self._stop(expected_at, link)
            elif slope and binds_at <= self._next_start:
                heappush(binds, (binds_at, link))
            else:
                self._far.append(link)

    def _stop(self, level: float, binding: int) -> None:
        climbing, bound_by, bound_at = self._climbing, self._bound_by, self._bound_at
        stopped = [spot for spot in self._below[binding] if bound_by[spot] is None]
        self._bend(level, {spot: -climbing[spot] for spot in stopped})
        for spot in stopped:
            bound_by[spot], bound_at[spot] = binding, level

    def _result(self) -> Fill:
        """Who was full when its spot was bound has its maximum; who had not started to rise, its minimum."""
        current_ma: list[float] = []
        bound_by: list[int | None] = []
        for place, one in enumerate(self.placed.requests):
            spot = self.placed.spots[place]
            level = self._bound_at[spot]
            full = one.most_ma / one.weight <= level
            current_ma.append(float(one.most_ma) if full else max(float(one.least_ma), one.weight * level))
            bound_by.append(None if full else self._bound_by[spot])
        return Fill(current_ma, bound_by)
