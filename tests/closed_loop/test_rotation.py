"""No starvation: who waits is served in turn, although everybody who charges would like to go on."""

import math
from dataclasses import replace

import pytest

from controller.allocation.image import Demand
from tests.closed_loop.plant import Pace, Plant
from tests.closed_loop.scenes import Post, Scene, board
from tests.closed_loop.station import car

SLOT_S = 120.0
PLACES = 2
PAUSED_FOR_S = 60.0
"""A cut that must settle and the time for which a minimum must have fitted come on top of each turn."""


def site(cars: int) -> Plant:
    """Room for two at their minimum."""
    posts = tuple(Post(f"E{number}", car=car(lag_s=1.0 + number % 3)) for number in range(cars))
    plant = Scene((board(25, 10),), posts).plant(pace=Pace(0.1, calm_s=2.0))
    plant.layout = replace(plant.layout, slot_s=SLOT_S)
    plant.load("main", [8.0] * 3)
    for number, station in enumerate(plant.stations):
        station.demand = Demand(since_s=plant.now_s - 10.0 * number)
    return plant


def longest_wait_s(plant: Plant, evse: str) -> float:
    longest_s, served_s = 0.0, plant.plans[0][0]
    for at_s, plan in plant.plans:
        if any(one.current_ma for one in plan.evses if one.id == evse):
            served_s = at_s
        longest_s = max(longest_s, at_s - served_s)
    return longest_s


@pytest.mark.parametrize("cars", [3, 5])
def test_nobody_who_fits_alone_waits_longer_than_the_stated_number_of_slots(cars: int) -> None:
    plant = site(cars)
    plant.run(4 * cars * SLOT_S)
    bound_s = (math.ceil(cars / PLACES) + 1) * (SLOT_S + PAUSED_FOR_S)
    for one in plant.stations:
        assert longest_wait_s(plant, one.point.id) <= bound_s
    assert plant.book.report().overloads == 0


def test_turns_are_as_long_as_a_slot_so_that_contactors_are_not_worn() -> None:
    plant = site(5)
    plant.run(20 * SLOT_S)
    most = PLACES * 20 + 5
    assert plant.book.report().starts <= most
