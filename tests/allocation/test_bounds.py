"""R1 by hand."""

import math

import pytest

from controller.allocation.bounds import Holding, bound_ma, needs_verifying, settled_ma
from drivers.api import FallBack
from tests.allocation.builders import HOLDS, UNWATCHED, WATCHED

UNVERIFIED = FallBack(15.0, 6000, verified=False, holds_last=False, power_up_ma=0)


@pytest.mark.parametrize(
    ("fall_back", "reachable", "confirmed", "commanded", "silent_s", "expected"),
    [
        (WATCHED, True, 10_000, 10_000, 0.0, 10_000),
        (WATCHED, True, 10_000, 16_000, 0.0, 16_000),
        (WATCHED, True, 16_000, 6000, 0.0, 16_000),
        (WATCHED, True, 0, 0, 0.0, 0),
        (WATCHED, True, None, 6000, 0.0, 32_000),
        (WATCHED, False, 16_000, 16_000, 15.0, 16_000),
        (WATCHED, False, 0, 0, 1.0, 6000),
        (WATCHED, False, 16_000, 16_000, 15.1, 6000),
        (WATCHED, False, None, None, 15.1, 6000),
        (WATCHED, False, None, None, 1.0, 32_000),
        (UNVERIFIED, False, 10_000, 10_000, math.inf, 32_000),
        (UNWATCHED, False, 10_000, 10_000, math.inf, 32_000),
        (UNWATCHED, True, 10_000, 10_000, 0.0, 10_000),
        (HOLDS, False, 10_000, 10_000, math.inf, 10_000),
        (HOLDS, False, 10_000, 12_000, math.inf, 12_000),
        (HOLDS, False, None, None, math.inf, 32_000),
    ],
)
def test_r1_bound_of_an_outlet(
    fall_back: FallBack,
    reachable: bool,
    confirmed: int | None,
    commanded: int | None,
    silent_s: float,
    expected: int,
) -> None:
    holding = Holding(32_000, fall_back, reachable, confirmed, commanded, silent_s)
    assert bound_ma(holding) == expected


@pytest.mark.parametrize(
    ("fall_back", "expected"), [(WATCHED, 6000), (UNWATCHED, 32_000), (HOLDS, 32_000), (UNVERIFIED, 32_000)]
)
def test_r1_settled_bound_assumes_nothing_about_the_setpoint_before(fall_back: FallBack, expected: int) -> None:
    assert settled_ma(32_000, fall_back) == expected


def test_only_a_configured_watchdog_that_was_not_read_back_needs_verifying() -> None:
    assert [needs_verifying(one) for one in (WATCHED, UNVERIFIED, UNWATCHED, HOLDS)] == [False, True, False, False]
