"""The controller's tick and the simulator's physics in one virtual time (R4, R40): no sockets, no sleeping.

Around events the plant steps finely. When nothing has moved for a while and `calm_s` is set, it steps that coarsely
until the next event: readings and the tick then come once a step.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sim.wiring
from controller.allocation.circuits import Circuit
from controller.allocation.control import tick
from controller.allocation.image import Layout, Limit, Plan, ProcessImage
from controller.allocation.memory import Memory
from tests.closed_loop import clairvoyant
from tests.closed_loop.book import Book
from tests.closed_loop.instruments import Instrument
from tests.closed_loop.station import Station
from tests.closed_loop.wire import Order

CALM_AFTER_S = 8.0
MOVED_A = 0.3
SHORTEST_PAUSE_S = 0.1
"""As in `runtime.cycle`."""

Tick = Callable[[Layout, Any, ProcessImage], tuple[Any, Plan]]


@dataclass(frozen=True, slots=True)
class Loop:
    """Who decides, and when. `prompted`: a meter above its rating and a lost part bring the next tick forward.

    Setpoints go out up to `thinks_s` after the readings that they are made of, and are believed for `lease_s`.
    """

    tick: Tick = tick
    memory: Callable[[], Any] = Memory
    period_s: float = 1.0
    prompted: bool = True
    thinks_s: float = 0.0
    lease_s: float = 5.0
    """As in `runtime.cycle`."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Virtual seconds of a fine step, and of a coarse one in calm; None: always fine."""

    step_s: float = 0.1
    calm_s: float | None = None


@dataclass
class Plant:
    """`history` holds (time, amperes by circuit and phase) of each step, if `records`."""

    circuits: Sequence[Circuit]
    stations: Sequence[Station]
    meters: Mapping[str, Instrument]
    wiring: sim.wiring.Wiring
    loop: Loop = field(default_factory=Loop)
    pace: Pace = field(default_factory=Pace)
    seed: int = 1
    now_s: float = 1000.0
    limits: tuple[Limit, ...] = ()
    plan: Plan | None = None
    records: bool = True
    judges: bool = False
    """Whether the book learns what the cars could have taken."""
    works: bool = True
    """The controller's process; while it does not run nobody feeds a watchdog."""
    ticks: bool = True
    """Its cycle; without it the drivers' leases run out."""
    history: list[tuple[float, dict[str, tuple[float, ...]]]] = field(default_factory=list)
    plans: list[tuple[float, Plan]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.book = Book(list(self.wiring.circuits.values()), self.stations)
        points = tuple(one.point for one in self.stations)
        periods = {name: meter.period_s for name, meter in self.meters.items()}
        self.layout = Layout(tuple(self.circuits), points, 230_000, periods)
        self._memory = self.loop.memory()
        self._parents = {circuit.id: circuit.parent for circuit in self.circuits}
        self._by_name = {one.point.id: one for one in self.stations}
        self._events: list[tuple[float, int, bool, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._tick_s = self.now_s + self.dice.random() * self.loop.period_s
        self._ticked_s = self.now_s
        self._moved_s = self.now_s
        self._still: dict[str, float] = {}
        for station in self.stations:
            station.start(self.now_s)
        for meter in self.meters.values():
            meter.start(self.now_s)

    def at(self, when_s: float, action: Callable[[], None], *, quiet: bool = False) -> None:
        """Something happens to the site then; `quiet`: so little that calm goes on."""
        heapq.heappush(self._events, (when_s, next(self._numbers), quiet, action))

    def load_at(self, when_s: float, circuit: str, amps: Sequence[float]) -> None:
        self.at(when_s, lambda: self.load(circuit, amps))

    def load(self, circuit: str, amps: Sequence[float]) -> None:
        """The building's own load on a circuit from now on."""
        self.wiring.circuits[circuit].load_a = list(amps)

    def station(self, name: str) -> Station:
        return self._by_name[name]

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s - 1e-6:
            self._happen()
            self._step(min(self._stride_s(), until_s - self.now_s))

    # Time.

    def _happen(self) -> None:
        while self._events and self._events[0][0] <= self.now_s + 1e-6:
            _, _, quiet, action = heapq.heappop(self._events)
            action()
            if not quiet:
                self._moved_s = self.now_s

    def _stride_s(self) -> float:
        calm = self.pace.calm_s is not None and self.now_s - self._moved_s >= CALM_AFTER_S
        stride_s = self.pace.calm_s if calm and self.pace.calm_s is not None else self.pace.step_s
        if self._events:
            stride_s = min(stride_s, max(self._events[0][0] - self.now_s, 1e-3))
        return stride_s

    def _step(self, dt_s: float) -> None:
        self.now_s += dt_s
        for one in self.stations:
            one.live(self.now_s, dt_s)
        self.wiring.settle(((one.outlet.circuit, one.outlet.drawn_a) for one in self.stations), powered=True)
        self.wiring.account(dt_s)
        self.book.account(self.now_s, dt_s)
        if self.records:
            self.history.append((self.now_s, {c.name: tuple(c.drawn_a) for c in self.wiring.circuits.values()}))
        prompts = [meter.live(self.now_s, dt_s) for meter in self.meters.values()]
        prompts += [one.talk(self.now_s, driven=self.works) for one in self.stations]
        if any(prompts) and self.loop.prompted:
            self._tick_s = min(self._tick_s, max(self.now_s, self._ticked_s + SHORTEST_PAUSE_S))
        if self.works and self.ticks and self.now_s >= self._tick_s - 1e-9:
            self._tick()
        for one in self.stations if self.works else ():
            one.keep(self.now_s)
        self._watch()

    def _watch(self) -> None:
        """Whether anything moved."""
        for one in self.stations:
            name, drawn_a = one.point.id, one.drawn_a
            if one.wire.busy or abs(drawn_a - self._still.get(name, -1.0)) > MOVED_A:
                self._still[name] = drawn_a
                self._moved_s = self.now_s

    # Control.

    def _tick(self) -> None:
        self._ticked_s = self.now_s
        self._tick_s = self.now_s + self.loop.period_s
        readings = {name: meter.reading for name, meter in self.meters.items() if meter.reading is not None}
        image = ProcessImage(self.now_s, tuple(one.image() for one in self.stations), readings, self.limits)
        self._memory, plan = self.loop.tick(self.layout, self._memory, image)
        self.plan = plan
        if self.records:
            self.plans.append((self.now_s, plan))
        if self.loop.thinks_s:
            self.at(self.now_s + self.dice.uniform(0.15, 1.0) * self.loop.thinks_s, lambda: self._carry_out(plan))
        else:
            self._carry_out(plan)
        if self.judges:
            self._judge()

    def _carry_out(self, plan: Plan) -> None:
        """Reductions first, as the runtime does."""
        for one in sorted(
            plan.evses, key=lambda one: one.current_ma - (self._by_name[one.id].wire.commanded_ma or 0)
        ):
            wire = self._by_name[one.id].wire
            wire.command(Order(one.current_ma, one.enabled), self.now_s, lease_s=self.loop.lease_s)

    def _judge(self) -> None:
        asked = clairvoyant.wishes(self.stations, self._parents)
        left = clairvoyant.room(self.circuits, self.wiring, self.stations)
        self.book.possible_w = clairvoyant.power_w(asked, clairvoyant.share(asked, left))

    # What tests ask.

    def above(self, circuit: str, limit_a: float, since_s: float = 0.0) -> float:
        """Seconds since then during which a phase carried more."""
        seconds, last_s = 0.0, None
        for at_s, amps in self.history:
            if last_s is not None and at_s > since_s and max(amps[circuit]) > limit_a + 0.01:
                seconds += at_s - last_s
            last_s = at_s
        return seconds

    def drawn_a(self) -> float:
        """All cars on their busiest phase."""
        return sum(one.drawn_a for one in self.stations)

    def movement_ma(self, evse: str, since_s: float) -> int:
        """How far its planned setpoint moved about since then."""
        found = [
            one.current_ma for at_s, plan in self.plans if at_s > since_s for one in plan.evses if one.id == evse
        ]
        return max(found) - min(found)


def overloads_without_cause(plant: Plant, causes_s: Iterable[float], *, within_s: float) -> list[Any]:
    """Overloads that began by themselves: at no time at which the building or a car was made to step."""
    known = sorted(causes_s)
    return [
        one for one in plant.book.overloads if not any(-0.2 <= one.start_s - at_s <= within_s for at_s in known)
    ]
