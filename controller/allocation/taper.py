"""What an EV takes, where that is less than it may: a small charger on board, a battery that is nearly full.

An EV that has drawn at least 1 A less than it may for 20 s is planned with the most it drew, and 1 A: the rest is
for the others. The ampere is a standing question. When the EV uses half of it, it may have all again at once.

Some EVs, and DC outlets, draw a fixed part of whatever they may: one that draws 92 % would be planned with less and
less. It shows when the first such cut arrives: an EV that has all it wants draws on as before, this one falls with
the cut. From then on its part is known, and it gets what lets it draw all.
"""

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage
from controller.allocation.memory import EvseMemory, Settling, Taper, TaperCut

SURE_AFTER_S = 20.0
MARGIN_MA = 1000
ANSWERED_MA = 500
CYCLE_S = 2.0
ALIKE_PERMILLE = 30
LEAST_PERMILLE = 700
"""An EV that draws a smaller part of what it may has other reasons."""
_FREE = Taper()


def watch_taper(point: SupplyPoint, image: EvseImage, memory: EvseMemory, settling: Settling) -> Taper:
    """After a reading; `settling` is this tick's. Time is the readings' own."""
    reading, known = image.reading, memory.taper
    if image.demand is None or reading is None or reading.current_ma is None or reading.plugged is False:
        return _FREE
    bound_ma, drawn_ma = settling.bound_ma, reading.current_ma.highest
    if not bound_ma:
        return Taper(permille=known.permille)  # after a pause it is asked anew
    known = _learnt(point, known, drawn_ma, bound_ma, reading.t_s)
    if known.most_ma is not None and drawn_ma > _part(known.most_ma, known) - ANSWERED_MA:
        return Taper(permille=known.permille)
    if drawn_ma + MARGIN_MA >= _part(bound_ma, known) or _rising(point, memory, reading.t_s):
        return known if known.below_s is None else known._replace(below_s=None, peak_ma=0)
    if known.below_s is None:
        return known._replace(below_s=reading.t_s, peak_ma=drawn_ma)
    peak_ma = max(known.peak_ma, drawn_ma)
    if reading.t_s - known.below_s < SURE_AFTER_S:
        return known if peak_ma == known.peak_ma else known._replace(peak_ma=peak_ma)
    least_ma = point.least_ma(image.demand.min_ma)
    most_ma = max(least_ma, _up_to_grid(point, peak_ma * 1000 // known.permille + MARGIN_MA))
    return Taper(most_ma, reading.t_s, drawn_ma, known.permille, TaperCut(reading.t_s, drawn_ma, bound_ma))


def _part(bound_ma: int, known: Taper) -> int:
    """What this EV draws where it may draw so much and wants it."""
    return bound_ma * known.permille // 1000


def _learnt(point: SupplyPoint, known: Taper, drawn_ma: int, bound_ma: int, read_s: float) -> Taper:
    """Look at what the last cut did, once it must have arrived."""
    cut = known.cut
    if cut is None or read_s < cut.t_s + point.settle_s + CYCLE_S or bound_ma >= cut.bound_ma:
        return known
    now, then = drawn_ma * 1000 // bound_ma, cut.drawn_ma * 1000 // cut.bound_ma
    fell = drawn_ma <= cut.drawn_ma - ANSWERED_MA
    if fell and abs(now - then) <= ALIKE_PERMILLE and now >= LEAST_PERMILLE:
        return Taper(permille=min(known.permille, now))
    return known._replace(cut=None)


def _rising(point: SupplyPoint, memory: EvseMemory, read_s: float) -> bool:
    """The last raise may not have reached the EV yet."""
    return memory.raised_s is not None and read_s < memory.raised_s + point.settle_s


def _up_to_grid(point: SupplyPoint, current_ma: int) -> int:
    return -(-current_ma // point.step_ma) * point.step_ma
