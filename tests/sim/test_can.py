"""Simulated power modules and their wire, against frames put together by hand from the fact sheets."""

import asyncio

import pytest

from sim.can.modules import SimHuawei, SimInfyPower, SimModule, SimScu, SimUuGreen
from sim.can.source import Battery, Stage
from sim.can.wire import CanWire, Party, WireFrame


def stage() -> Stage:
    return Stage(Battery(volts=350.0, most_a=500.0), rated_a=100.0, ramp_a_s=10_000.0)


async def exchange(wire: CanWire, *orders: tuple[int, str]) -> list[tuple[int, str]]:
    """Put frames on the wire and give the modules time to answer."""
    seen: list[tuple[int, str]] = []
    party = Party(lambda frame: seen.append((frame.can_id, frame.data.hex())), lambda classes: None)
    leave = wire.join(party)
    for can_id, data in orders:
        wire.put(WireFrame(can_id, bytes.fromhex(data)), party)
        await asyncio.sleep(0.03)
    leave()
    return seen


@pytest.mark.parametrize(
    ("kind", "address", "on", "ask", "answer"),
    [
        # 400 V, 50 A, on; then voltage and current: 352.5 V (350 V and 50 A in 50 milliohms) and 50 A.
        (
            SimInfyPower,
            0,
            [(0x029C00F0, "00061a800000c350"), (0x029A00F0, "0000000000000000")],
            (0x028300F0, "0000000000000000"),
            [(0x0283F000, "43b0400042480000")],
        ),
        (
            SimUuGreen,
            1,
            [
                (0x02204000, "0004000000000000"),
                (0x02204000, "0002000000061a80"),
                (0x02204000, "000300000000c350"),
            ],
            (0x02204000, "022f000000000000"),
            [(0x0220415A, "032f00000000c350")],
        ),
        (
            SimScu,
            1,
            [
                (0x06080F83, "03f0002143c80000"),
                (0x06080F83, "03f000223f000000"),
                (0x06080F83, "03f0003000000000"),
            ],
            (0x06080F83, "01f0000700000000"),
            [(0x060F800B, "41f0000742480000")],
        ),
        (
            SimHuawei,
            1,
            [
                (0x068180FC, "0100000000064000"),
                (0x068180FC, "010f00010000c800"),
                (0x068180FC, "0132000000000000"),
            ],
            (0x068140FC, "000000aa00400000"),
            # 500 and 3525 tenths.
            [(0x0681407C, "0191000001f40dc5")],
        ),
    ],
)
async def test_a_module_obeys_and_answers_by_its_fact_sheet(
    kind: type[SimModule],
    address: int,
    on: list[tuple[int, str]],
    ask: tuple[int, str],
    answer: list[tuple[int, str]],
) -> None:
    wire = CanWire()
    module = kind(wire, address, stage())
    await exchange(wire, *on)
    await exchange(wire, ask)
    assert module.amperes == pytest.approx(50.0)
    assert await exchange(wire, ask) == answer


async def test_the_status_of_an_infypower_module() -> None:
    wire = CanWire()
    module = SimInfyPower(wire, 3, stage())
    assert await exchange(wire, (0x028403F0, "0000000000000000")) == [(0x0284F003, "0000000000000100")]
    module.fault = module.duplicate = module.stage.on = True
    assert await exchange(wire, (0x028403F0, "0000000000000000")) == [(0x0284F003, "0000000000020200")]


async def test_a_module_hears_its_own_address_and_the_broadcast_only() -> None:
    wire = CanWire()
    module = SimUuGreen(wire, 2, stage())
    await exchange(wire, (0x02204000, "0004000000000000"), (0x04208000, "0004000000000000"))
    assert module.heard == 0
    await exchange(wire, (0x02200000, "0004000000000000"))
    assert module.heard == 1
    assert module.stage.on


async def test_a_silent_or_mute_module() -> None:
    wire = CanWire()
    module = SimHuawei(wire, 1, stage())
    module.mute = True
    assert await exchange(wire, (0x068180FC, "0132000000000000")) == []
    assert module.stage.on
    module.dead = True
    await exchange(wire, (0x068180FC, "0132000100000000"))
    assert module.stage.on


def test_the_output_follows_a_ramp_into_the_battery_and_ends_with_the_time_out() -> None:
    power = Stage(Battery(volts=350.0, ohms=0.05, most_a=80.0), rated_a=100.0, ramp_a_s=10.0, timeout_s=10.0)
    power.advance(100.0)
    power.heard_s, power.on, power.set_v, power.set_a = 100.0, True, 400.0, 90.0
    power.advance(101.0)
    assert power.amperes == pytest.approx(10.0)
    assert power.volts == pytest.approx(350.5)
    power.advance(109.0)
    assert power.amperes == pytest.approx(80.0), "the car's own limit"
    power.advance(110.5)
    assert power.amperes == 0
    assert power.volts == 0


def test_no_current_flows_below_the_voltage_of_the_battery() -> None:
    power = Stage(Battery(volts=350.0), rated_a=100.0, ramp_a_s=1000.0, on=True, set_v=349.0, set_a=50.0)
    power.advance(10.0)
    assert power.amperes == 0


async def test_the_lowest_identifier_wins_the_wire_and_bits_take_their_time() -> None:
    wire = CanWire(bitrate=10_000)
    seen: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()
    wire.join(Party(lambda frame: seen.append((frame.can_id, loop.time())), lambda classes: None))
    began_s = loop.time()
    for can_id in (0x500, 0x300, 0x100, 0x200):
        wire.put(WireFrame(can_id, bytes(8)), None)
    while len(seen) < 4:
        await asyncio.sleep(0.01)
    # The first was alone when it began; each takes 131 bits.
    assert [can_id for can_id, _ in seen] == [0x500, 0x100, 0x200, 0x300]
    assert seen[-1][1] - began_s >= 4 * 0.0131
