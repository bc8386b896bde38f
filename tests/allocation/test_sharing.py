"""Invariants of admission, filling and rounding that hold (and none of those that only seem to)."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.allocation.filling import fill
from controller.allocation.request import Request, in_order
from controller.allocation.sharing import share_out
from tests.allocation.builders import random_instance
from tests.allocation.invariants import misrounded, shut_out, unfair, wasteful
from tests.bench.sites import Site, broken

CHUNKS = range(0, 2500, 250)


def check(instance: Site) -> None:
    shares = share_out(instance.requests, instance.room_ma)
    found = broken(instance, {name: share.current_ma for name, share in shares.items()})
    assert not [*found, *misrounded(instance, shares), *wasteful(instance, shares), *shut_out(instance, shares)]


def certify(instance: Site) -> None:
    assert not unfair(instance, share_out(instance.requests, instance.room_ma))


@pytest.mark.parametrize("first", CHUNKS)
def test_shares_are_feasible_rounded_by_less_than_a_step_and_waste_no_step(first: int) -> None:
    for seed in range(first, first + 250):
        check(random_instance(seed))


@pytest.mark.parametrize("first", CHUNKS)
def test_each_share_has_a_bottleneck_that_proves_max_min(first: int) -> None:
    for seed in range(first, first + 250):
        certify(random_instance(seed))


@given(st.integers(0, 10**9))
def test_invariants_hold_for_any_seed(seed: int) -> None:
    instance = random_instance(seed)
    check(instance)
    certify(instance)


@given(st.integers(0, 10**9))
def test_the_order_of_the_list_does_not_matter(seed: int) -> None:
    instance = random_instance(seed)
    shuffled = list(instance.requests)
    random.Random(seed).shuffle(shuffled)
    assert share_out(shuffled, instance.room_ma) == share_out(instance.requests, instance.room_ma)


@given(st.integers(0, 10**9))
def test_raising_an_own_maximum_never_lowers_the_own_share(seed: int) -> None:
    instance = random_instance(seed)
    before = share_out(instance.requests, instance.room_ma)
    chosen = random.Random(seed).choice(instance.requests)
    if not before[chosen.id].admitted:
        return
    raised = [
        request if request.id != chosen.id else _with_most(request, request.most_ma + 10_000)
        for request in instance.requests
    ]
    assert share_out(raised, instance.room_ma)[chosen.id].exact_ma >= before[chosen.id].exact_ma - 1e-3


def _with_most(request: Request, most_ma: int) -> Request:
    return replace(request, most_ma=most_ma)


def simple(name: str, *links: int, least: int = 6000, most: int = 32_000, **more: Any) -> Request:
    return Request(name, least, most, 1000, links, **more)


def test_equal_cars_share_a_link_equally() -> None:
    shares = share_out([simple("A", 0), simple("B", 0)], [30_000])
    assert [shares[name].current_ma for name in "AB"] == [15_000, 15_000]


def test_weights_divide_what_lies_above_the_minimum_level() -> None:
    filled = fill(in_order([simple("A", 0, weight=2), simple("B", 0)]), [30_000])
    assert filled.current_ma == pytest.approx([20_000, 10_000])
    assert filled.bound_by == [0, 0]


def test_a_minimum_above_the_level_is_kept_and_the_others_give_way() -> None:
    filled = fill(in_order([simple("A", 0), simple("B", 0), simple("C", 0, least=14_000)]), [32_000])
    assert filled.current_ma == pytest.approx([9000, 9000, 14_000])


def test_what_one_cannot_use_upstream_goes_to_the_others() -> None:
    filled = fill(in_order([simple("A", 0, 1), simple("B", 0)]), [32_000, 10_000])
    assert filled.current_ma == pytest.approx([10_000, 22_000])
    assert filled.bound_by == [1, 0]


def test_a_higher_priority_is_filled_first_and_the_lower_keeps_its_minimum() -> None:
    filled = fill(in_order([simple("A", 0), simple("B", 0, priority=1)]), [30_000])
    assert filled.current_ma == pytest.approx([24_000, 6000])


def test_the_minimum_of_the_first_in_order_is_served_and_the_last_waits_with_its_link() -> None:
    shares = share_out([simple("A", 0), simple("B", 0), simple("C", 0)], [15_000])
    assert not shares["C"].admitted
    assert shares["C"].tight == (0,)
    assert sorted((shares["A"].current_ma, shares["B"].current_ma)) == [7000, 8000]


def test_negative_room_admits_nobody() -> None:
    assert not share_out([simple("A", 0)], [-5])["A"].admitted
