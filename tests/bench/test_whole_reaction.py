"""When a site counts as having reacted to an over-current."""

import math

import pytest

from tests.bench.whole_reaction import Reaction


def reaction() -> Reaction:
    """100 A; the building takes 72 and two chargers offer 16 each."""
    return Reaction(100.0, 72.0, 50.0, {"A": 16.0, "B": 16.0})


def test_it_ends_with_the_last_charger_though_the_sum_fell_below_the_rating_before() -> None:
    one = reaction()
    one.acknowledged("A", 10.0, 50.1)
    assert (one.over, one.below_s) == (False, 50.1)
    one.acknowledged("B", 15.0, 50.2)
    one.acknowledged("A", 9.0, 50.3)
    assert (one.over, one.below_s) == (True, 50.1)
    assert one.took_s == pytest.approx(0.2)


def test_chargers_that_all_gave_too_little_have_not_reacted() -> None:
    one = reaction()
    one.acknowledged("A", 15.0, 50.1)
    one.acknowledged("B", 15.0, 50.2)
    assert (one.over, one.took_s) == (False, math.inf)
    one.acknowledged("A", 13.0, 50.4)
    assert one.took_s == pytest.approx(0.4)


def test_a_charger_that_repeats_its_limit_is_still_missing() -> None:
    one = reaction()
    one.acknowledged("A", 6.0, 50.1)
    one.acknowledged("B", 16.0, 50.2)
    assert not one.over
