"""R1: what an outlet may be drawing, as far as can be proven. The tick, the proof of R2 and the page use it.

An outlet that answers holds the setpoint it acknowledged or the one sent since: the larger counts. An outlet that
does not answer is never assumed to fall back unless its watchdog was verified:

    watchdog verified, silent up to its timeout   max(setpoint, fail-safe current)
    watchdog verified, silent longer              the fail-safe current
    no verified watchdog, keeps its last setpoint the setpoint, for ever
    no verified watchdog, anything else           its maximum, for ever

A setpoint that nobody ever saw acknowledged counts as the maximum.
"""

import math
from dataclasses import dataclass

from drivers.api import FallBack


@dataclass(frozen=True, slots=True)
class Holding:
    """What is known of the setpoint that an outlet holds. `silent_s`: since its last answer, if unreachable."""

    max_ma: int
    fall_back: FallBack
    reachable: bool
    confirmed_ma: int | None = None
    commanded_ma: int | None = None
    silent_s: float = 0.0


def bound_ma(holding: Holding) -> int:
    """Largest current per phase that the outlet may be offering now."""
    held = _held_ma(holding)
    fall_back = holding.fall_back
    if holding.reachable:
        return held
    if fall_back.verified and fall_back.watchdog_timeout_s is not None:
        expired = holding.silent_s > fall_back.watchdog_timeout_s
        return fall_back.failsafe_ma if expired else max(held, fall_back.failsafe_ma)
    return held if fall_back.holds_last else max(held, holding.max_ma)


def settled_ma(max_ma: int, fall_back: FallBack) -> int:
    """The bound once an outlet has been unreachable for ever, whatever it held before."""
    return bound_ma(Holding(max_ma=max_ma, fall_back=fall_back, reachable=False, silent_s=math.inf))


def needs_verifying(fall_back: FallBack) -> bool:
    """The proof of R2 relies on a watchdog that has not been read back: such an outlet is not energised."""
    return fall_back.watchdog_timeout_s is not None and not fall_back.verified


def _held_ma(holding: Holding) -> int:
    if holding.confirmed_ma is None:
        return max(holding.max_ma, holding.commanded_ma or 0)
    return max(holding.confirmed_ma, holding.commanded_ma or 0)
