"""Groups of power modules against simulated ones, over real sockets and ptys."""

import asyncio
import random

import pytest

from drivers.api import Health, HealthChanged
from drivers.can.bus import CanBus
from drivers.can.families.choice import family_of
from drivers.can.frame import Socketcand
from drivers.can.group import ModuleGroup
from drivers.can.group_setup import GroupSetup, Target
from drivers.can.module import ModuleState
from sim.can.modules import SimInfyPower, SimUuGreen
from sim.can.source import Stage
from sim.can.wire import WireFrame
from tests.drivers.can.rig import FAMILIES, Rig, quick, rig, shipped, until

INFY, UU, SCU, HUAWEI = FAMILIES


@pytest.mark.parametrize("by", ["socketcand", "slcan"])
@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_a_group_is_found_delivers_what_was_asked_and_switches_off(profile_id: str, by: str) -> None:
    async with rig(profile_id, by=by) as site:
        await site.off()
        assert site.amperes == 0
        for amperes in (120, 30, 210):
            site.aim(400, amperes)
            await site.delivers(amperes)
        await until(lambda: site.group.reading().bound_ma == 210_000)
        await until(lambda: abs((site.group.reading().current_ma or 0) - 210_000) < 300)
        assert abs((site.group.reading().voltage_mv or 0) - 353_500) < 1000
        assert {view.state for view in site.views()} == {ModuleState.ON}
        site.group.aim(None)
        await site.off()
        assert site.amperes == 0
        assert site.group.reading().bound_ma == 0


@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_while_a_target_changes_never_more_flows_than_it_or_than_flowed_before(profile_id: str) -> None:
    async with rig(profile_id) as site:
        await site.off()
        for amperes in (90, 210, 60, 150):
            most = max(amperes, site.amperes)
            site.aim(400, amperes)
            for _ in range(60):
                await asyncio.sleep(0.01)
                assert site.amperes <= most + 0.5
                most = max(amperes, min(most, site.amperes))


async def test_r9_a_target_that_is_not_renewed_switches_off() -> None:
    async with rig(UU) as site:
        await site.off()
        site.aim(400, 90, for_s=1.0)
        await site.delivers(90)
        await site.delivers(0)
        await site.off()


async def test_the_end_of_the_task_switches_off() -> None:
    async with rig(HUAWEI) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        site.task.cancel()
        await asyncio.gather(site.task, return_exceptions=True)
        await until(lambda: not any(module.stage.on for module in site.modules))


async def test_r1_a_silent_module_without_a_known_time_out_counts_for_ever() -> None:
    async with rig(UU) as site:
        await site.off()
        site.aim(400, 120)
        await site.delivers(120)
        await until(lambda: site.group.reading().bound_ma == 120_000)
        site.modules[0].dead = True
        await until(lambda: site.views()[0].state is ModuleState.SILENT)
        site.aim(400, 60)
        await site.delivers(60)
        assert site.modules[0].stage.on, "it goes on delivering its 40 A"
        await asyncio.sleep(2.5)
        reading = site.group.reading()
        assert reading.modules[0].bound_ma == 40_000
        assert reading.bound_ma == 60_000
        assert reading.current_ma is None, "nobody knows what the silent one delivers"
        assert reading.modules[0].current_ma is None
        lost = [event for event in site.events if isinstance(event, HealthChanged) and event.device == "out1/1"]
        assert lost[-1].health is Health.LOST
        assert "counts with 40 A" in lost[-1].text


async def test_a_silent_module_is_left_alone_and_counts_until_its_own_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.can.module.LAST_CHANCE_S", 0.2)
    async with rig(INFY, timeout_s=1.5, switches_off_s=2.5) as site:
        await site.off()
        site.aim(400, 120)
        await site.delivers(120)
        await until(lambda: site.group.reading().bound_ma == 120_000)
        silent = site.modules[0]
        silent.dead = True
        await until(lambda: site.views()[0].state is ModuleState.SILENT)
        left = silent.heard
        while site.views()[0].state is ModuleState.SILENT:
            assert sum(module.amperes for module in site.modules) <= 120.5
            assert site.views()[0].bound_ma == 40_000
            await asyncio.sleep(0.02)
        assert silent.amperes == 0, "it was counted as off while it was live"
        assert silent.heard == left
        await site.delivers(120)
        assert [round(module.amperes) for module in site.modules] == [0, 60, 60]


async def test_a_module_that_hears_and_does_not_answer_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.can.module.LAST_CHANCE_S", 0.2)
    async with rig(INFY, timeout_s=1.0, switches_off_s=2.0) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        site.modules[2].mute = True
        await until(lambda: not site.modules[2].stage.on)
        await until(lambda: site.views()[2].state is ModuleState.GONE)
        await site.delivers(90)
        site.modules[2].mute = False
        await until(lambda: round(site.modules[2].amperes) == 30, "taken back", 30.0)
        await site.delivers(90)


async def test_a_module_that_comes_back_live_is_switched_off_first() -> None:
    async with rig(SCU) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        site.modules[0].dead = True
        await until(lambda: site.views()[0].state is ModuleState.SILENT)
        site.group.aim(None)
        await until(lambda: not site.modules[1].stage.on)
        assert site.modules[0].stage.on
        site.modules[0].dead = False
        await site.off()
        assert site.amperes == 0


@pytest.mark.parametrize("profile_id", [INFY, SCU])
async def test_a_faulty_module_is_taken_out_and_the_others_take_over(profile_id: str) -> None:
    async with rig(profile_id) as site:
        await site.off()
        site.aim(400, 120)
        await site.delivers(120)
        site.modules[1].fault = True
        await until(lambda: site.views()[1].state is ModuleState.FAULT)
        await site.delivers(120)
        assert [round(module.amperes) for module in site.modules] == [60, 0, 60]
        assert site.views()[1].alarms & {"fault_alarm", "dcdc_short_circuit"}


async def test_two_modules_at_one_address_are_switched_off_and_count_twice() -> None:
    async with rig(UU) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        second = SimUuGreen(site.wire, site.modules[0].address, Stage(site.battery, rated_a=100.0))
        second.serial = 0x0AB
        await until(lambda: site.views()[0].state is ModuleState.CONFLICT)
        await until(lambda: not site.modules[0].stage.on and not second.stage.on)
        await until(lambda: site.views()[0].bound_ma == 60_000)
        await until(lambda: round(site.amperes) == 30)


async def test_the_duplicate_alarm_of_a_module_is_a_conflict() -> None:
    async with rig(INFY, count=2) as site:
        await site.off()
        for module in site.modules:
            assert isinstance(module, SimInfyPower)
            module.duplicate = True
        await until(lambda: {view.state for view in site.views()} == {ModuleState.CONFLICT})
        site.aim(400, 50)
        await asyncio.sleep(0.5)
        assert site.amperes == 0


async def test_lost_frames_are_made_up_for() -> None:
    async with rig(INFY) as site:
        chance = random.Random(7)  # in a fixed pattern it could always be the same answer that gets lost
        site.wire.drop = lambda frame: chance.random() < 0.3
        site.aim(400, 120)
        await site.delivers(120)
        site.group.aim(None)
        await site.delivers(0)
        await site.off()


async def test_a_lost_bus_makes_everything_unknown_and_comes_back() -> None:
    async with rig(HUAWEI) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        port = site.server.port
        await site.server.stop()
        await until(lambda: {view.state for view in site.views()} == {ModuleState.SILENT})
        reading = site.group.reading()
        assert reading.current_ma is None
        assert reading.voltage_mv is None
        assert reading.bound_ma >= 90_000
        await site.server.start(port)
        await site.delivers(90)


async def test_a_voltage_or_power_out_of_reach_is_not_ordered() -> None:
    async with rig(UU) as site:
        await site.off()
        site.aim(1100, 30)
        await asyncio.sleep(0.4)
        assert site.amperes == 0
        # 40 kW at 800 V are 50 A for each of three.
        site.aim(800, 300)
        await site.delivers(150)


@pytest.mark.parametrize(("mv", "ma"), [(0, 10), (-1, 10), (400_000, -1)])
async def test_an_impossible_target_is_refused(mv: int, ma: int) -> None:
    async with rig(UU, count=1) as site:
        with pytest.raises(ValueError, match="no possible output"):
            site.group.aim(Target(mv, ma, 1e9))


async def test_a_forgotten_module_counts_again_when_it_answers() -> None:
    async with rig(UU) as site:
        await site.off()
        site.modules[0].dead = True
        site.aim(400, 60)
        await until(lambda: site.views()[0].state in {ModuleState.SILENT, ModuleState.GONE})
        site.group.forget(1)
        assert len(site.views()) == 2
        await site.delivers(60)


async def found_by_itself(profile_id: str, site: Rig, group_number: int | None) -> ModuleGroup:
    profile, frames = quick(profile_id), shipped(profile_id).frames
    return ModuleGroup(
        GroupSetup("out2", (), whole_bus=True),
        profile,
        family_of(profile, frames, group_number),
        bus=site.bus,
        sink=site.events.append,
    )


@pytest.mark.parametrize(("profile_id", "number"), [(INFY, 1), (UU, None), (HUAWEI, None)])
async def test_modules_are_found_by_themselves(profile_id: str, number: int | None) -> None:
    async with rig(profile_id, count=3) as site:
        for module in site.modules:
            if isinstance(module, SimInfyPower):
                module.group_size = 3
        await until(lambda: site.bus.health is Health.OK)
        group = await found_by_itself(profile_id, site, number)
        task = asyncio.create_task(group.run())
        await until(lambda: {view.state for view in group.reading().modules} == {ModuleState.OFF})
        assert sorted(view.address for view in group.reading().modules) == [each.address for each in site.modules]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("profile_id", "addresses", "text"),
    [
        (UU, (0,), "has addresses 1 to 127"),
        (UU, (1, 1), "given twice"),
        (SCU, (), "give the addresses"),
        (INFY, (0, 1, 2, 3, 4), "at most 4 modules"),
    ],
)
async def test_a_setup_that_cannot_work_is_refused(profile_id: str, addresses: tuple[int, ...], text: str) -> None:
    profile, frames = shipped(profile_id).profile, shipped(profile_id).frames
    bus = CanBus("dc", Socketcand("127.0.0.1", 1, "can0", 125_000), lambda event: None)
    with pytest.raises(ValueError, match=text):
        ModuleGroup(
            GroupSetup("x", addresses, whole_bus=True),
            profile,
            family_of(profile, frames),
            bus=bus,
            sink=lambda event: None,
        )


async def test_a_bus_with_another_bit_rate_than_the_modules_is_refused() -> None:
    profile, frames = shipped(INFY).profile, shipped(INFY).frames
    bus = CanBus("dc", Socketcand("127.0.0.1", 1, "can0", 250_000), lambda event: None)
    with pytest.raises(ValueError, match="needs 125000 bit/s, its bus has 250000"):
        ModuleGroup(
            GroupSetup("x", (0,), whole_bus=True),
            profile,
            family_of(profile, frames),
            bus=bus,
            sink=lambda event: None,
        )


async def test_frames_without_sense_are_counted_and_change_nothing() -> None:
    async with rig(INFY, count=1) as site:
        await site.off()
        before = site.views()[0].voltage_mv

        site.wire.put(WireFrame(0x0283F000, bytes.fromhex("7fc000007fc00000")), None)
        await until(lambda: site.group.garbled == 1)
        assert site.views()[0].voltage_mv == before


def proven_off(site: Rig) -> bool:
    return site.group.proven_off


def heard(site: Rig) -> bool:
    return site.group.heard


async def test_r9_a_group_is_proven_off_only_after_its_last_target_and_never_while_one_may_be_live() -> None:
    async with rig(UU) as site:
        await site.off()
        assert proven_off(site)
        site.aim(400, 90)
        await site.delivers(90)
        assert not proven_off(site)
        site.group.aim(None)
        assert not proven_off(site)
        await until(lambda: proven_off(site))
        assert site.amperes == 0
        site.aim(400, 90)
        await site.delivers(90)
        site.modules[2].dead = True
        site.group.aim(None)
        await until(lambda: site.group.reading().bound_ma == 30_000)
        await asyncio.sleep(0.5)
        assert not proven_off(site), "a silent module without a known time-out may deliver for ever"


async def test_a_silent_module_is_proven_off_by_its_time_out() -> None:
    async with rig(INFY, timeout_s=0.8, switches_off_s=1.2, silent_s=0.4) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        site.modules[1].dead = True
        site.group.aim(None)
        await asyncio.sleep(0.2)
        assert not proven_off(site)
        await until(lambda: proven_off(site))
        assert site.amperes == 0


async def test_a_group_knows_whether_all_of_it_was_ever_heard_and_what_it_can_deliver() -> None:
    async with rig(UU) as site:
        assert not heard(site)
        await site.off()
        assert heard(site)
        assert site.group.most_ma(400_000) == 300_000
        assert site.group.most_ma(1_000_000) == 120_000
        assert site.group.most_ma(1_000_001) == 0
        site.modules[0].dead = True
        await until(lambda: site.group.most_ma(400_000) == 200_000)
        assert site.group.held_ma(400_000) == 0, "it was proven off before it fell silent"
        site.aim(400, 60)
        await site.delivers(60)
        site.modules[1].dead = True
        await until(lambda: site.group.held_ma(400_000) == 30_000)


def for_a_while(site: Rig, lost_s: float) -> None:
    """Every frame from us is lost."""
    until_s = asyncio.get_running_loop().time() + lost_s
    site.wire.drop = lambda frame: asyncio.get_running_loop().time() < until_s


@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_r9_the_last_order_to_switch_off_is_repeated_until_it_is_obeyed(profile_id: str) -> None:
    async with rig(profile_id) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        for_a_while(site, 0.4)
        site.task.cancel()
        await asyncio.gather(site.task, return_exceptions=True)
        assert not any(module.stage.on for module in site.modules)
        assert site.amperes == 0


@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_r9_a_lost_order_to_switch_off_is_repeated_while_the_group_runs(profile_id: str) -> None:
    async with rig(profile_id) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        for_a_while(site, 0.3)
        site.group.aim(None)
        await site.off()
        assert not any(module.stage.on for module in site.modules)


async def test_a_group_that_is_off_ends_at_once_and_one_that_never_goes_off_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("drivers.can.group.FAREWELL_S", 0.6)
    for charges in (False, True):
        async with rig(UU) as site:
            await site.off()
            if charges:
                site.aim(400, 90)
                await site.delivers(90)
                site.modules[1].dead = True
            sent = site.bus.figures.sent
            site.task.cancel()
            await asyncio.gather(site.task, return_exceptions=True)
            assert (site.bus.figures.sent > sent) == charges
            assert ("left that do not show that they are off: out1/2" in caplog.text) == charges


async def test_r1_a_module_that_does_not_go_off_is_named_counts_on_and_is_told_so_again_and_again() -> None:
    async with rig(INFY) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        told = [0]

        def deaf_for_off(frame: WireFrame) -> bool:
            """Module 1 obeys everything but this."""
            is_off = frame.can_id >> 16 & 0x3F == 0x1A and frame.can_id >> 8 & 0xFF == 1 and frame.data[0] == 1
            told[0] += is_off
            return is_off

        site.wire.drop = deaf_for_off
        site.group.aim(None)
        await until(lambda: site.views()[1].state is ModuleState.STUCK)
        assert site.group.reading().bound_ma == 30_000
        assert not proven_off(site)

        def said() -> HealthChanged:
            events = [one for one in site.events if isinstance(one, HealthChanged) and one.device == "out1/1"]
            return events[-1]

        await until(lambda: said().health is Health.LOST)
        assert said().text == "does not switch off, counts with 30 A until it is known to be off"
        before = told[0]
        await asyncio.sleep(1.0)
        assert 2 < told[0] - before < 30, "once in each poll of 0.05 s"
        site.aim(400, 90)
        await until(lambda: round(site.modules[0].amperes) == 30, "what it may deliver is taken from the others")
        assert round(site.amperes) <= 90
        site.wire.drop = lambda frame: False
        await until(lambda: site.views()[1].state in {ModuleState.OFF, ModuleState.ON})
        await site.delivers(90)


@pytest.mark.parametrize("profile_id", FAMILIES)
async def test_a_module_that_was_without_mains_for_a_moment_delivers_again(
    profile_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So short that it never counted as silent."""
    monkeypatch.setattr("drivers.can.module.ASKED_AGAIN_S", 0.4)
    async with rig(profile_id) as site:
        await site.off()
        site.aim(400, 90)
        await site.delivers(90)
        await asyncio.sleep(0.3)
        site.modules[0].mains(False)
        site.modules[0].mains(True)
        assert site.amperes < 61
        await site.delivers(90)
