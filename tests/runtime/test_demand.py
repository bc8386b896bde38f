"""The mode of a session, from rule or choice to the process image, the view and the store."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.allocation.control import tick
from controller.allocation.image import Demand, Layout, Plan, ProcessImage
from controller.allocation.memory import Memory
from controller.charging.charging_rules import ChargingRule, RuleBook, When
from controller.charging.commands import ChooseMode, Result, StopLocally
from controller.charging.local_time import Window
from controller.charging.modes import ByDeadline, Fixed, Mode, Priority, Standard, Surplus
from controller.charging.session import Running
from controller.charging.tokens import BilledBy, SiteAccount
from controller.clock import Clock, Machine
from controller.runtime import cycle as cycle_module
from controller.store.store import Store
from drivers.api import EvState
from tests.runtime import bench as bench_module
from tests.runtime.bench import ALICE, BOB, Bench, evse_slice, plant_slice, until

ONE = plant_slice(evse_slice("A1"))
TWO = plant_slice(evse_slice("A1"), evse_slice("A2"))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BY_DAY = Window(from_min=6 * 60, to_min=22 * 60)


def book(*modes: tuple[Mode, When]) -> RuleBook:
    return RuleBook(
        tuple(ChargingRule(f"r{place}", when, mode) for place, (mode, when) in enumerate(modes)),
        UTC,
        export_measured=True,
    )


def clock(*, trusted: bool = True) -> Clock:
    """Noon at the start of the test."""
    began_s = time.monotonic()
    return Clock(
        machine=Machine(
            wall=lambda: NOON + timedelta(seconds=time.monotonic() - began_s), synchronised=lambda: trusted
        )
    )


class Images:
    """What the cycle handed to the tick."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.last: ProcessImage | None = None
        monkeypatch.setattr(cycle_module, "tick", self._tick)

    def _tick(self, layout: Layout, memory: Memory, image: ProcessImage) -> tuple[Memory, Plan]:
        self.last = image
        return tick(layout, memory, image)

    def demand(self, name: str = "A1") -> Demand | None:
        assert self.last is not None
        return next(one.demand for one in self.last.evses if one.id == name)

    async def shows(self, what: Callable[[Demand], bool], name: str = "A1") -> None:
        await until(lambda: self.last and (found := self.demand(name)) is not None and what(found))


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> Images:
    return Images(monkeypatch)


def seen(bench: Bench, name: str = "A1") -> tuple[str, str, str]:
    view = next(one for one in bench.panorama.look().evses if one.id == name)
    return view.mode, view.mode_from, view.mode_note


async def test_the_mode_of_a_rule_reaches_the_process_image_and_the_view(store: Store, images: Images) -> None:
    rules = book(
        (Priority(3, 2), When(users=frozenset({BOB.casefold()}))),
        (Fixed(10_000), When(evses=frozenset({"A1"}), window=BY_DAY)),
    )
    bench = Bench(store, clock=clock(), book=rules)
    async with bench.run(TWO):
        await bench.charge("A1", ALICE)
        await bench.charge("A2", BOB)
        await images.shows(lambda demand: (demand.max_ma, demand.priority) == (10_000, 0))
        await images.shows(lambda demand: (demand.priority, demand.weight, demand.max_ma) == (3, 2, None), "A2")
        assert seen(bench, "A1") == ("fixed 10 A", "rule r1", "")
        assert seen(bench, "A2") == ("priority 3 (weight 2)", "rule r0", "")


async def test_without_rule_and_choice_a_session_is_standard_and_keeps_its_tokens_minimum(
    bench: Bench, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = SiteAccount(ALICE, "somebody", None, BilledBy.FREE, min_ma=8000)
    monkeypatch.setitem(bench_module.ACCOUNTS, ALICE, account)
    async with bench.run(ONE):
        bench.evse().say(EvState.A)
        await until(lambda: images.last)
        assert images.demand() is None
        assert seen(bench) == ("", "", "")
        await bench.charge()
        await until(lambda: images.demand() is not None)
        found = images.demand()
        assert found is not None
        assert found == Demand(since_s=found.since_s, min_ma=8000)
        assert found.since_s == pytest.approx(time.monotonic(), abs=10)
        assert seen(bench) == ("standard", "no rule", "")


async def test_a_deadline_counts_from_the_register_and_the_plug_in(store: Store, images: Images) -> None:
    rules = book((ByDeadline(20_000, 7 * 60), When()))
    bench = Bench(store, clock=clock(), book=rules)
    async with bench.run(ONE):
        await bench.charge()
        await images.shows(lambda demand: demand.deadline is not None)
        bench.evse().say(EvState.C, energy_wh=6_000)
        await images.shows(lambda demand: demand.deadline is not None and demand.deadline.energy_wh == 15_000)
        found = images.demand()
        assert found is not None
        assert found.deadline is not None
        assert found.deadline.departs_s == pytest.approx(time.monotonic() + 19 * 3600, abs=20)
        bench.evse().say(EvState.C, energy_wh=21_000)
        await images.shows(lambda demand: demand.deadline is None)
        assert seen(bench) == (
            "deadline 20 kWh by 07:00",
            "rule r0",
            "standard now: that energy is delivered",
        )


async def test_a_digital_input_switches_a_rule_on_and_off_while_a_car_charges(bench: Bench, images: Images) -> None:
    bench.book = book((Surplus(), When(input="sun")))
    async with bench.run(ONE):
        await bench.charge()
        await images.shows(lambda demand: not demand.surplus)
        bench.active.add("sun")
        await images.shows(lambda demand: demand.surplus)
        bench.active.clear()
        await images.shows(lambda demand: not demand.surplus)


async def test_r36_other_rules_take_effect_at_the_next_tick_without_a_gap(bench: Bench, images: Images) -> None:
    async with bench.run(ONE):
        await bench.charge()
        await until(lambda: bench.evse().held_ma > 0)
        mark = len(bench.evse().applied)
        bench.demands.book = book((Priority(2), When()))
        await images.shows(lambda demand: demand.priority == 2)
        bench.demands.book = RuleBook()
        await images.shows(lambda demand: demand.priority == 0)
        await until(lambda: len(bench.evse().applied) > mark)
        assert all(one.enabled and one.current_ma > 0 for one in bench.evse().applied[mark:])


async def test_r26_while_the_time_is_not_certain_rules_by_time_do_not_count_and_an_alarm_says_so(
    store: Store, images: Images
) -> None:
    rules = book((Priority(2), When(window=BY_DAY)), (ByDeadline(20_000, 7 * 60), When()))
    bench = Bench(store, clock=clock(trusted=False), book=rules)
    async with bench.run(ONE):
        await bench.charge()
        await images.shows(lambda demand: demand == Demand(since_s=demand.since_s))
        assert seen(bench) == (
            "deadline 20 kWh by 07:00",
            "rule r1",
            "standard for now: the time is not certain",
        )
        assert any("the time is not certain" in alarm for alarm in bench.panorama.look().alarms)
        bench.clock.set_trusted(NOON, "csms")
        await images.shows(lambda demand: demand.priority == 2)
        bench.panorama.changed()
        assert not any("the time is not certain" in alarm for alarm in bench.panorama.look().alarms)


async def test_rules_that_need_no_time_raise_no_alarm_about_it(store: Store) -> None:
    bench = Bench(store, clock=clock(trusted=False), book=book((Priority(2), When())))
    async with bench.run(ONE):
        assert not any("the time is not certain" in alarm for alarm in bench.panorama.look().alarms)


async def test_a_chosen_mode_comes_before_the_rules_until_it_is_taken_back(bench: Bench, images: Images) -> None:
    bench.book = book((Priority(2), When()))
    async with bench.run(ONE):
        await bench.charge()
        assert (await bench.site.ask(ChooseMode("A1", Fixed(8000)))).result is Result.DONE
        await images.shows(lambda demand: (demand.max_ma, demand.priority) == (8000, 0))
        assert seen(bench) == ("fixed 8 A", "chosen", "")
        assert (await bench.site.ask(ChooseMode("A1", None))).result is Result.DONE
        await images.shows(lambda demand: (demand.max_ma, demand.priority) == (None, 2))
        assert seen(bench) == ("priority 2", "rule r0", "")


def begun_earlier(bench: Bench, seconds: float) -> None:
    """Move plug-in and start of the running transaction into the past."""
    state = bench.owner().state
    assert isinstance(state.phase, Running)
    assert state.plug is not None
    transaction = replace(state.phase.transaction, started=state.phase.transaction.started.later(-seconds))
    plug = replace(state.plug, since=state.plug.since.later(-seconds))
    bench.owner().state = replace(state, phase=Running(transaction), plug=plug)


async def test_a_deadline_is_the_next_after_the_plug_in_or_after_the_choice(store: Store, images: Images) -> None:
    """Plugged in at 10:00; at noon 11:00 is past for a rule, and tomorrow's for who chooses it now."""
    by_eleven = ByDeadline(5_000, 11 * 60)
    bench = Bench(store, clock=clock(), book=book((by_eleven, When())))
    async with bench.run(ONE):
        await bench.charge()
        begun_earlier(bench, 2 * 3600)
        await images.shows(lambda demand: demand.deadline is None)
        bench.panorama.changed()
        assert seen(bench) == ("deadline 5 kWh by 11:00", "rule r0", "standard now: 11:00 has passed")
        await bench.site.ask(ChooseMode("A1", by_eleven))
        await images.shows(lambda demand: demand.deadline is not None)
        found = images.demand()
        assert found is not None
        assert found.deadline is not None
        assert found.deadline.energy_wh == 5_000
        assert found.deadline.departs_s == pytest.approx(time.monotonic() + 23 * 3600, abs=20)
        assert seen(bench) == ("deadline 5 kWh by 11:00", "chosen", "")


async def test_r17_a_chosen_mode_survives_a_restart_and_ends_with_its_session(bench: Bench, images: Images) -> None:
    bench.book = book()
    async with bench.run(ONE):
        await bench.charge()
        await bench.site.ask(ChooseMode("A1", Surplus()))
    images.last = None
    async with bench.run(ONE):
        bench.evse().say(EvState.C)
        await images.shows(lambda demand: demand.surplus)
        await bench.site.ask(StopLocally("A1"))
        await bench.keep_saying(EvState.B, "Idle")
        bench.evse().tap(ALICE)
        await bench.becomes("Starting")
        await bench.keep_saying(EvState.B, "Running")
        await images.shows(lambda demand: not demand.surplus)
        assert seen(bench) == ("standard", "no rule", "")


async def test_what_nobody_can_choose_is_refused_and_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    account = SiteAccount(ALICE, "somebody", None, BilledBy.FREE, min_ma=8000)
    monkeypatch.setitem(bench_module.ACCOUNTS, ALICE, account)
    async with bench.run(TWO):
        bench.evse("A2").say(EvState.B)
        assert (await bench.site.ask(ChooseMode("A9", Standard()))).result is Result.UNKNOWN
        nothing = await bench.site.ask(ChooseMode("A2", Standard()))
        assert (nothing.result, nothing.text) == (Result.REFUSED, "no session is running there")
        await bench.charge("A1", ALICE)
        low = await bench.site.ask(ChooseMode("A1", Fixed(7_900)))
        assert (low.result, low.text) == (Result.REFUSED, "below 8 A this car would not charge at all")
        assert (await bench.site.ask(ChooseMode("A1", Fixed(8_000)))).result is Result.DONE
        for mode, needs in ((Surplus(), "meter"), (ByDeadline(1000, 0), "time_zone")):
            refused = await bench.site.ask(ChooseMode("A1", mode))
            assert refused.result is Result.REFUSED
            assert needs in refused.text
        await bench.charge("A2", BOB)
        low = await bench.site.ask(ChooseMode("A2", Fixed(5_900)))
        assert (low.result, low.text) == (Result.REFUSED, "below 6 A this car would not charge at all")
