"""R5: an EV or a charger that draws more than it is offered.

Once a setpoint has had its latency + 5 s, a newer reading more than 10 % or 1 A above it is overdraw. The surplus
is reserved beside the setpoint, and the EVSE goes through stages, each of which gets latency + 5 s to work:

    1  reduced to its minimum     ends after a minute of obeying
    2  paused (0 A)               lasts until the session ends or the plug is pulled
    3  disabled (locked)          likewise; draw at 0 A is a suspected welded contactor

An EVSE without a session is at stage 0 and locked anyway; draw there is alarmed and counted too.
"""

from typing import NamedTuple

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage
from controller.allocation.memory import EvseMemory, Overdrawing, Settling

REDUCED, PAUSED, DISABLED = 1, 2, 3
OBEYED_FOR_S = 60.0
READ_LATE_S = 1.0
"""A charger's own meter averages: what it shows just after the EV followed may be from before."""
_LEAST_TOLERANCE_MA = 500
_MOST_TOLERANCE_MA = 1000
_OBEYING = Overdrawing()


class Overdraw(NamedTuple):
    """`surplus_ma` above the bound, on the phase with most of it; 0: it obeys."""

    known: Overdrawing
    surplus_ma: int


def tolerance_ma(setpoint_ma: int) -> int:
    """10 % or 1 A, whichever is less, but nothing below the noise of a charger's own meter."""
    return max(_LEAST_TOLERANCE_MA, min(_MOST_TOLERANCE_MA, setpoint_ma // 10))


def watch_draw(point: SupplyPoint, image: EvseImage, memory: EvseMemory, settling: Settling) -> Overdraw:
    """`settling` is this tick's. Times are compared with the reading's own."""
    reading, known = image.reading, memory.overdrawing
    if reading is None or reading.current_ma is None or settling.bound_ma is None:
        return Overdraw(_OBEYING if image.demand is None else known, 0)
    settled = settling.cut_s is None or reading.t_s >= settling.cut_s + point.settle_s + READ_LATE_S
    surplus_ma = _surplus_ma(known, settling, reading.current_ma.highest, settled=settled)
    if image.demand is None or reading.plugged is False:
        return Overdraw(_OBEYING, surplus_ma)
    if surplus_ma:
        return Overdraw(_next_stage(point, memory, reading.t_s) if settled else known, surplus_ma)
    obeyed = known.since_s is not None and reading.t_s - known.since_s >= OBEYED_FOR_S
    return Overdraw(_OBEYING if obeyed and known.stage == REDUCED else known, 0)


def _surplus_ma(known: Overdrawing, settling: Settling, drawn_ma: int, *, settled: bool) -> int:
    """While a cut settles only a known offender's surplus counts, above what it was allowed before."""
    if not settled:
        return max(0, drawn_ma - settling.counted_ma) if known.stage else 0
    bound_ma = settling.bound_ma or 0
    above_ma = drawn_ma - bound_ma
    return above_ma if above_ma > tolerance_ma(bound_ma) else 0


def _next_stage(point: SupplyPoint, memory: EvseMemory, read_s: float) -> Overdrawing:
    known = memory.overdrawing
    if known.stage == 0 or known.since_s is None:
        return Overdrawing(REDUCED if memory.set_ma > point.least_ma() else PAUSED, read_s)
    if read_s < known.since_s + point.settle_s:
        return known
    return Overdrawing(min(DISABLED, known.stage + 1), read_s)
