"""R4, R1, R2: one part of a whole site is lost, and the building steps to its largest load on top of it."""

import pytest

from controller.allocation.circuits import Circuit
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import Plant
from tests.closed_loop.scenes import HOLDS, VERIFIED, Post, Scene, board
from tests.closed_loop.station import LOST_AFTER_S, Manner, car

WATCHDOG_S = 15.0
EV_S = 5.0
ACTED_WITHIN_S = 5.0
LATENCY_S = 1.0
SETTLED_S = 120.0
SLACK_S = 0.5
LEVELS = {"grid": (20.0, 50.0), "west": (5.0, 15.0), "east": (4.0, 10.0)}
"""What the building takes at first, and the most that it may take."""


def circuits() -> tuple[Circuit, ...]:
    """The sum of fail-safe currents and largest loads fits everywhere (R2)."""
    return (
        board(125, 50, name="grid", meter="grid-meter"),
        board(50, 15, name="west", parent="grid", meter="west-meter"),
        board(50, 10, name="east", parent="grid", meter=None),
    )


def site(seed: int, *, holder: bool = False) -> Plant:
    """Two boards with three cars each on a wire of their own; `holder`: E0 keeps its last setpoint for ever."""
    parked = tuple(
        Post(
            f"E{number}",
            "west" if number < 3 else "east",
            fall_back=HOLDS if holder and number == 0 else VERIFIED,
            manner=Manner(latency_s=LATENCY_S, read_offset_s=0.15 * number),
            car=car(lag_s=0.0, dead_s=5.0) if number % 2 else car(lag_s=2.0),
            bus="bus-west" if number < 3 else "bus-east",
        )
        for number in range(6)
    )
    plant = Scene(circuits(), parked, Sight(0.5, 0.3)).plant(seed=seed)
    for name, (least_a, _) in LEVELS.items():
        plant.load(name, [least_a] * 3)
    plant.run(SETTLED_S)
    assert plant.book.report().overloads == 0
    assert plant.drawn_a() > 60
    return plant


def to_the_most(plant: Plant) -> None:
    for name, (_, most_a) in LEVELS.items():
        plant.load(name, [most_a] * 3)


def safe_from(plant: Plant, since_s: float) -> bool:
    return all(one.end_s <= since_s for one in plant.book.overloads)


@pytest.mark.parametrize("meter", ["grid-meter", "west-meter"])
@pytest.mark.parametrize("seed", range(2))
def test_r4_the_loss_of_any_meter_is_acted_on_before_the_building_takes_its_most(meter: str, seed: int) -> None:
    plant = site(seed)
    plant.meters[meter].works = False
    plant.run(ACTED_WITHIN_S)
    acted_s = plant.now_s
    to_the_most(plant)
    plant.run(60)
    assert safe_from(plant, acted_s + LATENCY_S + EV_S + SLACK_S)
    assert plant.book.report().worst_ratio < 1.45
    assert plant.drawn_a() > 20, "the other boards go on"


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("holder", [False, True])
def test_r1_the_loss_of_any_evse_leaves_room_for_what_it_may_draw(number: int, holder: bool) -> None:
    plant = site(number, holder=holder)
    plant.station(f"E{number}").works = False
    plant.run(WATCHDOG_S + EV_S)
    begun_s = plant.now_s
    plant.book.begin_anew()
    plant.load("grid", [35.0] * 3)
    plant.run(60)
    assert safe_from(plant, begun_s + 1.5 + LATENCY_S + EV_S + SLACK_S)
    assert plant.book.report().worst_ratio < 1.45


@pytest.mark.parametrize("bus", ["bus-west", "bus-east"])
def test_r4_the_loss_of_a_bus_leaves_every_circuit_within_its_rating(bus: str) -> None:
    plant = site(1)
    lost_s = plant.now_s
    for one in plant.stations:
        if one.point.circuit == bus.removeprefix("bus-"):
            one.bus.works = False
    to_the_most(plant)
    plant.run(60)
    assert plant.plan is not None
    assert safe_from(plant, lost_s + WATCHDOG_S + LATENCY_S + EV_S + SLACK_S)
    assert plant.book.report().worst_ratio < 1.45
    for one in plant.stations:
        one.bus.works = True
    plant.run(120)
    assert safe_from(plant, lost_s + WATCHDOG_S + LATENCY_S + EV_S + SLACK_S), "nor when it comes back"


def test_r4_a_lost_bus_is_seen_and_the_others_are_cut_within_five_seconds() -> None:
    plant = site(2)
    lost_s = plant.now_s
    before_ma = {one.id: one.current_ma for one in plant.plans[-1][1].evses}
    for one in plant.stations[:3]:
        one.bus.works = False
    plant.load("grid", [45.0] * 3)
    plant.run(ACTED_WITHIN_S)
    assert plant.plan is not None
    assert LOST_AFTER_S < ACTED_WITHIN_S
    assert any(one.current_ma < before_ma[one.id] for one in plant.plan.evses[3:])
    assert plant.now_s - lost_s == pytest.approx(ACTED_WITHIN_S)


def test_r4_a_lost_controller_is_covered_by_the_watchdogs() -> None:
    plant = site(3)
    lost_s = plant.now_s
    plant.works = False
    to_the_most(plant)
    plant.run(90)
    assert safe_from(plant, lost_s + WATCHDOG_S + LATENCY_S + EV_S + SLACK_S)
    assert all(one.drawn_a == 6 for one in plant.stations)
    plant.works = True
    plant.run(120)
    assert safe_from(plant, lost_s + WATCHDOG_S + LATENCY_S + EV_S + SLACK_S), "nor when it comes back"


def test_r4_a_cycle_that_stops_is_covered_by_the_drivers_leases() -> None:
    plant = site(4)
    lost_s = plant.now_s
    plant.ticks = False
    to_the_most(plant)
    plant.run(60)
    assert safe_from(plant, lost_s + 5.0 + 0.5 + LATENCY_S + EV_S + SLACK_S)
    assert all(one.drawn_a == 6 for one in plant.stations)


def test_a_meter_that_freezes_never_lets_the_plan_grow() -> None:
    plant = site(5)
    planned_ma = sum(one.current_ma for one in plant.plans[-1][1].evses)
    plant.meters["grid-meter"].freeze()
    plant.meters["west-meter"].freeze()
    frozen_s = plant.now_s
    plant.run(60)
    assert all(
        sum(one.current_ma for one in plan.evses) <= planned_ma + 1000
        for at_s, plan in plant.plans
        if at_s > frozen_s
    )
