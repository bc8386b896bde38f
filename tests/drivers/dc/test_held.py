"""What flows though nobody can order anything, and when only the SECC can end it."""

from dataclasses import replace

import pytest

from drivers.dc.demand import Demand, Insulation, Stage
from drivers.dc.held import Held, Runaway, flowing

HELD = Held(current_ma=100_000, power_w=60_000, ends=False)
DEMAND = Demand(
    t_s=0.0,
    alive=1,
    stage=Stage.CHARGING,
    requested=True,
    contactors=True,
    insulation=Insulation.GOOD,
    target_mv=400_000,
    target_ma=100_000,
    measured_mv=350_000,
    measured_ma=72_000,
)


@pytest.mark.parametrize(
    ("measured_ma", "expected"),
    [
        (72_000, Held(100_000, 40_000, ends=False)),  # at the 400 V that were ordered; it may be on its way up
        (180_000, Held(100_000, 40_000, ends=False)),  # the rest comes from modules that obey
        (1_001, Held(100_000, 40_000, ends=False)),
        (1_000, Held(0, 0, ends=False)),
        (None, HELD),
    ],
)
def test_what_the_secc_measures_says_whether_it_flows(measured_ma: int | None, expected: Held) -> None:
    assert flowing(HELD, replace(DEMAND, measured_ma=measured_ma)) == expected


def test_without_a_word_of_the_secc_all_that_may_flow_counts() -> None:
    assert flowing(HELD, None) == HELD
    assert flowing(HELD, replace(DEMAND, measured_mv=None, target_mv=0)).power_w == 60_000
    assert flowing(Held(), DEMAND) == Held()


def test_only_what_is_too_much_for_some_seconds_and_never_ends_is_a_runaway() -> None:
    runaway = Runaway(3.0)
    assert not runaway.look(HELD, 100_000, 100_000, 0.0), "it is asked for"
    assert not runaway.look(HELD, 100_000, 0, 1.0)
    assert not runaway.look(HELD, 100_000, 0, 3.9)
    assert not runaway.look(HELD, 100_000, 100_000, 4.0)
    assert not runaway.look(HELD, 100_000, 0, 4.1), "the time begins anew"
    assert runaway.look(HELD, 100_000, 0, 7.2)
    assert runaway.look(HELD, 0, 0, 8.0), "nothing flows because the SECC has opened its contactors"
    assert not runaway.look(Held(), 0, 0, 9.0), "they answer again"
    assert not runaway.look(replace(HELD, ends=True), 100_000, 0, 20.0)
    assert not runaway.look(replace(HELD, ends=True), 100_000, 0, 30.0), "they stop by themselves"
