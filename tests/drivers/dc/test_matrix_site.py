"""Stacks that move between outlets while others run, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.api import Health
from drivers.dc.mover import Patience
from tests.drivers.can.rig import until
from tests.drivers.dc.rig import BOARD, PLUGGED_C, UU, Site, model, outlet_plan, ready, site, stack_plan

AT_HOME = {11: True, 22: True}
"""Coils: stack-1 at DC1, stack-2 at DC2."""


@asynccontextmanager
async def matrix(coils: dict[int, bool] | None = None, *, patience: Patience | None = None) -> AsyncIterator[Site]:
    """Two outlets with a stack of two modules each, either of which reaches both."""
    of = model(UU)
    stacks = [stack_plan(1, (1, 2), 1, of=of, reach=(1, 2)), stack_plan(2, (3, 4), 2, of=of, reach=(1, 2))]
    plans = [outlet_plan(1, max_power_w=200_000), outlet_plan(2, max_power_w=200_000)]
    start = AT_HOME if coils is None else coils
    async with site(plans, stacks, profile_id=UU, coils=start, patience=patience) as found:
        yield found
        assert all(way.worst <= 1 for way in found.ways.values()), "two contactors of one stack were closed"
        assert not any(way.broken_under_load for way in found.ways.values())


def places(found: Site) -> dict[str, str | None]:
    return {view.id: view.at for view in found.cluster.stacks()}


def serving(found: Site) -> dict[str, str]:
    return {view.id: view.text for view in found.cluster.stacks()}


async def allow(found: Site, kw: float, outlet: str, *, enabled: bool = True) -> None:
    await found.allow(kw, outlet, ac_ma=400_000, enabled=enabled)


async def lent(found: Site) -> None:
    """DC1 wants more than its own stack has, and gets the other one."""
    await ready(found)
    found.secc(1).charge(volts=400, amperes=300)
    await allow(found, 190, "DC1")
    await found.delivers(300)
    assert places(found) == {"stack-1": "DC1", "stack-2": "DC1"}


async def test_r9_an_idle_stack_is_lent_and_goes_back_to_its_owner_while_the_other_goes_on() -> None:
    async with matrix() as found:
        await lent(found)
        found.secc(2).charge(volts=400, amperes=80)
        least = 300.0
        began = asyncio.create_task(allow(found, 60, "DC2"))
        for _ in range(400):
            least = min(least, found.amperes("DC1"))
            assert found.amperes("DC1") <= 301
            await asyncio.sleep(0.01)
            if found.amperes("DC2") > 79:
                break
        await began
        await found.delivers(80, "DC2")
        await found.delivers(200, "DC1")
        assert least > 90, "the stack of its own never stopped"
        assert places(found) == {"stack-1": "DC1", "stack-2": "DC2"}


async def test_a_lent_stack_goes_home_when_nobody_needs_it() -> None:
    async with matrix() as found:
        await lent(found)
        found.secc(1).set(request=0, stage=0, status=0)
        await until(lambda: places(found)["stack-2"] == "DC2", "home")
        assert found.all_amperes == 0
        await until(lambda: serving(found)["stack-2"] == "serves DC2")


async def test_r9_the_relation_of_stack_and_outlet_is_read_at_start_and_kept_where_somebody_charges() -> None:
    async with matrix({11: True, 21: True}, patience=Patience(0.2, 5.0)) as found:
        await until(lambda: places(found) == {"stack-1": "DC1", "stack-2": "DC1"})
        found.secc(1).charge(volts=400, amperes=300)
        await allow(found, 190, "DC1")
        await found.delivers(300)
        assert places(found)["stack-2"] == "DC1"
        assert found.server.written == []
        assert not found.said("stack-2") or found.said("stack-2")[-1].health is Health.OK


async def test_r9_two_closed_contactors_at_start_are_opened_once_the_stack_is_proven_off() -> None:
    of = model(UU)
    plans = [outlet_plan(1), outlet_plan(2)]
    stack = stack_plan(1, (1, 2), 1, of=of, reach=(1, 2))
    async with site(plans, [stack], coils={11: True, 12: True}) as found:
        for module in found.modules["stack-1"]:
            module.stage.on, module.stage.set_v, module.stage.set_a = True, 400.0, 50.0
        assert found.modules["stack-1"][0].amperes >= 0
        await until(lambda: found.ways["stack-1"].closed == {"DC1": True, "DC2": False}, "one is open")
        assert not found.ways["stack-1"].broken_under_load
        await until(lambda: serving(found)["stack-1"] == "serves DC1")


async def test_a_command_without_its_contactor_at_start_is_taken_back_before_another_is_closed() -> None:
    """The crash came between the coil and the contactor."""
    async with matrix({21: True}) as found:
        found.ways["stack-2"].closed["DC1"] = False
        found.server.inputs[121] = False
        await until(lambda: serving(found) == {"stack-1": "serves DC1", "stack-2": "serves DC2"}, "all at home")
        assert found.server.coils == {11: True, 21: False, 22: True}


async def test_r9_a_contactor_that_does_not_close_leaves_the_stack_with_nobody_and_alarms() -> None:
    async with matrix() as found:
        await ready(found)
        found.stuck.add(21)
        found.secc(1).charge(volts=400, amperes=300)
        await allow(found, 190, "DC1")
        await until(lambda: "does not close" in serving(found)["stack-2"], "alarm")
        assert not found.server.coils[21], "its command is taken back"
        assert found.said("stack-2")[-1].health is Health.LOST
        assert places(found)["stack-2"] is None
        await found.delivers(200)
        found.secc(2).charge(volts=400, amperes=80)
        await allow(found, 60, "DC2")
        assert found.amperes("DC2") == 0


async def test_r9_a_welded_contactor_keeps_every_other_one_open() -> None:
    async with matrix() as found:
        await ready(found)
        found.stuck.add(22)
        found.secc(1).charge(volts=400, amperes=300)
        await allow(found, 190, "DC1")
        await until(lambda: "does not open" in serving(found)["stack-2"], "alarm")
        assert places(found)["stack-2"] == "DC2"
        assert not found.server.coils.get(21, False)
        assert found.said("stack-2")[-1].health is Health.LOST
        await found.delivers(200)


async def test_r9_a_contactor_that_opens_by_itself_switches_its_stack_off() -> None:
    async with matrix() as found:
        await lent(found)
        found.server.inputs[121] = False
        await until(lambda: not any(module.stage.on for module in found.modules["stack-2"]), "off")
        await found.delivers(200)
        found.server.inputs[121] = True
        await found.delivers(300)


async def test_r9_without_feedback_a_stack_is_off_and_nothing_is_switched() -> None:
    async with matrix() as found:
        await lent(found)
        found.server.board_mute = True
        await found.delivers(0)
        await until(lambda: found.said("stack-2")[-1].health is Health.LOST, "alarm")
        assert "do not show their state" in serving(found)["stack-2"]
        assert places(found) == {"stack-1": "DC1", "stack-2": "DC1"}
        found.server.board_mute = False
        await found.delivers(300)


async def test_r9_a_stack_that_is_not_proven_off_is_not_moved() -> None:
    async with matrix() as found:
        await lent(found)
        found.modules["stack-2"][0].dead = True
        found.secc(2).charge(volts=400, amperes=80)
        await allow(found, 60, "DC2")
        await asyncio.sleep(2.0)
        assert found.server.coils[21], "it may be live"
        assert places(found)["stack-2"] == "DC1"
        assert found.amperes("DC2") == 0
        assert found.amperes("DC1") <= 300.5
        found.secc(1).set(target_current=2200)
        await found.delivers(220)
        await asyncio.sleep(0.5)
        assert found.amperes("DC1") <= 220.5, "what it may be delivering is taken from the other one"


def input_ma(found: Site, outlet: str) -> int:
    latest = found.cluster.outlets[outlet].latest
    return 0 if latest is None or latest.current_ma is None else latest.current_ma.l1


async def test_r1_a_stack_that_may_be_live_counts_where_it_was_though_no_contactor_shows_closed() -> None:
    async with matrix() as found:
        await lent(found)
        for module in found.modules["stack-2"]:
            module.dead = True
        found.secc(1).set(target_current=2000)
        await until(lambda: found.modules["stack-1"][0].amperes < 51, "room was made for what is silent")
        found.server.inputs[121] = False
        await until(lambda: places(found)["stack-2"] is None, "the input was read")
        found.secc(1).charge(volts=400, amperes=300)
        await asyncio.sleep(1.0)
        assert input_ma(found, "DC1") > 90_000, "50 kW in two modules that do not tell"
        assert found.amperes("DC1") <= 300.5, "all that was granted"


async def test_r1_before_its_contactors_were_read_a_stack_counts_wherever_it_can_be() -> None:
    async with matrix() as found:
        found.server.board_mute = True
        for module in found.modules["stack-1"]:
            module.dead = True
        await until(lambda: all(input_ma(found, outlet) > 60_000 for outlet in ("DC1", "DC2")))


async def test_a_session_that_begins_finds_a_stack_ready() -> None:
    async with matrix({12: True, 21: True}, patience=Patience(0.2, 30.0)) as found:
        await ready(found)
        found.secc(1).set(status=PLUGGED_C)
        await allow(found, 50, "DC1")
        await until(lambda: places(found)["stack-1"] == "DC1", "its own stack comes before it asks")


async def test_a_unit_of_switches_is_named_on_its_bus() -> None:
    async with matrix() as found:
        await ready(found)
        assert f"dc:DC1/switches {BOARD}" in found.modbus.figures().devices


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.5, 0.7, 0.9, 1.2, 1.6])
async def test_r9_a_crash_at_any_moment_of_a_move_is_gone_on_from(after_s: float) -> None:
    """What is checked in each case: never two contactors closed, none opened under load (see `matrix`)."""
    async with matrix() as found:
        await lent(found)
        found.secc(2).charge(volts=400, amperes=80)
        move = asyncio.create_task(allow(found, 60, "DC2"))
        await asyncio.sleep(after_s)
        await found.crash_and_start_again()
        await asyncio.gather(move, return_exceptions=True)
        await until(lambda: found.cluster.outlets["DC2"].health is Health.OK)
        await until(lambda: found.cluster.outlets["DC1"].health is Health.OK)
        await asyncio.gather(allow(found, 190, "DC1"), allow(found, 60, "DC2"))
        await found.delivers(80, "DC2")
        await found.delivers(200, "DC1")
        assert places(found) == {"stack-1": "DC1", "stack-2": "DC2"}


async def test_r9_a_lost_order_to_switch_off_does_not_hold_up_the_hand_back_of_a_lent_stack() -> None:
    async with matrix() as found:
        await lent(found)
        until_s = asyncio.get_running_loop().time() + 0.4
        found.sim_wire.drop = lambda frame: asyncio.get_running_loop().time() < until_s
        found.secc(2).charge(volts=400, amperes=80)
        await allow(found, 60, "DC2")
        await found.delivers(80, "DC2")
        await found.delivers(200, "DC1")


async def test_r9_a_module_that_does_not_go_off_keeps_its_stack_where_it_is_and_is_named() -> None:
    async with matrix() as found:
        await lent(found)
        found.sim_wire.drop = lambda frame: frame.can_id >> 14 & 0x7F == 3 and frame.data[1] & 0x7F == 4
        found.secc(2).charge(volts=400, amperes=80)
        await allow(found, 60, "DC2")
        await until(lambda: "stack-2/3: does not switch off" in serving(found)["stack-2"])
        assert found.said("stack-2")[-1].health is Health.LOST
        assert found.said("stack-2/3")[-1].health is Health.LOST
        assert places(found)["stack-2"] == "DC1"
        assert found.server.coils[21]
        assert found.amperes("DC2") == 0
        assert found.amperes("DC1") <= 300.5
        found.sim_wire.drop = lambda frame: False
        await found.delivers(80, "DC2")
        await until(lambda: found.said("stack-2")[-1].health is Health.OK)
        assert found.said("stack-2/3")[-1].health is Health.OK
