"""Changes while cars charge: what differs is rebuilt, the rest goes on, and no record is lost or doubled (R36)."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from controller.charging.records import (
    Route,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionUpdated,
    Trigger,
)
from controller.charging.rows import RowError
from controller.charging.session import Running, SampleTaken, StopAsked
from controller.runtime.slices import EvseSlice
from controller.store.store import Commit
from drivers.api import EvState
from drivers.setups import EvseSetup
from tests.runtime.bench import BOB, Bench, bus_slice, evse_slice, meter_slice, plant_slice, reader_slice, until
from tests.runtime.conftest import Disk

TWO = (bus_slice("bus-1"), bus_slice("bus-2", 503))


def stiffer(name: str, bus: str = "bus-1") -> EvseSlice:
    """The same EVSE with another fail-safe current: its driver must be built anew."""
    made = evse_slice(name, bus)
    assert isinstance(made.setup, EvseSetup)
    return replace(made, setup=replace(made.setup, failsafe_ma=8000))


async def test_r36_an_unchanged_plan_changes_nothing(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1"), readers=(reader_slice("door", "A1"),), meters=(meter_slice("m"),))
    async with bench.run(plan):
        before = (bench.evse(), bench.owner(), bench.buses["bus-1"], bench.readers["door"], bench.meter("m"))
        bench.apply(plan)
        assert before == (
            bench.evse(),
            bench.owner(),
            bench.buses["bus-1"],
            bench.readers["door"],
            bench.meter("m"),
        )


async def test_r36_a_neighbour_keeps_its_setpoint_without_a_gap(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1"), evse_slice("B1", "bus-2"), buses=TWO)
    async with bench.run(plan):
        bench.evse("B1").say(EvState.A)
        await bench.charge("A1")
        a1 = bench.evse("A1")
        await until(lambda: a1.held_ma == 32_000)
        mark = len(a1.applied)
        bench.apply(plant_slice(evse_slice("A1"), stiffer("B1", "bus-2"), evse_slice("A3"), buses=TWO))
        bench.evse("B1").say(EvState.A)
        bench.evse("A3").say(EvState.A)
        await until(lambda: bench.evse("A3").applied and bench.evse("B1").applied)
        bench.apply(plant_slice(evse_slice("A1")))
        await until(lambda: len(a1.applied) > mark + 5)
        assert bench.evse("A1") is a1
        assert {one.current_ma for one in a1.applied[mark:]} == {32_000}


async def test_r36_a_rebuilt_charger_keeps_its_transaction(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        old, owner = bench.evse(), bench.owner()
        phase = owner.state.phase
        assert isinstance(phase, Running)
        bench.apply(plant_slice(stiffer("A1")))
        assert bench.evse() is not old
        assert bench.owner() is owner
        bench.evse().say(EvState.C, energy_wh=1001, drawn_ma=16_000)
        await until(lambda: bench.evse().held_ma > 0)
        after = owner.state.phase
        assert isinstance(after, Running)
        assert (after.transaction.id, after.unseen) == (phase.transaction.id, False)


async def test_r17_a_rebuilt_charger_with_another_car_ends_the_transaction(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        bench.apply(plant_slice(stiffer("A1")))
        bench.evse().say(EvState.C, energy_wh=900_000)
        await bench.becomes("Idle")
    (ended,) = [one for one in await bench.entries() if isinstance(one, TransactionEnded)]
    assert (ended.meter.energy_wh, ended.estimated) == (1000, True)


async def test_a_rebuild_in_the_middle_of_a_commit_neither_loses_nor_doubles_a_record(
    bench: Bench, disk: Disk
) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        disk.stall()
        shown = bench.plant.evses["A1"].register.shown()
        assert shown is not None
        owner = bench.owner()
        owner.put(SampleTaken(owner.now, shown.value(SampleContext.TRIGGER), Trigger.TRIGGER))
        await asyncio.sleep(0.1)
        bench.apply(plant_slice(stiffer("A1")))
        bench.evse().say(EvState.C, energy_wh=1001)
        owner.put(SampleTaken(owner.now, shown.value(SampleContext.TRIGGER), Trigger.TRIGGER))
        disk.go_on()
        stop = StopAsked(owner.now, StopReason.LOCAL, Trigger.STOP_AUTHORIZED)
        await asyncio.wait_for(bench.owner().do(stop), 8)
        await bench.keep_saying(EvState.B, "Idle")
    entries = await bench.entries()
    assert [one.seq for one in entries] == list(range(len(entries)))
    assert Counter(type(one).__name__ for one in entries)["TransactionStarted"] == 1
    assert isinstance(entries[-1], TransactionEnded)


async def test_an_evse_that_goes_and_comes_back_in_the_middle_of_a_commit_is_the_same(
    bench: Bench, disk: Disk
) -> None:
    async with bench.run(plant_slice(evse_slice("A1"), evse_slice("A2"))):
        await bench.charge()
        disk.stall()
        owner = bench.owner()
        shown = bench.plant.evses["A1"].register.shown()
        assert shown is not None
        asked = owner.do(SampleTaken(owner.now, shown.value(SampleContext.TRIGGER), Trigger.TRIGGER))
        await asyncio.sleep(0.1)
        bench.apply(plant_slice(evse_slice("A2")))
        bench.apply(plant_slice(evse_slice("A1"), evse_slice("A2")))
        disk.go_on()
        await asyncio.wait_for(asked, 8)
        assert bench.owner() is owner
        bench.evse().say(EvState.C, energy_wh=1001)
        await until(lambda: owner._inbox.empty())
    assert [type(one).__name__ for one in await bench.entries()] == ["TransactionStarted", "TransactionUpdated"]


async def test_r36_a_wire_is_rebuilt_when_its_port_is_free(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"), evse_slice("B1", "bus-2"), buses=TWO)):
        await bench.charge("A1")
        old, neighbour = bench.buses["bus-1"], bench.buses["bus-2"]
        await until(lambda: old.open)
        moved = (bus_slice("bus-1", 1502), TWO[1])
        bench.apply(plant_slice(evse_slice("A1"), evse_slice("B1", "bus-2"), buses=moved))
        new = bench.buses["bus-1"]
        assert new is not old
        await until(lambda: new.open)
        assert not old.open
        assert bench.buses["bus-2"] is neighbour
        bench.evse("A1").say(EvState.C, energy_wh=1001, drawn_ma=16_000)
        await until(lambda: bench.evse("A1").held_ma > 0)
        assert bench.phase() == "Running"


async def test_a_move_to_another_csms_rebuilds_no_device_and_counts_from_the_next_record(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        old = bench.evse()
        bench.apply(plant_slice(evse_slice("A1", route=Route("other", "X"))))
        assert bench.evse() is old
        await bench.charge()
        assert (await bench.store.depth(Route("other", "X"))).waiting == 1


async def test_another_billing_meter_needs_new_evidence(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1", meter="m1"), meters=(meter_slice("m1", unit=1),))
    async with bench.run(plan):
        evse = bench.evse()
        evse.say(EvState.B)
        await until(lambda: bench.owner().state.plug is not None)
        evse.tap(BOB)
        await bench.becomes("Starting")
        bench.meter("m1").say(0, 70_000)
        await bench.becomes("Running")
        bench.apply(plant_slice(evse_slice("A1", meter="m1"), meters=(meter_slice("m1", unit=2),)))
        assert bench.evse() is evse, "the charger itself is the same"
        bench.meter("m1").say(0, 3)
        evse.say(EvState.C)
        await bench.becomes("Idle")
    (ended,) = [one for one in await bench.entries() if isinstance(one, TransactionEnded)]
    assert (ended.meter.energy_wh, ended.estimated) == (70_000, True)


async def test_a_damaged_state_of_a_new_evse_changes_nothing(bench: Bench) -> None:
    await bench.store.commit(Commit(states={"evse:A9": {"version": 1, "phase": "?"}}))
    async with bench.run(plant_slice(evse_slice("A1"))):
        before = (bench.plant.controlled, bench.evse(), bench.buses["bus-1"])
        with pytest.raises(RowError):
            bench.apply(plant_slice(stiffer("A1"), evse_slice("A9"), buses=(bus_slice("bus-1", 1502),)))
        assert before == (bench.plant.controlled, bench.evse(), bench.buses["bus-1"])
        bench.evse().say(EvState.A)
        await until(lambda: bench.evse().applied)


async def test_what_a_removed_device_still_says_is_nobody_s(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1"), evse_slice("A2"), meters=(meter_slice("m"),))
    async with bench.run(plan):
        gone, meter = bench.evse("A2"), bench.meter("m")
        meter.say(1000, 1)
        bench.apply(plant_slice(evse_slice("A1")))
        gone.say(EvState.B)
        gone.lose()
        gone.tap(BOB)
        meter.say(1000, 1)
        await asyncio.sleep(0.2)
        assert "m" not in bench.plant.readings
        view = bench.panorama.look()
        assert [one.id for one in view.evses] == ["A1"]
        assert view.alarms == ("the roof leaks",)


async def test_an_overload_in_a_meter_frame_brings_the_cycle_forward(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1"), meters=(meter_slice("grid"),), rating_a=40)
    plan = replace(plan, layout=replace(plan.layout, circuits=(replace(plan.layout.circuits[0], meter="grid"),)))
    async with bench.run(plan, period_s=30.0):
        bench.meter("grid").say(0, 1)
        await bench.charge()
        await until(lambda: bench.evse().held_ma > 0)
        before = bench.cycle.last_s
        bench.meter("grid").say(39_000, 1)
        await asyncio.sleep(0.3)
        assert bench.cycle.last_s == before
        bench.meter("grid").say(41_000, 1)
        await until(lambda: bench.cycle.last_s != before, within_s=1)


async def test_an_update_is_not_needed_for_every_reading(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        for _ in range(20):
            bench.evse().say(EvState.B)
        await asyncio.sleep(0.1)
    assert not [one for one in await bench.entries() if isinstance(one, TransactionUpdated)]
