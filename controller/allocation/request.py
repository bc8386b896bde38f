"""An EVSE that may be given current, reduced to what sharing needs."""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self


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


class Placed(list[Request]):
    """Requests in their order, and the *spot* of each: those that load the very same links share one.

    Most EVSEs of a board do, so that a sum over links is one over a few spots instead of many EVSEs. Admission,
    filling and rounding need the spots of the same requests: each takes any sequence, and finds them only once.

    `spots` are those of the requests, as places in `links`.
    """

    __slots__ = ("links", "spots")

    spots: list[int]
    links: list[tuple[int, ...]]

    @classmethod
    def of(cls, requests: Iterable[Request]) -> Self:
        if isinstance(requests, cls):
            return requests
        placed, known = cls(requests), dict[tuple[int, ...], int]()
        placed.spots = [known.setdefault(one.links, len(known)) for one in placed]
        placed.links = list(known)
        return placed

    def only(self, places: Sequence[int]) -> Self:
        """Those at these places, with the spots they have here."""
        chosen = type(self)([self[place] for place in places])
        chosen.spots, chosen.links = [self.spots[place] for place in places], self.links
        return chosen

    def load_ma(self, amounts_ma: Iterable[int], links: int) -> list[int]:
        """What these amounts of the requests are together, on each of so many links."""
        at_spot = [0] * len(self.links)
        for spot, amount_ma in zip(self.spots, amounts_ma, strict=True):
            at_spot[spot] += amount_ma
        load = [0] * links
        for path, amount_ma in zip(self.links, at_spot, strict=True):
            for link in path:
                load[link] += amount_ma
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


def fits(links: Iterable[int], room_ma: list[int], amount_ma: int) -> bool:
    """Take the amount from each link, or leave all as they were where one has less."""
    for link in links:
        if room_ma[link] < amount_ma:
            return False
    for link in links:
        room_ma[link] -= amount_ma
    for link in links:
        if room_ma[link] < 0:  # it is named more than once
            give_back(links, room_ma, amount_ma)
            return False
    return True


def give_back(links: Iterable[int], room_ma: list[int], amount_ma: int) -> None:
    for link in links:
        room_ma[link] += amount_ma


def tight(links: Sequence[int], room_ma: Sequence[float], needed_ma: float) -> tuple[int, ...]:
    """The links that have less room than needed, each once."""
    times = 1 + len(links) - len(set(links))  # no link is named more often
    at_most_ma = needed_ma * times
    near = [link for link in links if room_ma[link] < at_most_ma]
    if times > 1:
        near = [link for link in dict.fromkeys(near) if room_ma[link] < needed_ma * links.count(link)]
    return tuple(near)
