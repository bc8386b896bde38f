"""What flows though nothing can be ordered: power modules that do not answer, or whose bus is lost. PURE."""

from dataclasses import dataclass

from drivers.dc.demand import Demand

NO_CURRENT_MA = 1000
TOO_MUCH_MA = 5000


@dataclass(frozen=True, slots=True)
class Held:
    """The most that it can be. `ends`: all of it stops by itself after a known time."""

    current_ma: int = 0
    power_w: int = 0
    ends: bool = True


@dataclass(slots=True)
class Runaway:
    """Whether modules deliver more than is wanted and never stop by themselves: only the SECC can end that.

    Once found it lasts until each of them answers again: a new session would only run away too.
    """

    lasts_s: float
    found: bool = False
    _since_s: float | None = None

    def look(self, held: Held, flowing_ma: int, wanted_ma: int, now_s: float) -> bool:
        if held.ends or held.current_ma == 0:
            self.found, self._since_s = False, None
            return False
        if flowing_ma <= wanted_ma + TOO_MUCH_MA:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        self.found = self.found or (self._since_s is not None and now_s - self._since_s >= self.lasts_s)
        return self.found


def flowing(held: Held, demand: Demand | None) -> Held:
    """What may be flowing of it; `demand` None: the SECC, which measures it, told nothing lately.

    Not what it measures just now: a module that was on its way up to its last order gets there.
    """
    if demand is None or demand.measured_ma is None or held.current_ma == 0:
        return held
    if demand.measured_ma <= NO_CURRENT_MA:
        return Held(ends=held.ends)
    power_w = held.current_ma * (demand.target_mv or 0) // 1_000_000
    return Held(held.current_ma, min(held.power_w, power_w) if power_w else held.power_w, held.ends)
