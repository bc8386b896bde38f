"""From readings to events: what is new, what is believed, and what is evidence (R17)."""

import asyncio
import time

import pytest

from controller.charging.records import ChargingState, TransactionEnded, TransactionUpdated
from controller.charging.session import Running
from controller.runtime import watcher as watcher_module
from drivers.api import EvState
from tests.runtime.bench import Bench, evse_slice, meter_slice, plant_slice, until
from tests.runtime.conftest import Disk

ONE = plant_slice(evse_slice("A1"))


def transaction_of(bench: Bench) -> str:
    phase = bench.owner().state.phase
    assert isinstance(phase, Running)
    return phase.transaction.id


async def settle(bench: Bench) -> None:
    """Until the owner has worked off what was put."""
    owner = bench.owner()
    await until(lambda: owner._inbox.empty())
    await asyncio.sleep(0.05)


async def test_one_reading_without_a_car_is_a_glitch_and_two_are_an_unplug(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
        evse = bench.evse()
        evse.say(EvState.A)
        evse.say(EvState.B)
        evse.say(EvState.A)
        await settle(bench)
        assert bench.phase() == "Running"
        evse.say(EvState.A)
        await settle(bench)
        assert bench.phase() != "Running"


async def test_a_fault_is_told_once_and_its_end_once(bench: Bench) -> None:
    async with bench.run(ONE):
        evse = bench.evse()
        for error in ("overheated", "overheated", None, None):
            evse.say(EvState.A, error=error)
        await settle(bench)
        assert bench.owner().state.fault is None
        evse.say(EvState.F)
        await until(lambda: bench.owner().state.fault == "pilot F")
        faults = [after.fault for before, after in bench.shown if before.fault != after.fault]
        assert faults == ["overheated", None, "pilot F"]


async def test_r22_a_state_counts_when_it_has_held_for_a_while(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
        evse = bench.evse()
        await until(lambda: (bench.owner().offered_ma or 0) > 0)
        for _ in range(5):
            evse.say(EvState.C, drawn_ma=16_000)
            evse.say(EvState.B)
        await settle(bench)
        assert len(await bench.entries()) == 1
        end_s = time.monotonic() + watcher_module.STEADY_S + 0.5
        while time.monotonic() < end_s:
            evse.say(EvState.C, drawn_ma=16_000)
            await asyncio.sleep(0.1)
        await settle(bench)
        (update,) = (await bench.entries())[1:]
        assert isinstance(update, TransactionUpdated)
        assert update.state is ChargingState.CHARGING


async def test_a_state_that_waits_for_a_stalled_store_is_put_once(
    bench: Bench, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a day of failing storage fills the memory."""
    monkeypatch.setattr(watcher_module, "STEADY_S", 0.0)
    async with bench.run(ONE):
        await bench.charge()
        owner = bench.owner()
        await until(lambda: (owner.offered_ma or 0) > 0)
        disk.stall()
        for _ in range(50):
            bench.evse().say(EvState.C, drawn_ma=16_000)
            await asyncio.sleep(0.005)
        assert owner._inbox.qsize() <= 1
        disk.go_on()


async def test_r17_a_transaction_goes_on_after_a_restart_with_the_same_car(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
        before = transaction_of(bench)
    again = Bench(bench.store)
    async with again.run(ONE):
        again.evse().say(EvState.C, energy_wh=1010, drawn_ma=16_000)
        await settle(again)
        assert transaction_of(again) == before
        await until(lambda: again.evse().held_ma > 0)


async def test_r17_without_a_register_nothing_is_judged_yet(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
    again = Bench(bench.store)
    async with again.run(ONE):
        again.evse().push_without_register(EvState.C)
        await settle(again)
        phase = again.owner().state.phase
        assert isinstance(phase, Running)
        assert phase.unseen


async def test_r17_a_register_that_never_comes_does_not_keep_the_judgement_open(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench.run(ONE):
        await bench.charge()
    monkeypatch.setattr(watcher_module, "JUDGE_WITHIN_S", 0.2)
    again = Bench(bench.store)
    async with again.run(ONE):
        again.evse().push_without_register(EvState.C)
        await asyncio.sleep(0.3)
        again.evse().push_without_register(EvState.C)
        await again.becomes("Idle")
    ended = (await again.entries())[-1]
    assert isinstance(ended, TransactionEnded)
    assert ended.estimated


async def test_r17_a_car_that_left_during_the_down_time_needs_no_register_to_be_gone(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
    again = Bench(bench.store)
    async with again.run(ONE):
        again.evse().push_without_register(EvState.A)
        await settle(again)
        assert again.phase() == "Running", "one reading may be a glitch"
        again.evse().push_without_register(EvState.A)
        await again.becomes("Idle")


async def test_r17_the_charger_s_own_plug_counter_decides_without_a_register(bench: Bench) -> None:
    async with bench.run(ONE):
        bench.evse().counter = 7
        await bench.charge()
    again = Bench(bench.store)
    async with again.run(ONE):
        again.evse().counter = 8
        again.evse().push_without_register(EvState.C)
        await again.becomes("Idle")
        assert again.owner().state.message == "please present your card again"


async def test_r17_a_charger_that_was_lost_must_show_that_the_car_is_still_the_same(bench: Bench) -> None:
    async with bench.run(ONE):
        bench.evse().counter = 7
        await bench.charge()
        bench.evse().lose()
        phase = bench.owner().state.phase
        assert isinstance(phase, Running)
        assert phase.unseen
        bench.evse().counter = 8
        bench.evse().say(EvState.C, energy_wh=1001)
        await bench.becomes("Idle")


async def test_a_short_loss_ends_nothing(bench: Bench) -> None:
    async with bench.run(ONE):
        await bench.charge()
        before = transaction_of(bench)
        bench.evse().lose()
        bench.evse().say(EvState.C, energy_wh=1001)
        await settle(bench)
        assert transaction_of(bench) == before


async def test_an_own_meter_is_the_register_and_the_charger_s_is_not(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1", meter="m1"), meters=(meter_slice("m1"),))
    async with bench.run(plan):
        evse, meter = bench.evse(), bench.meter("m1")
        evse.say(EvState.B, energy_wh=1)
        await until(lambda: bench.owner().state.plug is not None)
        evse.tap("04A1B2C3D4E5F6")
        await bench.becomes("Starting")
        evse.say(EvState.B, energy_wh=1)
        await settle(bench)
        assert bench.phase() == "Starting"
        meter.say(0, 70_000)
        await bench.becomes("Running")
        evse.say(EvState.A)
        evse.say(EvState.A)
        await bench.becomes("Stopping")
        for _ in range(2):
            meter.say(2000, 70_500)
            await settle(bench)
        assert bench.phase() == "Stopping", "current flows"
        for _ in range(2):
            meter.say(0, 70_501)
            await settle(bench)
        await bench.becomes("Idle")
    assert [entry.meter.energy_wh for entry in await bench.entries() if entry.meter] == [70_000, 70_501]


async def test_r17_a_register_from_before_the_loss_is_no_evidence(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1", meter="m1"), meters=(meter_slice("m1"),))
    async with bench.run(plan):
        evse, meter = bench.evse(), bench.meter("m1")
        evse.say(EvState.B)
        await until(lambda: bench.owner().state.plug is not None)
        evse.tap("04A1B2C3D4E5F6")
        await bench.becomes("Starting")
        meter.say(0, 70_000)
        await bench.becomes("Running")
        evse.lose()
        evse.say(EvState.C)
        await settle(bench)
        phase = bench.owner().state.phase
        assert isinstance(phase, Running)
        assert phase.unseen
        meter.say(0, 70_001)
        evse.say(EvState.C)
        await settle(bench)
        phase = bench.owner().state.phase
        assert isinstance(phase, Running)
        assert not phase.unseen


async def test_r15_energy_without_a_session_raises_an_alarm_and_a_session_does_not(bench: Bench) -> None:
    async with bench.run(ONE):
        evse, watcher = bench.evse(), bench.plant.evses["A1"].watcher
        evse.say(EvState.A, energy_wh=1000)
        await until(lambda: bench.owner().state.rest_wh == 1000)
        alarms = []
        for energy_wh in (1019, 1020):
            evse.say(EvState.C, drawn_ma=6000, energy_wh=energy_wh)
            alarms.append(watcher.alarm)
        await bench.charge()
        evse.say(EvState.C, drawn_ma=16_000, energy_wh=3000)
        assert [*alarms, watcher.alarm] == [None, "A1: 20 Wh were drawn without a session", None]
