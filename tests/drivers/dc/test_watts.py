"""AC amperes and DC watts, each on the safe side."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import Phases, Setpoint
from drivers.dc.watts import ac_ma, granted_w
from tests.drivers.dc.rig import outlet_plan

SETUP = replace(outlet_plan(1).setup, max_ma=100_000)


@pytest.mark.parametrize(
    ("current_ma", "power_w", "enabled", "wanted_w"),
    [
        (10_000, None, True, 6486),  # 3 * 230 V * 10 A * 0.94
        (10_000, 5000, True, 5000),
        (10_000, 50_000, True, 6486),
        (99_000, 70_000, True, 60_000),  # of the outlet
        (500_000, None, True, 60_000),
        (999, 50_000, True, 0),  # below its minimum
        (0, 50_000, True, 0),
        (10_000, 0, True, 0),
        (10_000, -5, True, 0),
        (10_000, 5000, False, 0),
    ],
)
def test_the_least_of_current_power_and_outlet_is_granted(
    current_ma: int, power_w: int | None, enabled: bool, wanted_w: int
) -> None:
    assert granted_w(Setpoint(current_ma, enabled, 1.0, power_w), SETUP) == wanted_w


def test_dc_power_is_told_as_ac_current_of_the_wired_phases_rounded_up() -> None:
    assert ac_ma(6486, SETUP) == Phases(10_000, 10_000, 10_000)
    assert ac_ma(6487, SETUP) == Phases(10_002, 10_002, 10_002)
    assert ac_ma(2162, replace(SETUP, phases=1)) == Phases(10_000, 0, 0)
    assert ac_ma(0, SETUP) == Phases(0, 0, 0)


@given(st.integers(1000, 100_000), st.sampled_from([1, 3]), st.fractions(Fraction(1, 2), 1, max_denominator=100))
def test_r9_what_a_current_grants_never_draws_more_than_that_current(
    current_ma: int, phases: int, efficiency: Fraction
) -> None:
    setup = replace(SETUP, phases=phases, efficiency=efficiency)
    assert ac_ma(granted_w(Setpoint(current_ma, True, 1.0), setup), setup).highest <= current_ma
