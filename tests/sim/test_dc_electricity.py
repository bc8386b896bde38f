"""Outputs in parallel, batteries, contactors: what truly flows, and what it costs in the mains."""

import math
from typing import Any

import pytest

from sim.can.source import STANDBY_W, Battery, Stage
from sim.clock import SimClock
from sim.dc.contactor import Contactor, DamageBook
from sim.dc.node import Source, Terminal, settle
from sim.dc.vehicle import DcEv, DcEvSpec
from sim.events import EventLog
from sim.physics import STEP_S, Mood


def source(**changes: Any) -> Source:
    values: dict[str, Any] = {"rated_a": 100.0, "ramp_a_s": 10_000.0, "on": True, "set_v": 500.0, "set_a": 50.0}
    terminal = Terminal()
    return Source(Stage(terminal, **(values | changes)), terminal)


def closed(ev: DcEv) -> bool:
    return ev.closed


def car(**changes: Any) -> DcEv:
    values: dict[str, Any] = {"battery_v": 400.0, "max_a": 100.0, "soc": 0.3, "capacity_wh": 60_000.0}
    return DcEv(DcEvSpec(**(values | changes)))


def run(
    sources: list[Source], battery: DcEv | None, seconds: float = 1.0, volts: float = 0.0
) -> tuple[float, float]:
    amperes, now_s = 0.0, 0.0
    for _ in range(round(seconds / STEP_S)):
        now_s += STEP_S
        volts, amperes = settle(sources, battery, volts, now_s=now_s, dt_s=STEP_S)
    return volts, amperes


def book() -> DamageBook:
    return DamageBook(EventLog(SimClock()))


# Nodes.


def test_an_open_output_rises_to_the_highest_setpoint_and_no_current_flows() -> None:
    sources = [source(set_v=450.0), source(set_v=300.0)]
    assert run(sources, None, 0.5) == pytest.approx((200.0, 0.0))
    assert run(sources, None, 3.0) == pytest.approx((450.0, 0.0))


def test_an_open_output_without_a_source_falls_slowly() -> None:
    volts, _ = run([source(on=False)], None, 0.5, volts=400.0)
    assert 100 < volts < 200
    volts, _ = run([], None, 5.0, volts=400.0)
    assert volts < 1


def test_a_module_without_a_current_setpoint_raises_no_voltage() -> None:
    assert run([source(set_a=0.0)], None, 3.0) == (0.0, 0.0)


def test_modules_in_parallel_add_up_into_a_battery() -> None:
    volts, amperes = run([source(set_a=30.0), source(set_a=45.0)], car())
    assert amperes == pytest.approx(75.0)
    assert volts == pytest.approx(400 + 75 * 0.05)


def test_no_current_flows_below_the_voltage_of_the_battery() -> None:
    assert run([source(set_v=399.0)], car()) == (400.0, 0.0)


def test_a_small_difference_of_voltage_limits_the_current() -> None:
    # 402 V behind 50 milliohms of the module against 400 V behind 50 of the battery: 20 A.
    volts, amperes = run([source(set_v=402.0)], car())
    assert amperes == pytest.approx(20.0, abs=0.1)
    assert volts == pytest.approx(401.0, abs=0.01)


def test_a_module_set_lower_than_the_others_delivers_nothing() -> None:
    high, low = source(set_v=500.0, set_a=50.0), source(set_v=402.0, set_a=50.0)
    run([high, low], car())
    assert high.stage.amperes == pytest.approx(50.0)
    assert low.stage.amperes == pytest.approx(0.0, abs=0.1)


def test_a_derated_module_delivers_its_watts_and_not_its_setpoint() -> None:
    one = source(available_w=8000.0)
    _, amperes = run([one], car())
    assert amperes == pytest.approx(8000 / 402, rel=0.01)


def test_current_follows_a_ramp_up_and_ends_at_once_with_the_module() -> None:
    one = source(ramp_a_s=20.0)
    _, amperes = run([one], car(), 1.0)
    assert amperes == pytest.approx(20.0)
    one.stage.on = False
    assert settle([one], car(), 401.0, now_s=1.1, dt_s=STEP_S) == (400.0, 0.0)


def test_current_ends_at_once_when_the_battery_is_cut_off() -> None:
    one = source(ramp_a_s=50.0)
    _, amperes = run([one], car(), 2.0)
    assert amperes == pytest.approx(50.0)
    _, amperes = settle([one], None, 402.0, now_s=2.05, dt_s=STEP_S)
    assert (amperes, one.stage.amperes) == (0.0, 0.0)


# Mains.


def loaded(share: float) -> Stage:
    amperes = share * 30_000 / 400
    return Stage(Battery(400.0, ohms=0.0), 100.0, on=True, set_v=500.0, set_a=amperes, amperes=amperes)


@pytest.mark.parametrize(("share", "efficiency"), [(1.0, 0.9506), (0.5, 0.9625), (0.1, 0.9588), (0.01, 0.8195)])
def test_r9_mains_carry_dc_power_over_the_real_efficiency_of_that_load(share: float, efficiency: float) -> None:
    stage = loaded(share)
    assert stage.dc_w / stage.ac_w == pytest.approx(efficiency, abs=0.002)


def test_a_module_takes_some_watts_without_load_and_when_it_is_off() -> None:
    stage = loaded(0.0)
    assert stage.ac_w == 60
    stage.on = False
    assert stage.ac_w == STANDBY_W


# Contactors.


def switched(contactor: Contactor, seconds: float, amperes: float = 0.0) -> bool:
    for step in range(round(seconds / STEP_S)):
        contactor.step(step * STEP_S, amperes)
    return contactor.closed


def test_a_contactor_switches_late() -> None:
    contactor = Contactor("c", book())
    contactor.commanded = True
    assert not switched(contactor, 0.1)
    assert switched(contactor, 0.2)


@pytest.mark.parametrize(("amperes", "hurt"), [(4.9, False), (5.1, True)])
def test_opening_under_more_than_five_amperes_is_damage(amperes: float, hurt: bool) -> None:
    damage = book()
    contactor = Contactor("stack-1/DC1", damage)
    contactor.closed = True
    assert not switched(contactor, 0.3, amperes)
    assert damage.records == [{"what": "opened_under_load", "where": "stack-1/DC1", "amperes": amperes}] * hurt


def test_a_command_taken_back_in_time_switches_nothing() -> None:
    damage = book()
    contactor = Contactor("c", damage)
    contactor.closed = contactor.commanded = True
    contactor.commanded = False
    contactor.step(0.0, 50.0)
    contactor.commanded = True
    assert switched(contactor, 0.3, 50.0)
    assert not damage.records


def test_welded_stuck_and_cut_wire() -> None:
    contactor = Contactor("c", book())
    contactor.stuck = contactor.commanded = True
    assert not switched(contactor, 1.0)
    contactor.stuck = False
    assert switched(contactor, 1.0)
    contactor.aux_broken = True
    assert (contactor.closed, contactor.feedback) == (True, False)
    contactor.welded, contactor.commanded = True, False
    assert switched(contactor, 1.0)


# EVs.


def charge(ev: DcEv, seconds: float, amperes: float, *, asked_a: float, hears: bool = True) -> float:
    broken_a = 0.0
    for step in range(round(seconds / STEP_S)):
        now_s = (step + 1) * STEP_S
        if hears:
            ev.hear(now_s, offered_a=200, offered_w=1e6)
        broken_a = max(broken_a, ev.step(now_s, STEP_S, volts=ev.open_v, amperes=amperes, asked_a=asked_a))
    return broken_a


def test_demand_ramps_up_in_steps_and_is_cut_at_once() -> None:
    ev = car(ramp_a_s=20.0, demand_s=0.5)
    ev.closed = True
    ev.hear(1.0, offered_a=200, offered_w=1e6)
    first_a = ev.demand_a
    ev.hear(1.4, offered_a=200, offered_w=1e6)
    assert ev.demand_a == first_a
    ev.hear(1.5, offered_a=200, offered_w=1e6)
    assert ev.demand_a == pytest.approx(first_a + 10)
    ev.hear(2.0, offered_a=5, offered_w=1e6)
    assert ev.demand_a == 5


@pytest.mark.parametrize(
    ("offered_a", "offered_w", "demand_a"), [(60, 1e6, 60), (200, 20_000, 50), (200, 1e6, 100)]
)
def test_demand_keeps_to_current_power_and_the_ev_itself(
    offered_a: float, offered_w: float, demand_a: float
) -> None:
    ev = car(ramp_a_s=math.inf)
    ev.closed = True
    ev.hear(1.0, offered_a=offered_a, offered_w=offered_w)
    assert ev.demand_a == pytest.approx(demand_a)


def test_an_ev_that_ignores_its_limit_asks_for_its_maximum() -> None:
    ev = car(ramp_a_s=math.inf)
    ev.closed = ev.ignores_limit = True
    ev.hear(1.0, offered_a=20, offered_w=1e6)
    assert ev.demand_a == 100


def test_a_battery_tapers_and_ends_full() -> None:
    ev = car(ramp_a_s=math.inf, soc=0.85)
    ev.closed = True
    ev.hear(1.0, offered_a=200, offered_w=1e6)
    assert ev.demand_a == pytest.approx(50)
    ev.soc = 1.0
    ev.hear(2.0, offered_a=200, offered_w=1e6)
    assert (ev.demand_a, ev.wants) == (0, False)


def test_charging_raises_the_charge_and_the_voltage() -> None:
    ev = car(capacity_wh=1000.0, soc=0.1)
    before_v = ev.open_v
    ev.closed = True
    charge(ev, 36, 10, asked_a=10)
    # about 400 V x 10 A x 36 s = 40 Wh of 1000
    assert ev.soc == pytest.approx(0.14, abs=0.001)
    assert ev.open_v > before_v


def mood(ev: DcEv) -> Mood:
    return ev.mood


def test_more_current_than_asked_for_makes_the_ev_stop() -> None:
    ev = car()
    ev.closed = True
    charge(ev, 1.5, 60, asked_a=40)
    assert mood(ev) is Mood.READY
    charge(ev, 2.5, 60, asked_a=40)
    assert (mood(ev), ev.stopped_by) == (Mood.FAULT, "over_current")


def test_a_little_more_than_asked_for_is_borne() -> None:
    ev = car()
    ev.closed = True
    charge(ev, 10, 49, asked_a=40)
    assert ev.mood is Mood.READY


def test_silence_makes_the_ev_stop() -> None:
    ev = car()
    ev.closed = True
    charge(ev, 1, 40, asked_a=40)
    for step in range(60):
        ev.step(1 + step * STEP_S, STEP_S, volts=400, amperes=40, asked_a=40)
    assert ev.stopped_by == "silence"


def test_an_emergency_stop_waits_a_second_for_the_current_to_end() -> None:
    patient, cut_off = car(), car()
    for ev in (patient, cut_off):
        ev.closed = True
        ev.fail("test")
    assert charge(patient, 0.9, 40, asked_a=40) == 0
    assert closed(patient)
    assert charge(patient, 0.2, 0.5, asked_a=0) == 0.5
    assert not closed(patient)
    assert charge(cut_off, 1.2, 40, asked_a=40) == 40
    assert not cut_off.closed
