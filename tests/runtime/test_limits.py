"""Limits at run time: commands, durability, prompts, stops, and what the cycle makes of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from controller.allocation.image import Limit, Scope
from controller.charging.commands import Outcome, ReleaseStop, Result, SetLimit, Voice, WithdrawLimit
from controller.charging.view import LimitState
from controller.clock import Clock
from controller.runtime.limit_desk import STATE_KEY, LimitDesk
from controller.runtime.limit_slices import InputSlice, LimitSlice, LimitsSlice, Source, Unit
from controller.runtime.limits import LimitBook
from controller.runtime.slices import SensorSlice
from controller.store.errors import StoreError
from controller.store.store import Store
from drivers.setups import FileSetup
from tests.runtime.bench import Bench, evse_slice, plant_slice, until
from tests.runtime.conftest import Disk

GRID = LimitSlice("grid", Source.REST, Scope.CIRCUIT, "main", Unit.A, 0, 63_000, "release", 120.0, log=True)
RELAY = LimitSlice(
    "dimming", Source.INPUT, Scope.CHARGING, "main", Unit.KW, 0, 10**8, log=True, input="relay", value=4200
)
INPUTS = (InputSlice("relay", 1), InputSlice("fire", 1, stop_all=True))
PLAN = LimitsSlice((GRID, RELAY), INPUTS)
SENSORS = tuple(SensorSlice(FileSetup(one.id, "/dev/null"), None) for one in INPUTS)


class Prompts:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@asynccontextmanager
async def desk_of(store: Store, plan: LimitsSlice = PLAN) -> AsyncIterator[tuple[LimitDesk, Prompts]]:
    prompts = Prompts()
    desk = LimitDesk(store=store, clock=Clock(), prompt=prompts)
    desk.load((await store.states()).get(STATE_KEY))
    desk.change_to(plan)
    running = asyncio.create_task(desk.run())
    try:
        yield desk, prompts
    finally:
        running.cancel()
        await asyncio.wait({running})


def say(value: float, limit: str = "grid", expires_s: float | None = None, by: Voice = Voice.REST) -> SetLimit:
    return SetLimit(limit, value, expires_s, by)


async def logged(store: Store, subject: str) -> list[tuple[str, int | None]]:
    return [(one.what, one.value_ma or one.value_w) for one in await store.limit_log(subject)]


async def test_a_limit_is_said_and_withdrawn(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        assert await desk.ask(say(40)) == Outcome(Result.DONE)
        assert Limit("grid", Scope.CIRCUIT, "main", 40_000) in desk.book.current(0.0)
        assert await desk.ask(WithdrawLimit("grid", Voice.REST)) == Outcome(Result.DONE)
        assert desk.book.current(0.0) == ()


async def test_only_what_is_declared_can_be_said_and_only_by_its_source(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        assert (await desk.ask(say(40, "nowhere"))).result is Result.UNKNOWN
        by_mqtt = await desk.ask(say(40, by=Voice.MQTT))
        assert (by_mqtt.result, by_mqtt.text) == (
            Result.REFUSED,
            "limit grid takes its value from rest, not by mqtt",
        )
        assert (await desk.ask(say(1, "dimming"))).result is Result.REFUSED
        assert (await desk.ask(say(64))).text == "64 A is above 63 A, the most it accepts"
        assert desk.book.current(0.0) == ()


async def test_a_retained_value_of_unknown_age_is_taken_only_where_age_does_not_matter(store: Store) -> None:
    for_ever = replace(GRID, id="static", source=Source.MQTT, expires_s=None)
    plan = LimitsSlice((replace(GRID, source=Source.MQTT), for_ever))
    async with desk_of(store, plan) as (desk, _):
        aged = SetLimit("grid", 10, None, Voice.MQTT, aged=True)
        assert (await desk.ask(aged)).result is Result.REFUSED
        assert (await desk.ask(replace(aged, limit="static"))).result is Result.DONE
        assert desk.alarms() == ()


async def test_every_change_prompts_the_cycle_and_a_repetition_does_not(store: Store) -> None:
    async with desk_of(store) as (desk, prompts):
        await asyncio.sleep(0)
        before = prompts.count
        await desk.ask(say(40))
        assert prompts.count == before + 1
        await desk.ask(say(40))
        assert prompts.count == before + 1
        desk.sensed("relay", 1, Clock().mono())
        assert prompts.count == before + 2


async def test_an_expiry_prompts_the_cycle_by_itself(store: Store) -> None:
    async with desk_of(store) as (desk, prompts):
        await desk.ask(say(40, expires_s=0.3))
        before = prompts.count
        await until(lambda: prompts.count > before)
        assert desk.limits.standing("grid").state is LimitState.LOST


async def test_r11_commands_that_are_logged_are_durable_and_written_on_change_only(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        now_s = Clock().mono()
        for level in (0, 1, 1, 1, 0):
            desk.sensed("relay", level, now_s)
        for value in (40.0, 40.0, 41.0):
            await desk.ask(say(value))
        await until(lambda: not desk._events)
        assert await logged(store, "dimming") == [("free", None), ("set", 4200), ("free", None)]
        assert await logged(store, "grid") == [("waiting", None), ("set", 40_000), ("set", 41_000)]


async def test_what_a_failing_disk_did_not_take_is_written_when_it_works_again(
    impatient_store: Store, disk: Disk
) -> None:
    async with desk_of(impatient_store) as (desk, _):
        await until(lambda: not desk._events)
        disk.stall()
        await desk.ask(say(40))
        assert Limit("grid", Scope.CIRCUIT, "main", 40_000) in desk.book.current(0.0), "a cut never waits (R3)"
        await until(lambda: impatient_store.failing)
        disk.go_on()
        await until(lambda: not desk._events, within_s=20)
        assert ("set", 40_000) in await logged(impatient_store, "grid")


async def test_a_limit_that_is_not_logged_is_not(store: Store) -> None:
    async with desk_of(store, LimitsSlice((replace(GRID, log=False),))) as (desk, _):
        await desk.ask(say(40))
        await asyncio.sleep(0.1)
        assert await store.limit_log() == []


async def test_r11_a_fire_alarm_stays_until_it_is_released_also_over_a_restart(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        desk.sensed("fire", 1, Clock().mono())
        assert desk.book.stopped_by() == ("fire",)
        desk.sensed("fire", 0, Clock().mono())
        assert desk.book.stopped_by() == ("fire",)
        await until(lambda: not desk._events)
    async with desk_of(store) as (desk, _):
        desk.sensed("fire", 0, Clock().mono())
        assert desk.book.stopped_by() == ("fire",)
        assert any("fire has stopped all charging" in alarm for alarm in desk.alarms())
        assert (await desk.ask(ReleaseStop("fire"))).result is Result.DONE
        assert desk.book.stopped_by() == ()
    async with desk_of(store) as (desk, _):
        assert desk.book.stopped_by() == ()
    assert await logged(store, "fire") == [("stopped all", None), ("released", None)]


async def test_r11_an_alarm_that_goes_on_cannot_be_released(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        desk.sensed("fire", 1, Clock().mono())
        refused = await desk.ask(ReleaseStop("fire"))
        assert (refused.result, refused.text) == (Result.REFUSED, "input fire is still active")
        assert (await desk.ask(ReleaseStop("nowhere"))).result is Result.UNKNOWN
        assert (await desk.ask(ReleaseStop("relay"))).result is Result.REFUSED
        assert desk.book.stopped_by() == ("fire",)


async def test_a_release_that_cannot_be_kept_releases_nothing(impatient_store: Store, disk: Disk) -> None:
    """R3: energising waits for the disk."""
    async with desk_of(impatient_store) as (desk, _):
        desk.sensed("fire", 1, Clock().mono())
        desk.sensed("fire", 0, Clock().mono())
        await until(lambda: not desk._events)
        disk.stall()
        with pytest.raises(StoreError):
            await desk.ask(ReleaseStop("fire"))
        assert desk.book.stopped_by() == ("fire",)
        disk.go_on()


async def test_a_held_value_outlives_a_restart(store: Store) -> None:
    plan = LimitsSlice((replace(GRID, when_lost="hold"),))
    async with desk_of(store, plan) as (desk, _):
        await desk.ask(say(40))
        await until(lambda: desk._kept.get("held") == {"grid": 40_000})
    async with desk_of(store, plan) as (desk, _):
        stands = desk.limits.standing("grid")
        assert (stands.state, stands.value) == (LimitState.WAITING, 40_000)


async def test_a_damaged_row_is_no_reason_not_to_start(store: Store) -> None:
    desk = LimitDesk(store=store, clock=Clock(), prompt=lambda: None)
    for row in (None, {}, {"latched": 3, "held": "x"}, {"latched": ["fire"], "held": {"grid": "forty"}}):
        desk.load(row)
    assert desk.book.stopped_by() == ("fire",)


def test_limits_of_others_stand_beside_the_declared_ones() -> None:
    declared = Limit("grid", Scope.CIRCUIT, "main", 40_000)
    book = LimitBook(lambda now_s: [declared])
    imposed = Limit("csms", Scope.EVSE, "A1", 8000, expires_s=10.0)
    book.put(imposed)
    assert set(book.current(5.0)) == {declared, imposed}
    assert book.current(11.0) == (declared,)


async def test_a_view_says_how_a_limit_stands(store: Store) -> None:
    async with desk_of(store) as (desk, _):
        await desk.ask(say(40))
        await desk.ask(say(99))
        grid, dimming = desk.views({"grid": ("main", "A1")})
        assert (grid.source, grid.scope, grid.target, grid.unit) == ("rest", "circuit", "main", "a")
        assert (grid.state, grid.value_ma, grid.value_w) == (LimitState.SET, 40_000, None)
        assert (grid.age_s, grid.binds, grid.refused) == (
            0,
            ("main", "A1"),
            "99 A is above 63 A, the most it accepts",
        )
        assert grid.expires_in_s is not None
        assert 115 <= grid.expires_in_s <= 120
        assert (dimming.source, dimming.state, dimming.binds) == ("input relay", LimitState.FREE, ())


# the whole control path, with chargers as doubles


def locked(bench: Bench) -> bool:
    return bool(bench.evse().applied) and not bench.evse().applied[-1].enabled


async def test_a_limit_lowers_the_setpoint_and_names_itself_and_its_end_raises_it(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))):
        bench.limit_desk.change_to(LimitsSlice((GRID,)))
        await bench.charge()
        await until(lambda: bench.evse().held_ma == 32_000)
        await bench.limit_desk.ask(say(10))
        await until(lambda: bench.evse().held_ma == 10_000)
        view = bench.panorama.look()
        assert view.evses[0].reason == "limit: grid"
        assert view.limits[0].binds == ("main", "A1")
        await bench.limit_desk.ask(WithdrawLimit("grid", Voice.REST))
        await until(lambda: bench.evse().held_ma == 32_000, within_s=20)


async def test_r11_a_stop_locks_every_charger_at_once(bench: Bench) -> None:
    async with bench.run(replace(plant_slice(evse_slice("A1"), evse_slice("A2")), sensors=SENSORS)):
        bench.limit_desk.change_to(PLAN)
        await bench.charge()
        bench.inputs["fire"].say(1)
        await until(lambda: locked(bench))
        view = bench.panorama.look()
        assert [evse.reason for evse in view.evses] == ["not-permitted: fire"] * 2
        assert bench.phase() == "Running", "the session goes on when it is released"
        bench.inputs["fire"].say(0)
        await asyncio.sleep(0.3)
        assert locked(bench)
        assert (await bench.limit_desk.ask(ReleaseStop("fire"))).result is Result.DONE
        await until(lambda: not locked(bench))


async def test_r36_a_sensor_that_stays_is_not_started_again(bench: Bench) -> None:
    plan = replace(plant_slice(evse_slice("A1")), sensors=SENSORS)
    async with bench.run(plan):
        await until(lambda: all(one.running for one in bench.inputs.values()))
        relay, fire = bench.inputs["relay"], bench.inputs["fire"]
        moved = SensorSlice(FileSetup("fire", "/dev/zero"), None)
        bench.apply(replace(plan, sensors=(SENSORS[0], moved)))
        await until(lambda: not fire.running and bench.inputs["fire"].running)
        assert bench.inputs["relay"] is relay
        assert relay.running
        bench.apply(replace(plan, sensors=()))
        await until(lambda: not relay.running)
