"""From the exact share to setpoints that a charger can take, wasting less than a step.

Each share is rounded down to the EVSE's grid, never below its minimum. What that leaves is handed out again, one
step at a time in the order of the requests, until no EVSE below its maximum can take one more step anywhere. Sums
never grow above the room, because here they are integers.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.allocation.request import Placed, Request, fits

_ALMOST_MA = 1e-4
"""A share that lies so little below a step is that step; less than any device resolves."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """Setpoints in the order of the requests, and what they leave of each link."""

    current_ma: list[int]
    left_ma: list[int]


def round_down(ordered: Iterable[Request], shares_ma: Sequence[float], room_ma: Sequence[int]) -> Rounded:
    left = list(room_ma)
    placed = Placed.of(ordered, left)
    current = []
    for place, one in enumerate(placed.requests):
        whole_ma = int(shares_ma[place] + _ALMOST_MA) // one.step_ma * one.step_ma
        current.append(max(one.least_ma, min(whole_ma, one.most_ma)))
    for link, taken in enumerate(placed.load_ma(current)):
        left[link] = left[link] - taken
    _hand_out(placed, current, left)
    return Rounded(current, left)


def _hand_out(placed: Placed, current: list[int], left: list[int]) -> None:
    """No room comes back meanwhile: where a step does not fit, neither that nor a larger one ever will."""
    requests, spots, links = placed.requests, placed.spots, placed.links
    too_much = [math.inf] * len(links)
    hungry = list(range(len(requests)))
    while hungry:
        still: list[int] = []
        for place in hungry:
            one, spot = requests[place], spots[place]
            step_ma = one.step_ma
            if current[place] + step_ma > one.most_ma or step_ma >= too_much[spot]:
                continue
            if fits(links[spot], left, step_ma):
                current[place] = current[place] + step_ma
                still.append(place)
            else:
                too_much[spot] = step_ma
        hungry = still
