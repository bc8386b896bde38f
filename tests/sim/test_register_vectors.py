"""What stands on the wire, worked out by hand from the makers' register lists (R16).

Each vector: a value in the device, and the words that a master must see. An address, scale, type or
word order that is wrong in a device profile, or in the simulator's reading of it, turns one of them red.
"""

import pytest

from sim.physics import Ev, EvSpec
from sim.world import World
from tests.sim.sites import Row, evse, meter, pass_time, scenario, still_world

RTU = {"bus-A1": "modbus-rtu"}


def charging(world: World, *amps: float) -> None:
    """Let the outlet of the first EVSE carry these currents, as if an EV took them."""
    outlet = world.stations[0].outlet
    outlet.plug_in(Ev(EvSpec(32.0, (0, 1, 2), 0.2, 60_000.0, 1.0, 1.0)))
    outlet.conductor_a = list(amps)


KEBA = [
    # 1008, 1010, 1012: u32 in mA. 10.5 A = 10500 = 0x2904, 0, 32 A = 32000 = 0x7D00
    (1008, [0x0000, 0x2904]),
    (1010, [0x0000, 0x0000]),
    (1012, [0x0000, 0x7D00]),
    # 1020: u32 in mW. (10.5 + 32) A * 230 V = 9775 W = 9775000 = 0x00952798
    (1020, [0x0095, 0x2798]),
    # 1036: u32 in 0.1 Wh. 123456.78 Wh -> 1234567 = 0x0012D687
    (1036, [0x0012, 0xD687]),
    # 1040: u32 in V
    (1040, [0x0000, 0x00E6]),
    # 1004: 7 = plugged at station and EV, locked
    (1004, [0x0000, 0x0007]),
    # 1000: 1 = locked by authorisation
    (1000, [0x0000, 0x0001]),
]


@pytest.mark.parametrize(("address", "words"), KEBA)
async def test_r16_keba_p30(address: int, words: list[int]) -> None:
    async with still_world(scenario(evse(energy_wh=123456.78))) as world:
        charging(world, 10.5, 0, 32)
        assert world.stations[0].device.read("holding", address, 2) == words


HEIDELBERG = [
    # 5: 4 = EV, not permitted
    (5, [4]),
    # 6, 7, 8: u16 in 0.1 A
    (6, [105, 0, 160]),
    # 10: u16 in V
    (10, [230]),
    # 14: u16 in W: (10.5 + 16) A * 230 V
    (14, [6095]),
    # 17: u32 in Wh, high word first: 123456 = 0x0001E240
    (17, [0x0001, 0xE240]),
]


@pytest.mark.parametrize(("address", "words"), HEIDELBERG)
async def test_r16_heidelberg_energy_control(address: int, words: list[int]) -> None:
    row = evse(profile="heidelberg-energy-control", max_current_a=16, energy_wh=123456.78)
    async with still_world(scenario(row, kinds=RTU)) as world:
        charging(world, 10.5, 0, 16)
        assert world.stations[0].device.read("input", address, len(words)) == words


CHARX = [
    # point 1 lies at 1000: status 299 as two letters, EV there and nothing offered: "B1"
    (1299, [0x4231]),
    # 238: s32 in mA, 10.5 A = 0x2904
    (1238, [0x0000, 0x2904]),
    # 232: s32 in mV, 230 V = 230000 = 0x00038270
    (1232, [0x0003, 0x8270]),
    # 244: s32 in mW
    (1244, [0x0095, 0x2798]),
    # 250: s64 in Wh, 123456 = 0x1E240
    (1250, [0x0000, 0x0000, 0x0001, 0xE240]),
]


@pytest.mark.parametrize(("address", "words"), CHARX)
async def test_r16_phoenix_charx(address: int, words: list[int]) -> None:
    row = evse(profile="phoenix-charx-sec", max_current_a=32, energy_wh=123456.78)
    async with still_world(scenario(row)) as world:
        charging(world, 10.5, 0, 32)
        assert world.stations[0].device.read("holding", address, len(words)) == words


WB_DIN = [
    # 1000: u16 in A as written; 1001: what the pilot signals; 1002: 2 = EV present
    (1000, [13]),
    (1001, [13]),
    (1002, [2]),
]


@pytest.mark.parametrize(("address", "words"), WB_DIN)
async def test_r16_evse_wb_din(address: int, words: list[int]) -> None:
    async with still_world(scenario(evse(profile="evse-wb-din"), kinds=RTU)) as world:
        device = world.stations[0].device
        device.write(16, 1000, [13])
        pass_time(world, 2)
        charging(world, 0, 0, 0)
        assert device.read("holding", address, 1) == words


def metered(profile: str) -> Row:
    grid = meter("m", profile, circuit="main", energy_wh=1_234_567.0)
    load = {"circuits": [{"id": "main", "rating_a": 63, "load_a": [10.5, -2.0, 0.0]}]}
    return scenario(evse(), grid, kinds={"bus-m": "modbus-rtu"}, **load)


SDM630 = [
    # input registers, IEEE-754, high word first. 230.0 = 0x43660000
    (0, [0x4366, 0x0000]),
    # current without sign: 10.5 = 0x41280000, |-2| = 0x40000000
    (6, [0x4128, 0x0000]),
    (8, [0x4000, 0x0000]),
    # power with sign: 2415 W = 0x4516F000, -460 W = 0xC3E60000
    (12, [0x4516, 0xF000]),
    (14, [0xC3E6, 0x0000]),
    # 52: total 1955 W = 0x44F46000
    (52, [0x44F4, 0x6000]),
    # 72: kWh, 1234.567 = 0x449A5225
    (72, [0x449A, 0x5225]),
]


@pytest.mark.parametrize(("address", "words"), SDM630)
@pytest.mark.parametrize("profile", ["eastron-sdm630-v2", "eastron-sdm72d-m-v2"])
async def test_r16_eastron(profile: str, address: int, words: list[int]) -> None:
    async with still_world(metered(profile)) as world:
        world.wiring.settle([], powered=True)
        world.meters["m"].refresh()
        assert world.meters["m"].read("input", address, 2) == words


EM340 = [
    # s32, LOW word first. 0: 0.1 V: 2300 = 0x08FC
    (0, [0x08FC, 0x0000]),
    # 12: mA with sign: 10500 = 0x2904; 14: -2000 = 0xFFFFF830
    (12, [0x2904, 0x0000]),
    (14, [0xF830, 0xFFFF]),
    # 18: 0.1 W: 24150 = 0x5E56; 20: -4600 = 0xFFFFEE08
    (18, [0x5E56, 0x0000]),
    (20, [0xEE08, 0xFFFF]),
    # 40: total 19550 = 0x4C5E
    (40, [0x4C5E, 0x0000]),
    # 52: 100 Wh: 12345 = 0x3039
    (52, [0x3039, 0x0000]),
]


@pytest.mark.parametrize(("address", "words"), EM340)
async def test_r16_carlo_gavazzi_em340(address: int, words: list[int]) -> None:
    async with still_world(metered("carlo-gavazzi-em340")) as world:
        world.wiring.settle([], powered=True)
        world.meters["m"].refresh()
        assert world.meters["m"].read("input", address, 2) == words


ABB = [
    # holding registers, high word first. 23296: 0.1 V; 23308: u32 in 0.01 A, no sign
    (23296, [0x0000, 0x08FC]),
    (23308, [0x0000, 0x041A]),
    (23310, [0x0000, 0x00C8]),
    # 23316: s32 in 0.01 W: 195500 = 0x0002FBAC; 23320: -46000 = 0xFFFF4C50
    (23316, [0x0002, 0xFBAC]),
    (23320, [0xFFFF, 0x4C50]),
    # 20480: u64 in 10 Wh: 123456 = 0x1E240
    (20480, [0x0000, 0x0000, 0x0001, 0xE240]),
]


@pytest.mark.parametrize(("address", "words"), ABB)
async def test_r16_abb_b23(address: int, words: list[int]) -> None:
    async with still_world(metered("abb-b23-b24")) as world:
        world.wiring.settle([], powered=True)
        world.meters["m"].refresh()
        assert world.meters["m"].read("holding", address, len(words)) == words


async def test_setpoints_written_in_raw_arrive_in_amperes() -> None:
    # KEBA 5004 in mA, Heidelberg 261 in 0.1 A, CHARX 1301 in A
    rows = [
        evse("K"), evse("H", "heidelberg-energy-control", max_current_a=16), evse("X", "phoenix-charx-sec"),
    ]  # fmt: skip
    async with still_world(scenario(*rows, kinds={"bus-H": "modbus-rtu"})) as world:
        keba, heidelberg, charx = world.stations
        keba.device.write(6, 5004, [13500])
        heidelberg.device.write(16, 261, [135])
        charx.device.write(16, 1301, [13])
        assert [s.controller.limit_a for s in world.stations] == [pytest.approx(13.5), pytest.approx(13.5), 13]
