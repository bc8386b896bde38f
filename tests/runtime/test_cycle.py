"""When the cycle runs, in which order it carries out, and what it believes of a device."""

import asyncio
import time
from dataclasses import replace

import pytest

from controller.allocation.image import Limit, Scope
from controller.charging.commands import StopLocally
from controller.runtime import cycle as cycle_module
from drivers.api import EvState
from tests.runtime.bench import BOB, Bench, evse_slice, plant_slice, until
from tests.runtime.conftest import Disk

ONE = plant_slice(evse_slice("A1"))


async def test_the_first_cycle_waits_until_every_charger_was_read(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"), evse_slice("A2"))):
        bench.evse("A1").say(EvState.A)
        await asyncio.sleep(0.3)
        assert bench.cycle.last_s is None
        bench.evse("A2").say(EvState.A)
        await until(lambda: bench.cycle.last_s is not None, within_s=1.0)


async def test_the_first_cycle_does_not_wait_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle_module, "FIRST_LOOK_S", 0.2)
    async with bench.run(ONE):
        await until(lambda: bench.cycle.last_s is not None, within_s=2.0)
        assert bench.cycle.plan.evses[0].bound_ma == 32_000


async def test_each_cycle_renews_the_lease(bench: Bench) -> None:
    async with bench.run(ONE):
        bench.evse().say(EvState.A)
        await until(lambda: len(bench.evse().applied) >= 3)
        leases = [one.valid_until_s for one in bench.evse().applied]
        assert leases == sorted(set(leases))
        assert leases[-1] == pytest.approx(time.monotonic() + cycle_module.LEASE_S, abs=1.0)


async def test_r3_a_falling_permit_brings_the_cycle_forward_even_when_the_disk_stalls(
    bench: Bench, disk: Disk
) -> None:
    async with bench.run(ONE, period_s=30.0):
        await bench.charge()
        await until(lambda: bench.evse().held_ma > 0)
        disk.stall()
        asked = asyncio.create_task(bench.site.ask(StopLocally("A1")))
        await until(lambda: bench.evse().held_ma == 0, within_s=2.0)
        assert not bench.evse().applied[-1].enabled
        assert not asked.done()
        disk.go_on()
        await asked


async def test_a_limit_from_outside_is_carried_out_when_prompted(bench: Bench) -> None:
    async with bench.run(ONE, period_s=30.0):
        await bench.charge()
        await until(lambda: bench.evse().held_ma == 32_000)
        bench.limits.put(Limit("grid operator", Scope.CHARGING, "main", 10_000))
        bench.cycle.prompt()
        await until(lambda: bench.evse().held_ma == 10_000, within_s=2.0)


async def test_reductions_are_handed_out_before_increases(bench: Bench) -> None:
    """In one cycle A1, the first of the layout, may have more and A2 must have less."""
    low = Limit("load profile", Scope.EVSE, "A1", 10_000)
    async with bench.run(plant_slice(evse_slice("A1"), evse_slice("A2"))):
        bench.limits.put(low)
        bench.evse("A2").say(EvState.A)
        await bench.charge("A1")
        await bench.charge("A2", BOB)
        await until(lambda: (bench.evse("A1").held_ma, bench.evse("A2").held_ma) == (10_000, 32_000))
        await asyncio.sleep(5.5)  # a raise follows a raise by 5 s (R7)
        mark = len(bench.buses["bus-1"].journal)
        bench.limits.withdraw("load profile")
        bench.limits.put(replace(low, target="A2"))
        await until(lambda: bench.evse("A1").held_ma == 32_000)
    journal = bench.buses["bus-1"].journal[mark:]
    assert journal.index(("A2", 10_000)) < journal.index(("A1", 32_000))


async def test_the_cycle_goes_on_when_what_it_controls_is_replaced(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"), evse_slice("A2"))):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await until(lambda: bench.cycle.last_s is not None)
        bench.apply(plant_slice(evse_slice("A2"), evse_slice("A3")))
        assert {one.id for one in bench.panorama.look().evses} == {"A2", "A3"}
        await until(lambda: {one.id for one in bench.cycle.plan.evses} == {"A2", "A3"})
        bench.evse("A3").say(EvState.A)
        await until(lambda: bench.evse("A3").applied)


async def test_r1_a_charger_on_a_wire_that_nobody_serves_is_lost(bench: Bench) -> None:
    """Its last word was OK, but its lease runs out now and its watchdog takes over."""
    async with bench.run(ONE):
        await bench.charge()
        await until(lambda: bench.evse().held_ma > 0)
        bench.buses["bus-1"].break_it()
        await until(lambda: bench.cycle.plan.evses[0].reason.text() == "unreachable", within_s=3)
        assert bench.panorama.look().evses[0].status.value == "unreachable"
        assert "RuntimeError: a bug" in " ".join(bench.panorama.look().alarms)
        await until(lambda: bench.buses["bus-1"].starts == 2)
        await until(lambda: bench.cycle.plan.evses[0].reason.text() != "unreachable")


async def test_r3_a_prompt_just_after_a_cycle_does_not_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With so long a time between prompted cycles that one that waited would not come within this test."""
    monkeypatch.setattr(cycle_module, "PROMPTED_APART_S", 60.0)
    ends_s: list[float | None] = [None]
    async with bench.run(ONE, period_s=60.0):
        bench.evse().say(EvState.A)
        for _ in range(3):
            await until(lambda: bench.cycle.last_s not in ends_s)
            ends_s.append(bench.cycle.last_s)
            bench.cycle.prompt()
    assert len(ends_s) == 4
