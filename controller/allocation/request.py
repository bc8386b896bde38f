"""An EVSE that may be given current, reduced to what sharing needs."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


class Standing(enum.IntEnum):
    """Who comes first within a priority when not all can charge (`admission`)."""

    SERVING = 0
    """It charges, and its slot is not over."""
    DUE = 1
    """It has waited for a whole slot."""
    OVERSTAYING = 2
    """It charges, but its slot is over: it makes way for those that are due, and for nobody else."""
    WAITING = 3
    IDLE = 4
    """It may charge and does not: it makes way for everybody."""


@dataclass(frozen=True, slots=True)
class Request:
    """`least_ma` and `most_ma` are on the grid of `step_ma`; `most_ma` < `least_ma` can never be admitted.

    `links` are numbered as in `wiring`; one that caps a sum of phases is named once for each phase that the EVSE
    uses. `since_s` orders those of one standing, the earliest first: when it began to wait or to charge, and minus
    that for one that is `OVERSTAYING` or `IDLE`. Among those `WAITING` a higher `urgency` comes first, then who
    loads fewer phases. `probation`: it would fit, but has not fitted for long enough since it was paused; it holds
    its place in the order without being admitted.
    """

    id: str
    least_ma: int
    most_ma: int
    step_ma: int
    links: tuple[int, ...]
    weight: int = 1
    priority: int = 0
    standing: Standing = Standing.WAITING
    since_s: float = 0.0
    urgency: int = 0
    phases: int = 1
    probation: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """Requests in their order, and the *spot* of each: those that load the very same links share one.

    Most EVSEs of a board do, so that a sum over links is one over a few spots instead of many EVSEs. Admission,
    filling and rounding need the spots of the same requests: each takes any iterable, and finds them only once.

    `spots` are those of the requests, as places in `links`. Of a spot only those links are named that the maximums
    of all could fill, in the room given at first: no other link ever keeps anybody from anything. `least_ma`: what
    the minimums of all add up to, on each link that is named.
    """

    requests: list[Request]
    spots: list[int]
    links: list[tuple[int, ...]]
    least_ma: list[int]

    @classmethod
    def of(cls, requests: Iterable[Request], room_ma: list[int]) -> "Placed":
        if isinstance(requests, Placed):
            return requests
        listed = list(requests)
        known: dict[tuple[int, ...], int] = {}
        spots = [known.setdefault(one.links, len(known)) for one in listed]
        paths = list(known)
        at_most_ma = _load_ma(spots, paths, [max(one.least_ma, one.most_ma) for one in listed], len(room_ma))
        scarce = [amount_ma > room_ma[link] for link, amount_ma in enumerate(at_most_ma)]
        paths = [tuple([link for link in path if scarce[link]]) for path in paths]
        return cls(listed, spots, paths, _load_ma(spots, paths, [one.least_ma for one in listed], len(room_ma)))

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)

    def only(self, places: list[int]) -> "Placed":
        """Those at these places, with the spots they have here."""
        requests, spots = [self.requests[place] for place in places], [self.spots[place] for place in places]
        least_ma = _load_ma(spots, self.links, [one.least_ma for one in requests], len(self.least_ma))
        return Placed(requests, spots, self.links, least_ma)

    def load_ma(self, amounts_ma: list[int]) -> list[int]:
        """What these amounts of the requests are together, on each link that is named."""
        return _load_ma(self.spots, self.links, amounts_ma, len(self.least_ma))


# `load[link] = load[link] + amount_ma`, here and in other inner loops: compiled, that adds plain integers, while
# `load[link] += amount_ma` would add Python objects. To the interpreter both are the same.
def _load_ma(spots: list[int], paths: list[tuple[int, ...]], amounts_ma: list[int], links: int) -> list[int]:
    at_spot = [0] * len(paths)
    for place, spot in enumerate(spots):
        at_spot[spot] = at_spot[spot] + amounts_ma[place]
    load = [0] * links
    for spot, path in enumerate(paths):
        amount_ma = at_spot[spot]
        for link in path:
            load[link] = load[link] + amount_ma
    return load


def in_order(requests: Iterable[Request]) -> list[Request]:
    """The order of admission and of the last steps; the id only makes it unambiguous."""
    return sorted(requests, key=_place)


_WAITING = Standing.WAITING  # Python 3.11 takes longer to look up a member than to compare it


def _place(one: Request) -> tuple[int, int, int, int, float, str]:
    standing = one.standing
    if standing is _WAITING:
        return -one.priority, standing, -one.urgency, one.phases * one.least_ma, one.since_s, one.id
    return -one.priority, standing, 0, 0, one.since_s, one.id


def fits(links: tuple[int, ...], room_ma: list[int], amount_ma: int) -> bool:
    """Take the amount from each link, or leave all as they were where one has less."""
    for link in links:
        if room_ma[link] < amount_ma:
            return False
    for link in links:
        room_ma[link] = room_ma[link] - amount_ma
    for link in links:
        if room_ma[link] < 0:  # it is named more than once
            give_back(links, room_ma, amount_ma)
            return False
    return True


def give_back(links: tuple[int, ...], room_ma: list[int], amount_ma: int) -> None:
    for link in links:
        room_ma[link] = room_ma[link] + amount_ma


def tight(links: tuple[int, ...], room_ma: Sequence[int], needed_ma: int) -> tuple[int, ...]:
    """The links that have less room than needed, each once."""
    times = 1 + len(links) - len(set(links))  # no link is named more often
    at_most_ma = needed_ma * times
    near = [link for link in links if room_ma[link] < at_most_ma]
    if times > 1:
        near = [link for link in dict.fromkeys(near) if room_ma[link] < needed_ma * links.count(link)]
    return tuple(near)
