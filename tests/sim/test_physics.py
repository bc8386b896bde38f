"""EVs, contactors and the currents that they cause."""

from typing import Any

import pytest

from sim.physics import STEP_S, Ev, EvSpec, Mood, Outlet, supply_phases
from tests.sim.sites import evse, pass_time, scenario, still_world

VOLTS = 230.0


def ev(**changes: Any) -> Ev:
    values: dict[str, Any] = {
        "max_a": 32.0, "conductors": (0, 1, 2), "soc": 0.2, "capacity_wh": 60_000.0, "ramp_s": 2.0, "delay_s": 1.0,
    }  # fmt: skip
    return Ev(EvSpec(**(values | changes)))


def asks(car: Ev) -> bool:
    return car.asking


def live(car: Ev, seconds: float, *, offered_a: float, mains: bool = True, welded: bool = False) -> None:
    for _ in range(round(seconds / STEP_S)):
        car.step(STEP_S, offered_a=offered_a, live=(mains and car.asking) or welded, welded=welded, volts=VOLTS)


def test_ev_asks_after_its_delay_and_reaches_the_offer_within_its_ramp() -> None:
    car = ev()
    live(car, 0.9, offered_a=16)
    assert not asks(car)
    live(car, 0.3, offered_a=16)
    assert asks(car)
    live(car, 1.0, offered_a=16)
    assert 0 < car.current_a < 16
    live(car, 1.1, offered_a=16)
    assert car.current_a == pytest.approx(16)


def test_a_second_cut_does_not_prolong_the_first() -> None:
    car = ev(ramp_s=4.0, delay_s=0.0)
    live(car, 8, offered_a=32)
    live(car, 2, offered_a=16)
    assert car.current_a == pytest.approx(24, abs=0.5)
    live(car, 2, offered_a=15)
    assert car.current_a <= 16.5


@pytest.mark.parametrize("offered_a", [24.0, 8.0, 0.0])
def test_an_ev_with_dead_time_does_nothing_and_then_follows(offered_a: float) -> None:
    car = ev(ramp_s=0.0, delay_s=0.0, dead_s=5.0)
    live(car, 6, offered_a=16)
    assert car.current_a == 16
    live(car, 5.0, offered_a=offered_a)
    assert car.current_a == 16
    live(car, STEP_S, offered_a=offered_a)
    assert car.current_a == offered_a


def test_offers_that_follow_each_other_within_the_dead_time_are_all_followed_in_their_order() -> None:
    car = ev(ramp_s=0.0, delay_s=0.0, dead_s=5.0)
    live(car, 8, offered_a=32)
    live(car, 2, offered_a=20)
    live(car, 2, offered_a=10)
    live(car, 1.1, offered_a=16)
    assert car.current_a == 20
    live(car, 2, offered_a=16)
    assert car.current_a == 10
    live(car, 2, offered_a=16)
    assert car.current_a == 16


def test_mains_that_go_end_the_current_whatever_the_dead_time() -> None:
    car = ev(ramp_s=0.0, delay_s=0.0, dead_s=5.0)
    live(car, 8, offered_a=32)
    live(car, STEP_S, offered_a=32, mains=False)
    assert car.current_a == 0


def test_ev_lets_go_when_the_offer_ends_and_only_after_its_current_is_gone() -> None:
    car = ev(delay_s=0.0)
    live(car, 4, offered_a=16)
    live(car, 1, offered_a=0)
    assert asks(car)
    assert 0 < car.current_a < 16
    live(car, 1.2, offered_a=0)
    assert not asks(car)
    assert car.current_a == 0


@pytest.mark.parametrize("offered_a", [0.0, 5.9])
def test_ev_never_asks_below_six_amperes(offered_a: float) -> None:
    car = ev(delay_s=0.0)
    live(car, 5, offered_a=offered_a)
    assert not asks(car)


def test_current_tapers_near_full_and_ends_when_full() -> None:
    car = ev(delay_s=0.0, soc=0.95, capacity_wh=1000.0)
    live(car, 4, offered_a=32)
    assert 0 < car.current_a <= 16
    live(car, 3600, offered_a=32)
    assert car.full
    assert not asks(car)
    assert car.current_a == 0


def test_greedy_ev_draws_its_ratio_above_the_offer() -> None:
    car = ev(delay_s=0.0)
    car.overdraw_ratio = 1.25
    live(car, 5, offered_a=16)
    assert car.current_a == pytest.approx(20)


def test_ev_that_ignores_the_limit_draws_its_maximum() -> None:
    car = ev(delay_s=0.0)
    car.ignores_limit = True
    live(car, 5, offered_a=6)
    assert car.current_a == pytest.approx(32)


def test_draw_limits_in_amperes_and_watts_hold() -> None:
    car = ev(delay_s=0.0)
    car.draw_a = 9.0
    live(car, 5, offered_a=16)
    assert car.current_a == pytest.approx(9)
    car.draw_w = 3 * VOLTS * 7
    live(car, 5, offered_a=16)
    assert car.current_a == pytest.approx(7)


def test_welded_contactor_lets_a_careless_ev_draw_without_an_offer() -> None:
    car = ev(delay_s=0.0)
    live(car, 5, offered_a=0, welded=True)
    assert car.current_a == pytest.approx(6)
    assert not asks(car)


def test_suspended_ev_draws_nothing() -> None:
    car = ev(delay_s=0.0)
    live(car, 5, offered_a=16)
    car.mood = Mood.SUSPENDED
    live(car, 3, offered_a=16)
    assert (car.asking, car.current_a) == (False, 0)


def test_energy_is_the_integral_of_power() -> None:
    outlet = Outlet("A1", "main", supply=(0, 1, 2), volts=VOLTS, energy_wh=500.0)
    outlet.plug_in(ev(delay_s=0.0, ramp_s=0.0))
    outlet.contactor = True
    for _ in range(round(3600 / STEP_S)):
        outlet.step(STEP_S, offered_a=10, powered=True)
    # 3 x 230 V x 10 A for an hour, less the step before the EV asks
    assert outlet.energy_wh - 500 == pytest.approx(6900, rel=1e-3)
    assert outlet.session_wh == pytest.approx(outlet.energy_wh - 500)


def test_rotation_maps_conductors_to_supply_phases() -> None:
    assert supply_phases("L2L3L1") == (1, 2, 0)
    assert supply_phases("L3") == (2,)
    outlet = Outlet("A1", "main", supply=supply_phases("L2L3L1"), volts=VOLTS, energy_wh=0)
    outlet.plug_in(ev(conductors=(0,), delay_s=0.0, ramp_s=0.0))
    outlet.contactor = True
    for _ in range(5):
        outlet.step(STEP_S, offered_a=16, powered=True)
    assert outlet.conductor_a == [16, 0, 0]
    assert outlet.drawn_a == [0, 16, 0]


@pytest.mark.parametrize("text", ["", "L1L1", "L4", "l1", "L1L"])
def test_impossible_rotations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rotation"):
        supply_phases(text)


async def test_black_out_takes_every_current_to_zero() -> None:
    async with still_world(scenario(evse(power_up_current_a=10))) as world:
        station = world.stations[0]
        station.outlet.plug_in(ev(delay_s=0.0))
        pass_time(world, 10)
        assert station.outlet.drawn_a == [10, 10, 10]
        world.set_power(False)
        pass_time(world, 0.1)
        assert station.outlet.drawn_a == [0, 0, 0]
        assert world.wiring.circuits["main"].drawn_a == [0, 0, 0]
