"""R6: which phases an EV loads.

All wired phases count until measured currents show fewer for 30 s while the EV charges. They all count again as
soon as another phase carries current, when the EV is plugged anew, and always where the charger does not measure
each phase. EVs use the first phases of their outlet, so that a number says which; an odd one that leaves out L1
counts as using all up to its last.
"""

from controller.allocation.circuits import SupplyPoint
from controller.allocation.memory import PhaseUse
from drivers.api import EvseReading

SURE_AFTER_S = 30.0
LIVE_MA = 500
"""A phase with less than this is not in use; a charger's own meter shows up to some tenths of an ampere."""


def watch_phases(point: SupplyPoint, known: PhaseUse, reading: EvseReading | None) -> PhaseUse:
    """After a reading. Time is the readings' own, so that repeating an old one proves nothing."""
    counter = None if reading is None else reading.plug_counter
    if reading is None or reading.current_ma is None or reading.plugged is False or known.plug_counter != counter:
        return PhaseUse(plug_counter=counter)
    live = _live(reading.current_ma)
    counted = point.phases if known.used is None else known.used
    if live > counted:
        return PhaseUse(plug_counter=counter)
    if live in {0, counted}:
        return known if known.fewer_s is None else PhaseUse(known.used, None, counter)
    since = reading.t_s if known.fewer_s is None else known.fewer_s
    if reading.t_s - since < SURE_AFTER_S:
        return PhaseUse(known.used, since, counter)
    return PhaseUse(live, None, counter)


def _live(current_ma: tuple[int, int, int]) -> int:
    if current_ma[2] >= LIVE_MA:
        return 3
    return 2 if current_ma[1] >= LIVE_MA else int(current_ma[0] >= LIVE_MA)
