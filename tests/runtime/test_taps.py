"""Whose tap is it? (R18) With real owners behind the desk."""

import asyncio
import time
from dataclasses import replace

import pytest

from controller.charging.commands import ChooseEvse, Outcome, Result, Tap
from controller.charging.instant import Instant
from controller.charging.rules import Rules
from controller.charging.session import Running
from controller.charging.taps import TapSeen
from controller.runtime.taps import STATE_KEY, masked
from controller.store.store import Commit, Store
from drivers.api import EvState, Feedback
from tests.runtime.bench import ALICE, BOB, Bench, evse_slice, plant_slice, reader_slice, until
from tests.runtime.conftest import Disk

DOOR = plant_slice(evse_slice("A1"), evse_slice("A2"), readers=(reader_slice("door", "A1", "A2"),))


async def plug(bench: Bench, *names: str) -> None:
    for name in names:
        bench.evse(name).say(EvState.B)
    await until(lambda: all(bench.owner(name).state.plug for name in names))


async def test_r18_one_candidate_at_a_shared_reader_is_it(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        await plug(bench, "A2")
        bench.readers["door"].tap(ALICE)
        await bench.becomes("Starting", "A2")
        assert bench.phase("A1") == "Idle"
        await until(lambda: bench.readers["door"].shown == [Feedback.ACCEPTED])


async def test_r18_of_several_candidates_somebody_chooses(bench: Bench) -> None:
    async with bench.run(DOOR):
        await plug(bench, "A1", "A2")
        bench.readers["door"].tap(ALICE)
        await until(bench.desk.choices)
        (choice,) = bench.desk.choices()
        assert (choice.evses, choice.token, choice.reader) == (("A1", "A2"), masked(ALICE), "door")
        assert bench.readers["door"].shown == [Feedback.REFUSED]
        assert bench.panorama.look().evses[0].message == "several cars wait: choose A1, A2 on the page"
        assert (await bench.site.ask(ChooseEvse(choice.choice, "A9"))).result is Result.UNKNOWN
        answers = await asyncio.gather(
            bench.site.ask(ChooseEvse(choice.choice, "A2")), bench.site.ask(ChooseEvse(choice.choice, "A1"))
        )
        assert [one.result for one in answers] == [Result.DONE, Result.UNKNOWN]
        await bench.becomes("Starting", "A2")
        assert bench.phase("A1") == "Idle"
        assert bench.desk.choices() == ()


async def test_a_choice_whose_car_has_found_another_payer_stays_open(bench: Bench) -> None:
    async with bench.run(DOOR):
        await plug(bench, "A1", "A2")
        bench.readers["door"].tap(ALICE)
        await until(bench.desk.choices)
        (choice,) = bench.desk.choices()
        await bench.charge("A1", BOB)
        refused = await bench.site.ask(ChooseEvse(choice.choice, "A1"))
        assert refused.result is Result.REFUSED
        phase = bench.owner("A1").state.phase
        assert isinstance(phase, Running)
        assert phase.transaction.payer.token.uid == BOB
        assert (await bench.site.ask(ChooseEvse(choice.choice, "A2"))).result is Result.DONE


async def test_a_choice_closes_with_the_connection_timeout(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.rules = Rules(connection_timeout_s=1, sample_interval_s=0)
        await plug(bench, "A1", "A2")
        bench.readers["door"].tap(ALICE)
        await until(bench.desk.choices)
        (choice,) = bench.desk.choices()
        await asyncio.sleep(1.1)
        assert bench.desk.choices() == ()
        assert (await bench.site.ask(ChooseEvse(choice.choice, "A1"))).result is Result.UNKNOWN


async def test_r18_oldest_first_takes_the_car_that_waits_longest(bench: Bench) -> None:
    door = reader_slice("door", "A1", "A2", oldest_first=True)
    async with bench.run(replace(DOOR, readers=(door,))):
        await plug(bench, "A2")
        await asyncio.sleep(0.05)
        await plug(bench, "A1")
        bench.readers["door"].tap(ALICE)
        await bench.becomes("Starting", "A2")


async def test_r18_a_repeated_tap_is_no_stop(bench: Bench) -> None:
    async with bench.run(DOOR):
        await bench.charge("A1")
        first = await bench.site.ask(Tap("A1", ALICE))
        again = await bench.site.ask(Tap("A1", ALICE))
        assert (first.result, again.result) == (Result.REFUSED, Result.REFUSED)
        assert bench.phase("A1") == "Running"


async def test_r21_two_taps_of_a_random_id_are_two_cards(bench: Bench) -> None:
    async with bench.run(DOOR):
        await plug(bench, "A1")
        for uid in ("08A1B2C3", "08A1B2C4"):
            await bench.site.ask(Tap("A1", uid))
            await until(lambda: bench.owner("A1").state.message == "card refused: unknown card")
        assert ALICE not in str(await bench.store.states())


async def test_r18_a_tap_before_the_plug_waits_and_counts_for_the_next_car(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        bench.readers["door"].tap(ALICE)
        await until(lambda: bench.readers["door"].shown == [Feedback.WAITING])
        await plug(bench, "A2")
        await bench.becomes("Starting", "A2")
        await plug(bench, "A1")
        await asyncio.sleep(0.2)
        assert bench.phase("A1") == "Idle", "the card counts once"


async def test_r18_a_waiting_tap_survives_a_restart_and_is_used_once(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        assert (await bench.site.ask(Tap("door", ALICE))).result is Result.DONE
    again = Bench(bench.store)
    async with again.run(DOOR):
        await plug(again, "A1")
        await again.becomes("Starting", "A1")
    third = Bench(bench.store)
    async with third.run(DOOR):
        third.evse("A1").say(EvState.B)
        await plug(third, "A2")
        await asyncio.sleep(0.2)
        assert third.phase("A2") == "Idle"


async def test_a_waiting_tap_is_forgotten_before_it_counts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between must not let one tap pay for two cars."""
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await bench.site.ask(Tap("door", ALICE))
        seen: list[object] = []
        inner = bench.desk._start

        async def watched(tap: TapSeen, evse: str) -> Outcome:
            seen.append((await bench.store.states())[STATE_KEY]["waiting"])
            return await inner(tap, evse)

        monkeypatch.setattr(bench.desk, "_start", watched)
        await plug(bench, "A2")
        await bench.becomes("Starting", "A2")
        assert seen == [[]]


async def test_taps_at_the_same_moment_all_wait(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await asyncio.gather(*(bench.site.ask(Tap("door", uid)) for uid in (ALICE, BOB)))
        assert len(bench.desk._waiting) == 2
        stored = (await bench.store.states())[STATE_KEY]["waiting"]
        assert isinstance(stored, list)
        assert len(stored) == 2


async def test_two_cards_at_the_same_moment_are_not_both_told_that_they_charge(bench: Bench) -> None:
    async with bench.run(DOOR):
        await plug(bench, "A1")
        answers = await asyncio.gather(*(bench.site.ask(Tap("A1", uid)) for uid in (ALICE, BOB)))
        assert sorted(one.result.value for one in answers) == ["done", "refused"]


async def test_a_reader_or_evse_that_was_removed_ends_nothing(bench: Bench) -> None:
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await bench.site.ask(Tap("door", ALICE))
        bench.apply(plant_slice(evse_slice("A1")))
        await plug(bench, "A1")
        await asyncio.sleep(0.2)
        assert bench.phase("A1") == "Idle"
        assert (await bench.site.ask(Tap("door", ALICE))).result is Result.UNKNOWN
        assert (await bench.site.ask(Tap("A1", ALICE))).result is Result.DONE


@pytest.mark.parametrize(
    "row",
    [
        {"version": 1},
        {"version": 1, "waiting": "?"},
        {"version": 1, "waiting": [{"reader": "door"}]},
        {"version": 1, "waiting": [7]},
        {"version": 2, "waiting": []},
        {},
    ],
)
async def test_a_damaged_row_of_waiting_taps_does_not_keep_the_site_from_starting(
    bench: Bench, row: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    await bench.store.commit(Commit(states={STATE_KEY: row}))
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await until(lambda: bench.evse("A1").applied)
    assert "are forgotten" in caplog.text


async def test_a_waiting_tap_of_another_boot_is_nobody_s(store: Store) -> None:
    bench = Bench(store)
    now = bench.clock.now()
    until_then = Instant("another boot", now.mono_s, now.wall, trusted=True).later(100)
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await bench.site.ask(Tap("door", ALICE))
    row = (await store.states())[STATE_KEY]
    assert isinstance(row["waiting"], list)
    row["waiting"][0]["until"] = until_then.to_row()
    await store.commit(Commit(states={STATE_KEY: row}))
    again = Bench(store)
    async with again.run(DOOR):
        await plug(again, "A1")
        await asyncio.sleep(0.2)
        assert again.phase("A1") == "Idle"


async def test_a_stalled_store_fails_a_tap_in_time_and_the_desk_goes_on(
    bench: Bench, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.runtime.site.ANSWER_S", 0.2)
    async with bench.run(DOOR):
        bench.evse("A1").say(EvState.A)
        bench.evse("A2").say(EvState.A)
        await until(lambda: bench.cycle.last_s is not None)
        disk.stall()
        begin_s = time.monotonic()
        assert (await bench.site.ask(Tap("door", ALICE))).result is Result.FAILED
        assert time.monotonic() - begin_s < 2
        disk.go_on()
        monkeypatch.undo()
        assert (await bench.site.ask(Tap("door", BOB))).result is Result.DONE
