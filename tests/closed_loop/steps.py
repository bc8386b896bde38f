"""The building steps while cars charge: random cases, and how a loop took them (R4)."""

import random
from dataclasses import dataclass, field
from statistics import fmean

from controller.allocation.circuits import Rotation
from tests.closed_loop import clairvoyant
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import Loop, Pace, Plant
from tests.closed_loop.scenes import Post, Scene, board
from tests.closed_loop.station import Manner, car

BEGIN_S = 1000.0
STEP_AT_S = 150.0
WATCHED_S = 150.0
"""After the step: evcc's pace needs that long."""
FULL_A = 0.6
"""A link that has less room than this, after what a clairvoyant gave, is full."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """How well the loop sees and acts. `read_s`: age that EV readings reach; `dead_s`, `lag_s` None: 1-3 s each."""

    meter_s: float = 0.25
    read_s: float = 0.5
    latency_s: float = 0.5
    write_s: float = 0.03
    confirm_s: float = 0.05
    dead_s: float | None = 5.0
    modest: float = 0.0
    """The share of cars that take less than they are offered."""

    def sight(self, dice: random.Random) -> Sight:
        return Sight(self.meter_s, min(0.1, self.meter_s / 2), 0.02, 0.001, dice.random() * self.meter_s)

    def manner(self, dice: random.Random) -> Manner:
        return Manner(
            self.latency_s, self.confirm_s, 0.0, self.read_s, dice.random() * self.read_s, min(0.3, self.read_s)
        )


@dataclass(frozen=True, slots=True)
class StepCase:
    """`loads`: (seconds after the begin, amperes of the building per phase), the step itself last."""

    scene: Scene
    loads: tuple[tuple[float, tuple[float, float, float]], ...]
    rating_a: float
    seed: int

    @property
    def step_s(self) -> float:
        return BEGIN_S + self.loads[-1][0]


@dataclass(frozen=True, slots=True)
class Taken:
    """`used`: what flows 15 to 20 s after the step, of the usable limit, where it could be full.

    None: nowhere.
    """

    above_s: float
    ratio: float
    thermal_s: float
    used: float | None
    plant: Plant = field(repr=False)


def step_case(seed: int, eyes: Eyes, *, up: bool, restless: bool = True, settle_s: float = STEP_AT_S) -> StepCase:
    """`up`: the building takes more, up to 1.4 x the rating at first; else it gives back.

    `restless`: it moved before too, so that readings may be older than the currents that flow.
    """
    dice = random.Random(f"{seed}/{up}")
    rating_a = dice.choice([50.0, 63.0, 80.0, 125.0])
    usable_a = 0.95 * rating_a
    count = dice.randint(2, min(8, int(usable_a * 0.6 / 6.0)))
    most_a = usable_a - 6.2 * count
    low_a, high_a = dice.uniform(0.05, 0.25) * most_a, dice.uniform(0.6, 0.98) * most_a
    high_a = min(high_a, low_a + 1.4 * rating_a - usable_a)
    before, after = (low_a, high_a) if up else (high_a, low_a)
    loads = [(0.0, before)]
    if restless:
        moves = [settle_s - at_s for at_s in (90, 60, 30) if dice.random() < 0.6]
        loads += [(at_s + dice.uniform(-10, 10), dice.uniform(low_a, high_a)) for at_s in moves]
        loads.append((settle_s - dice.uniform(6, 15), before))
    loads.append((settle_s + dice.uniform(0, 30), after))
    posts = tuple(_post(number, eyes, dice) for number in range(count))
    scene = Scene((board(rating_a, most_a),), posts, eyes.sight(dice), eyes.write_s, slowest=True)
    return StepCase(scene, tuple((at_s, (amps, amps, amps)) for at_s, amps in loads), rating_a, seed)


def _post(number: int, eyes: Eyes, dice: random.Random) -> Post:
    phases = dice.choice([3, 3, 3, 2, 1])
    modest = dice.random() < eyes.modest
    taken_a = dice.choice([8.0, 10.0, 13.0]) if modest else 32.0
    dead_s, lag_s = (0.0, dice.uniform(1, 3)) if eyes.dead_s is None else (eyes.dead_s, 0.0)
    return Post(
        f"E{number}",
        rotation=dice.choice(list(Rotation)),
        step_ma=dice.choice([1000, 100]),
        manner=eyes.manner(dice),
        car=car(taken_a, phases, lag_s=lag_s, dead_s=dead_s),
    )


def take(case: StepCase, *, loop: Loop | None = None, watched_s: float = 60.0, step_s: float = 0.05) -> Taken:
    """Play the case."""
    plant = case.scene.plant(seed=case.seed, loop=loop, pace=Pace(step_s, calm_s=2.0))
    for at_s, amps in case.loads:
        plant.load_at(BEGIN_S + at_s, "main", amps)
    plant.run(case.loads[-1][0])
    plant.book.begin_anew()
    plant.run(15.0)
    used = []
    for _ in range(5):
        used += _used(plant)
        plant.run(1.0)
    plant.run(watched_s - 20.0)
    late = [one for one in plant.book.overloads if one.start_s >= case.step_s - 1.0]
    return Taken(
        above_s=plant.above("main", case.rating_a, case.step_s),
        ratio=max((one.ratio for one in late), default=0.0),
        thermal_s=max((one.thermal_s for one in late), default=0.0),
        used=fmean(used) if used else None,
        plant=plant,
    )


def _used(plant: Plant) -> list[float]:
    parents = {circuit.id: circuit.parent for circuit in plant.circuits}
    asked = clairvoyant.wishes(plant.stations, parents)
    left = clairvoyant.room(plant.circuits, plant.wiring, plant.stations)
    given = clairvoyant.share(asked, left)
    spare = dict(left)
    for wish, amps in zip(asked, given, strict=True):
        for link in wish.links:
            spare[link] -= amps
    found = []
    for circuit in plant.circuits:
        for phase in range(3):
            usable_a = circuit.rating_ma[phase] * circuit.usable_permille / 1e6
            if spare[circuit.id, phase] < FULL_A:
                found.append(plant.wiring.circuits[circuit.id].drawn_a[phase] / usable_a)
    return found
