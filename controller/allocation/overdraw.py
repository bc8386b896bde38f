"""R5: an EV or a charger that draws more than it is offered.

Once a setpoint has had its latency + 5 s, a newer reading more than 10 % or 1 A above it is overdraw. The surplus
is reserved beside the setpoint, and the EVSE goes through stages, each of which gets latency + 5 s to work:

    1  reduced to its minimum     ends after a minute of obeying
    2  paused (0 A)               lasts until the session ends or the plug is pulled
    3  disabled (locked)          likewise; draw at 0 A is a suspected welded contactor

An EVSE without a session is at stage 0 and locked anyway; draw there is alarmed and counted too.
"""

from dataclasses import dataclass, replace

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage, EvseMemory

REDUCED, PAUSED, DISABLED = 1, 2, 3
OBEYED_FOR_S = 60.0
_LEAST_TOLERANCE_MA = 500
_MOST_TOLERANCE_MA = 1000


@dataclass(frozen=True, slots=True)
class Overdraw:
    """`surplus_ma` above the bound, on the phase with most of it; 0: it obeys."""

    memory: EvseMemory
    surplus_ma: int


def tolerance_ma(setpoint_ma: int) -> int:
    """10 % or 1 A, whichever is less, but nothing below the noise of a charger's own meter."""
    return max(_LEAST_TOLERANCE_MA, min(_MOST_TOLERANCE_MA, setpoint_ma // 10))


def watch_draw(point: SupplyPoint, image: EvseImage, memory: EvseMemory, *, settle_s: float) -> Overdraw:
    """`memory` has this tick's bound. Times are compared with the reading's own."""
    reading = image.reading
    if reading is None or reading.current_ma is None or memory.bound_ma is None:
        return Overdraw(_begin_anew(memory) if image.demand is None else memory, 0)
    settled = memory.cut_s is None or reading.t_s >= memory.cut_s + settle_s
    drawn_ma = reading.current_ma.highest
    surplus_ma = _surplus_ma(memory, drawn_ma, settled=settled)
    if image.demand is None or reading.plugged is False:
        return Overdraw(_begin_anew(memory), surplus_ma)
    if surplus_ma:
        moved = _next_stage(point, memory, reading.t_s, settle_s=settle_s) if settled else memory
        return Overdraw(moved, surplus_ma)
    obeyed = memory.overdraw_s is not None and reading.t_s - memory.overdraw_s >= OBEYED_FOR_S
    return Overdraw(_begin_anew(memory) if obeyed and memory.overdraw_stage == REDUCED else memory, 0)


def _begin_anew(memory: EvseMemory) -> EvseMemory:
    return replace(memory, overdraw_s=None, overdraw_stage=0)


def _surplus_ma(memory: EvseMemory, drawn_ma: int, *, settled: bool) -> int:
    """While a cut settles only a known offender's surplus counts, above what it was allowed before."""
    if not settled:
        return max(0, drawn_ma - memory.counted_ma) if memory.overdraw_stage else 0
    above_ma = drawn_ma - (memory.bound_ma or 0)
    return above_ma if above_ma > tolerance_ma(memory.bound_ma or 0) else 0


def _next_stage(point: SupplyPoint, memory: EvseMemory, read_s: float, *, settle_s: float) -> EvseMemory:
    entered_s = memory.overdraw_s
    if memory.overdraw_stage == 0 or entered_s is None:
        reducible = memory.set_ma > point.least_ma()
        return replace(memory, overdraw_stage=REDUCED if reducible else PAUSED, overdraw_s=read_s)
    if read_s < entered_s + settle_s:
        return memory
    return replace(memory, overdraw_stage=min(DISABLED, memory.overdraw_stage + 1), overdraw_s=read_s)
