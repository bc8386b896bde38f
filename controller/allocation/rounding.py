"""From the exact share to setpoints that a charger can take, wasting less than a step.

Each share is rounded down to the EVSE's grid, never below its minimum. What that leaves is handed out again, one
step at a time in the order of the requests, until no EVSE below its maximum can take one more step anywhere. Sums
never grow above the room, because here they are integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.allocation.request import Request, fits

_ALMOST_MA = 1e-4
"""A share that lies so little below a step is that step; less than any device resolves."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """Setpoints in the order of the requests, and what they leave of each link."""

    current_ma: list[int]
    left_ma: list[int]


def round_down(ordered: Sequence[Request], shares_ma: Sequence[float], room_ma: Sequence[int]) -> Rounded:
    current = [
        max(one.least_ma, min(int((share + _ALMOST_MA) // one.step_ma) * one.step_ma, one.most_ma))
        for one, share in zip(ordered, shares_ma, strict=True)
    ]
    left = _left(ordered, current, room_ma)
    hungry = [place for place, one in enumerate(ordered) if current[place] + one.step_ma <= one.most_ma]
    full: set[tuple[tuple[int, ...], int]] = set()
    """Links on which a step of this size has no room any more."""
    while hungry:
        still: list[int] = []
        for place in hungry:
            one = ordered[place]
            path = (one.links, one.step_ma)
            if path in full:
                continue
            if not fits(one.links, left, one.step_ma):
                full.add(path)
                continue
            current[place] += one.step_ma
            if current[place] + one.step_ma <= one.most_ma:
                still.append(place)
        hungry = still
    return Rounded(current, left)


def _left(ordered: Sequence[Request], current: Sequence[int], room_ma: Sequence[int]) -> list[int]:
    together: dict[tuple[int, ...], int] = {}
    for one, taken in zip(ordered, current, strict=True):
        together[one.links] = together.get(one.links, 0) + taken
    left = list(room_ma)
    for links, taken in together.items():
        for link in links:
            left[link] -= taken
    return left
