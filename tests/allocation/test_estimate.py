"""The building's load, seen with bad eyes (R8, R40), and phases in use (R6)."""

from dataclasses import replace

import pytest

from controller.allocation.circuits import Rotation
from controller.allocation.control import tick
from controller.allocation.image import EvseImage, ProcessImage
from controller.allocation.memory import Memory
from drivers.api import EvseReading, Phases
from tests.allocation.builders import (
    amperes,
    charging,
    circuit,
    idle,
    image,
    layout,
    metered,
    point,
    reading,
    three,
)

SITE = layout([circuit("main", 100, other_a=40, meter="grid")], [point("A", max_ma=32_000)])


def base_a(*seen: tuple[float, EvseImage, float | None, float]) -> float:
    """Base estimate after ticks of (now, EVSE, meter time or None, metered amperes)."""
    memory, found = Memory(), 0
    for now_s, evse, meter_s, amount in seen:
        meters = {} if meter_s is None else {"grid": metered(meter_s, three(amount))}
        memory, plan = tick(SITE, memory, ProcessImage(now_s, (evse,), meters))
        found = plan.circuits[0].base_ma.l1
    return found / 1000


def test_base_is_the_meter_less_our_draw() -> None:
    assert base_a((1.0, charging("A", 0.5, 16), 0.5, 46)) == 30


def test_base_rises_at_once_and_falls_at_once_where_the_readings_leave_no_doubt() -> None:
    first = (1.0, charging("A", 0.9, 16), 0.8, 26.0)
    up = (2.0, charging("A", 1.9, 16), 1.8, 46.0)
    down = (3.0, charging("A", 2.9, 16), 2.8, 26.0)
    assert base_a(first, up) == 30
    assert base_a(first, up, down) == 30, "the sample before still says so"
    assert base_a(first, up, down, (4.0, charging("A", 3.9, 16), 3.8, 26.0)) == 10


def test_a_fall_within_the_noise_is_not_followed_and_a_small_rise_takes_a_little_more() -> None:
    first = (1.0, charging("A", 0.9, 16), 0.8, 26.0)
    lower = [(n, charging("A", n - 0.1, 16), n - 0.2, 25.6) for n in (2.0, 3.0, 4.0)]
    assert base_a(first, *lower) == 10
    assert base_a(first, (2.0, charging("A", 1.9, 16), 1.8, 26.1)) == pytest.approx(10.3)


def test_without_near_readings_it_falls_within_seconds_because_a_dip_may_be_an_ev_that_pauses() -> None:
    first = (1.0, charging("A", 0.9, 16), 0.8, 46.0)
    old = charging("A", 0.9, 16)
    later = [(float(n), old, n - 0.2, 26.0) for n in range(6, 18)]
    found = [base_a(first, *later[:count]) for count in (1, 2, 4, 12)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 12
    assert found[-1] == pytest.approx(10, abs=0.6)


def test_an_ev_that_ramps_up_after_its_reading_is_not_taken_for_building() -> None:
    steady = (1.0, charging("A", 0.8, 16, three(6)), 0.8, 16.0)
    ramped = (2.0, charging("A", 1.5, 16, three(6)), 1.9, 26.0)
    assert base_a(steady, ramped) == 10


def test_a_rise_of_the_building_is_found_by_the_next_readings_though_the_ev_could_have_caused_it() -> None:
    steady = (1.0, charging("A", 0.8, 16, three(6)), 0.8, 16.0)
    doubtful = (2.0, charging("A", 1.5, 16, three(6)), 1.9, 26.0)
    decided = (3.0, charging("A", 2.5, 16, three(6)), 2.9, 26.0)
    assert base_a(steady, doubtful) == 10
    assert base_a(steady, doubtful, decided) == 20


def test_a_stale_reading_never_hides_more_than_what_counts_of_the_evse() -> None:
    old = charging("A", 0.9, 16)
    seen = [(float(t), old, t - 0.2, 46.0) for t in range(1, 12)]
    assert base_a(*seen, (12.0, old, 11.8, 66.0)) == 50


@pytest.mark.parametrize("meter_s", [None, -4.0])
def test_without_a_recent_meter_the_building_counts_its_largest_load(meter_s: float | None) -> None:
    assert base_a((1.0, charging("A", 0.5, 16), meter_s, 20)) == 40


def test_a_stale_meter_never_counts_less_than_the_last_estimate() -> None:
    before = (1.0, charging("A", 0.9, 16), 0.9, 66.0)
    assert base_a(before, (5.0, charging("A", 4.9, 16), 0.9, 66.0)) == 50


def test_a_meter_is_stale_after_three_seconds_or_three_periods() -> None:
    slow = replace(SITE, meter_period_s={"grid": 5.0})
    for site, age_s, expected in ((SITE, 2.9, 10), (SITE, 3.1, 40), (slow, 14.9, 10), (slow, 15.1, 40)):
        seen = image(20.0, [idle("A", 19.5)], grid=metered(20.0 - age_s, three(10)))
        assert tick(site, Memory(), seen)[1].circuits[0].base_ma.l1 == expected * 1000


def test_r8_export_makes_no_room() -> None:
    assert base_a((1.0, charging("A", 0.5, 16), 0.5, -20)) == 0


def test_r8_more_charging_under_export_does_not_look_like_building() -> None:
    first = (1.0, charging("A", 0.9, 6), 0.8, -20.0)
    assert base_a(first, (2.0, charging("A", 1.9, 16), 1.9, -10.0)) == 0


def test_a_circuit_without_meter_adds_its_own_load_to_its_childrens_estimates() -> None:
    circuits = [circuit("main", 100, other_a=7), circuit("a", 63, "main", other_a=20, meter="grid")]
    site = layout(circuits, [point("A", "a")])
    _, plan = tick(site, Memory(), image(1.0, [charging("A", 0.5, 16)], grid=metered(0.5, three(28))))
    assert [one.base_ma.l1 for one in plan.circuits] == [19_000, 12_000]


def test_rotated_outlets_are_subtracted_from_the_phases_that_they_load() -> None:
    turned = layout(SITE.circuits, [point("A", phases=1, rotation=Rotation.L2L3L1, max_ma=32_000)])
    seen = image(1.0, [charging("A", 0.5, 16, amperes(16, 0, 0))], grid=metered(0.5, amperes(5, 21, 7)))
    assert tick(turned, Memory(), seen)[1].circuits[0].base_ma == amperes(5, 5, 7)


def planned_after(seconds: int, drawn: Phases, then: EvseImage | None = None) -> Phases:
    memory, plan = Memory(), None
    for second in range(seconds):
        memory, plan = tick(SITE, memory, image(second + 0.5, [charging("A", float(second), 16, drawn)]))
    if then is not None:
        memory, plan = tick(SITE, memory, image(seconds + 0.5, [then]))
    assert plan is not None
    return Phases(*(int(amount > 0) for amount in plan.circuits[0].planned_ma))


def test_r6_all_wired_phases_count_until_fewer_have_been_measured_for_thirty_seconds() -> None:
    assert planned_after(30, amperes(16, 0, 0)) == (1, 1, 1)
    assert planned_after(31, amperes(16, 0, 0)) == (1, 0, 0)
    assert planned_after(31, amperes(16, 16, 0)) == (1, 1, 0)
    assert planned_after(40, amperes(0, 0, 0)) == (1, 1, 1)


@pytest.mark.parametrize(
    "seen",
    [reading(35.0, amperes(16, 1, 0)), reading(35.0, None), reading(35.0, amperes(16, 0, 0), plug_counter=7)],
    ids=["current", "no measurement", "replug"],
)
def test_r6_all_phases_count_again(seen: EvseReading) -> None:
    assert planned_after(35, amperes(16, 0, 0)) == (1, 0, 0)
    assert planned_after(35, amperes(16, 0, 0), replace(charging("A", 35.0, 16), reading=seen)) == (1, 1, 1)
