"""One EVSE of the closed loop: the simulator's charger, outlet and EV, and what the controller sees of them."""

import functools
import math
import random
from collections import deque
from dataclasses import dataclass, replace

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import Demand, EvseImage
from drivers.api import EvseReading, EvState, FallBack, Health, Phases
from sim.chargers import ChargeController, Temper
from sim.clock import SimClock
from sim.device_profile import DeviceProfile, SetpointRules, WatchdogRules, load_profile
from sim.events import EventLog
from sim.physics import Ev, EvSpec, Outlet
from tests.closed_loop.wire import Bus, Wire

VOLTS = 230.0
CONTACT_S = 0.5
"""Between two signs of life; a driver polls its charger at least so often, whatever the age of its readings."""
LOST_AFTER_S = 2.0
EMPTY_S = 1.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How well a charger can be seen and told. `read_age_s` is hidden: the charger shows values of so long ago."""

    latency_s: float = 1.0
    confirm_s: float = 0.2
    reject_rate: float = 0.0
    read_period_s: float = 1.0
    read_offset_s: float = 0.0
    read_age_s: float = 0.1
    jitter_a: float = 0.1
    quantum_a: float = 0.1
    measures: bool = True


class Slowest(random.Random):
    """Chance at its worst: every delay is the longest."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def car(
    max_a: float = 32.0,
    phases: int = 3,
    *,
    lag_s: float = 2.0,
    dead_s: float = 0.0,
    soc: float = 0.1,
    capacity_wh: float = 1e6,
) -> EvSpec:
    """An EV that follows after `dead_s`, over `lag_s`."""
    return EvSpec(max_a, tuple(range(phases)), soc, capacity_wh, lag_s, 0.5, dead_s=dead_s)


class Station:
    def __init__(
        self, point: SupplyPoint, fall_back: FallBack, manner: Manner, *, bus: Bus, dice: random.Random
    ) -> None:
        self.point = point
        self.fall_back = fall_back
        self.manner = manner
        self.bus = bus
        self.works = True
        """Its communication; the charger itself goes on."""
        self.demand: Demand | None = None
        self.health = Health.UNKNOWN
        self.contact_s: float | None = None
        self.reading: EvseReading | None = None
        supply = point.rotation.value[: point.phases]
        self.outlet = Outlet(point.id, point.circuit, supply=supply, volts=VOLTS, energy_wh=0.0)
        self.charger = _charger(self.outlet, point, fall_back, manner, dice)
        self.wire = Wire(
            self.charger, bus, dice, manner.confirm_s, fall_back.failsafe_ma, lambda: self.works and self.bus.works
        )
        self._dice = dice
        self._next_contact_s = 0.0
        self._next_reading_s = 0.0
        self._first_s = 0.0
        self._empty_until_s = 0.0
        self._drawn: deque[tuple[float, tuple[float, ...]]] = deque()

    @property
    def drawn_a(self) -> float:
        """On its busiest phase."""
        return max(self.outlet.drawn_a)

    def start(self, now_s: float) -> None:
        """The charger came up long ago, and was told to pause."""
        self.charger.reset(now_s)
        self.charger.limit_a = self.charger.pilot_limit_a = 0.0
        self.charger.timeout_s = self.fall_back.watchdog_timeout_s or 0.0
        self.charger.failsafe_a = self.fall_back.failsafe_ma / 1000
        self._next_contact_s = now_s
        self._next_reading_s = now_s
        self._first_s = now_s

    def plug(self, spec: EvSpec, demand: Demand) -> None:
        self.outlet.plug_in(Ev(spec))
        self.demand = demand

    def unplug(self) -> None:
        self.outlet.unplug()
        self.demand = None
        self._empty_until_s = 0.0

    def live(self, now_s: float, dt_s: float) -> None:
        """The hardware lives through a step that ends now; an empty outlet is looked at each second."""
        if self.outlet.ev is None and now_s < self._empty_until_s:
            return
        self._empty_until_s = now_s + EMPTY_S
        self.charger.step(now_s)
        self.outlet.step(dt_s, offered_a=self.charger.offered_a, powered=True)
        shown = tuple(self.outlet.conductor_a)
        if not self._drawn or self._drawn[-1][1] != shown:
            self._drawn.append((now_s, shown))
        while len(self._drawn) > 1 and self._drawn[1][0] <= now_s - self.manner.read_age_s:
            self._drawn.popleft()

    def talk(self, now_s: float, *, driven: bool) -> bool:
        """Contact and reading, when it is time; True when its health changed. `driven`: the process is alive."""
        if not driven:
            return False
        before = self.health
        self.wire.live(now_s)
        if now_s >= self._next_contact_s - 1e-9:
            self._next_contact_s = now_s + CONTACT_S
            self._contact(now_s)
        if now_s >= self._next_reading_s - 1e-9 and self.health is Health.OK:
            self._next_reading_s = self._after(now_s)
            self.reading = self._read(now_s)
        return before is not self.health

    def keep(self, now_s: float) -> None:
        """What the driver does by itself, once the tick that is due has been: feed the watchdog, or give up."""
        if self.contact_s == now_s and self.wire.feeds(now_s):
            self.charger.feed(now_s)
        self.wire.expire(now_s)

    def _after(self, now_s: float) -> float:
        """The first reading comes with the first contact, the others at times of the station's own."""
        period_s, offset_s = self.manner.read_period_s, self.manner.read_offset_s
        done = math.floor((now_s - self._first_s - offset_s) / period_s + 1e-6)
        return self._first_s + offset_s + (done + 1) * period_s

    def _contact(self, now_s: float) -> None:
        if self.works and self.bus.works:
            if self.health is Health.LOST:
                self.wire.forget()
            self.health, self.contact_s = Health.OK, now_s
        elif self.contact_s is None or now_s - self.contact_s >= LOST_AFTER_S:
            self.health = Health.LOST

    def _read(self, now_s: float) -> EvseReading:
        state = EvState(self.charger.letter)
        shown = self._drawn[0][1] if self._drawn else (0.0, 0.0, 0.0)
        current = Phases(*(self._seen_ma(amps) for amps in shown)) if self.manner.measures else None
        return EvseReading(now_s, state, state.plugged, current, plug_counter=self.outlet.plug_count)

    def _seen_ma(self, amps: float) -> int:
        """Quantised, and jittered where anything flows."""
        quantum = self.manner.quantum_a
        jitter = self._dice.uniform(-1, 1) * self.manner.jitter_a if amps else 0.0
        return max(0, round(round((amps + jitter) / quantum) * quantum * 1000))

    def image(self) -> EvseImage:
        return EvseImage(
            id=self.point.id,
            permit=self.demand is not None,
            demand=self.demand,
            reading=self.reading,
            health=self.health,
            lost_s=self.contact_s if self.health is Health.LOST else None,
            fall_back=self.fall_back,
            confirmed_ma=self.wire.confirmed_ma,
            confirmed_s=self.wire.confirmed_s,
            commanded_ma=self.wire.commanded_ma,
        )


@functools.cache
def _template() -> DeviceProfile:
    return load_profile("amperfied-connect")


def _charger(
    outlet: Outlet, point: SupplyPoint, fall_back: FallBack, manner: Manner, dice: random.Random
) -> ChargeController:
    power_up_a = (point.max_ma if fall_back.power_up_ma is None else fall_back.power_up_ma) / 1000
    temper = Temper(point.max_ma / 1000, power_up_a, manner.latency_s, manner.reject_rate, 5.0)
    return ChargeController(_model(point, manner), outlet, temper, rng=dice, log=EventLog(SimClock()))


def _model(point: SupplyPoint, manner: Manner) -> DeviceProfile:
    """A charger that pauses at 0 A, with the grid and the delay of this one."""
    rules = SetpointRules(
        point.min_ma / 1000, point.max_ma / 1000, point.step_ma / 1000, "zero", manner.latency_s, None
    )
    watchdog = WatchdogRules("rewrite", 15.0, fixed=False, value=None)
    return replace(_template(), setpoint=rules, watchdog=watchdog, enable=None)
