"""Whole trees of boards by day: BDEW loads, appliances, cars come and go, writes are refused, some EVs need 5 s."""

import pytest

from tests.closed_loop.day import STEP_S, Eyes, day
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import SHORTEST_PAUSE_S, overloads_without_cause

HOURS = 4.0
EV_S = 5.0
WIRE_S = 6 * 0.05
"""Six chargers on a wire, one write at a time."""
CYCLE_S = 1.0
REPEATS = 2
"""A cut that a charger refuses is written again with the next cycle."""


def longest_s(eyes: Eyes) -> float:
    """R4: meter, cycle, bus, charger, EV."""
    sight = eyes.sight
    seen_s = sight.period_s + sight.refresh_s + sight.transfer_s + SHORTEST_PAUSE_S
    return seen_s + WIRE_S + REPEATS * CYCLE_S + eyes.latency_s + EV_S + 2 * STEP_S


@pytest.mark.parametrize(("seed", "read_s"), [(0, 1.0), (1, 60.0), (2, 1.0), (3, 60.0)])
def test_r4_hours_of_a_tree_stays_within_its_bounds(seed: int, read_s: float) -> None:
    eyes = Eyes(sight=Sight(period_s=0.5, refresh_s=0.3), read_s=read_s)
    site = day(seed, eyes, hours=HOURS)
    site.plant.run(HOURS * 3600)
    report = site.plant.book.report()
    assert report.worst_ratio < 1.45
    assert report.longest_s <= longest_s(eyes)
    assert not overloads_without_cause(site.plant, site.causes_s, within_s=longest_s(eyes)), (
        "nothing by our own doing"
    )
    assert report.delivered_kwh > 0.8 * report.possible_kwh
    assert report.starts <= 6 * len(site.plant.stations), "cars are not switched to and fro"
