"""R2 by hand: two boards under a grid connection, two buses."""

from controller.allocation.circuits import Rotation
from controller.allocation.image import Layout
from controller.allocation.proof import (
    CONTROLLER_DEAD,
    POWER_RETURNED,
    FallBackFacts,
    ProofRow,
    bus_dead,
    prove,
)
from tests.allocation.builders import circuit, layout, point

WATCHED_FACT = FallBackFacts("A1", "bus-1", 15.0, 6000, holds_last=False, power_up_ma=0)
HOLDS_FACT = FallBackFacts("A2", "bus-1", None, 6000, holds_last=True, power_up_ma=8000)
UNKNOWN_FACT = FallBackFacts("B1", "bus-2", None, 6000, holds_last=False, power_up_ma=None)
FACTS = (WATCHED_FACT, HOLDS_FACT, UNKNOWN_FACT)


def site(main_a: float = 63) -> Layout:
    boards = [circuit("main", main_a, other_a=10), circuit("a", 32, "main", other_a=2), circuit("b", 20, "main")]
    return layout(
        boards,
        [
            point("A1", "a", max_ma=16_000),
            point("A2", "a", max_ma=20_000),
            point("B1", "b", max_ma=16_000, phases=1, rotation=Rotation.L2L3L1),
        ],
    )


def row(rows: tuple[ProofRow, ...], case: str, circuit: str, phase: str) -> ProofRow:
    return next(one for one in rows if (one.case, one.circuit, one.phase) == (case, circuit, phase))


def test_r2_controller_dead_counts_failsafe_maximum_and_building() -> None:
    rows = prove(site(), FACTS)
    found = row(rows, CONTROLLER_DEAD, "main", "L2")
    assert found.sum_ma == 10_000 + 2000 + 6000 + 20_000 + 16_000
    assert found.ok
    assert {one.source: one.current_ma for one in found.contributions} == {
        "building on main": 10_000,
        "building on a": 2000,
        "A1": 6000,
        "A2": 20_000,
        "B1": 16_000,
    }
    assert row(rows, CONTROLLER_DEAD, "main", "L1").sum_ma == 38_000
    assert row(rows, CONTROLLER_DEAD, "a", "L3").sum_ma == 28_000
    assert row(rows, CONTROLLER_DEAD, "b", "L2").sum_ma == 16_000
    assert row(rows, CONTROLLER_DEAD, "b", "L1").sum_ma == 0


def test_r2_a_dead_bus_leaves_the_others_to_the_controller() -> None:
    rows = prove(site(), FACTS)
    assert row(rows, bus_dead("bus-1"), "main", "L2").sum_ma == 12_000 + 26_000
    assert row(rows, bus_dead("bus-2"), "main", "L2").sum_ma == 12_000 + 16_000
    assert row(rows, bus_dead("bus-2"), "a", "L2").sum_ma == 2000


def test_r2_power_just_returned_counts_power_up_failsafe_or_maximum() -> None:
    rows = prove(site(), FACTS)
    found = row(rows, POWER_RETURNED, "main", "L2")
    assert {one.source: one.current_ma for one in found.contributions if one.source[0] in "AB"} == {
        "A1": 6000,
        "A2": 8000,
        "B1": 16_000,
    }


def test_r2_the_full_rating_counts_and_one_milliampere_more_fails() -> None:
    assert all(one.ok for one in prove(site(54), FACTS))
    failed = [one for one in prove(site(53.999), FACTS) if not one.ok]
    assert [(one.case, one.circuit, one.phase) for one in failed] == [(CONTROLLER_DEAD, "main", "L2")]


def test_r2_an_evse_without_facts_counts_its_maximum() -> None:
    assert row(prove(site(), ()), POWER_RETURNED, "a", "L1").sum_ma == 2000 + 16_000 + 20_000


def test_r2_every_circuit_phase_and_case_has_a_row_whose_contributions_add_up() -> None:
    rows = prove(site(), FACTS)
    assert len(rows) == 3 * 3 * 4
    assert all(one.sum_ma == sum(part.current_ma for part in one.contributions) for one in rows)
