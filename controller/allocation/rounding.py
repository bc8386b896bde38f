"""From the exact share to setpoints that a charger can take, wasting less than a step.

Each share is rounded down to the EVSE's grid, never below its minimum. What that leaves is handed out again, one
step at a time in the order of the requests, until no EVSE below its maximum can take one more step anywhere. Sums
never grow above the room, because here they are integers.
"""

import math
from collections.abc import Sequence

from controller.allocation.request import Request, tight

_ALMOST_MA = 1e-4
"""A share that lies so little below a step is that step; less than any device resolves."""


def round_down(ordered: Sequence[Request], shares_ma: Sequence[float], room_ma: Sequence[int]) -> list[int]:
    """Setpoints in the order of the requests."""
    left = list(room_ma)
    current = [_floor(request, share) for request, share in zip(ordered, shares_ma, strict=True)]
    for request, taken in zip(ordered, current, strict=True):
        for link in request.links:
            left[link] -= taken
    hungry = [place for place, request in enumerate(ordered) if current[place] < request.most_ma]
    while hungry:
        hungry = [place for place in hungry if _step_up(ordered[place], place, current, left)]
    return current


def _floor(request: Request, share_ma: float) -> int:
    steps = math.floor((share_ma + _ALMOST_MA) / request.step_ma)
    return max(request.least_ma, min(steps * request.step_ma, request.most_ma))


def _step_up(request: Request, place: int, current: list[int], left: list[int]) -> bool:
    if current[place] + request.step_ma > request.most_ma or tight(request, left, request.step_ma):
        return False
    current[place] += request.step_ma
    for link in request.links:
        left[link] -= request.step_ma
    return True
