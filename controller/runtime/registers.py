"""What an EVSE's billing register says now: the charger's own, or that of the meter configured for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from controller.allocation.circuits import SupplyPoint
from controller.charging.records import MeterValue, SampleContext
from drivers.api import DeviceError, EvseReading, EvState, MeterReading, Phases

BELIEVABLE_S = 5.0
"""A register older than this is left out of the records rather than passed off as current."""
AT_REST_MA = 500
"""Below this on every phase nothing flows: meters show a few mA of the charger's own electronics."""


@dataclass(frozen=True, slots=True)
class DcOutput:
    """A DC outlet: register and power are measured at the outlet, the setpoint is the current of its input (R9)."""

    point: SupplyPoint
    voltage_mv: int

    def watts(self, input_ma: int) -> int:
        return self.point.output_w(input_ma, self.voltage_mv)


@dataclass(frozen=True, slots=True)
class Shown:
    """A believable register with what belongs to it. `t_s` is the receive time of its oldest part."""

    t_s: float
    energy_wh: int
    power_w: int | None
    current_ma: Phases | None
    resting: bool
    dc: DcOutput | None = None
    soc_percent: int | None = None

    def value(self, context: SampleContext, offered_ma: int | None = None) -> MeterValue:
        if self.dc is None:
            return MeterValue(context, self.energy_wh, self.power_w, self.current_ma, offered_ma)
        offered_w = None if offered_ma is None else self.dc.watts(offered_ma)
        return MeterValue(context, self.energy_wh, self.power_w, offered_w=offered_w, soc_percent=self.soc_percent)


class BillingRegister:
    """Follows the readings of one EVSE and, if it has one, of its own meter."""

    def __init__(self, *, own_meter: bool, dc: DcOutput | None = None) -> None:
        self._own_meter = own_meter
        self._dc = dc
        self._reading: EvseReading | None = None
        self._meter: MeterReading | None = None
        self._news = asyncio.Event()
        self.read_now: Callable[[], Awaitable[object]] | None = None
        """Has the charger read at once; it may raise a DeviceError."""

    @property
    def dc(self) -> DcOutput | None:
        """None: an AC outlet."""
        return self._dc

    def start_over(self, *, own_meter: bool, dc: DcOutput | None = None) -> None:
        """Other devices show it from now on; who waits for a register goes on waiting."""
        self._own_meter = own_meter
        self._dc = dc
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
        return Shown(
            reading.t_s, reading.energy_wh, reading.power_w, current, resting, self._dc, reading.soc_percent
        )

    def recent(self, now_s: float) -> Shown | None:
        """What a record of now may state."""
        shown = self.shown()
        return shown if shown is not None and now_s - shown.t_s <= BELIEVABLE_S else None

    def _from_meter(self) -> Shown | None:
        meter = self._meter
        if meter is None or meter.energy_import_wh is None:
            return None
        resting = max(abs(amount) for amount in meter.current_ma) < AT_REST_MA
        soc_percent = None if self._reading is None else self._reading.soc_percent
        return Shown(
            meter.t_s,
            meter.energy_import_wh,
            meter.power_w,
            meter.current_ma,
            resting,
            self._dc,
            soc_percent,
        )

    async def fresh(self, t_s: float) -> Shown:
        """As `newer_than`, but the charger is read at once and not in its turn: a driver waits for it."""
        if self.read_now is not None and not self._own_meter:
            with contextlib.suppress(DeviceError):  # then its next regular reading will do
                await self.read_now()
        return await self.newer_than(t_s)

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
