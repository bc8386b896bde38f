"""R5, step by step."""

from dataclasses import replace

import pytest

from controller.allocation.control import tick
from controller.allocation.image import Plan
from controller.allocation.memory import Memory
from controller.allocation.overdraw import tolerance_ma
from drivers.api import Phases
from tests.allocation.builders import charging, circuit, idle, image, layout, obeyed, point, three

SITE = layout([circuit("main", 40)], [point("A"), point("B", max_ma=32_000)])


def play(seconds: int, extra_ma: int, *, at_zero_ma: int = 0, good_after: int = 10**6) -> list[Plan]:
    """EVSE A draws more than its setpoint by `extra_ma`; a welded one also at 0 A."""
    memory, plans = Memory(), []
    now = [charging("A", -0.5, 16), charging("B", -0.5, 16)]
    for second in range(seconds):
        memory, plan = tick(SITE, memory, image(float(second), now))
        plans.append(plan)
        set_ma = plan.evses[0].current_ma
        extra = extra_ma if set_ma else at_zero_ma
        total = set_ma + (extra if second < good_after else 0)
        drawn = Phases(total, total, total)
        now = [obeyed(now[0], plan, second + 0.5, drawn=drawn), obeyed(now[1], plan, second + 0.5)]
    return plans


def stages(plans: list[Plan]) -> list[tuple[int, bool]]:
    seen = [(plan.evses[0].current_ma // 1000, plan.evses[0].enabled) for plan in plans]
    return [one for place, one in enumerate(seen) if place == 0 or one != seen[place - 1]]


@pytest.mark.parametrize(("setpoint", "tolerance"), [(0, 500), (6000, 600), (10_000, 1000), (32_000, 1000)])
def test_r5_tolerance_is_a_tenth_or_one_ampere(setpoint: int, tolerance: int) -> None:
    assert tolerance_ma(setpoint) == tolerance


def test_r5_overdraw_is_reduced_then_paused() -> None:
    plans = play(60, 2000)
    assert stages(plans) == [(16, True), (6, True), (0, True)]
    assert "A: draws more than offered, paused" in plans[-1].alarms


def test_r5_an_overdrawing_evse_counts_what_it_was_measured_to_draw() -> None:
    plans = play(9, 3000)
    assert plans[1].evses[0].bound_ma == 19_000
    assert plans[1].circuits[0].planned_ma.l1 == 6000 + 3000 + plans[1].evses[1].current_ma
    assert plans[1].evses[1].current_ma == 24_000
    assert max(plan.evses[1].current_ma for plan in plans) == 40_000 - 6000 - 3000


def test_r5_draw_at_zero_ends_locked_with_a_suspected_welded_contactor() -> None:
    plans = play(60, 2000, at_zero_ma=9000)
    assert stages(plans) == [(16, True), (6, True), (0, True), (0, False)]
    assert plans[-1].alarms == ("A: draws current at 0 A offered, contactor suspected welded",)
    assert plans[-1].evses[0].bound_ma == 9000
    assert plans[-1].evses[1].current_ma == 31_000


def test_r5_a_stage_gets_its_time_also_when_its_setpoint_is_confirmed_late() -> None:
    memory, offered = Memory(), []
    for second in range(4):
        seen = charging("A", second - 0.5, 16, three(19))
        memory, plan = tick(SITE, memory, image(float(second), [seen, idle("B", second - 0.5)]))
        offered.append(plan.evses[0].current_ma)
    assert offered[1:] == [6000, 6000, 6000]


def test_r5_an_ev_that_obeys_again_for_a_minute_is_free_again() -> None:
    plans = play(80, 2000, good_after=4)
    assert stages(plans)[:2] == [(16, True), (6, True)]
    assert plans[-1].evses[0].current_ma == 16_000


def test_r5_an_idle_evse_that_draws_is_counted_and_alarmed() -> None:
    idle_draw = replace(idle("A", 0.5), reading=charging("A", 0.5, 10).reading)
    memory, _ = tick(SITE, Memory(), image(0.0, [idle("A", -0.5), charging("B", -0.5, 32)]))
    _, plan = tick(SITE, memory, image(1.0, [idle_draw, charging("B", 0.5, 32, three(32))]))
    assert plan.alarms == ("A: draws current at 0 A offered, contactor suspected welded",)
    assert plan.evses[1].current_ma == 30_000
