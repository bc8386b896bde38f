"""Values that do not simply lie in a register of their own: bits, copies, fractions, powers of ten, coils."""

import pytest

from sim.physics import Ev, EvSpec
from sim.registers import RefusedError
from sim.world import Station
from tests.sim.sites import Row, evse, meter, pass_time, scenario, still_world


def plug(station: Station) -> None:
    station.outlet.plug_in(Ev(EvSpec(32.0, (0, 1, 2), 0.2, 60_000.0, 0.5, 0.2)))


async def test_r16_each_outlet_has_its_byte_of_a_shared_state() -> None:
    rows = [evse(name, "em2go-duo", bus="b", unit=255, outlet=number) for number, name in ((1, "A1"), (2, "A2"))]
    async with still_world(scenario(*rows)) as world:
        device = world.stations[0].device
        # 1: no EV, 2: EV connected; connector 2 in the high byte
        assert device.read("holding", 56, 1) == [0x0101]
        plug(world.stations[1])
        assert device.read("holding", 56, 1) == [0x0201]
        device.write(16, 556, [13])
        assert [s.controller.limit_a for s in world.stations] == [32, 13]


async def test_r16_a_state_may_lie_in_some_bits_of_a_longer_register() -> None:
    async with still_world(scenario(evse(profile="abb-terra-ac", unit=1))) as world:
        device = world.stations[0].device
        assert device.read("holding", 16396, 2) == [0, 0x0000]
        plug(world.stations[0])
        assert device.read("holding", 16396, 2) == [0, 0x0100]
        assert device.read("holding", 16394, 2) == [0, 0x0101]


async def test_r16_a_setpoint_for_all_phases_is_three_equal_floats() -> None:
    async with still_world(scenario(evse(profile="innogy-ebox", unit=1))) as world:
        station = world.stations[0]
        # 13.0 = 0x41500000, 14.0 = 0x41600000; one phase after the other
        station.device.write(16, 1012, [0x4150, 0])
        station.device.write(16, 1014, [0x4150, 0])
        assert station.controller.limit_a == 0
        station.device.write(16, 1016, [0x4160, 0])
        assert station.controller.limit_a == 0
        station.device.write(16, 1016, [0x4150, 0])
        assert station.controller.limit_a == 13
        assert station.device.read("holding", 1012, 6) == [0x4150, 0] * 3
        for address, words in ((1013, [0, 0]), (1012, [0]), (1012, [0x4150, 0] * 3), (1018, [0, 0])):
            with pytest.raises(RefusedError):
                station.device.write(16, address, words)


async def test_r16_a_setpoint_may_be_a_duty_cycle() -> None:
    async with still_world(scenario(evse(profile="etek-ekepc2"))) as world:
        station = world.stations[0]
        # 13 A * 167
        station.device.write(6, 109, [2171])
        assert station.controller.limit_a == pytest.approx(13)
        assert station.device.read("holding", 109, 1) == [2171]


async def test_r16_a_release_may_be_a_coil() -> None:
    async with still_world(scenario(evse(profile="phoenix-em-cp-pp-eth", unit=180))) as world:
        station = world.stations[0]
        station.device.write(5, 400, [1])
        assert (station.controller.enabled, station.device.read("coil", 400, 1)) == (True, [1])
        station.device.write(5, 400, [0])
        assert (station.controller.enabled, station.device.read("coil", 400, 1)) == (False, [0])


async def test_r16_a_setpoint_that_runs_out_shows_its_time_and_ends() -> None:
    async with still_world(scenario(evse(profile="alfen-ng9xx", unit=1))) as world:
        station = world.stations[0]
        # 16.0 = 0x41800000; the installer has set the safe current to 6.0 = 0x40C00000
        station.device.write(16, 1210, [0x4180, 0])
        assert station.device.read("holding", 1212, 2) == [0x40C0, 0]
        pass_time(world, 40)
        assert station.device.read("holding", 1208, 2) == [0, 20]
        assert station.controller.offered_a == 16
        pass_time(world, 25)
        assert station.controller.offered_a == 6


def metered(profile: str, kind: str = "modbus-tcp") -> Row:
    grid = meter("m", profile, circuit="main", energy_wh=1_234_567.0)
    load = {"circuits": [{"id": "main", "rating_a": 63, "load_a": [10.5, -2.0, 0.0]}]}
    return scenario(evse(), grid, kinds={"bus-m": kind}, **load)


async def test_r16_sunspec_has_its_powers_of_ten_and_shows_what_it_is() -> None:
    async with still_world(metered("sunspec-203")) as world:
        world.wiring.settle([], powered=True)
        found = world.meters["m"]
        found.refresh()
        assert found.read("holding", 40000, 2) == [0x5375, 0x6E53]
        assert found.read("holding", 40070, 1) == [203]
        # 10.5 A, -2 A, 0 A in tenths, and the power of ten -1
        assert found.read("holding", 40073, 4) == [105, 0xFFEC, 0, 0xFFFF]
        # 1955 W in all, 2415 and -460 on L1 and L2, in tenths
        assert found.read("holding", 40088, 5) == [19550, 24150, 0xEE08, 0, 0xFFFF]


async def test_r16_iskra_shows_decimal_floats() -> None:
    async with still_world(metered("iskra-wm3m4", "modbus-rtu")) as world:
        world.wiring.settle([], powered=True)
        found = world.meters["m"]
        found.refresh()
        # 10500 = 0x2904 thousandths; 230000 = 0x038270; -460000 = 0xF8FB20
        assert found.read("input", 126, 2) == [0xFD00, 0x2904]
        assert found.read("input", 107, 2) == [0xFD03, 0x8270]
        assert found.read("input", 144, 2) == [0xFDF8, 0xFB20]
