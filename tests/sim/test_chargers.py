"""Charge controllers through their registers: setpoints, watchdogs, faults, black-outs."""

from typing import Any

import pytest

from sim.charger_device import ChargerDevice
from sim.chargers import ChargeController
from sim.physics import Ev, EvSpec
from sim.registers import RefusedError
from sim.world import Station, World
from tests.sim.sites import Row, evse, pass_time, scenario, still_world

KEBA_LIMIT, KEBA_ENABLE, KEBA_FAILSAFE, KEBA_TIMEOUT = 5004, 5014, 5016, 5018
HEIDELBERG: Row = {"profile": "heidelberg-energy-control", "max_current_a": 16, "power_up_current_a": 0}
RTU = {"bus-A1": "modbus-rtu"}


def plug(station: Station, **changes: Any) -> Ev:
    values: dict[str, Any] = {
        "max_a": 32.0, "conductors": (0, 1, 2), "soc": 0.2, "capacity_wh": 60_000.0, "ramp_s": 0.5, "delay_s": 0.2,
    }  # fmt: skip
    car = Ev(EvSpec(**(values | changes)))
    station.outlet.plug_in(car)
    return car


def parts(world: World) -> tuple[Station, ChargeController, ChargerDevice]:
    station = world.stations[0]
    return station, station.controller, station.device


def expired(controller: ChargeController) -> bool:
    return controller.expired


def closed(station: Station) -> bool:
    return station.outlet.contactor


def answering(device: ChargerDevice) -> bool:
    return device.answers


def keba_offer(device: ChargerDevice, amps: int) -> None:
    device.write(6, KEBA_LIMIT, [amps * 1000])
    device.write(6, KEBA_ENABLE, [1])


async def test_pilot_follows_a_write_after_the_latency_and_not_before_half_of_it() -> None:
    async with still_world(scenario(evse(latency_s=4.0))) as world:
        _, controller, device = parts(world)
        keba_offer(device, 10)
        pass_time(world, 1.9)
        assert controller.offered_a == 0
        pass_time(world, 2.2)
        assert controller.offered_a == 10


async def test_limit_is_cut_to_the_models_step_and_the_hardware() -> None:
    async with still_world(scenario(evse(**HEIDELBERG), kinds=RTU)) as world:
        _, controller, device = parts(world)
        device.write(16, 261, [107])
        pass_time(world, 2)
        assert controller.offered_a == pytest.approx(10.7)
    async with still_world(scenario(evse(profile="phoenix-charx-sec", max_current_a=16))) as world:
        _, controller, device = parts(world)
        device.write(16, 1301, [20])
        pass_time(world, 2)
        assert controller.offered_a == 16


@pytest.mark.parametrize("raw", [1, 59, 161, 65535])
async def test_limit_between_zero_and_minimum_or_above_maximum_is_refused(raw: int) -> None:
    async with still_world(scenario(evse(**HEIDELBERG), kinds=RTU)) as world:
        _, _, device = parts(world)
        with pytest.raises(RefusedError) as refusal:
            device.write(16, 261, [raw])
        assert refusal.value.code == 3


async def test_model_that_pauses_by_release_refuses_zero_amperes() -> None:
    async with still_world(scenario(evse())) as world:
        _, _, device = parts(world)
        with pytest.raises(RefusedError):
            device.write(6, KEBA_LIMIT, [0])


async def test_r15_locked_outlet_stays_in_b_with_open_contactor_until_released() -> None:
    async with still_world(scenario(evse())) as world:
        station, controller, device = parts(world)
        device.write(6, KEBA_LIMIT, [16000])
        plug(station)
        pass_time(world, 10)
        assert (controller.letter, station.outlet.contactor) == ("B", False)
        device.write(6, KEBA_ENABLE, [1])
        pass_time(world, 5)
        assert (controller.letter, station.outlet.contactor) == ("C", True)
        assert station.outlet.drawn_a == [16, 16, 16]
        device.write(6, KEBA_ENABLE, [0])
        pass_time(world, 5)
        assert (controller.letter, station.outlet.contactor) == ("B", False)
        assert station.outlet.drawn_a == [0, 0, 0]


async def test_contactor_opens_after_three_seconds_on_an_ev_that_does_not_let_go() -> None:
    async with still_world(scenario(evse())) as world:
        station, controller, device = parts(world)
        keba_offer(device, 16)
        plug(station, ramp_s=60.0)
        pass_time(world, 70)
        device.write(6, KEBA_ENABLE, [0])
        pass_time(world, 1.1)
        assert controller.offered_a == 0
        assert closed(station)
        pass_time(world, 3.0)
        assert not closed(station)


async def test_any_request_feeds_the_watchdog_and_silence_brings_the_failsafe_current() -> None:
    async with still_world(scenario(evse(**HEIDELBERG), kinds=RTU)) as world:
        _, controller, device = parts(world)
        device.write(16, 257, [10_000])
        device.write(16, 262, [60])
        device.write(16, 261, [160])
        for _ in range(5):
            pass_time(world, 8)
            device.heard()
        assert controller.offered_a == 16
        pass_time(world, 9.8)
        assert not expired(controller)
        pass_time(world, 1.5)
        assert expired(controller)
        assert controller.offered_a == 6


async def test_expired_watchdog_needs_a_new_setpoint_and_not_only_traffic() -> None:
    async with still_world(scenario(evse(**HEIDELBERG), kinds=RTU)) as world:
        _, controller, device = parts(world)
        device.write(16, 262, [60])
        device.write(16, 261, [160])
        pass_time(world, 20)
        device.heard()
        pass_time(world, 5)
        assert controller.offered_a == 6
        device.write(16, 261, [120])
        pass_time(world, 2)
        assert controller.offered_a == 12


async def test_rewrite_watchdog_is_fed_by_the_timeout_register_only() -> None:
    async with still_world(scenario(evse())) as world:
        _, controller, device = parts(world)
        device.write(6, KEBA_FAILSAFE, [6000])
        device.write(6, KEBA_TIMEOUT, [10])
        keba_offer(device, 20)
        pass_time(world, 8)
        device.heard()
        device.write(6, KEBA_TIMEOUT, [10])
        pass_time(world, 8)
        device.heard()
        assert not expired(controller)
        pass_time(world, 4)
        assert expired(controller)
        assert controller.offered_a == 6


async def test_heartbeat_watchdog_is_fed_by_its_register() -> None:
    async with still_world(scenario(evse(profile="webasto-next", power_up_current_a=16))) as world:
        _, controller, device = parts(world)
        for _ in range(4):
            pass_time(world, 20)
            device.write(6, 6000, [1])
        assert not expired(controller)
        pass_time(world, 20)
        device.heard()
        pass_time(world, 12)
        assert expired(controller)


async def test_broken_watchdog_holds_the_last_setpoint_for_ever() -> None:
    async with still_world(scenario(evse(**HEIDELBERG), kinds=RTU)) as world:
        _, controller, device = parts(world)
        controller.watchdog_works = False
        device.write(16, 261, [160])
        pass_time(world, 120)
        assert controller.offered_a == 16


async def test_r16_model_without_watchdog_keeps_its_setpoint() -> None:
    async with still_world(scenario(evse(profile="evse-wb-din"), kinds=RTU)) as world:
        _, controller, device = parts(world)
        device.write(16, 1000, [16])
        pass_time(world, 600)
        assert controller.offered_a == 16


async def test_rejected_writes_are_refused_or_acknowledged_and_forgotten() -> None:
    async with still_world(scenario(evse(reject_writes=1))) as world:
        _, controller, device = parts(world)
        outcomes = set()
        for _ in range(40):
            try:
                device.write(6, KEBA_ENABLE, [1])
                outcomes.add("acknowledged")
            except RefusedError as refusal:
                outcomes.add(f"exception {refusal.code}")
        assert outcomes == {"acknowledged", "exception 4"}
        assert not controller.enabled


async def test_default_share_of_rejected_writes_is_about_one_in_a_hundred() -> None:
    row = evse(**HEIDELBERG)
    del row["reject_writes"]
    async with still_world(scenario(row, kinds=RTU)) as world:
        _, _, device = parts(world)
        for _ in range(2000):
            try:
                device.write(16, 261, [60])
            except RefusedError:
                continue
        writes = [e["outcome"] for e in world.log.since(0) if e["kind"] == "write"]
        assert 5 <= len([w for w in writes if w != "taken"]) <= 50


async def test_stuck_pilot_takes_setpoints_but_only_the_release_helps() -> None:
    async with still_world(scenario(evse())) as world:
        _, controller, device = parts(world)
        keba_offer(device, 20)
        pass_time(world, 2)
        controller.stick(True)
        device.write(6, KEBA_LIMIT, [6000])
        pass_time(world, 5)
        assert controller.offered_a == 20
        device.write(6, KEBA_ENABLE, [0])
        pass_time(world, 5)
        assert controller.offered_a == 0
        controller.stick(False)
        device.write(6, KEBA_ENABLE, [1])
        pass_time(world, 5)
        assert controller.offered_a == 6


async def test_welded_contactor_shows_as_draw_at_zero_amperes() -> None:
    async with still_world(scenario(evse())) as world:
        station, controller, device = parts(world)
        keba_offer(device, 16)
        plug(station)
        pass_time(world, 5)
        controller.weld(True)
        device.write(6, KEBA_ENABLE, [0])
        pass_time(world, 10)
        assert controller.offered_a == 0
        assert station.outlet.contactor
        assert station.outlet.drawn_a == [6, 6, 6]


@pytest.mark.parametrize("power_up_a", [0, 6, 10])
async def test_r2_black_out_loses_the_setpoint_and_offers_the_power_up_current(power_up_a: float) -> None:
    async with still_world(scenario(evse(power_up_current_a=power_up_a, boot_s=3))) as world:
        station, controller, device = parts(world)
        keba_offer(device, 20)
        plug(station)
        pass_time(world, 5)
        energy_wh = station.outlet.energy_wh
        world.set_power(False)
        pass_time(world, 30)
        assert not answering(device)
        assert station.outlet.energy_wh == energy_wh
        world.set_power(True)
        pass_time(world, 2.5)
        assert not answering(device)
        pass_time(world, 1.0)
        assert answering(device)
        assert controller.offered_a == power_up_a


async def test_profile_without_power_up_current_comes_up_with_its_maximum() -> None:
    row = evse(profile="phoenix-charx-sec", max_current_a=16)
    del row["power_up_current_a"]
    async with still_world(scenario(row)) as world:
        assert world.stations[0].controller.offered_a == 16


async def test_keba_keeps_failsafe_settings_over_a_black_out_and_heidelberg_does_not() -> None:
    async with still_world(scenario(evse(), evse("H1", **HEIDELBERG), kinds={"bus-H1": "modbus-rtu"})) as world:
        keba, heidelberg = world.stations
        keba.device.write(6, KEBA_FAILSAFE, [8000])
        keba.device.write(6, KEBA_TIMEOUT, [20])
        heidelberg.device.write(16, 262, [60])
        heidelberg.device.write(16, 258, [4])
        world.set_power(False)
        pass_time(world, 1)
        world.set_power(True)
        pass_time(world, 4)
        assert (keba.controller.failsafe_a, keba.controller.timeout_s) == (8, 20)
        assert heidelberg.controller.failsafe_a == 0
        assert heidelberg.device.read("holding", 258, 1) == [0]


async def test_error_opens_the_contactor_and_shows_as_f_until_cleared() -> None:
    async with still_world(scenario(evse())) as world:
        station, controller, device = parts(world)
        keba_offer(device, 16)
        plug(station)
        pass_time(world, 5)
        controller.errors.add("GroundFailure")
        pass_time(world, 0.2)
        assert controller.letter == "F"
        assert station.outlet.drawn_a == [0, 0, 0]
        assert device.read("holding", 1000, 2) == [0, 4]
        assert device.read("holding", 1006, 2) != [0, 0]
        controller.errors.clear()
        pass_time(world, 5)
        assert controller.letter == "C"


async def test_outlets_of_one_device_have_their_own_registers() -> None:
    first = evse("X1", "phoenix-charx-sec", bus="charx", max_current_a=16)
    second = evse("X2", "phoenix-charx-sec", bus="charx", max_current_a=16, outlet=2)
    async with still_world(scenario(first, second)) as world:
        device = world.stations[0].device
        device.write(16, 2301, [13])
        pass_time(world, 3)
        assert [s.controller.limit_a for s in world.stations] == [0, 13]
        with pytest.raises(RefusedError):
            device.read("holding", 3301, 1)


async def test_tag_held_to_a_charger_shows_for_a_while() -> None:
    async with still_world(scenario(evse(profile="webasto-next"))) as world:
        _, _, device = parts(world)
        device.show_tag(1, "04A1B2C3", 3.0)
        words = device.read("holding", 1600, 10)
        assert b"".join(w.to_bytes(2, "big") for w in words).rstrip(b"\0") == b"04A1B2C3"
        pass_time(world, 3.1)
        assert device.read("holding", 1600, 10) == [0] * 10


async def test_same_seed_gives_the_same_latencies() -> None:
    async def offered() -> list[float]:
        async with still_world(scenario(evse(latency_s=4.0))) as world:
            _, controller, device = parts(world)
            keba_offer(device, 10)
            found = []
            for _ in range(100):
                world.step()
                found.append(controller.offered_a)
            return found

    assert await offered() == await offered()
