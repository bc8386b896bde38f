"""What would be exported if those that shall only take the surplus took nothing.

The grid meter shows the balance of all phases (that is what most meters bill). Adding what these EVs draw gives
what they could share. Meter and chargers are read at different moments and an EV follows late, so the sum is
smoothed; nothing depends on it but the bill. A cloud does not switch contactors: who charges goes on at its minimum
for three minutes, from the grid if need be.
"""

import math
from collections.abc import Container, Iterable

from controller.allocation.estimate import STALE_S
from controller.allocation.image import ProcessImage
from controller.allocation.limits import watts_to_ma
from controller.allocation.memory import Surplus
from controller.allocation.watch import Watched
from controller.allocation.wiring import Wiring
from drivers.api import MeterReading

SMOOTHED_OVER_S = 10.0
HELD_FOR_S = 180.0


def track(
    known: Surplus | None, wiring: Wiring, image: ProcessImage, *, evses: Iterable[Watched], frozen: Container[str]
) -> Surplus | None:
    """None: nobody asks for it, or no recent reading shows it. `frozen` are meters."""
    takers = [one for one in evses if one.takes_surplus]
    reading = _grid(wiring, image) if wiring.circuits[0].meter not in frozen else None
    if not takers or reading is None:
        return None
    room_ma = _smoothed(known, reading, sum(_drawn(one) for one in takers) - _import_ma(wiring, reading))
    short = room_ma < _held(takers)
    short_s = image.now_s if known is None or known.short_s is None else known.short_s
    return Surplus(room_ma, reading.t_s, short_s if short else None)


def room_ma(surplus: Surplus | None, evses: Iterable[Watched], now_s: float) -> int | None:
    """What the takers may share over all phases; None: there are none."""
    takers = [one for one in evses if one.takes_surplus]
    if not takers:
        return None
    if surplus is None:
        return 0
    room = max(0, int(surplus.room_ma))
    held = surplus.short_s is not None and now_s - surplus.short_s < HELD_FOR_S
    return max(room, _held(takers)) if held else room


def _grid(wiring: Wiring, image: ProcessImage) -> MeterReading | None:
    root = wiring.circuits[0]
    reading = image.meters.get(root.meter) if root.meter is not None else None
    if reading is None or not reading.signed:
        return None
    longest_s = max(STALE_S, 3 * wiring.layout.meter_period_s.get(root.meter or "", 1.0))
    return reading if image.now_s - reading.t_s <= longest_s else None


def _import_ma(wiring: Wiring, reading: MeterReading) -> int:
    amount = watts_to_ma(abs(reading.power_w), wiring.layout.voltage_mv)
    return amount if reading.power_w >= 0 else -amount


def _smoothed(known: Surplus | None, reading: MeterReading, now_ma: int) -> float:
    if known is None:
        return float(now_ma)
    part = 1.0 - math.exp(-max(0.0, reading.t_s - known.t_s) / SMOOTHED_OVER_S)
    return known.room_ma + part * (now_ma - known.room_ma)


def _drawn(evse: Watched) -> int:
    samples = evse.memory.drawing.samples
    return sum(samples[-1].current_ma) if samples else evse.memory.set_ma * evse.phases


def _held(takers: Iterable[Watched]) -> int:
    """The minimums of those that charge."""
    charging = (one for one in takers if one.memory.turn.admitted and one.image.demand is not None)
    return sum(
        one.point.least_ma(one.image.demand.min_ma if one.image.demand else None) * one.phases for one in charging
    )
