"""Physics of a small site in steps of 0.1 s, seen only through stale, jittered, quantised readings (R40).

One circuit with a meter, EVSEs on it, and a runtime that carries out plans as the real one does: cuts first, a
setpoint is confirmed a moment after it was commanded. Amperes are per phase, and all three phases carry the same.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.control import tick
from controller.allocation.image import Demand, EvseImage, Layout, Plan, ProcessImage
from controller.allocation.memory import Memory
from drivers.api import EvseReading, EvState, FallBack, Health, MeterReading, Phases

STEP_S = 0.1


@dataclass
class Ev:
    """Follows the pilot after `lag_s`: a drop or a rise takes its time, then comes at once."""

    lag_s: float = 2.0
    most_a: float = 32.0
    extra_a: float = 0.0
    drawn_a: float = 0.0
    offers: list[tuple[float, float]] = field(default_factory=list)

    def live(self, now_s: float, offered_a: float) -> None:
        if not self.offers or self.offers[-1][1] != offered_a:
            self.offers.append((now_s, offered_a))
        heard = [offer for since, offer in self.offers if since <= now_s - self.lag_s]
        accepted = heard[-1] if heard else 0.0
        self.drawn_a = min(self.most_a, accepted + self.extra_a) if accepted else 0.0


@dataclass
class Charger:
    """Holds a setpoint; its pilot follows after `latency_s`. `dead`: neither hears nor answers."""

    point: SupplyPoint
    fall_back: FallBack
    ev: Ev
    read_every_s: float = 1.0
    offset_s: float = 0.0
    measures: bool = True
    wanted: bool = True
    dead: bool = False
    held_ma: int = 0
    held_s: float = -100.0
    offered_a: float = 0.0
    confirmed_s: float | None = None
    commanded_ma: int | None = None
    lost_s: float | None = None
    reading: EvseReading | None = None
    last_answer_s: float = 0.0

    def live(self, now_s: float) -> None:
        timeout_s = self.fall_back.watchdog_timeout_s
        if timeout_s is not None and now_s - self.last_answer_s > timeout_s:
            self.held_ma = self.fall_back.failsafe_ma
        if now_s - self.held_s >= self.point.latency_s:
            self.offered_a = self.held_ma / 1000
        self.ev.live(now_s, self.offered_a)

    def hear(self, now_s: float, current_ma: int) -> None:
        self.commanded_ma = current_ma
        if self.dead:
            return
        self.last_answer_s = now_s
        self.confirmed_s = now_s
        if current_ma != self.held_ma:
            self.held_ma, self.held_s = current_ma, now_s

    def image(self) -> EvseImage:
        return EvseImage(
            id=self.point.id,
            permit=self.wanted,
            demand=Demand(since_s=0.0) if self.wanted else None,
            reading=self.reading,
            health=Health.OK if self.lost_s is None else Health.LOST,
            lost_s=self.lost_s,
            fall_back=self.fall_back,
            confirmed_ma=self.confirmed_ma,
            confirmed_s=self.confirmed_s,
            commanded_ma=self.commanded_ma,
        )

    confirmed_ma: int | None = None


@dataclass
class Plant:
    """Time runs by `run`; `history` holds (time, current through the circuit in A)."""

    circuit: Circuit
    chargers: list[Charger]
    base_a: Callable[[float], float]
    seed: int = 1
    meter_age_s: float = 1.0
    meter_works: bool = True
    now_s: float = 1000.0
    memory: Memory = field(default_factory=Memory)
    plan: Plan | None = None
    history: list[tuple[float, float]] = field(default_factory=list)
    plans: list[tuple[float, Plan]] = field(default_factory=list)
    _meter: MeterReading | None = None
    _total: list[float] = field(default_factory=list)
    _orders: list[tuple[float, str, int]] = field(default_factory=list)
    _steps: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        points = tuple(one.point for one in self.chargers)
        self.layout = Layout((self.circuit,), points, 230_000, {"grid": 1.0})

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self._step()

    def above(self, limit_a: float, since_s: float) -> float:
        """Seconds since then for which more flowed."""
        return sum(STEP_S for at, total in self.history if at >= since_s and total > limit_a + 0.001)

    def drawn_a(self) -> float:
        return sum(one.ev.drawn_a for one in self.chargers)

    def _step(self) -> None:
        self._steps += 1
        self.now_s += STEP_S
        for due, name, current_ma in [order for order in self._orders if order[0] <= self.now_s]:
            self._orders.remove((due, name, current_ma))
            charger = next(one for one in self.chargers if one.point.id == name)
            charger.hear(self.now_s, current_ma)
            if not charger.dead:
                charger.confirmed_ma = current_ma
        for one in self.chargers:
            one.live(self.now_s)
            self._poll(one)
        self._total.append(self.base_a(self.now_s) + self.drawn_a())
        self.history.append((self.now_s, self._total[-1]))
        if self._steps % 10 == 3 and self.meter_works:
            self._read_meter()
        if self._steps % 10 == 0:
            self._cycle()

    def _poll(self, charger: Charger) -> None:
        if (self._steps + round(charger.offset_s / STEP_S)) % round(charger.read_every_s / STEP_S):
            return
        if charger.dead:
            charger.lost_s = charger.last_answer_s if charger.lost_s is None else charger.lost_s
            return
        charger.last_answer_s = self.now_s
        seen_ma = max(0, round(charger.ev.drawn_a * 10 + self.dice.uniform(-1, 1)) * 100)
        drawn = Phases(seen_ma, seen_ma, seen_ma) if charger.measures else None
        charger.reading = EvseReading(self.now_s - 0.1, EvState.C, True, drawn)

    def _read_meter(self) -> None:
        age = round(self.meter_age_s / STEP_S)
        old = self._total[-1 - age] if len(self._total) > age else self._total[0]
        seen_ma = round((old + self.dice.uniform(-0.1, 0.1)) * 1000)
        self._meter = MeterReading(self.now_s - self.meter_age_s, Phases(seen_ma, seen_ma, seen_ma), 0, signed=True)

    def _cycle(self) -> None:
        meters = {} if self._meter is None else {"grid": self._meter}
        image = ProcessImage(self.now_s, tuple(one.image() for one in self.chargers), meters)
        self.memory, plan = tick(self.layout, self.memory, image)
        self.plan = plan
        self.plans.append((self.now_s, plan))
        for one in plan.evses:
            self._orders.append((self.now_s + 0.3, one.id, one.current_ma))


def charger(name: str, fall_back: FallBack, **changes: Any) -> Charger:
    point = SupplyPoint(name, "main", Rotation.L1L2L3, 3, 6000, 32_000, 1000, 1.0)
    return replace(Charger(point, fall_back, Ev()), **changes)


def chargers(count: int, fall_back: FallBack, *, lag_s: float = 2.0) -> list[Charger]:
    offsets = [0.0, 0.7, 0.4, 0.9, 0.2, 0.5]
    return [
        charger(f"E{n}", fall_back, ev=Ev(lag_s=lag_s), offset_s=offsets[n % len(offsets)]) for n in range(count)
    ]


def circuit(rating_a: int, other_a: int) -> Circuit:
    rating = rating_a * 1000
    other = other_a * 1000
    return Circuit("main", None, Phases(rating, rating, rating), 950, Phases(other, other, other), "grid")


def steps(*at: tuple[float, float]) -> Callable[[float], float]:
    """A base load that jumps: (from second, amperes) in order of time."""

    def base_a(now_s: float) -> float:
        return [amount for since, amount in at if since <= now_s][-1]

    return base_a


def verified(failsafe_a: int = 6) -> FallBack:
    return FallBack(15.0, failsafe_a * 1000, verified=True, holds_last=False, power_up_ma=0)


def spread(values: Iterable[float]) -> float:
    found = list(values)
    return max(found) - min(found)
