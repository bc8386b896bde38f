"""CAN buses of a site: faults that the adapter sees, and modules that live in simulated time."""

import asyncio
from collections.abc import Callable

import pytest

from sim.can.bus import CanBus
from sim.can.faults import CanFault
from sim.can.module_profile import load_module_profile
from sim.can.modules import SimInfyPower, SimModule
from sim.can.wire import BUS_OFF_CLASS, RESTARTED_CLASS, Party, WireFrame
from sim.device_profile import UnknownProfileError
from sim.world import World
from tests.sim.dc_sites import dc_scenario, one_outlet, outlet, stack
from tests.sim.sites import pass_time, still_world

ON = WireFrame(0x029A00F0, bytes(8))
OFF = WireFrame(0x029A00F0, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
SET_400_V_50_A = WireFrame(0x029C00F0, bytes.fromhex("00061a800000c350"))


class Ear:
    """A node that notes what it hears."""

    def __init__(self, bus: CanBus) -> None:
        self.frames: list[WireFrame] = []
        self.errors: list[int] = []
        self.party = Party(self.frames.append, self.errors.append)
        bus.wire.join(self.party)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def can(world: World) -> CanBus:
    return world.dc.can["can0"]


def module(world: World, name: str = "stack-1.0") -> SimModule:
    return world.dc.modules[name]


async def say(world: World, *frames: WireFrame) -> None:
    """Send, and give the wire and the modules their time."""
    for frame in frames:
        can(world).wire.put(frame, None)
    await asyncio.sleep(0.1)


async def test_a_module_obeys_its_bus_and_ramps_in_simulated_time() -> None:
    async with still_world(one_outlet()) as world:
        await say(world, SET_400_V_50_A, ON)
        assert (module(world).stage.on, module(world, "stack-1.1").stage.on) == (True, False)
        assert module(world).stage.volts == 0
        pass_time(world, 2)
        assert world.dc.stations[0].outlet.volts == pytest.approx(400)
        assert module(world).stage.volts == pytest.approx(400)


async def test_an_infypower_module_switches_off_after_ten_seconds_of_silence() -> None:
    async with still_world(one_outlet()) as world:
        await say(world, SET_400_V_50_A, ON)
        pass_time(world, 9.5)
        assert module(world).stage.on
        pass_time(world, 1)
        assert not module(world).stage.on


async def test_other_families_go_on_for_ever() -> None:
    stacks = [stack(profile="uugreenpower-ur1000x0", addresses=[1])]
    async with still_world(dc_scenario(outlet(), stacks=stacks)) as world:
        one = module(world, "stack-1.1")
        one.stage.on, one.stage.set_v, one.stage.set_a = True, 300.0, 10.0
        pass_time(world, 120)
        assert world.dc.stations[0].outlet.volts == pytest.approx(300)


@pytest.mark.parametrize(
    ("profile", "first", "bitrate"),
    [
        ("infypower-v1.13", 0, 125_000),
        ("uugreenpower-ur1000x0", 1, 125_000),
        ("scu-dpm1000", 0, 125_000),
        ("huawei-r100040gx", 1, 125_000),
    ],
)
def test_every_family_that_ships_can_be_simulated(profile: str, first: int, bitrate: int) -> None:
    found = load_module_profile(profile)
    assert (found.first, found.bitrate) == (first, bitrate)
    assert found.rated_w >= 30_000


def test_an_unknown_module_is_named() -> None:
    with pytest.raises(UnknownProfileError, match="no-such"):
        load_module_profile("no-such")


async def test_a_module_that_gets_an_address_that_is_taken_is_a_duplicate() -> None:
    async with still_world(one_outlet()) as world:
        world.dc.readdress("stack-1.1", 0)
        ear = Ear(can(world))
        await say(world, WireFrame(0x028400F0, bytes(8)))
        assert [frame.data.hex() for frame in ear.frames[1:]] == ["0000000000020100"] * 2
        world.dc.readdress("stack-1.1", 1)
        assert not any(m.duplicate for m in world.dc.modules.values() if isinstance(m, SimInfyPower))


async def test_modules_of_one_maker_count_each_other() -> None:
    async with still_world(one_outlet()) as world:
        ear = Ear(can(world))
        await say(world, WireFrame(0x02823FF0, bytes(8)))
        assert ear.frames[1].data[2] == 2


async def test_no_mains_no_module() -> None:
    async with still_world(one_outlet()) as world:
        await say(world, SET_400_V_50_A, ON)
        world.set_power(False)
        assert not module(world).stage.on
        await say(world, ON)
        assert not module(world).stage.on
        world.set_power(True)
        await say(world, ON)
        assert module(world).stage.on
        assert module(world).stage.set_v == 0


async def test_a_silent_wire_loses_everything_and_says_nothing() -> None:
    async with still_world(one_outlet()) as world:
        ear = Ear(can(world))
        can(world).faults.set(CanFault("silent", 1.0, None))
        await say(world, ON)
        assert (ear.frames, ear.errors, module(world).stage.on) == ([], [], False)


async def test_bus_off_is_told_and_so_is_its_end() -> None:
    async with still_world(one_outlet()) as world:
        ear = Ear(can(world))
        can(world).faults.set(CanFault("bus_off", 1.0, None))
        await say(world, ON)
        assert (ear.frames, ear.errors) == ([], [BUS_OFF_CLASS])
        can(world).faults.clear()
        await say(world, ON)
        assert (ear.frames, ear.errors) == ([ON], [BUS_OFF_CLASS, RESTARTED_CLASS])


async def test_noise_loses_a_share_of_the_frames_with_an_error_each() -> None:
    async with still_world(one_outlet()) as world:
        ear = Ear(can(world))
        can(world).faults.set(CanFault("noise", 0.5, None))
        for _ in range(100):
            can(world).wire.put(OFF, None)
        await until(lambda: len(ear.frames) + len(ear.errors) >= 100)
        assert 25 < len(ear.frames) < 75


async def test_faults_end_in_time_and_error_frames_come_without_loss() -> None:
    async with still_world(one_outlet()) as world:
        bus = can(world)
        ear = Ear(bus)
        task = asyncio.create_task(bus.faults.run())
        bus.faults.set(CanFault("error_frames", 1.0, None))
        await until(lambda: len(ear.errors) >= 3)
        await say(world, OFF)
        assert OFF in ear.frames
        bus.faults.clear()
        world.clock.scale = 1.0
        bus.faults.set(CanFault("bus_off", 1.0, world.clock.now_s + 0.2))
        await until(lambda: RESTARTED_CLASS in ear.errors)
        task.cancel()


async def test_a_wire_takes_its_time_for_every_bit() -> None:
    async with still_world(one_outlet()) as world:
        ear = Ear(can(world))
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for _ in range(50):
            can(world).wire.put(OFF, None)
        await until(lambda: len(ear.frames) == 50)
        # 50 frames of 131 bits at 125 kbit/s
        assert loop.time() - began_s >= 50 * 131 / 125_000
