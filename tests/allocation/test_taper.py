"""An EV that takes less than it may gives the rest to others, and gets it back when it wants it."""

from collections.abc import Callable

import pytest

from controller.allocation.circuits import SupplyPoint
from controller.allocation.image import EvseImage
from controller.allocation.memory import EvseMemory, Held, Settling, Taper
from controller.allocation.taper import watch_taper
from drivers.api import Phases
from tests.allocation.builders import charging, point, reading, three

POINT = point("A", max_ma=32_000)


def seen(drawn_a: float, t_s: float, known: Taper, *, bound_a: float = 32, raised_s: float | None = None) -> Taper:
    image = charging("A", t_s, bound_a, three(drawn_a))
    memory = EvseMemory(taper=known, raised_s=raised_s)
    return watch_taper(POINT, image, memory, Settling((Held(0.0, round(bound_a * 1000)),)))


def over_time(drawn_a: float, seconds: range, known: Taper | None = None, **more: float) -> Taper:
    known = known or Taper()
    for second in seconds:
        known = seen(drawn_a, float(second), known, **more)
    return known


def test_after_twenty_seconds_of_drawing_less_it_is_planned_with_the_peak_and_an_ampere() -> None:
    assert over_time(16.2, range(20)).most_ma is None
    known = over_time(15.8, range(10))
    assert over_time(16.2, range(10, 22), known).most_ma == 18_000


def test_readings_that_repeat_prove_nothing() -> None:
    known = Taper()
    for _ in range(100):
        known = seen(10, 5.0, known)
    assert known.most_ma is None


def test_it_gets_all_again_when_it_uses_half_of_the_spare_ampere() -> None:
    capped = Taper(17_000, 10.0, 16_000)
    assert seen(16.4, 80.0, capped, bound_a=17).most_ma == 17_000
    assert seen(16.6, 80.0, capped, bound_a=17) == Taper()


def test_a_raise_that_has_not_reached_the_ev_is_no_sign_that_it_takes_less() -> None:
    assert over_time(10, range(30, 64), raised_s=45.0).most_ma is None
    known = over_time(10, range(44, 51), raised_s=45.0)
    assert known.below_s is None


def test_an_ev_that_draws_nearly_all_that_it_may_is_left_alone() -> None:
    assert over_time(31.2, range(200)).most_ma is None


def test_it_never_falls_below_the_minimum_and_follows_a_falling_draw() -> None:
    known = over_time(12, range(70))
    assert known.most_ma == 13_000
    known = over_time(3, range(70, 190), known, bound_a=13)
    assert known.most_ma == 6000


def test_a_new_car_starts_without_it() -> None:
    gone = charging("A", 5.0, 16, three(0), reading=reading(5.0, three(0), plugged=False))
    assert watch_taper(POINT, gone, EvseMemory(taper=Taper(9000)), Settling((Held(0.0, 16_000),))) == Taper()


def test_without_a_measurement_nothing_is_assumed() -> None:
    image: EvseImage = charging("A", 5.0, 16, reading=reading(5.0, None))
    assert watch_taper(POINT, image, EvseMemory(taper=Taper(9000)), Settling((Held(0.0, 16_000),))) == Taper()


def test_the_phase_with_most_counts_and_the_grid_is_rounded_up() -> None:
    one: SupplyPoint = point("A", max_ma=32_000, step_ma=1000)
    known = Taper()
    for second in range(62):
        image = charging("A", float(second), 32, Phases(9100, 2000, 0))
        known = watch_taper(one, image, EvseMemory(taper=known), Settling((Held(0.0, 32_000),)))
    assert known.most_ma == 11_000


def lived(drawn: Callable[[float], float], seconds: int) -> tuple[Taper, float]:
    """Whoever plans it gives it what it is taken to want; the EV answers after a second."""
    known, offered_a = Taper(), 32.0
    for second in range(seconds):
        known = seen(drawn(offered_a), float(second), known, bound_a=offered_a)
        offered_a = 32.0 if known.most_ma is None else min(32.0, known.most_ma / 1000)
    return known, offered_a


@pytest.mark.parametrize("part", [0.97, 0.92, 0.85, 0.75])
def test_an_ev_that_draws_a_fixed_part_of_any_current_is_not_planned_with_less_and_less(part: float) -> None:
    known, offered_a = lived(lambda offered: part * offered, 1200)
    assert offered_a > 31
    assert known.permille == 1000 or abs(known.permille - 1000 * part) < 30


def test_one_that_draws_a_part_gives_the_rest_back_when_its_battery_is_nearly_full() -> None:
    known, _ = lived(lambda offered: 0.85 * offered, 200)
    for second in range(200, 400):
        known = seen(5.0, float(second), known)
    assert known.most_ma == 7000


def test_one_that_has_all_it_wants_is_not_taken_for_one_that_draws_a_part() -> None:
    known, offered_a = lived(lambda offered: min(28.0, offered), 1200)
    assert (known.permille, offered_a) == (1000, 29.0)
