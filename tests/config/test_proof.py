"""R2 for a configuration: what is proven, what is not, and what an installer should know."""

import pytest

from controller.config.problems import ConfigError
from controller.config.proof import load, notes, proof, unproven
from controller.config.read import read
from tests.config.conftest import Desk, Edit


def total_ma(desk: Desk, circuit: str, phase: str, case: str, *edits: Edit) -> int:
    rows = proof(read(desk.write(*edits)))
    (row,) = [row for row in rows if (row.circuit, row.phase, row.case) == (circuit, phase, case)]
    return row.sum_ma


def test_r2_the_example_is_proven_in_every_case(desk: Desk) -> None:
    rows = proof(load(desk.write()))
    assert len(rows) == 3 * 3 * 5
    assert all(row.ok for row in rows)
    assert {row.case for row in rows} == {
        "controller dead",
        "bus keba-1 dead",
        "bus rs485-1 dead",
        "bus rs485-2 dead",
        "power just returned",
    }


def test_r2_with_the_controller_dead_fail_safe_currents_and_the_building_add_up(desk: Desk) -> None:
    """L2: building 60, A1 and A2 6 each, A3 0, B1 16 without a watchdog."""
    assert total_ma(desk, "main", "L2", "controller dead") == 60_000 + 6_000 + 6_000 + 0 + 16_000
    assert total_ma(desk, "main", "L3", "controller dead") == 55_000 + 6_000 + 6_000


def test_r1_a_charger_without_a_watchdog_counts_its_maximum_wherever_its_bus_is_dead(desk: Desk) -> None:
    assert total_ma(desk, "board-b", "L2", "bus rs485-2 dead") == 16_000
    assert total_ma(desk, "board-b", "L2", "bus rs485-1 dead") == 0


def test_r2_after_a_black_out_an_unknown_current_counts_as_the_maximum(desk: Desk) -> None:
    edit = ("failsafe_current_a = 0\npower_up_current_a = 0", "failsafe_current_a = 0")
    known = total_ma(desk, "board-a", "L1", "power just returned")
    assert total_ma(desk, "board-a", "L1", "power just returned", edit) == known + 16_000


def test_r2_what_cannot_be_proven_names_circuit_case_phase_and_everything_that_adds_up(desk: Desk) -> None:
    file = desk.write(("rating_a = 50", "rating_a = [50, 15, 50]"))
    problems = unproven(proof(read(file)))
    assert (
        "circuits[board-b].rating_a: controller dead: L2 may carry 16 A of 15 A: B1 16 A (keeps its last setpoint)"
        in problems
    )
    assert len(problems) == 3, problems
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert list(caught.value.problems) == problems


def test_r2_the_buildings_own_load_alone_can_be_too_much(desk: Desk) -> None:
    rows = proof(read(desk.write(("[60, 60, 55]", "[60, 161, 55]"))))
    assert {(row.circuit, row.phase) for row in rows if not row.ok} == {("main", "L2")}


def test_r15_notes_name_what_cannot_be_locked_has_no_watchdog_or_an_unknown_start(desk: Desk) -> None:
    found = list(notes(read(desk.write())))
    assert [line.partition(":")[0] for line in found if "cannot be locked" in line] == [
        "evses[A1]",
        "evses[A2]",
        "evses[B1]",
    ]
    assert [line.partition(":")[0] for line in found if "no watchdog" in line] == ["evses[B1]"]
    assert [line.partition(":")[0] for line in found if "power_up_current_a" in line] == ["evses[B1]"]


def test_r35_a_note_reminds_of_the_lab_switch(desk: Desk) -> None:
    assert any(
        line.startswith("csms.lab:") for line in notes(read(desk.write(("[[csms.st", "lab = true\n[[csms.st"))))
    )
