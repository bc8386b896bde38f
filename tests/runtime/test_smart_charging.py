"""Charging profiles at run time: limits on time, whatever the clock does, and profiles that belong to sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.image import Layout, Scope
from controller.charging.charging_profiles import STATION, ChargingProfile, RateUnit
from controller.charging.commands import (
    ClearChargingProfiles,
    Command,
    FindChargingProfiles,
    Outcome,
    ReadSchedule,
    Result,
    SetChargingProfile,
    StartRemotely,
    StopRemotely,
)
from controller.charging.profile_book import Criteria, Installed
from controller.charging.session import EvseState, Running
from controller.charging.tokens import BilledBy, Token
from controller.clock import Clock, Machine
from controller.csms.schemas import Version
from controller.csms.slice import CsmsSlice, StationSlice
from controller.runtime.limits import LimitBook
from controller.runtime.smart_charging import SmartCharging, SmartChargingParts
from controller.store.errors import StoreError
from controller.store.store import Store
from drivers.api import EvState, Phases
from tests.charging.profiles import default, of_transaction, station
from tests.runtime.bench import ALICE, BOB, ROUTE, Bench, evse_slice, plant_slice, until
from tests.runtime.conftest import Disk

DEFAULT, TRANSACTION = "csms operator (default profile)", "csms operator (transaction profile)"
MAIN = Circuit("main", None, Phases(63_000, 63_000, 63_000), 1000, Phases(0, 0, 0))
TOKEN = Token(ALICE, ALICE, billed_by=BilledBy.CSMS)


def csms(*stations: StationSlice, name: str = "operator", version: Version = Version.V201) -> CsmsSlice:
    return CsmsSlice(name, "ws://nowhere", version, None, None, True, stations, {})


ONE = csms(StationSlice("CP-7", ("A1",)))


def starting(one: Installed, seconds: float, clock: Clock) -> ChargingProfile:
    """Its schedule begins so many seconds from now."""
    start = clock.now().wall + timedelta(seconds=seconds)
    return replace(one.profile, schedule=replace(one.profile.schedule, start=start))


class House:
    """A site of idle EVSEs, without devices."""

    def __init__(self, store: Store, clock: Clock, *evses: str) -> None:
        points = tuple(SupplyPoint(e, "main", Rotation.L1L2L3, 3, 6000, 32_000, 1000, 0.2) for e in evses)
        self.layout = Layout((MAIN,), points, 230_000, {})
        self.states = {evse: EvseState(evse) for evse in evses}
        self.limits, self.clock, self.prompted = LimitBook(), clock, 0
        parts = SmartChargingParts(
            store, clock, self.limits, self._prompt, lambda: self.layout, lambda: dict(self.states)
        )
        self.smart = SmartCharging(parts)

    def _prompt(self) -> None:
        self.prompted += 1

    def says(self, target: str = "A1") -> int | None:
        """The lowest current limit on it."""
        found = [one for one in self.limits.current(self.clock.mono()) if one.target == target]
        return min((one.value_ma for one in found if one.value_ma is not None), default=None)

    async def put(self, profile: ChargingProfile, evse: str = STATION, at: str = "CP-7") -> Outcome:
        return await self.smart.ask(SetChargingProfile(at, evse, profile))


@asynccontextmanager
async def house(
    store: Store, *evses: str, clock: Clock | None = None, where: CsmsSlice = ONE
) -> AsyncIterator[House]:
    made = House(store, clock or Clock(), *(evses or ("A1",)))
    made.smart.load(await store.charging_profiles())
    made.smart.change_to(where)
    task = asyncio.create_task(made.smart.run())
    try:
        yield made
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def trusted() -> Clock:
    clock = Clock(machine=Machine(synchronised=lambda: False))
    clock.set_trusted(datetime.now(UTC), "csms")
    return clock


async def test_a_limit_changes_when_its_period_begins_and_the_cycle_is_told(store: Store) -> None:
    clock = trusted()
    async with house(store, clock=clock) as made:
        await made.put(starting(default(1, (0, 10), (1, 7), (2, 20)), 0, clock))
        begun_s = clock.mono()
        await until(lambda: made.says() == 10_000)
        before = made.prompted
        await until(lambda: made.says() == 7_000)
        assert clock.mono() - begun_s > 0.9, "not before its time"
        assert made.prompted == before + 1
        await until(lambda: made.says() == 20_000)
        assert clock.mono() - begun_s > 1.9


async def test_r26_a_clock_that_is_stepped_moves_the_boundaries(store: Store) -> None:
    clock = trusted()
    async with house(store, clock=clock) as made:
        await made.put(starting(default(1, (0, 10), (3600, 7)), 0, clock))
        await until(lambda: made.says() == 10_000)
        clock.set_trusted(clock.now().wall + timedelta(hours=2), "csms")
        await until(lambda: made.says() == 7_000)
        clock.set_trusted(clock.now().wall - timedelta(hours=2), "csms")
        await until(lambda: made.says() == 10_000)


async def test_r26_without_a_clock_the_lowest_value_holds_and_somebody_is_told(store: Store) -> None:
    clock = Clock(machine=Machine(synchronised=lambda: False))
    async with house(store, clock=clock) as made:
        await made.put(starting(default(1, (0, 10), (3600, 7)), 0, clock))
        await until(lambda: made.says() == 7_000)
        (alarm,) = made.smart.alarms()
        assert "CP-7" in alarm
        assert "time is not certain" in alarm
        clock.set_trusted(clock.now().wall, "csms")
        await until(lambda: made.says() == 10_000)
        assert made.smart.alarms() == ()


async def test_r37_what_is_cleared_limits_no_more(store: Store) -> None:
    async with house(store) as made:
        await made.put(default(1, (0, 10), start=None).profile)
        await made.put(default(2, (0, 8), start=None, level=1).profile)
        await until(lambda: made.says() == 8_000)
        outcome = await made.smart.ask(ClearChargingProfiles("CP-7", Criteria(ids=(2,))))
        assert outcome.result is Result.DONE
        await until(lambda: made.says() == 10_000)
        await made.smart.ask(ClearChargingProfiles("CP-7", Criteria()))
        await until(lambda: made.says() is None)


@pytest.mark.parametrize(
    ("evses", "scope", "target"), [(("A1",), Scope.EVSE, "A1"), (("A1", "A2"), Scope.GROUP, "CP-7")]
)
async def test_a_stations_limit_is_that_of_its_only_evse_or_of_the_group(
    store: Store, evses: tuple[str, ...], scope: Scope, target: str
) -> None:
    async with house(store, *evses, where=csms(StationSlice("CP-7", evses))) as made:
        await made.put(starting(station(1, (0, 10)), 0, made.clock))
        await until(lambda: bool(made.limits.current(0)))
        (limit,) = made.limits.current(0)
        assert (limit.scope, limit.target, limit.value_ma) == (scope, target, 10_000)


async def test_r28_profiles_belong_to_one_csms(store: Store) -> None:
    async with house(store) as made:
        await made.put(default(1, (0, 10), start=None).profile)
        await until(lambda: made.says() == 10_000)
        made.smart.change_to(csms(StationSlice("CP-7", ("A1",)), name="other"))
        await until(lambda: made.says() is None)
        assert (await made.smart.ask(FindChargingProfiles("CP-7", Criteria()))).found == ()
        made.smart.change_to(None)
        assert (await made.put(default(1, (0, 10), start=None).profile)).result is Result.UNKNOWN
        made.smart.change_to(ONE)
        await until(lambda: made.says() == 10_000)


async def test_r31_each_station_has_its_own_profiles(store: Store) -> None:
    two = csms(StationSlice("CP-7", ("A1",)), StationSlice("CP-8", ("A2",)))
    async with house(store, "A1", "A2", where=two) as made:
        await made.put(default(1, (0, 10), start=None).profile, at="CP-7")
        await made.put(default(1, (0, 8), start=None).profile, at="CP-8")
        await until(lambda: (made.says("A1"), made.says("A2")) == (10_000, 8_000))
        await made.smart.ask(ClearChargingProfiles("CP-8", Criteria()))
        await until(lambda: (made.says("A1"), made.says("A2")) == (10_000, None))


async def test_r38_a_stored_profile_that_cannot_be_read_stops_nothing_and_is_told(store: Store) -> None:
    await store.change_profiles(ROUTE, [], {1: '{"version": 99}'})
    async with house(store) as made:
        await made.put(default(2, (0, 10), start=None).profile)
        await until(lambda: made.says() == 10_000)
        assert [alarm for alarm in made.smart.alarms() if "1 stored charging profile" in alarm]


async def test_nothing_limits_that_could_not_be_stored(impatient_store: Store, disk: Disk) -> None:
    async with house(impatient_store) as made:
        await made.put(default(1, (0, 10), start=None).profile)
        await until(lambda: made.says() == 10_000)
        disk.stall()
        with pytest.raises(StoreError):
            await made.put(default(1, (0, 6), start=None).profile)
        assert made.says() == 10_000
        disk.go_on()
        outcome = await made.put(default(1, (0, 7), start=None).profile)
        assert outcome.result is Result.DONE
        await until(lambda: made.says() == 7_000)


async def test_what_a_failing_store_may_have_kept_is_put_right(impatient_store: Store, disk: Disk) -> None:
    async with house(impatient_store) as made:
        await made.put(default(1, (0, 10), start=None).profile)
        disk.stall()
        with pytest.raises(StoreError):
            await made.put(default(2, (0, 6), start=None, level=1).profile)
        disk.go_on()
        sneaked = default(2, (0, 6), start=None, level=1)
        await impatient_store.change_profiles(ROUTE, [], {sneaked.profile.id: "it did reach the disk"})
        async with asyncio.timeout(8):
            while await impatient_store.charging_profile_count(ROUTE) != 1:
                await asyncio.sleep(0.05)


async def test_whoever_gives_up_before_his_turn_has_asked_for_nothing(store: Store) -> None:
    made = House(store, Clock(), "A1")
    made.smart.change_to(ONE)
    asking = asyncio.create_task(made.put(default(1, (0, 10), start=None).profile))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    task = asyncio.create_task(made.smart.run())
    assert (await made.put(default(2, (0, 8), start=None).profile)).result is Result.DONE
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [len(texts) for texts in (await store.charging_profiles()).values()] == [1]


async def test_r9_amperes_from_before_their_evse_became_a_dc_outlet_offer_nothing_until_watts_come(
    store: Store,
) -> None:
    async with house(store) as made:
        assert (await made.put(default(1, (0, 100), start=None).profile, "A1")).result is Result.DONE
        await until(lambda: made.says() == 100_000)
        point = replace(made.layout.evses[0], dc_permille=920)
        made.layout = replace(made.layout, evses=(point,))
        made.smart.change_to(ONE)
        await until(lambda: made.says() == 0)
        assert any("DC outlet" in one for one in made.smart.alarms())
        again = await made.put(default(1, (0, 100), start=None).profile, "A1")
        assert (again.result, again.reason) == (Result.REFUSED, "UnsupportedParam")
        watts = default(1, (0, 50_000), start=None, unit=RateUnit.WATT).profile
        assert (await made.put(watts, "A1")).result is Result.DONE
        await until(lambda: made.says() == 72_463)
        assert made.smart.alarms() == ()


async def test_r9_the_schedule_of_a_dc_outlet_is_told_in_watts_only(store: Store) -> None:
    async with house(store) as made:
        made.layout = replace(made.layout, evses=(replace(made.layout.evses[0], dc_permille=920),))
        told = (await made.smart.ask(ReadSchedule("CP-7", "A1", 60, None))).schedule
        assert told is not None
        assert (told.unit, told.rates[0].limit_milli) == (RateUnit.WATT, 22_080_000)
        amperes = await made.smart.ask(ReadSchedule("CP-7", "A1", 60, RateUnit.AMPERE))
        assert (amperes.result, amperes.reason) == (Result.REFUSED, "UnsupportedParam")
        assert (await made.smart.ask(ReadSchedule("CP-7", STATION, 60, RateUnit.AMPERE))).result is Result.DONE


# with sessions


class Smart:
    """Smart charging in the bench's site."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.smart = SmartCharging(
            SmartChargingParts(
                bench.store,
                bench.clock,
                bench.limits,
                bench.cycle.prompt,
                lambda: bench.plant.controlled.layout,
                lambda: {name: evse.owner.state for name, evse in bench.site.evses.items()},
            )
        )
        bench.site.starts = self.smart

    async def ask(self, command: Command) -> Outcome:
        return await self.bench.site.ask(command)

    async def start(self, profile: ChargingProfile, token: Token = TOKEN) -> Outcome:
        return await self.ask(StartRemotely(token, "A1", 7, profile=profile))

    def transactions(self) -> list[str | None]:
        """Of the installed TxProfiles."""
        shelf = self.smart._shelf.book(ROUTE)
        return [one.profile.transaction for one in shelf.installed]


@asynccontextmanager
async def smart(bench: Bench, where: CsmsSlice = ONE) -> AsyncIterator[Smart]:
    made = Smart(bench)
    made.smart.load(await bench.store.charging_profiles())
    made.smart.change_to(where)
    observed = bench._changed

    def changed(before: EvseState, after: EvseState) -> None:
        observed(before, after)
        made.smart.sessions_changed()

    for evse in bench.site.evses.values():
        evse.owner.parts = replace(evse.owner.parts, changed=changed)
    task = asyncio.create_task(made.smart.run())
    try:
        yield made
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def planned(bench: Bench) -> tuple[int | None, str]:
    """The setpoint and its reason; nothing before the first cycle."""
    plan = next(iter(bench.cycle.plan.evses), None)
    return (None, "") if plan is None else (plan.current_ma, plan.reason.text())


async def test_k05_the_profile_of_a_start_limits_its_session_and_ends_with_it(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        bench.evse().say(EvState.B)
        await until(lambda: bench.owner().state.plug is not None)
        limited = of_transaction(5, (0, 8), transaction="ignored").profile
        assert (await made.start(limited)).result is Result.DONE
        await bench.keep_saying(EvState.B, "Running")
        phase = bench.owner().state.phase
        assert isinstance(phase, Running)
        await until(lambda: made.transactions() == [phase.transaction.id])
        await until(lambda: planned(bench)[0] == 8_000)
        assert TRANSACTION in planned(bench)[1]
        await made.ask(StopRemotely(phase.transaction.id))
        await bench.keep_saying(EvState.B, "Idle")
        await until(lambda: made.transactions() == [])
        assert await bench.store.charging_profile_count(ROUTE) == 0


async def test_k05_fr_05_a_start_whose_profile_is_refused_does_not_happen(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        bench.evse().say(EvState.B)
        await until(lambda: bench.owner().state.plug is not None)
        outcome = await made.start(of_transaction(5, (5, 8)).profile)
        assert (outcome.result, outcome.reason) == (Result.REFUSED, "InvalidSchedule")
        outcome = await made.start(default(5, (0, 8)).profile)
        assert (outcome.result, outcome.reason) == (Result.REFUSED, "InvalidProfile")
        assert bench.phase() == "Idle"


async def test_k05_the_profile_of_a_start_that_fails_limits_nobody_else(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        bench.rules = replace(bench.rules, connection_timeout_s=1)
        assert (await made.start(of_transaction(5, (0, 8)).profile)).result is Result.DONE
        assert bench.phase() == "Waiting"
        assert made.transactions() == [None]
        await bench.becomes("Idle")
        await until(lambda: made.transactions() == [])
        await bench.charge()
        await until(lambda: planned(bench)[0] == 32_000)


async def test_a_txprofile_survives_a_crash_with_its_transaction(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        await bench.charge()
        phase = bench.owner().state.phase
        assert isinstance(phase, Running)
        profile = of_transaction(5, (0, 8), transaction=phase.transaction.id).profile
        await made.smart.ask(SetChargingProfile("CP-7", "A1", profile))
        assert made.transactions() == [phase.transaction.id]
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        async with asyncio.timeout(8):
            while planned(bench)[0] != 8_000:
                bench.evse().say(EvState.C)
                await asyncio.sleep(0.02)
        assert made.transactions() == [phase.transaction.id]


async def test_r37_a_profile_lowers_the_setpoint_and_clearing_it_raises_it_again(bench: Bench) -> None:
    async with bench.run(plant_slice(evse_slice("A1"))), smart(bench) as made:
        await bench.charge()
        await until(lambda: planned(bench)[0] == 32_000)
        await made.smart.ask(SetChargingProfile("CP-7", "A1", default(1, (0, 9), start=None).profile))
        await until(lambda: planned(bench)[0] == 9_000)
        assert planned(bench)[1].endswith(DEFAULT)
        await made.smart.ask(SetChargingProfile("CP-7", "A1", default(1, (0, 4), start=None).profile))
        await until(lambda: planned(bench)[0] == 0)
        assert DEFAULT in planned(bench)[1], "below the minimum is a pause that says why"
        await made.smart.ask(ClearChargingProfiles("CP-7", Criteria()))
        await until(lambda: DEFAULT not in planned(bench)[1])


async def test_k01_a_limit_of_the_station_is_shared_by_its_evses(bench: Bench) -> None:
    plan = plant_slice(evse_slice("A1"), evse_slice("A2"))
    plan = replace(plan, layout=replace(plan.layout, groups={"CP-7": frozenset({"A1", "A2"})}))
    async with bench.run(plan), smart(bench, csms(StationSlice("CP-7", ("A1", "A2")))) as made:
        await bench.charge("A1")
        await bench.charge("A2", BOB)

        def offered() -> list[int]:
            return [one.current_ma for one in bench.cycle.plan.evses]

        await until(lambda: offered() == [32_000, 32_000])
        limit = starting(station(1, (0, 20)), -1, bench.clock)
        await made.smart.ask(SetChargingProfile("CP-7", STATION, limit))
        await until(lambda: offered() == [10_000, 10_000])
        assert all("station profile" in one.reason.text() for one in bench.cycle.plan.evses)
        assert (await made.smart.ask(ClearChargingProfiles("CP-7", Criteria()))).result is Result.DONE
        await until(lambda: sum(offered()) > 20_000)
