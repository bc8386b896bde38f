"""R6: which phases an EV loads.

All wired phases count until measured currents show fewer for 30 s while the EV charges. They all count again as
soon as another phase carries current, when the EV is plugged anew, and always where the charger does not measure
each phase. EVs use the first phases of their outlet, so that a number says which; an odd one that leaves out L1
counts as using all up to its last.
"""

from dataclasses import replace

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseMemory
from drivers.api import EvseReading

SURE_AFTER_S = 30.0
LIVE_MA = 500
"""A phase with less than this is not in use; a charger's own meter shows up to some tenths of an ampere."""


def watch_phases(point: SupplyPoint, memory: EvseMemory, reading: EvseReading | None) -> EvseMemory:
    """Memory after a reading. Time is the readings' own, so that repeating an old one proves nothing."""
    if reading is None or reading.current_ma is None or _replugged(memory, reading):
        counter = None if reading is None else reading.plug_counter
        return replace(memory, phases_used=None, phases_seen_s=None, plug_counter=counter)
    live = max((place + 1 for place, amount in enumerate(reading.current_ma) if amount >= LIVE_MA), default=0)
    counted = point.phases if memory.phases_used is None else memory.phases_used
    if live > counted:
        return replace(memory, phases_used=None, phases_seen_s=None)
    if live in {0, counted}:
        return memory if memory.phases_seen_s is None else replace(memory, phases_seen_s=None)
    since = reading.t_s if memory.phases_seen_s is None else memory.phases_seen_s
    if reading.t_s - since < SURE_AFTER_S:
        return replace(memory, phases_seen_s=since)
    return replace(memory, phases_used=live, phases_seen_s=None)


def _replugged(memory: EvseMemory, reading: EvseReading) -> bool:
    return reading.plugged is False or memory.plug_counter != reading.plug_counter
