"""Random steps of the building under random cars, with readings of the EVs up to 60 s old (R4, R40)."""

from statistics import median

import pytest

from tests.closed_loop.steps import Eyes, step_case, take


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("read_s", "modest", "most_s"), [(0.5, 0.0, 6.0), (60.0, 0.0, 7.0), (60.0, 0.4, 7.0)])
def test_r4_evs_at_their_five_seconds_and_old_readings_recover_in_time(
    seed: int, read_s: float, modest: float, most_s: float
) -> None:
    taken = take(step_case(seed, Eyes(read_s=read_s, modest=modest), up=True))
    assert taken.above_s <= most_s
    assert taken.ratio < 1.45
    assert taken.plant.book.report().pauses == 0, "all minimums fit"


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("modest", [0.0, 0.4])
def test_r40_fifteen_seconds_after_a_step_the_limit_is_used_whatever_the_age_of_the_readings(
    up: bool, modest: float
) -> None:
    played = [take(step_case(seed, Eyes(read_s=60.0, modest=modest), up=up)) for seed in range(12)]
    used = [one.used for one in played if one.used is not None]
    assert min(used) >= 0.8
    assert median(used) >= 0.9


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("read_s", [1.0, 10.0, 60.0])
def test_r4_a_minute_after_the_last_change_no_setpoint_moves_by_more_than_a_step(seed: int, read_s: float) -> None:
    """Readings that are old bring their news late: a car that takes less is known after some of them."""
    case = step_case(seed, Eyes(read_s=read_s, modest=0.3), up=seed % 2 == 0)
    calm_s = 60.0 + (15 * read_s if read_s > 1 else 0.0)
    plant = take(case, watched_s=calm_s + 120.0).plant
    for one in plant.stations:
        assert plant.movement_ma(one.point.id, case.step_s + calm_s) <= one.point.step_ma
