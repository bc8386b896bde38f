"""Sites for the closed loop: one board with some cars, and random trees of boards."""

import random
from dataclasses import dataclass, field

import sim.wiring
from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.image import Demand
from drivers.api import FallBack, Phases
from sim.physics import EvSpec
from tests.closed_loop.instruments import Instrument, Sight
from tests.closed_loop.plant import Loop, Pace, Plant
from tests.closed_loop.station import Manner, Slowest, Station, car
from tests.closed_loop.wire import Bus

VERIFIED = FallBack(15.0, 6000, verified=True, holds_last=False, power_up_ma=0)
HOLDS = FallBack(None, 0, verified=False, holds_last=True, power_up_ma=None)


def same(amps: float) -> Phases:
    return Phases(*(round(amps * 1000),) * 3)


@dataclass(frozen=True, slots=True)
class Post:
    """An EVSE to be, with the car that stands there from the start."""

    name: str
    circuit: str = "main"
    rotation: Rotation = Rotation.L1L2L3
    phases: int = 3
    max_a: int = 32
    step_ma: int = 1000
    fall_back: FallBack = VERIFIED
    manner: Manner = field(default_factory=Manner)
    car: EvSpec | None = field(default_factory=car)
    bus: str | None = None
    """None: a wire of its own."""

    def point(self) -> SupplyPoint:
        return SupplyPoint(
            self.name, self.circuit, self.rotation, self.phases, 6000, self.max_a * 1000, self.step_ma,
            self.manner.latency_s,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything of a site but its building's load. `sights` by meter; `slowest`: delays are always the longest."""

    circuits: tuple[Circuit, ...]
    posts: tuple[Post, ...]
    sight: Sight = field(default_factory=Sight)
    write_s: float = 0.05
    slowest: bool = False

    def plant(self, *, seed: int = 1, loop: Loop | None = None, pace: Pace | None = None) -> Plant:
        wiring = sim.wiring.Wiring([sim.wiring.Circuit(c.id, c.parent, _amps(c.rating_ma)) for c in self.circuits])
        buses: dict[str, Bus] = {}
        stations = [self._station(post, buses, seed) for post in self.posts]
        meters = {
            c.meter: Instrument(
                c.meter, wiring.circuits[c.id], self.sight, bus=Bus(), dice=random.Random(f"{seed}/{c.meter}")
            )
            for c in self.circuits
            if c.meter is not None
        }
        plant = Plant(self.circuits, stations, meters, wiring, loop=loop or Loop(), pace=pace or Pace(), seed=seed)
        for post, station in zip(self.posts, stations, strict=True):
            if post.car is not None:
                station.plug(post.car, Demand(since_s=0.0))
        return plant

    def _station(self, post: Post, buses: dict[str, Bus], seed: int) -> Station:
        bus = buses.setdefault(post.bus or post.name, Bus(self.write_s))
        name = f"{seed}/{post.name}"
        dice = Slowest(name) if self.slowest else random.Random(name)
        return Station(post.point(), post.fall_back, post.manner, bus=bus, dice=dice)


def board(
    rating_a: float, other_a: float, *, name: str = "main", parent: str | None = None, meter: str | None = "grid"
) -> Circuit:
    return Circuit(name, parent, same(rating_a), 950, same(other_a), meter)


def _amps(rating: Phases) -> tuple[float, float, float]:
    return (rating.l1 / 1000, rating.l2 / 1000, rating.l3 / 1000)
