"""The counters of a wire go on when a reload opens it with other settings."""

import asyncio
from dataclasses import replace
from typing import Any

from controller.clock import Clock
from controller.runtime.crew import Crew
from controller.runtime.past_figures import PastFigures
from controller.runtime.slices import BusSlice
from controller.runtime.wires import WireParts, Wires
from drivers.api import BusFigures, Sink, UnitFigures
from tests.runtime.bench import bus_slice, plant_slice

UNIT = UnitFigures(3, 10, 2, 1, 1.5, 0.5, lost=False, turnaround_s=0.02, answer_age_s=0.5, faults={"timeout": 2})
WIRE = BusFigures("wire", 12, 2, 1, 1.75, ("m1",), (UNIT,), {"timeout": 2}, waiting=3, worst_cut_s=0.5)
FRESH = BusFigures(
    "wire", 1, 1, 0, 0.25, ("m1",), (replace(UNIT, transactions=1, faults={"data": 1}),), {"data": 1}, 0, 0.0
)


def test_a_wire_that_was_opened_anew_counts_on() -> None:
    past = PastFigures()
    past.keep(WIRE)
    now = past.with_past(FRESH)
    assert (now.transactions, now.errors, now.timeouts, now.busy_s) == (13, 3, 1, 2.0)
    assert now.faults == {"timeout": 2, "data": 1}
    (unit,) = now.units
    assert (unit.transactions, unit.faults) == (11, {"timeout": 2, "data": 1})
    assert (now.waiting, now.worst_cut_s, unit.answer_age_s) == (0, 0.0, 0.5), "what is now is of now"


def test_twice_anew_counts_all_three() -> None:
    past = PastFigures()
    past.keep(WIRE)
    past.keep(FRESH)
    assert past.with_past(FRESH).transactions == 14


def test_a_unit_that_was_taken_away_for_a_time_counts_on() -> None:
    past = PastFigures()
    past.keep(WIRE)
    without = past.with_past(replace(FRESH, units=()))
    assert without.units == (), "it is not there"
    past.keep(replace(FRESH, units=()))
    (unit,) = past.with_past(FRESH).units
    assert unit.transactions == 11


def test_another_wire_is_another_wire() -> None:
    past = PastFigures()
    past.keep(WIRE)
    assert past.with_past(replace(FRESH, bus="other")) == replace(FRESH, bus="other")


class CountedBus:
    """As a wire that was opened counts."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def run(self) -> None:
        await asyncio.Event().wait()

    def figures(self) -> BusFigures:
        return replace(FRESH, bus=self._name)


async def test_a_reload_that_changes_a_wire_lowers_no_counter_and_leaves_the_others() -> None:
    built: list[str] = []

    def build(bus: BusSlice, sink: Sink) -> Any:
        del sink
        built.append(bus.id)
        return CountedBus(bus.id)

    def unused(*parts: object) -> Any:
        raise AssertionError(parts)

    async with asyncio.TaskGroup() as tasks:
        wires = Wires(WireParts(build, unused, unused, lambda event: None), Crew(Clock(), tasks))
        for port in (502, 503, 503):
            plan = plant_slice(buses=(bus_slice("a", port), bus_slice("b")))
            list(wires.stop(wires.leaving(plan)))
            wires.start(plan)
        assert built == ["a", "b", "a"]
        assert {one.bus: one.transactions for one in wires.figures()} == {"a": 2, "b": 1}
        list(wires.stop(wires.leaving(plant_slice())))
        assert wires.figures() == ()
