"""A day on a random tree of boards: BDEW load profiles, appliances that switch, cars that come and go."""

import csv
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from controller.allocation.circuits import Circuit, Rotation
from controller.allocation.image import Demand
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import Loop, Pace, Plant
from tests.closed_loop.scenes import Post, Scene, board
from tests.closed_loop.station import Manner, car

QUARTER_S = 900.0
DAY_S = 86_400.0
KINDS = ("h0", "g0", "g1", "g3", "g4", "l0")
"""Households, trade in general, offices on weekdays, trade around the clock, shops and hairdressers, farms."""
SPREAD_S = 300.0
"""The profile's next value is approached in steps of so long."""
STEP_S = 0.2
APART_S = 25.0
"""Between two appliances that switch on: each overload has its own time to end."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """How the whole site sees and acts."""

    sight: Sight = field(default_factory=Sight)
    read_s: float = 1.0
    latency_s: float = 1.0
    reject_rate: float = 0.02


@dataclass
class Day:
    """`causes_s`: when an appliance took more."""

    plant: Plant
    causes_s: list[float] = field(default_factory=list)


@functools.cache
def _profiles() -> dict[tuple[str, str, str], tuple[float, ...]]:
    """The published tables, as demandlib carries them: a day of quarter hours by season, weekday and kind."""
    table = Path(str(metadata.distribution("demandlib").locate_file("demandlib/bdew/bdew_data/selp_series.csv")))
    days: dict[tuple[str, str, str], list[float]] = {}
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        for kind in KINDS:
            days.setdefault((row["period"], row["weekday"], kind), []).append(float(row[kind]))
    return {key: tuple(amounts) for key, amounts in days.items()}


def profile(kind: str, dice: random.Random) -> tuple[float, ...]:
    """The 96 quarter hours of some day, as shares of the highest of the year."""
    highest = max(max(amounts) for key, amounts in _profiles().items() if key[2] == kind)
    key = dice.choice([key for key in _profiles() if key[2] == kind])
    return tuple(amount / highest for amount in _profiles()[key])


def tree(dice: random.Random) -> tuple[Circuit, ...]:
    """A grid connection with two to four boards, some with a board of their own; some without a meter."""
    boards: list[Circuit] = []
    for number in range(dice.randint(2, 4)):
        rating_a = dice.choice([50, 63, 80])
        boards.append(_board(f"board-{number}", "grid", rating_a, dice))
        if dice.random() < 0.3:
            boards.append(_board(f"board-{number}-a", f"board-{number}", 40, dice))
    below_a = sum(one.max_other_ma.l1 for one in boards) / 1000
    fed_a = sum(one.rating_ma.l1 for one in boards if one.parent == "grid") / 1000
    most_a = max(100.0, round(0.5 * fed_a), 2 * below_a)
    root = board(most_a, 0.3 * most_a, name="grid", meter="grid-meter")
    return (root, *boards)


def _board(name: str, parent: str, rating_a: int, dice: random.Random) -> Circuit:
    meter = f"{name}-meter" if dice.random() < 0.6 else None
    return board(rating_a, dice.uniform(0.1, 0.3) * rating_a, name=name, parent=parent, meter=meter)


def posts(circuits: tuple[Circuit, ...], eyes: Eyes, dice: random.Random) -> tuple[Post, ...]:
    found: list[Post] = []
    for circuit in circuits[1:]:
        for _ in range(dice.randint(2, 4)):
            phases = dice.choice([3, 3, 3, 1])
            manner = Manner(
                latency_s=dice.uniform(0.3, 1) * eyes.latency_s,
                reject_rate=eyes.reject_rate,
                read_period_s=eyes.read_s,
                read_offset_s=dice.random() * eyes.read_s,
                read_age_s=dice.uniform(0.05, 0.5),
                measures=dice.random() < 0.9,
            )
            found.append(
                Post(
                    f"E{len(found)}", circuit.id, dice.choice(list(Rotation)), phases,
                    max_a=dice.choice([16, 32]), step_ma=dice.choice([100, 1000]), manner=manner, car=None,
                    bus=f"bus-{len(found) // 6}",
                )
            )  # fmt: skip
    return tuple(found)


def day(seed: int, eyes: Eyes | None = None, *, loop: Loop | None = None, hours: float = 24.0) -> Day:
    """Everything that will happen is planned; `day.plant.run` makes it happen."""
    dice = random.Random(f"day {seed}")
    eyes = eyes or Eyes()
    circuits = tree(dice)
    scene = Scene(circuits, posts(circuits, eyes, dice), eyes.sight)
    plant = scene.plant(seed=seed, loop=loop, pace=Pace(STEP_S, calm_s=10.0))
    plant.records = False
    plant.judges = True
    found = Day(plant)
    switching_s = _apart(plant.now_s + 60, plant.now_s + hours * 3600, dice)
    for circuit in circuits:
        _building(found, circuit, [at_s for at_s in switching_s if dice.random() < 1 / len(circuits)], dice)
    for post in scene.posts:
        _cars(plant, post, hours * 3600, dice)
    return found


def _apart(begin_s: float, end_s: float, dice: random.Random) -> list[float]:
    times, at_s = [], begin_s
    while at_s < end_s:
        at_s += APART_S + dice.expovariate(1 / 240.0)
        times.append(at_s)
    return times


def _building(found: Day, circuit: Circuit, switching_s: list[float], dice: random.Random) -> None:
    """The profile fills up to 60 % of the circuit's largest load, appliances the rest."""
    plant, most_a = found.plant, circuit.max_other_ma.l1 / 1000
    shares = profile(dice.choice(KINDS), dice)
    tilt = [dice.uniform(0.6, 1.0) for _ in range(3)]
    running = {"appliance": [0.0, 0.0, 0.0]}

    def apply() -> None:
        quarter = (plant.now_s - 1000.0) / QUARTER_S
        here, further = shares[int(quarter) % 96], shares[(int(quarter) + 1) % 96]
        share = here + (further - here) * (quarter % 1)
        profile_a = [0.6 * most_a * share * one for one in tilt]
        amps = [min(most_a, a + b) for a, b in zip(profile_a, running["appliance"], strict=True)]
        plant.load(circuit.id, amps)

    def switch(amps: list[float]) -> Callable[[], None]:
        def act() -> None:
            if any(new > old for new, old in zip(amps, running["appliance"], strict=True)):
                found.causes_s.append(plant.now_s)
            running["appliance"] = amps
            apply()

        return act

    apply()
    for number in range(int(DAY_S / SPREAD_S)):
        plant.at(1000.0 + dice.uniform(0, SPREAD_S) + number * SPREAD_S, apply, quiet=True)
    for at_s in switching_s:
        one_phase = dice.random() < 0.5
        phase = dice.randrange(3)
        size_a = dice.uniform(0.1, 1.0) * most_a
        amps = [size_a if not one_phase or place == phase else 0.0 for place in range(3)]
        plant.at(at_s, switch(amps))
        plant.at(at_s + dice.uniform(20, 900), switch([0.0, 0.0, 0.0]))


def _cars(plant: Plant, post: Post, until_s: float, dice: random.Random) -> None:
    station = plant.station(post.name)
    at_s = plant.now_s + dice.uniform(0, 3600)
    while at_s < plant.now_s + until_s:
        leaves_s = at_s + dice.uniform(600, 8 * 3600)
        plant.at(at_s, _arrival(plant, post, dice))
        plant.at(leaves_s, station.unplug)
        at_s = leaves_s + dice.uniform(60, 3 * 3600)


def _arrival(plant: Plant, post: Post, dice: random.Random) -> Callable[[], None]:
    worst = dice.random() < 0.2
    spec = car(
        dice.choice([10.0, 16.0, 32.0]),
        min(post.phases, dice.choice([1, 2, 3, 3])),
        lag_s=0.0 if worst else dice.uniform(1, 3),
        dead_s=5.0 if worst else 0.0,
        soc=dice.uniform(0.2, 0.9),
        capacity_wh=dice.uniform(20_000, 80_000),
    )

    def arrive() -> None:
        plant.station(post.name).plug(spec, Demand(since_s=plant.now_s))

    return arrive
