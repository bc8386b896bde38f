"""R9 in the allocation: a DC outlet is the current of its input, without an EV's 6 A and without its 5 s."""

from dataclasses import replace

import pytest

from controller.allocation.circuits import Rotation, SupplyPoint
from controller.allocation.proof import CONTROLLER_DEAD, POWER_RETURNED, FallBackFacts, bus_dead, prove
from tests.allocation.builders import circuit, layout

AC = SupplyPoint("A1", "main", Rotation.L1L2L3, 3, 6000, 32_000, 1000, 2.0)
DC = SupplyPoint("DC1", "main", Rotation.L1L2L3, 3, 1000, 100_000, 100, 3.0, dc_permille=920)
VOLTAGE_MV = 230_000


@pytest.mark.parametrize(
    ("input_ma", "output_w"),
    [(0, 0), (1000, 634), (10_000, 6348), (99_900, 63_416)],
)
def test_r9_the_outlet_gets_what_the_rectifier_leaves_never_more(input_ma: int, output_w: int) -> None:
    """10 A x 230 V x 3 x 0.92 = 6348 W."""
    assert DC.output_w(input_ma, VOLTAGE_MV) == output_w
    assert replace(DC, dc_permille=None).output_w(input_ma, VOLTAGE_MV) == input_ma * 690 // 1000


def test_r9_a_single_phase_rectifier_has_a_third() -> None:
    assert replace(DC, phases=1).output_w(10_000, VOLTAGE_MV) == 2116


def test_r7_a_token_that_needs_amperes_of_a_pilot_does_not_raise_the_least_of_a_dc_outlet() -> None:
    assert AC.least_ma(10_000) == 10_000
    assert DC.least_ma(10_000) == 1000


def test_r9_modules_follow_a_cut_themselves_and_no_ev_has_to() -> None:
    assert AC.settle_s == 7.0
    assert DC.settle_s == 3.0


def test_r2_a_dc_outlet_is_lost_with_its_secc_and_with_its_power_modules() -> None:
    """Of modules that nobody knows to switch off by themselves; another bus is nothing to it."""
    site = layout([circuit("main", 63)], [replace(DC, max_ma=60_000)])
    fact = FallBackFacts("DC1", "lan", None, 0, holds_last=False, power_up_ma=0, also=("can0",))
    rows = prove(site, [fact, FallBackFacts("A1", "rs485", 15.0, 6000, holds_last=False, power_up_ma=0)])
    sums_a = {one.case: one.sum_ma // 1000 for one in rows if one.phase == "L1"}
    assert sums_a == {
        CONTROLLER_DEAD: 60,
        bus_dead("can0"): 60,
        bus_dead("lan"): 60,
        bus_dead("rs485"): 0,
        POWER_RETURNED: 0,
    }
