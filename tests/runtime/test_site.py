"""Every command: what it answers, and what comes of it."""

import asyncio
from dataclasses import replace

import pytest

from controller.charging.commands import (
    ChooseEvse,
    Command,
    ReportVerdict,
    Reset,
    ResetKind,
    Result,
    SetAvailability,
    SetVariable,
    StartRemotely,
    StopLocally,
    StopRemotely,
    TakeSample,
    Tap,
    UnlockConnector,
)
from controller.charging.records import StopReason, TransactionEnded, TransactionUpdated, Trigger
from controller.charging.rules import AuthorisationRules, Rules
from controller.charging.session import Running, Waiting
from controller.charging.tokens import Token, TokenInfo, TokenStatus
from drivers.api import EvState
from tests.runtime.bench import ALICE, BOB, Bench, evse_slice, plant_slice, until
from tests.runtime.conftest import Disk

TWO = plant_slice(evse_slice("A1"), evse_slice("A2"))
CARD = Token(ALICE, ALICE)


def transaction_of(bench: Bench, name: str = "A1") -> str:
    phase = bench.owner(name).state.phase
    assert isinstance(phase, Running)
    return phase.transaction.id


async def ended(bench: Bench) -> list[StopReason]:
    return [one.reason for one in await bench.entries() if isinstance(one, TransactionEnded)]


@pytest.mark.parametrize(
    "command",
    [
        StartRemotely(CARD, "A9"),
        StopRemotely("no such"),
        StopLocally("A9"),
        Tap("nowhere", ALICE),
        ChooseEvse("no such", "A1"),
        SetAvailability(("A1", "A9"), operative=False),
        UnlockConnector("A9"),
        ReportVerdict("no such", TokenInfo(ALICE, TokenStatus.BLOCKED)),
        SetVariable("a", "b"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_an_unknown_name_is_unknown_and_changes_nothing(bench: Bench, command: Command) -> None:
    async with bench.run(TWO):
        assert (await bench.site.ask(command)).result is Result.UNKNOWN
        assert bench.owner("A1").state.operative
        assert bench.shown == []


@pytest.mark.parametrize("checked", [True, False], ids=["believed", "checked like a card"])
async def test_a_remote_start_waits_for_the_car(bench: Bench, checked: bool) -> None:
    bench.rules = Rules(sample_interval_s=0, authorisation=AuthorisationRules(authorize_remote=not checked))
    async with bench.run(TWO):
        bench.evse().say(EvState.A)
        assert (await bench.site.ask(StartRemotely(CARD, "A1", 7))).result is Result.DONE
        await bench.becomes("Waiting")
        bench.evse().say(EvState.B)
        await bench.keep_saying(EvState.B, "Running")
        refused = await bench.site.ask(StartRemotely(Token(BOB, BOB), "A1"))
        assert refused.result is Result.REFUSED
    (started,) = await bench.entries()
    assert (started.trigger, getattr(started, "remote_start_id", None)) == (Trigger.REMOTE_START, 7)


async def test_two_remote_starts_at_once_start_one(bench: Bench) -> None:
    async with bench.run(TWO):
        bench.evse().say(EvState.A)
        both = (bench.site.ask(StartRemotely(Token(uid, uid), "A1")) for uid in (ALICE, BOB))
        answers = [one.result for one in await asyncio.gather(*both)]
        assert answers == [Result.DONE, Result.DONE], "the second replaces the first, which had no car yet"
        phase = bench.owner().state.phase
        assert isinstance(phase, Waiting)
        assert phase.payer.token.uid == BOB


async def test_a_remote_start_without_evse_takes_the_one_that_waits(bench: Bench) -> None:
    async with bench.run(TWO):
        bench.evse("A1").say(EvState.A)
        assert (await bench.site.ask(StartRemotely(CARD, None))).result is Result.REFUSED
        bench.evse("A2").say(EvState.B)
        await until(lambda: bench.owner("A2").state.plug is not None)
        assert (await bench.site.ask(StartRemotely(CARD, None))).result is Result.DONE
        assert bench.phase("A2") == "Starting"


async def test_a_remote_stop_names_its_transaction(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge()
        assert (await bench.site.ask(StopRemotely(transaction_of(bench)))).result is Result.DONE
        await bench.keep_saying(EvState.B, "Idle")
        assert await ended(bench) == [StopReason.REMOTE]
        assert (await bench.site.ask(StopLocally("A1"))).result is Result.REFUSED


async def test_availability_waits_for_a_running_transaction(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge("A1")
        bench.evse("A2").say(EvState.A)
        out = await bench.site.ask(SetAvailability(("A1", "A2"), operative=False))
        assert out.result is Result.SCHEDULED
        assert not bench.owner("A2").state.operative
        assert bench.phase("A1") == "Running"
        await bench.site.ask(StopLocally("A1"))
        await bench.keep_saying(EvState.B, "Idle")
        assert not bench.owner("A1").state.operative
        assert (await bench.site.ask(Tap("A1", ALICE))).result is Result.REFUSED
        back = await bench.site.ask(SetAvailability(("A1", "A2"), operative=True))
        assert back.result is Result.DONE


async def test_a_reset_on_idle_waits_and_an_immediate_one_ends_what_runs(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge("A1")
        waits = await bench.site.ask(Reset(ResetKind.ON_IDLE, ("A1", "A2")))
        assert (waits.result, waits.text) == (Result.SCHEDULED, "waits for A1")
        assert bench.phase("A1") == "Running"
        assert (await bench.site.ask(Reset(ResetKind.ON_IDLE, ("A2",)))).result is Result.DONE
        assert (await bench.site.ask(Reset(ResetKind.IMMEDIATE, ("A1", "A2")))).result is Result.DONE
        await bench.keep_saying(EvState.B, "Idle", "A1")
        assert await ended(bench) == [StopReason.IMMEDIATE_RESET]


async def test_a_soft_reset_ends_what_runs_in_order(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge("A1")
        assert (await bench.site.ask(Reset(ResetKind.SOFT, ("A1", "A2")))).result is Result.DONE
        await bench.keep_saying(EvState.B, "Idle", "A1")
        assert await ended(bench) == [StopReason.REBOOT]


async def test_r3_a_reset_stops_every_session_at_once_on_a_stalled_disk(bench: Bench, disk: Disk) -> None:
    async with bench.run(TWO):
        await bench.charge("A1")
        await bench.charge("A2", BOB)
        disk.stall()
        asked = asyncio.create_task(bench.site.ask(Reset(ResetKind.IMMEDIATE, ("A1", "A2"))))
        await until(lambda: not bench.owner("A1").permit and not bench.owner("A2").permit, within_s=1)
        disk.go_on()
        assert (await asked).result is Result.DONE


async def test_a_plug_is_released_when_nothing_flows_any_more(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge()
        asked = asyncio.create_task(bench.site.ask(UnlockConnector("A1")))
        await bench.becomes("Stopping")
        for _ in range(5):
            bench.evse().say(EvState.C, drawn_ma=9000)
            await asyncio.sleep(0.02)
        assert bench.evse().unlocked == 0
        for _ in range(20):
            bench.evse().say(EvState.B)
            await asyncio.sleep(0.02)
        assert (await asked).result is Result.DONE
        assert bench.evse().unlocked == 1
        assert await ended(bench) == [StopReason.UNLOCK_COMMAND]


async def test_a_charger_that_cannot_unlock_is_not_asked(bench: Bench) -> None:
    async with bench.run(TWO):
        evse = bench.evse()
        evse.capabilities = replace(evse.capabilities, unlock=False)
        assert (await bench.site.ask(UnlockConnector("A1"))).result is Result.REFUSED
        assert evse.unlocked == 0


async def test_a_sample_is_taken_of_what_runs_and_only_from_a_recent_register(bench: Bench) -> None:
    async with bench.run(TWO):
        await bench.charge("A1")
        bench.evse("A1").say(EvState.C, drawn_ma=10_000, energy_wh=1300)
        assert (await bench.site.ask(TakeSample(("A1", "A2", "A9")))).result is Result.DONE
        register = bench.plant.evses["A1"].register
        assert register._reading is not None
        register.on_reading(replace(register._reading, t_s=register._reading.t_s - 60, energy_wh=1400))
        assert (await bench.site.ask(TakeSample(("A1",)))).result is Result.DONE
    (update,) = (await bench.entries())[1:]
    assert isinstance(update, TransactionUpdated)
    assert update.meter is not None
    assert (update.trigger, update.meter.energy_wh) == (Trigger.TRIGGER, 1300)


async def test_a_late_verdict_ends_the_transaction_that_it_names(bench: Bench) -> None:
    async with bench.run(TWO):
        bench.evse().say(EvState.B)
        await bench.site.ask(StartRemotely(Token("0499999999", "0499999999"), "A1"))
        await bench.keep_saying(EvState.B, "Running")
        verdict = TokenInfo("0499999999", TokenStatus.BLOCKED)
        assert (await bench.site.ask(ReportVerdict(transaction_of(bench), verdict))).result is Result.DONE
        await bench.keep_saying(EvState.B, "Idle")
        assert await ended(bench) == [StopReason.DEAUTHORIZED]


async def test_a_command_that_takes_too_long_fails_and_takes_effect_later(
    bench: Bench, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.runtime.site.ANSWER_S", 0.2)
    async with bench.run(TWO):
        await bench.charge()
        disk.stall()
        assert (await bench.site.ask(StopLocally("A1"))).result is Result.FAILED
        disk.go_on()
        await bench.keep_saying(EvState.B, "Idle")
        assert await ended(bench) == [StopReason.LOCAL]


async def test_a_reload_between_two_answers_of_one_command_ends_nothing(bench: Bench, disk: Disk) -> None:
    async with bench.run(TWO):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await until(lambda: bench.cycle.last_s is not None)
        disk.stall()
        asked = asyncio.create_task(bench.site.ask(SetAvailability(("A1", "A2"), operative=False)))
        await asyncio.sleep(0.1)
        bench.apply(plant_slice(evse_slice("A1")))
        disk.go_on()
        assert (await asked).result is Result.DONE


async def test_the_view_shows_the_session_and_nothing_that_is_too_old(bench: Bench) -> None:
    async with bench.run(TWO):
        bench.evse("A2").say(EvState.A)
        await bench.charge("A1")
        bench.evse("A1").say(EvState.C, drawn_ma=12_000, energy_wh=1700)
        await until(lambda: bench.evse("A1").held_ma > 0)
        await until(lambda: bench.panorama.look().evses[0].bound_ma == 32_000)
        view = bench.panorama.look()
        a1, a2 = view.evses
        assert (view.site, view.name, view.version) == ("car-park-7", "Car park 7", "1.2.3")
        assert (a1.drawn_ma, a1.power_w, a1.energy_wh) == ((12_000,) * 3, 8280, 1700)
        assert (a1.circuit, a1.bound_ma, a1.reason) == ("main", 32_000, "own-maximum")
        assert a1.transaction is not None
        assert (a1.transaction.token, a1.transaction.energy_wh) == ("…E5F6", 700)
        assert (a2.status.value, a2.transaction, a2.reason) == ("available", None, "no-session")
        assert [(one.id, one.kind) for one in view.devices] == [("bus-1", "bus")]
        assert view.circuits[0].limit_ma == (95_000,) * 3
        old = bench.evse("A1").latest
        assert old is not None
        bench.evse("A1").push(replace(old, t_s=old.t_s - 60))
        bench.panorama.changed()
        a1 = bench.panorama.look().evses[0]
        assert (a1.drawn_ma, a1.power_w, a1.ev_state, a1.energy_wh) == (None, None, None, 1700)
