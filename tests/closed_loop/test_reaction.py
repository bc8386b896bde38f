"""R4 with lagging EVs, an old meter, jittered and quantised readings: how long, and what stays."""

from dataclasses import replace

import pytest

from controller.allocation.image import ReasonKind
from tests.closed_loop.instruments import Sight
from tests.closed_loop.plant import SHORTEST_PAUSE_S, Plant
from tests.closed_loop.scenes import HOLDS, VERIFIED, Post, Scene, board
from tests.closed_loop.station import Manner, car

STEP_AT_S = 1060.0
SLACK_S = 0.3
"""Three steps of the simulation."""
OLD = Sight(period_s=1.0, refresh_s=1.0)
FAST = Sight(period_s=0.25, refresh_s=0.1)
WRITE_S = 0.1
OFFSETS_S = (0.0, 0.7, 0.4, 0.9, 0.2, 0.5)


def reaction_s(sight: Sight, latency_s: float) -> float:
    """From the building's step to the pilots: what the meter hides and shows, then tick, wire and charger."""
    return sight.refresh_s + sight.period_s + sight.transfer_s + SHORTEST_PAUSE_S + WRITE_S + latency_s


def posts(count: int, *, lag_s: float = 2.0, dead_s: float = 0.0, manner: Manner | None = None) -> tuple[Post, ...]:
    manner = manner or Manner()
    return tuple(
        Post(
            f"E{number}",
            manner=replace(manner, read_offset_s=OFFSETS_S[number % 6] * manner.read_period_s),
            car=car(lag_s=lag_s, dead_s=dead_s),
        )
        for number in range(count)
    )


def plant(
    other_a: float, parked: tuple[Post, ...], *loads: tuple[float, float], sight: Sight = OLD, seed: int = 1
) -> Plant:
    """One board of 63 A; `loads`: (from second, amperes of the building on each phase)."""
    made = Scene((board(63, other_a),), parked, sight, WRITE_S).plant(seed=seed)
    for at_s, amps in loads:
        made.load_at(at_s, "main", [amps] * 3)
    return made


@pytest.mark.parametrize(
    ("lag_s", "dead_s"), [(0.5, 0.0), (1.0, 0.0), (3.0, 0.0), (5.0, 0.0), (0.0, 5.0)],
)  # fmt: skip
@pytest.mark.parametrize("read_s", [0.5, 10.0, 60.0])
@pytest.mark.parametrize(("sight", "latency_s"), [(FAST, 0.5), (OLD, 1.0), (OLD, 4.0)])
def test_r4_after_a_step_of_the_building_the_circuit_recovers_in_time_and_stays(
    lag_s: float, dead_s: float, read_s: float, sight: Sight, latency_s: float
) -> None:
    manner = Manner(latency_s=latency_s, read_period_s=read_s)
    site = plant(40, posts(4, lag_s=lag_s, dead_s=dead_s, manner=manner), (0, 8), (STEP_AT_S + 5, 30), sight=sight)
    site.run(65)
    assert site.drawn_a() > 45
    assert site.above("main", 63) == 0
    site.run(75)
    most_s = reaction_s(sight, latency_s) + lag_s + dead_s + SLACK_S
    assert 0 < site.above("main", 63) <= most_s
    assert site.above("main", 63, STEP_AT_S + 5 + most_s) == 0
    assert site.book.report().worst_ratio < 1.45
    assert site.drawn_a() > 24, "no more is cut than needed"
    assert site.book.report().pauses == 0


@pytest.mark.parametrize("seed", range(5))
def test_r4_a_board_whose_meter_shows_more_than_its_rating_is_not_waited_for(seed: int) -> None:
    """The tick comes at once, not with the next cycle: EVs that follow at once show it."""
    site = plant(
        40, posts(4, lag_s=0.2, manner=Manner(latency_s=0.2)), (0, 8), (STEP_AT_S, 30), sight=FAST, seed=seed
    )
    site.run(120)
    assert 0 < site.above("main", 63) <= 0.1 + 0.25 + 0.05 + SHORTEST_PAUSE_S + WRITE_S + 0.2 + 0.2 + SLACK_S


@pytest.mark.parametrize("dead_s", [0.0, 5.0])
@pytest.mark.parametrize("read_s", [0.5, 60.0])
def test_constant_input_gives_constant_setpoints(dead_s: float, read_s: float) -> None:
    site = plant(40, posts(4, dead_s=dead_s, manner=Manner(read_period_s=read_s)), (0, 8))
    site.run(180)
    for number in range(4):
        assert site.movement_ma(f"E{number}", 1060) <= 1000


def test_capacity_that_the_building_gives_back_is_used() -> None:
    site = plant(40, posts(4), (0, 30), (STEP_AT_S, 8))
    site.run(60)
    assert site.drawn_a() < 30
    site.run(120)
    assert site.drawn_a() > 48
    assert site.above("main", 63) == 0


def test_r5_an_ev_that_draws_too_much_never_takes_the_circuit_above_its_rating() -> None:
    site = plant(10, posts(3), (0, 8))
    ev = site.station("E0").outlet.ev
    assert ev is not None
    ev.overdraw_ratio = 1.15
    site.run(120)
    assert site.above("main", 63) == 0
    assert site.station("E0").drawn_a == 0
    assert site.station("E1").drawn_a >= 24
    assert site.plan is not None
    assert site.plan.alarms == ("E0: draws more than offered, paused",)


@pytest.mark.parametrize("every_s", [5.0, 10.0, 60.0])
def test_r40_slow_readings_of_the_chargers_neither_overload_nor_starve(every_s: float) -> None:
    parked = posts(3, dead_s=5.0, manner=Manner(read_period_s=every_s))
    site = plant(40, tuple(replace(one, fall_back=HOLDS) for one in parked), (0, 8), (1150, 28))
    site.run(150)
    assert site.above("main", 63) == 0
    assert site.drawn_a() > 40
    site.run(150)
    assert site.above("main", 63, 1150) <= reaction_s(OLD, 1.0) + 5.0 + SLACK_S
    assert site.drawn_a() > 26
    assert site.book.report().pauses == 0


def test_r40_chargers_without_measurement_share_by_their_setpoints() -> None:
    parked = tuple(replace(one, car=car(20.0)) for one in posts(3, manner=Manner(measures=False)))
    site = plant(40, parked, (0, 8), (1100, 28))
    site.run(100)
    assert site.drawn_a() > 45
    site.run(100)
    most_s = reaction_s(OLD, 1.0) + 2.0 + SLACK_S
    assert site.above("main", 63) <= most_s
    assert site.above("main", 63, 1100 + most_s) == 0
    assert site.drawn_a() > 20


def test_r4_refused_writes_are_repeated_and_cost_no_overload_that_lasts() -> None:
    site = plant(40, posts(4, manner=Manner(reject_rate=0.3)), (0, 8), (STEP_AT_S, 30))
    site.run(60)
    assert site.above("main", 63) == 0
    site.run(60)
    assert site.above("main", 63) <= reaction_s(OLD, 1.0) + 2.0 + SLACK_S + 4 * 1.0, "a cycle for each refusal"
    assert site.drawn_a() > 24


def test_r1_a_lost_evse_without_watchdog_keeps_its_reserve_and_the_others_make_way() -> None:
    parked = tuple(replace(one, fall_back=HOLDS) for one in posts(3, lag_s=3.0))
    site = plant(10, parked, (0, 8), (1100, 25))
    site.run(60)
    held_ma = site.station("E0").wire.confirmed_ma
    site.station("E0").works = False
    site.run(100)
    assert site.plan is not None
    assert held_ma is not None
    assert site.plan.evses[0].reason.kind is ReasonKind.UNREACHABLE
    assert site.plan.evses[0].bound_ma == held_ma >= 16_000
    assert site.above("main", 63, 1100 + reaction_s(OLD, 1.0) + 3.0 + SLACK_S) == 0
    assert site.drawn_a() > 30, "the others are cut, not stopped"


def test_r1_a_lost_evse_with_watchdog_gives_back_what_it_no_longer_draws() -> None:
    site = plant(10, posts(3), (0, 8))
    site.run(60)
    site.station("E0").works = False
    site.run(60)
    assert site.station("E0").fall_back is VERIFIED
    assert site.station("E0").drawn_a == 6
    assert site.station("E1").drawn_a >= 21
    assert site.above("main", 63) == 0


def test_r4_a_lost_meter_shrinks_the_plan_within_five_seconds_to_the_largest_building_load() -> None:
    site = plant(40, posts(3), (0, 8))
    site.run(60)
    site.meters["grid"].works = False
    lost_s = site.now_s
    site.run(20)
    first_s = next(
        at_s for at_s, plan in site.plans if at_s > lost_s and sum(one.current_ma for one in plan.evses) <= 19_800
    )
    assert first_s - lost_s <= 5
    assert site.drawn_a() <= 63 - 40
    site.meters["grid"].works = True
    site.run(150)
    assert site.drawn_a() > 48
    assert site.above("main", 63) == 0
