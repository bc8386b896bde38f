"""An EVSE that may be given current, reduced to what sharing needs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """`least_ma` and `most_ma` are on the grid of `step_ma`; `most_ma` < `least_ma` can never be admitted.

    `keep`: admitted in the last tick. `probation`: it would fit, but has not fitted for long enough since it was
    paused; it holds its place in the order without being admitted. `links` are numbered as in `circuits`.
    """

    id: str
    least_ma: int
    most_ma: int
    step_ma: int
    links: tuple[int, ...]
    weight: int = 1
    priority: int = 0
    keep: bool = False
    since_s: float = 0.0
    probation: bool = False


def in_order(requests: Iterable[Request]) -> list[Request]:
    """Priority, then who is charging already, then who waits longest; the id only makes it unambiguous."""
    return sorted(requests, key=lambda one: (-one.priority, not one.keep, one.since_s, one.id))


def tight(request: Request, room_ma: Sequence[float], needed_ma: float) -> tuple[int, ...]:
    """The links of its path that have less room than needed."""
    return tuple(link for link in request.links if room_ma[link] < needed_ma)
