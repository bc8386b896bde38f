"""From the exact share to setpoints that a charger can take, wasting less than a step.

Each share is rounded down to the EVSE's grid, never below its minimum. What that leaves is handed out again, one
step at a time in the order of the requests, until no EVSE below its maximum can take one more step anywhere. Sums
never grow above the room, because here they are integers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controller.allocation.request import Placed, Request, fits

_ALMOST_MA = 1e-4
"""A share that lies so little below a step is that step; less than any device resolves."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """Setpoints in the order of the requests, and what they leave of each link."""

    current_ma: list[int]
    left_ma: list[int]


def round_down(ordered: Sequence[Request], shares_ma: Sequence[float], room_ma: Sequence[int]) -> Rounded:
    placed = Placed.of(ordered)
    current = [
        max(one.least_ma, min(int(share_ma + _ALMOST_MA) // one.step_ma * one.step_ma, one.most_ma))
        for one, share_ma in zip(placed, shares_ma, strict=True)
    ]
    load = placed.load_ma(current, len(room_ma))
    left = [room - taken for room, taken in zip(room_ma, load, strict=True)]
    _hand_out(placed, current, left)
    return Rounded(current, left)


def _hand_out(placed: Placed, current: list[int], left: list[int]) -> None:
    """No room comes back meanwhile: where a step does not fit, neither that nor a larger one ever will."""
    too_much = [math.inf] * len(placed.links)
    hungry = [
        (place, spot, one.step_ma, one.most_ma - one.step_ma)
        for place, (one, spot) in enumerate(zip(placed, placed.spots, strict=True))
        if current[place] + one.step_ma <= one.most_ma
    ]
    while hungry:
        still: list[tuple[int, int, int, int]] = []
        for each in hungry:
            place, spot, step_ma, below_ma = each
            if step_ma >= too_much[spot]:
                continue
            if not fits(placed.links[spot], left, step_ma):
                too_much[spot] = step_ma
                continue
            current[place] += step_ma
            if current[place] <= below_ma:
                still.append(each)
        hungry = still
