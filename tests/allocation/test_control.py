"""The tick by example: permits, raises and cuts, admission, the unreachable, watchdogs."""

from dataclasses import replace
from typing import Any

from controller.allocation.control import tick
from controller.allocation.image import Demand, EvseImage, Limit, Plan, ReasonKind, Scope
from controller.allocation.memory import Memory
from drivers.api import FallBack, Health
from tests.allocation.builders import (
    HOLDS,
    UNWATCHED,
    charging,
    circuit,
    idle,
    image,
    layout,
    metered,
    obeyed,
    point,
    run,
    setpoints,
    three,
)

TWO = layout([circuit("main", 32)], [point("A", max_ma=32_000), point("B", max_ma=32_000)])
ONE = layout([circuit("main", 32)], [point("A", max_ma=32_000)])
UNVERIFIED = FallBack(15.0, 6000, verified=False, holds_last=False, power_up_ma=0)


def plugged(name: str, t_s: float, since_s: float = 0.0, **changes: Any) -> EvseImage:
    """A car that has just been authorised: 0 A confirmed, locked until now."""
    return replace(idle(name, t_s), permit=True, demand=Demand(since_s), **changes)


def kinds(plan: Plan) -> list[ReasonKind]:
    return [one.reason.kind for one in plan.evses]


def test_r15_without_session_or_permit_an_evse_is_at_zero_and_locked() -> None:
    plan = run(TWO, [image(1.0, [charging("A", 0.5, 16, permit=False), idle("B", 0.5)])])
    assert [(one.current_ma, one.enabled) for one in plan.evses] == [(0, False), (0, False)]
    assert kinds(plan) == [ReasonKind.NOT_PERMITTED, ReasonKind.NO_SESSION]
    assert plan.evses[0].bound_ma == 16_000


def test_a_car_that_plugs_in_is_offered_current_in_the_next_tick_when_there_is_room() -> None:
    memory, _ = tick(TWO, Memory(), image(0.0, [charging("A", -0.5, 16), idle("B", -0.5)]))
    _, plan = tick(TWO, memory, image(1.0, [charging("A", 0.5, 16), plugged("B", 0.5)]))
    assert setpoints(plan) == {"A": 16_000, "B": 16_000}


def test_current_passes_to_another_car_only_when_the_cut_has_taken_effect() -> None:
    before = [charging("A", -0.5, 32), idle("B", -0.5)]
    memory, plan = tick(TWO, Memory(), image(0.0, before))
    now = [charging("A", 0.5, 32), plugged("B", 0.5)]
    memory, plan = tick(TWO, memory, image(1.0, now))
    assert setpoints(plan) == {"A": 16_000, "B": 0}
    assert plan.evses[1].reason.kind is ReasonKind.RAISE_DELAY
    assert "main, L1" in plan.evses[1].reason.where
    now[0] = obeyed(now[0], plan, 1.5, drawn=three(32))
    memory, plan = tick(TWO, memory, image(2.0, now))
    assert setpoints(plan) == {"A": 16_000, "B": 0}
    now = [obeyed(now[0], plan, 2.5, drawn=three(22)), obeyed(now[1], plan, 2.5)]
    memory, plan = tick(TWO, memory, image(3.0, now))
    assert setpoints(plan) == {"A": 16_000, "B": 10_000}


def test_a_reading_from_before_the_cut_was_confirmed_proves_nothing() -> None:
    memory, _ = tick(TWO, Memory(), image(0.0, [charging("A", -0.5, 32), idle("B", -0.5)]))
    memory, plan = tick(TWO, memory, image(1.0, [charging("A", 0.5, 32), plugged("B", 0.5)]))
    cut = obeyed(charging("A", 0.5, 32), plan, 1.9, drawn=three(20))
    for second in (2.0, 3.0, 4.0):
        memory, plan = tick(TWO, memory, image(second, [cut, plugged("B", second - 0.5)]))
        assert setpoints(plan) == {"A": 16_000, "B": 0}


def test_a_small_draw_never_counts_less_than_the_setpoint_that_is_in_force() -> None:
    memory, _ = tick(TWO, Memory(), image(0.0, [charging("A", -0.5, 32), idle("B", -0.5)]))
    for second, set_a in ((1.0, 24), (2.0, 16), (3.0, 8)):
        now = [charging("A", second + 0.5, set_a, three(2)), idle("B", second - 0.5)]
        memory, _ = tick(TWO, memory, image(second, now))
        assert memory.evses["A"].settling.counted_ma >= set_a * 1000 + 8000


def test_two_raises_in_one_tick_share_the_room_that_is_there() -> None:
    site = layout([circuit("main", 32)], [point(name, max_ma=32_000) for name in "ABX"])
    memory, _ = tick(site, Memory(), image(0.0, [idle("A", -0.5), idle("B", -0.5), charging("X", -0.5, 32)]))
    now = [plugged("A", 0.5), plugged("B", 0.5), charging("X", 0.5, 32)]
    memory, plan = tick(site, memory, image(1.0, now))
    memory, plan = tick(site, memory, image(2.0, [*now[:2], obeyed(now[2], plan, 1.5, drawn=three(32))]))
    _, plan = tick(site, memory, image(3.0, [*now[:2], obeyed(now[2], plan, 2.5, drawn=three(20))]))
    assert sorted(setpoints(plan).values()) == [0, 11_000, 11_000]
    assert setpoints(plan)["X"] in {10_000, 11_000}


def test_r7_a_session_below_its_new_minimum_pauses_until_it_may_be_raised() -> None:
    capped = [Limit("csms", Scope.EVSE, "A", 6000)]
    memory, plan = tick(ONE, Memory(), image(0.0, [plugged("A", -0.5)], capped))
    assert setpoints(plan) == {"A": 6000}
    more = replace(charging("A", 0.5, 6), demand=Demand(0.0, min_ma=10_000))
    _, plan = tick(ONE, memory, image(1.0, [more]))
    assert setpoints(plan) == {"A": 0}
    assert plan.evses[0].reason.kind is ReasonKind.RAISE_DELAY


def test_a_cut_without_measurement_counts_for_latency_and_five_seconds() -> None:
    blind = charging("A", -0.5, 32)
    blind = replace(blind, reading=replace(blind.reading, current_ma=None)) if blind.reading else blind
    memory, _ = tick(TWO, Memory(), image(0.0, [blind, idle("B", -0.5)]))
    memory, _ = tick(TWO, memory, image(1.0, [blind, plugged("B", 0.5)]))
    cut = replace(blind, confirmed_ma=16_000, commanded_ma=16_000)
    offered = []
    for second in range(2, 11):
        memory, plan = tick(TWO, memory, image(float(second), [cut, plugged("B", second - 0.5)]))
        offered.append(setpoints(plan)["B"])
    assert offered == [0] * 6 + [16_000] * 3


def test_r7_a_raise_follows_a_raise_by_five_seconds_and_a_cut_comes_at_once() -> None:
    memory, now, got = Memory(), plugged("A", -0.5), []
    for second in range(12):
        rating = 20 if second < 2 else 32
        rating = 10 if second == 9 else rating
        site = layout([circuit("main", rating)], ONE.evses)
        memory, plan = tick(site, memory, image(float(second), [now]))
        now = obeyed(now, plan, second + 0.5)
        got.append(plan.evses[0].current_ma // 1000)
    assert got == [20, 20, 20, 20, 20, 32, 32, 32, 32, 10, 32, 32]


def test_r37_a_trifle_that_is_not_handed_on_is_no_raise_to_come() -> None:
    site = replace(ONE, evses=(replace(ONE.evses[0], step_ma=100),))
    evse, memory = charging("A", 0.0, 10), Memory()
    kinds_seen: list[ReasonKind] = []
    for second in range(1, 60):
        most = Limit("landlord", Scope.CIRCUIT, "main", 10_000 if second < 30 else 10_300)
        memory, plan = tick(site, memory, image(float(second), [evse], [most]))
        evse = obeyed(evse, plan, second + 0.5)
        kinds_seen.append(plan.evses[0].reason.kind)
    assert setpoints(plan) == {"A": 10_000}
    assert plan.evses[0].reason.text() == "limit: landlord"
    assert ReasonKind.RAISE_DELAY not in kinds_seen


def test_r7_never_between_zero_and_the_minimum_and_a_token_can_raise_it() -> None:
    site = layout([circuit("main", 9)], [point("A")])
    assert setpoints(run(site, [image(0.0, [plugged("A", -0.5)])])) == {"A": 9000}
    needs_ten = replace(plugged("A", -0.5), demand=Demand(0.0, min_ma=10_000))
    plan = run(site, [image(0.0, [needs_ten])])
    assert setpoints(plan) == {"A": 0}
    assert plan.evses[0].reason.text() == "waiting: main, L1; main, L2; main, L3"
    assert plan.evses[0].enabled


def test_r7_only_the_usable_share_is_planned_with() -> None:
    usable = layout([replace(circuit("main", 40), usable_permille=800)], [point("A", max_ma=40_000)])
    assert setpoints(run(usable, [image(0.0, [plugged("A", -0.5)])])) == {"A": 32_000}


def test_who_charges_stays_and_who_waits_longest_comes_next() -> None:
    site = layout([circuit("main", 13)], [point(name) for name in "ABC"])
    memory, now = Memory(), [charging("A", -0.5, 6), plugged("B", -0.5, 50.0), plugged("C", -0.5, 20.0)]
    now[0] = replace(now[0], demand=Demand(since_s=90.0))
    _, plan = tick(site, memory, image(100.0, now))
    assert [one.current_ma > 0 for one in plan.evses] == [True, False, True]
    urgent = [*now[:1], replace(now[1], demand=Demand(50.0, priority=1)), now[2]]
    _, plan = tick(site, memory, image(100.0, urgent))
    assert [one.current_ma > 0 for one in plan.evses] == [True, True, False]


def test_after_a_pause_the_minimum_must_fit_for_thirty_seconds() -> None:
    memory, now, starts = Memory(), charging("A", -0.5, 16), []
    for second in range(80):
        rating = 5 if 2 <= second < 5 or 20 <= second < 21 else 32
        site = layout([circuit("main", rating)], ONE.evses)
        memory, plan = tick(site, memory, image(float(second), [now]))
        if plan.evses[0].current_ma and not now.confirmed_ma:
            starts.append(second)
        now = obeyed(now, plan, second + 0.5)
    assert starts == [51]


def test_r1_a_lost_evse_reserves_its_bound_until_its_watchdog_and_then_its_failsafe_current() -> None:
    memory, got = Memory(), []
    memory, _ = tick(TWO, memory, image(0.0, [charging("A", -0.5, 16), charging("B", -0.5, 16)]))
    lost = charging("A", 0.0, 16, health=Health.LOST, lost_s=0.0)
    now = charging("B", 0.5, 16)
    for second in range(1, 30):
        memory, plan = tick(TWO, memory, image(float(second), [lost, now]))
        now = obeyed(now, plan, second + 0.5)
        got.append((plan.evses[0].bound_ma // 1000, plan.evses[1].current_ma // 1000))
        assert plan.evses[0].current_ma <= 6000
        assert plan.evses[0].reason.kind is ReasonKind.UNREACHABLE
    assert got == [(16, 16)] * 15 + [(6, 16)] * 6 + [(6, 26)] * 8


def test_r1_without_verified_watchdog_a_lost_evse_counts_for_ever() -> None:
    for fall_back, left in ((HOLDS, 16_000), (UNWATCHED, 0)):
        memory, _ = tick(TWO, Memory(), image(0.0, [charging("A", -0.5, 16), charging("B", -0.5, 16)]))
        lost = charging("A", 0.0, 16, health=Health.LOST, lost_s=0.0, fall_back=fall_back)
        plan = run(TWO, [image(t, [lost, charging("B", t - 0.5, 16)]) for t in (1.0, 3600.0)], memory)
        assert setpoints(plan)["B"] == left


def test_an_evse_that_was_never_read_reserves_its_maximum() -> None:
    unread = replace(plugged("A", 0.0), reading=None, health=Health.UNKNOWN, confirmed_ma=None, confirmed_s=None)
    plan = run(TWO, [image(0.0, [unread, plugged("B", -0.5)])])
    assert setpoints(plan) == {"A": 0, "B": 0}
    assert [one.bound_ma for one in plan.evses] == [32_000, 0]


def test_an_evse_back_from_a_loss_counts_its_old_bound_until_it_confirms() -> None:
    lost = charging("A", 0.0, 16, health=Health.LOST, lost_s=0.0, fall_back=UNWATCHED)
    memory, _ = tick(TWO, Memory(), image(1.0, [lost, idle("B", 0.5)]))
    back = charging("A", 1.9, 16, fall_back=UNWATCHED, confirmed_s=0.0)
    memory, plan = tick(TWO, memory, image(2.0, [back, idle("B", 1.5)]))
    assert plan.evses[0].bound_ma == 32_000
    _, plan = tick(TWO, memory, image(3.0, [replace(back, confirmed_s=2.5), idle("B", 2.5)]))
    assert plan.evses[0].bound_ma == 16_000


def test_r2_an_evse_whose_watchdog_is_not_verified_stays_locked() -> None:
    plan = run(TWO, [image(0.0, [plugged("A", -0.5, fall_back=UNVERIFIED), plugged("B", -0.5)])])
    assert (plan.evses[0].current_ma, plan.evses[0].enabled) == (0, False)
    assert plan.evses[0].reason.kind is ReasonKind.UNVERIFIED
    assert "A: watchdog not verified, locked" in plan.alarms


def test_an_evse_that_does_not_take_a_lower_setpoint_is_reserved_what_it_holds() -> None:
    memory, now = Memory(), [charging("A", -0.5, 16), charging("B", -0.5, 16)]
    site = layout([circuit("main", 32, meter="grid")], TWO.evses)
    got = []
    for second in range(12):
        base = 0 if second < 2 else 10
        total = base + sum((one.confirmed_ma or 0) // 1000 for one in now)
        memory, plan = tick(site, memory, image(float(second), now, grid=metered(second - 0.5, three(total))))
        kept = replace(charging("A", second + 0.5, 16), commanded_ma=plan.evses[0].current_ma)
        now = [kept, obeyed(now[1], plan, second + 0.5)]
        got.append(plan.evses[1].current_ma // 1000)
    assert got == [16, 16] + [11] * 7 + [6] * 3
    assert "A: does not take its setpoint" in plan.alarms


def test_after_a_restart_a_charging_car_goes_on_with_what_it_draws() -> None:
    now = [charging(name, -0.5, 15.9, confirmed_ma=None, confirmed_s=None, commanded_ma=None) for name in "AB"]
    assert setpoints(run(TWO, [image(0.0, now)])) == {"A": 16_000, "B": 16_000}


def test_r4_a_meter_above_the_rating_cuts_in_the_same_tick() -> None:
    site = layout([circuit("main", 32, meter="grid")], TWO.evses)
    now = [charging("A", -0.5, 16), charging("B", -0.5, 16)]
    memory, plan = tick(site, Memory(), image(0.0, now, grid=metered(-0.2, three(32))))
    assert setpoints(plan) == {"A": 16_000, "B": 16_000}
    tapering = [charging("A", 0.3, 16, three(8)), charging("B", 0.3, 16)]
    memory, plan = tick(site, memory, image(1.0, tapering, grid=metered(0.8, three(36))))
    assert sum(setpoints(plan).values()) <= 28_000, "the meter may not have seen yet that A draws less"
    tapering = [charging("A", 1.3, 16, three(8)), charging("B", 1.3, 16)]
    _, plan = tick(site, memory, image(2.5, tapering, grid=metered(2.4, three(36))))
    assert sum(setpoints(plan).values()) <= 20_000


def test_a_circuit_that_stays_above_its_rating_with_nothing_left_to_cut_is_an_alarm() -> None:
    site = layout([circuit("main", 32, meter="grid")], TWO.evses)
    plan = run(site, [image(0.0, [idle("A", -0.5), idle("B", -0.5)], grid=metered(-0.5, three(40)))])
    assert "main, L2: above its rating, and nothing is left to reduce" in plan.alarms


def test_circuit_plan_shows_limit_base_planned_and_measured() -> None:
    site = layout([circuit("main", 63, meter="grid")], TWO.evses)
    now = [charging("A", -0.5, 16), idle("B", -0.5)]
    plan = run(site, [image(0.0, now, grid=metered(-0.5, three(26)))])
    shown = plan.circuits[0]
    assert (shown.limit_ma, shown.base_ma, shown.measured_ma) == (three(63), three(10), three(26))
    assert shown.planned_ma.l1 == sum(setpoints(plan).values())
    assert shown.limited_by == "rating"


def test_an_evse_missing_from_the_image_counts_its_maximum_and_crashes_nothing() -> None:
    plan = run(TWO, [image(0.0, [plugged("B", -0.5)])])
    assert setpoints(plan) == {"A": 0, "B": 0}


def test_r12_an_eeprom_setpoint_is_raised_rarely_and_for_no_trifle_but_cut_at_once() -> None:
    site = layout([circuit("main", 100)], [point("A", max_ma=32_000, step_ma=1, raise_interval_s=15.0)])
    cap = Limit("csms", Scope.EVSE, "A", 10_000)
    memory, plan = tick(site, Memory(), image(0.0, [plugged("A", -0.5)], [cap]))
    given = []
    caps_a = {1: 12.0, 10: 12.0, 17: 12.0, 18: 12.0, 19: 9.0, 40: 9.4, 41: 9.6, 60: 32.0}
    for second, cap_a in caps_a.items():
        car = obeyed(charging("A", 0.0, 10), plan, second - 0.5)
        limit = replace(cap, value_ma=round(cap_a * 1000))
        memory, plan = tick(site, memory, image(float(second), [car], [limit]))
        given.append(setpoints(plan)["A"])
    assert given == [10_000, 10_000, 10_000, 12_000, 9_000, 9_000, 9_600, 32_000]
