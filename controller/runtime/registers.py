"""What an EVSE's billing register says now: the charger's own, or that of the meter configured for it."""

import asyncio
from dataclasses import dataclass

from controller.charging.records import MeterValue, SampleContext
from drivers.api import EvseReading, EvState, MeterReading, Phases

BELIEVABLE_S = 5.0
"""A register older than this is left out of the records rather than passed off as current."""
AT_REST_MA = 500
"""Below this on every phase nothing flows: meters show a few mA of the charger's own electronics."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A believable register with what belongs to it. `t_s` is the receive time of its oldest part."""

    t_s: float
    energy_wh: int
    power_w: int | None
    current_ma: Phases | None
    resting: bool

    def value(self, context: SampleContext, offered_ma: int | None = None) -> MeterValue:
        return MeterValue(context, self.energy_wh, self.power_w, self.current_ma, offered_ma)


class BillingRegister:
    """Follows the readings of one EVSE and, if it has one, of its own meter."""

    def __init__(self, *, own_meter: bool) -> None:
        self._own_meter = own_meter
        self._reading: EvseReading | None = None
        self._meter: MeterReading | None = None
        self._news = asyncio.Event()

    def start_over(self, *, own_meter: bool) -> None:
        """Other devices show it from now on; who waits for a register goes on waiting."""
        self._own_meter = own_meter
        self._reading, self._meter = None, None

    def on_reading(self, reading: EvseReading) -> None:
        self._reading = reading
        self._tell()

    def on_meter(self, reading: MeterReading) -> None:
        self._meter = reading
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def shown(self) -> Shown | None:
        """The newest believable register; None where there is none yet. The caller looks at its age."""
        if self._own_meter:
            return self._from_meter()
        reading = self._reading
        if reading is None or reading.energy_wh is None:
            return None
        current = reading.current_ma
        resting = current.highest < AT_REST_MA if current else reading.state not in {EvState.C, EvState.D}
        return Shown(reading.t_s, reading.energy_wh, reading.power_w, current, resting)

    def recent(self, now_s: float) -> Shown | None:
        """What a record of now may state."""
        shown = self.shown()
        return shown if shown is not None and now_s - shown.t_s <= BELIEVABLE_S else None

    def _from_meter(self) -> Shown | None:
        meter = self._meter
        if meter is None or meter.energy_import_wh is None:
            return None
        resting = max(abs(amount) for amount in meter.current_ma) < AT_REST_MA
        return Shown(meter.t_s, meter.energy_import_wh, meter.power_w, meter.current_ma, resting)

    async def newer_than(self, t_s: float) -> Shown:
        """The first register received wholly after `t_s` (monotonic)."""
        while True:
            news = self._news
            shown = self.shown()
            if shown is not None and shown.t_s > t_s:
                return shown
            await news.wait()

    async def at_rest(self, t_s: float) -> Shown:
        """A register received after `t_s` that has stopped: no current, and the same value twice."""
        last = await self.newer_than(t_s)
        while True:
            shown = await self.newer_than(last.t_s)
            if shown.resting and last.resting and shown.energy_wh == last.energy_wh:
                return shown
            last = shown
