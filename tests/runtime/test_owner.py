"""The order of event, commit and publication, with a good, a failing and a stalled disk."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from controller.charging.commands import Result, StopLocally
from controller.charging.records import (
    ChargingState,
    SampleContext,
    StopReason,
    TransactionEnded,
    TransactionUpdated,
    Trigger,
)
from controller.charging.rows import state_from_row
from controller.charging.rules import Rules
from controller.charging.session import (
    AvailabilityAsked,
    EvseState,
    Idle,
    Payer,
    Plugged,
    Presented,
    Resumed,
    Running,
    SampleTaken,
    Starting,
    StopAsked,
    Unplugged,
    Verdict,
    Waiting,
)
from controller.charging.tokens import Token
from controller.clock import Clock
from controller.runtime import owner as owner_module
from controller.runtime.owner import EvseOwner, OwnerParts
from controller.runtime.registers import BillingRegister
from controller.store.database import FILE
from controller.store.errors import Kind, StoreError
from controller.store.store import Store
from drivers.api import DeviceError, EvseReading, EvState, Fault, Phases
from tests.runtime.bench import BOB, ROUTE, Bench, evse_slice, plant_slice, until
from tests.runtime.conftest import Disk

ALICE = Payer(Token("04A1B2C3", "04A1B2C3"), Trigger.AUTHORIZED)


@dataclass
class Desk:
    """One owner with all that it needs, and what it published."""

    store: Store
    rules: Rules = field(default_factory=lambda: Rules(sample_interval_s=0))
    accepts: bool = True
    clock: Clock = field(default_factory=Clock)
    shown: list[tuple[EvseState, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.register = BillingRegister(own_meter=False)

    async def authorise(self, evse: str, payer: Payer) -> Verdict:
        return Verdict(self.clock.now(), payer.token, self.accepts, "" if self.accepts else "Blocked")

    @asynccontextmanager
    async def run(self, state: EvseState | None = None) -> AsyncIterator[EvseOwner]:
        parts = OwnerParts(
            store=self.store,
            clock=self.clock,
            rules=lambda: self.rules,
            authorise=self.authorise,
            register=self.register,
            changed=lambda before, after: self.shown.append((after, self.owner.permit)),
            route=ROUTE,
        )
        self.owner = EvseOwner(state or EvseState("A1"), parts)
        task = asyncio.create_task(self.owner.run())
        try:
            yield self.owner
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    def read(self, energy_wh: int, state: EvState = EvState.B) -> None:
        self.register.on_reading(EvseReading(time.monotonic(), state, state.plugged, Phases(0, 0, 0), 0, energy_wh))

    async def charge(self) -> None:
        now = self.clock.now()
        await self.owner.do(Resumed(now, plugged=False, id="none"))
        await self.owner.do(Plugged(now, "plug-1"))
        await self.owner.do(Presented(now, ALICE))
        await until(lambda: isinstance(self.owner.state.phase, Starting))
        self.read(1000)
        await until(lambda: self.owner.permit)

    async def stored(self) -> EvseState:
        return state_from_row((await self.store.states())["evse:A1"])


def stop(clock: Clock) -> StopAsked:
    return StopAsked(clock.now(), StopReason.LOCAL, Trigger.STOP_AUTHORIZED)


def sample(desk: Desk, energy_wh: int = 1100) -> SampleTaken:
    desk.read(energy_wh)
    shown = desk.register.shown()
    assert shown is not None
    return SampleTaken(desk.clock.now(), shown.value(SampleContext.TRIGGER), Trigger.TRIGGER)


async def test_a_state_is_published_when_it_is_durable_and_never_before(store: Store, tmp_path: Path) -> None:
    desk = Desk(store)
    published: list[str] = []

    def changed(before: EvseState, after: EvseState) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as other:
            (row,) = other.execute("SELECT json FROM state WHERE key = 'evse:A1'").fetchone()
        assert state_from_row(json.loads(row)) == after
        published.append(type(after.phase).__name__)

    async with desk.run() as owner:
        owner.parts = replace(owner.parts, changed=changed)
        await desk.charge()
    assert published == ["Idle", "Authorising", "Starting", "Running"]
    assert [type(entry).__name__ for entry in await Bench(store).entries()] == ["TransactionStarted"]


async def test_r3_energy_waits_for_the_durable_start(store: Store, disk: Disk) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.owner.do(Plugged(desk.clock.now(), "plug-1"))
        await desk.owner.do(Presented(desk.clock.now(), ALICE))
        await until(lambda: isinstance(owner.state.phase, Starting))
        disk.stall()
        desk.read(1000)
        await asyncio.sleep(0.3)
        assert not owner.permit
        disk.go_on()
        await until(lambda: owner.permit)


async def test_r3_a_stop_acts_at_once_on_a_stalled_disk(store: Store, disk: Disk) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        disk.stall()
        asked = owner.do(stop(desk.clock))
        assert not owner.permit
        assert desk.shown[-1][1] is False, "the cycle is told"
        assert isinstance(owner.state.phase, Running), "the state itself waits for the disk"
        await asyncio.sleep(0.2)
        assert not asked.done()
        disk.go_on()
        await asyncio.wait_for(asked, 8)
        assert not isinstance(owner.state.phase, Running)


async def test_r3_a_stop_behind_a_commit_that_hangs_acts_at_once(store: Store, disk: Disk) -> None:
    """The record before it may take its time; the driver who stops does not wait for it."""
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        disk.stall()
        hanging = owner.do(sample(desk))
        await asyncio.sleep(0.2)
        assert desk.owner.permit, "a slow disk alone pauses nobody"
        asked = owner.do(stop(desk.clock))
        assert not owner.permit
        disk.go_on()
        await asyncio.wait_for(hanging, 8)
        assert not owner.permit, "nor when the record before it is durable"
        await asyncio.wait_for(asked, 8)
        await until(lambda: owner._inbox.empty())
    entries = await Bench(store).entries()
    assert [entry.seq for entry in entries] == [0, 1]


async def test_r3_a_car_that_leaves_behind_a_hanging_commit_is_cut_off_at_once(store: Store, disk: Disk) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        disk.stall()
        owner.put(sample(desk))
        await asyncio.sleep(0.1)
        owner.put(Unplugged(desk.clock.now()))
        assert not owner.permit
        owner.put(Plugged(desk.clock.now(), "plug-2"))
        assert not owner.permit, "the next car does not get it back"
        disk.go_on()


async def test_a_failing_store_pauses_and_the_event_stays_at_the_head(
    impatient_store: Store, disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(owner_module, "RETRY_S", 0.05)
    caplog.set_level("INFO")
    desk = Desk(impatient_store)
    async with desk.run() as owner:
        await desk.charge()
        before = owner.state
        disk.stall()
        owner.put(sample(desk, 1100))
        owner.put(sample(desk, 1200))
        await until(lambda: not owner.permit)
        await asyncio.sleep(0.3)
        assert owner.state == before
        disk.go_on()
        await until(lambda: owner.permit and owner.state.phase != before.phase)
        await owner.do(AvailabilityAsked(desk.clock.now(), operative=True))
    updates = [one for one in await Bench(impatient_store).entries() if isinstance(one, TransactionUpdated)]
    assert [one.meter.energy_wh for one in updates if one.meter] == [1100, 1200]
    said = [record.message for record in caplog.records if record.name.endswith("owner")]
    assert len(said) == 2, said
    assert "pauses" in said[0]
    assert "stored again" in said[1]


async def test_a_commit_that_failed_is_not_written_twice(
    impatient_store: Store, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_module, "RETRY_S", 0.02)
    desk = Desk(impatient_store)
    async with desk.run() as owner:
        await desk.charge()
        for number in range(3):
            disk.stall()
            asked = owner.do(sample(desk, 1100 + number))
            await until(lambda: owner._failing)
            disk.go_on()
            await asyncio.wait_for(asked, 8)
    assert [entry.seq for entry in await Bench(impatient_store).entries()] == [0, 1, 2, 3]


async def test_a_restart_loads_derives_and_acts(store: Store) -> None:
    """Killed between the plug and the register: the next owner asks for the register by itself."""
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.owner.do(Plugged(desk.clock.now(), "plug-1"))
        await desk.owner.do(Presented(desk.clock.now(), ALICE))
        await until(lambda: isinstance(owner.state.phase, Starting))
    again = Desk(store)
    async with again.run(await desk.stored()) as owner:
        assert isinstance(owner.state.phase, Starting)
        owner.put(Resumed(again.clock.now(), plugged=True, id="plug-2"))
        again.read(1000)
        await until(lambda: isinstance(owner.state.phase, Running))
    assert [type(entry).__name__ for entry in await Bench(store).entries()] == ["TransactionStarted"]


async def test_r17_a_crash_between_a_charge_and_its_end_continues_the_transaction(store: Store) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        assert isinstance(owner.state.phase, Running)
        transaction = owner.state.phase.transaction.id
    again = Desk(store)
    async with again.run(await desk.stored()) as owner:
        assert isinstance(owner.state.phase, Running)
        assert owner.state.phase.unseen
        owner.put(Resumed(again.clock.now(), plugged=True, id="plug-2", register_wh=1001))
        await until(lambda: isinstance(owner.state.phase, Running) and not owner.state.phase.unseen)
        assert isinstance(owner.state.phase, Running)
        assert owner.state.phase.transaction.id == transaction


async def test_doubt_keeps_readings_from_renewing_the_proof_until_a_look_has_judged(store: Store) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        assert isinstance(owner.state.phase, Running)
        proof = owner.state.phase.transaction.last_wh
        owner.doubt()
        after = await owner.do(sample(desk, 9000))
        assert isinstance(after.phase, Running)
        assert after.phase.transaction.last_wh == proof
        after = await owner.do(Resumed(desk.clock.now(), plugged=True, id="plug-2", register_wh=1001))
        assert isinstance(after.phase, Running)
        assert not after.phase.unseen
        after = await owner.do(sample(desk, 1002))
        assert isinstance(after.phase, Running)
        assert after.phase.transaction.last_wh == 1002


async def test_a_card_without_a_car_is_given_up_after_the_connection_timeout(store: Store) -> None:
    desk = Desk(store, Rules(connection_timeout_s=0))
    async with desk.run() as owner:
        desk.rules = replace(desk.rules, connection_timeout_s=0)
        await owner.do(Presented(desk.clock.now(), ALICE))
        await until(lambda: isinstance(owner.state.phase, Idle) and owner.state.message)
        assert owner.state.message == "no car was plugged in: present the card again"


async def test_an_expired_wait_is_noticed_after_a_restart(store: Store) -> None:
    desk = Desk(store)
    until_then = desk.clock.now().later(0.2)
    async with desk.run(EvseState("A1", Waiting(ALICE, until_then))) as owner:
        await asyncio.sleep(0.05)
        assert isinstance(owner.state.phase, Waiting)
        await until(lambda: isinstance(owner.state.phase, Idle))


async def test_samples_are_taken_by_the_clock_and_only_from_a_recent_register(store: Store) -> None:
    desk = Desk(store, Rules(sample_interval_s=1))
    async with desk.run():
        await desk.charge()
        desk.register.on_reading(
            EvseReading(time.monotonic() - 60, EvState.C, True, Phases(0, 0, 0), 0, 5000)  # a stale one
        )
        await asyncio.sleep(1.3)
        assert not [e for e in await Bench(store).entries() if isinstance(e, TransactionUpdated)]
        desk.read(1234, EvState.C)
        await asyncio.sleep(1.3)
    updates = [e for e in await Bench(store).entries() if isinstance(e, TransactionUpdated)]
    assert [e.meter.energy_wh for e in updates if e.meter] == [1234]
    assert updates[0].trigger is Trigger.METER_VALUE_PERIODIC


async def test_nobody_hangs_on_an_owner_that_has_ended(store: Store, disk: Disk) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        disk.stall()
        hanging = owner.do(sample(desk))
        waiting = owner.do(stop(desk.clock))
        await asyncio.sleep(0.1)
    late = owner.do(stop(desk.clock))
    for asked in (hanging, waiting, late):
        with pytest.raises(DeviceError) as caught:
            await asyncio.wait_for(asked, 1)
        assert caught.value.fault is Fault.CLOSED
    disk.go_on()


async def test_a_caller_that_gives_up_does_not_take_its_event_along(store: Store, disk: Disk) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        disk.stall()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(owner.do(stop(desk.clock)), 0.1)
        disk.go_on()
        await until(lambda: not isinstance(owner.state.phase, Running))


async def test_a_verdict_that_cannot_be_had_is_a_refusal_and_not_the_end_of_the_process(store: Store) -> None:
    async def authorise(evse: str, payer: Payer) -> Verdict:
        raise StoreError(Kind.IO, "the medium is gone")

    desk = Desk(store)
    async with desk.run() as owner:
        owner.parts = replace(owner.parts, authorise=authorise)
        await owner.do(Presented(desk.clock.now(), ALICE))
        await until(lambda: isinstance(owner.state.phase, Idle))
        assert owner.state.message == "card refused: it cannot be checked: the medium is gone"


async def test_a_start_has_the_charger_read_at_once(bench: Bench) -> None:
    """Nothing is pushed after the tap: its next regular reading would never come."""
    async with bench.run(plant_slice(evse_slice("A1"))):
        bench.evse().readable = True
        bench.evse().say(EvState.B)
        await until(lambda: bench.owner("A1").state.plug is not None)
        bench.evse().tap(BOB)
        await bench.becomes("Running")
        await until(lambda: bench.evse().held_ma > 0)


async def test_an_end_waits_for_a_register_at_rest(store: Store) -> None:
    desk = Desk(store)
    async with desk.run() as owner:
        await desk.charge()
        await owner.do(stop(desk.clock))
        for energy_wh in (2000, 2010, 2020):
            desk.read(energy_wh)
            await asyncio.sleep(0.02)
        assert not isinstance(owner.state.phase, Idle)
        desk.read(2020)
        await until(lambda: isinstance(owner.state.phase, Idle))
    (ended,) = [e for e in await Bench(store).entries() if isinstance(e, TransactionEnded)]
    assert (ended.meter.energy_wh, ended.estimated, ended.state) == (2020, False, ChargingState.EV_CONNECTED)


async def test_an_end_without_any_register_uses_the_last_proven_one(store: Store) -> None:
    desk = Desk(store, Rules(sample_interval_s=0, register_wait_s=1))
    async with desk.run() as owner:
        await desk.charge()
        desk.register.start_over(own_meter=False)
        await owner.do(stop(desk.clock))
        await until(lambda: isinstance(owner.state.phase, Idle))
    (ended,) = [e for e in await Bench(store).entries() if isinstance(e, TransactionEnded)]
    assert (ended.meter.energy_wh, ended.estimated) == (1000, True)


async def test_two_commands_at_once_are_done_one_after_the_other(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        await bench.charge()
        first, second = await asyncio.gather(bench.site.ask(StopLocally("A1")), bench.site.ask(StopLocally("A1")))
        assert {first.result, second.result} == {Result.DONE}
        await bench.keep_saying(EvState.B, "Idle")
    ends = [e for e in await bench.entries() if isinstance(e, TransactionEnded)]
    assert len(ends) == 1
