"""How a falling bound reaches the EV.

An EV that is offered less draws less after the charger's latency and 5 s (IEC 61851-1), and perhaps at once. Until
then the bounds of those seconds count, the largest of them, but no more than a reading taken after the fall has
shown: an EV that has begun to follow does not turn back. A bound that rises counts at once.
"""

from collections.abc import Sequence

from controller.allocation.circuits import SupplyPoint
from controller.allocation.memory import Held, Sample, Settling

_LOOK_BACK_S = 4.0
"""Meters' samples that old are still looked at."""


def settle(
    before: Settling, bound_ma: int, point: SupplyPoint, samples: Sequence[Sample], now_s: float
) -> Settling:
    """This tick's. `samples` per supply phase, oldest first."""
    held, cut_s = before.held, before.cut_s
    if not held or held[-1].bound_ma != bound_ma:
        cut_s = now_s if held and bound_ma < held[-1].bound_ma else cut_s
        held = (*held, Held(now_s, bound_ma))
    if len(held) == 1:
        return before if held is before.held else Settling(held, bound_ma, cut_s)
    keep_s = now_s - point.settle_s - _LOOK_BACK_S
    held = tuple(
        one for place, one in enumerate(held) if place == len(held) - 1 or held[place + 1].since_s > keep_s
    )
    return Settling(held, most_between(held, point, samples, now_s, now_s), cut_s)


def most_between(
    held: Sequence[Held], point: SupplyPoint, samples: Sequence[Sample], from_s: float, to_s: float
) -> int:
    """The largest current per phase that may have been drawn between two moments."""
    most_ma = 0
    for place, one in enumerate(held):
        if one.since_s > to_s and place > 0:
            break
        if place == len(held) - 1 or held[place + 1].since_s > from_s:
            most_ma = max(most_ma, one.bound_ma)
            continue
        ended_s = held[place + 1].since_s
        if ended_s + point.settle_s > from_s:
            most_ma = max(most_ma, min(one.bound_ma, _shown_since(samples, ended_s, from_s, one.bound_ma)))
    return most_ma


def _shown_since(samples: Sequence[Sample], ended_s: float, until_s: float, otherwise_ma: int) -> int:
    """What the last reading after the end of a bound showed, if there was one."""
    for sample in reversed(samples):
        if ended_s < sample.t_s <= until_s:
            return max(sample.current_ma)
    return otherwise_ma
