"""What an EV takes, where that is less than it may: a small charger on board, a battery that is nearly full.

An EV that has drawn at least 1 A less than it may for 20 s is planned with the most it drew, and 1 A: the rest is
for the others. The ampere is a standing question. When the EV uses half of it, it may have all again at once.
"""

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage
from controller.allocation.memory import EvseMemory, Settling, Taper

SURE_AFTER_S = 20.0
MARGIN_MA = 1000
ANSWERED_MA = 500
_FREE = Taper()


def watch_taper(point: SupplyPoint, image: EvseImage, memory: EvseMemory, settling: Settling) -> Taper:
    """After a reading; `settling` is this tick's. Time is the readings' own."""
    reading, known = image.reading, memory.taper
    if image.demand is None or reading is None or reading.current_ma is None or reading.plugged is False:
        return _FREE
    if not settling.bound_ma:
        return _FREE  # after a pause it is asked anew
    drawn_ma = reading.current_ma.highest
    if known.most_ma is not None and drawn_ma > known.most_ma - ANSWERED_MA:
        return _FREE
    if drawn_ma + MARGIN_MA >= settling.bound_ma or _rising(point, memory, reading.t_s):
        return known if known.below_s is None else Taper(known.most_ma)
    if known.below_s is None:
        return Taper(known.most_ma, reading.t_s, drawn_ma)
    peak_ma = max(known.peak_ma, drawn_ma)
    if reading.t_s - known.below_s < SURE_AFTER_S:
        return known if peak_ma == known.peak_ma else Taper(known.most_ma, known.below_s, peak_ma)
    least_ma = point.least_ma(image.demand.min_ma)
    return Taper(max(least_ma, _up_to_grid(point, peak_ma + MARGIN_MA)), reading.t_s, drawn_ma)


def _rising(point: SupplyPoint, memory: EvseMemory, read_s: float) -> bool:
    """The last raise may not have reached the EV yet."""
    return memory.raised_s is not None and read_s < memory.raised_s + point.settle_s


def _up_to_grid(point: SupplyPoint, current_ma: int) -> int:
    return -(-current_ma // point.step_ma) * point.step_ma
