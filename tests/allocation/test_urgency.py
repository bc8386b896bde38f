"""Deadline mode: how pressed a session is, and what is set aside for whom."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.allocation.image import Deadline
from controller.allocation.request import Request, Standing, in_order
from controller.allocation.sharing import Shares, share_out
from controller.allocation.urgency import (
    NO_DEADLINE,
    PATIENCE,
    SATISFIED,
    Offer,
    is_over,
    set_aside,
    urgency,
)
from tests.allocation.builders import random_instance
from tests.bench.sites import Site

HOUR_S = 3600.0
WALLBOX = Offer(most_ma=16_000, phases=3, voltage_mv=230_000)
PLAIN = Request("E", 6_000, 16_000, 1_000, (0, 1, 2), phases=3)


def pressed(energy_wh: int, departs_s: float, *, offer: Offer = WALLBOX, charging: bool = False) -> int:
    return urgency(Deadline(energy_wh, departs_s), offer, 0.0, charging=charging)


def request(name: str, urgency: int = NO_DEADLINE, **changes: Any) -> Request:
    return replace(PLAIN, id=name, urgency=urgency, **changes)


def board(amperes: int) -> tuple[int, ...]:
    return (amperes * 1000,) * 3


def shared(requests: Iterable[Request], room_ma: Sequence[int]) -> Shares:
    return share_out(list(requests), room_ma)


def amperes(requests: Iterable[Request], room_ma: Sequence[int]) -> dict[str, float]:
    return {name: share.current_ma / 1000 for name, share in shared(requests, room_ma).items()}


def test_without_a_deadline_there_is_no_urgency() -> None:
    assert urgency(None, WALLBOX, 0.0, charging=True) == NO_DEADLINE


@pytest.mark.parametrize("departs_s", [0.0, -1.0, -math.inf, math.nan])
def test_who_should_be_gone_counts_like_a_session_without_a_deadline(departs_s: float) -> None:
    assert pressed(20_000, departs_s) == NO_DEADLINE


@pytest.mark.parametrize("energy_wh", [0, -1, -(10**9)])
def test_who_has_had_the_energy_comes_behind_all_others(energy_wh: int) -> None:
    assert pressed(energy_wh, HOUR_S) == SATISFIED < NO_DEADLINE < pressed(1, 10 * HOUR_S)


@pytest.mark.parametrize(
    ("energy_wh", "departs_s", "offer"),
    [
        (10**30, HOUR_S, WALLBOX),
        (20_000, math.inf, WALLBOX),
        (20_000, 1e-9, WALLBOX),
        (20_000, HOUR_S, Offer(0, 0, 0)),
        (20_000, HOUR_S, Offer(-6_000, 3, 230_000)),
        (10**30, 1e-9, Offer(10**9, 3, 10**9)),
    ],
)
def test_absurd_statements_are_as_urgent_as_the_outlet_allows_and_no_more(
    energy_wh: int, departs_s: float, offer: Offer
) -> None:
    found = pressed(energy_wh, departs_s, offer=offer)
    assert isinstance(found, int)
    assert found >= 1
    if offer == WALLBOX:
        assert found <= pressed(11_040, 60.0)


@given(
    energy=st.integers(1, 200_000),
    more=st.integers(0, 100_000),
    left=st.floats(1.0, 200_000.0),
    sooner=st.floats(0.0, 1.0),
    charging=st.booleans(),
)
def test_more_energy_or_less_time_is_never_less_urgent(
    energy: int, more: int, left: float, sooner: float, charging: bool
) -> None:
    plain = pressed(energy, left, charging=charging)
    assert pressed(energy + more, left, charging=charging) >= plain
    assert pressed(energy, max(1e-3, left * sooner), charging=charging) >= plain


def test_of_two_with_the_same_need_who_charges_goes_on() -> None:
    waiting, charging = pressed(2_000, 8 * HOUR_S), pressed(2_000, 8 * HOUR_S, charging=True)
    assert charging > waiting
    assert pressed(4_000, 8 * HOUR_S) > charging, "twice the need outweighs that"


def test_urgency_stands_still_while_a_car_charges_at_the_power_that_it_needs() -> None:
    need_w = 3_000
    found = {pressed(int(need_w * hours), hours * HOUR_S, charging=True) for hours in (5.0, 4.0, 3.0, 2.0, 1.0)}
    assert len(found) == 1


def test_a_deadline_session_waits_for_more_slots_before_it_is_due() -> None:
    assert is_over(900.0, 900.0, NO_DEADLINE)
    assert not is_over(900.0 * PATIENCE - 1, 900.0, 40)
    assert is_over(900.0 * PATIENCE, 900.0, 40)
    assert is_over(900.0 * PATIENCE, 900.0, SATISFIED)


def test_without_deadlines_nothing_changes() -> None:
    ordered = in_order([request("A"), request("B", standing=Standing.DUE)])
    assert set_aside(ordered, board(10)) is ordered


def test_the_most_urgent_has_all_that_it_can_take_before_another_has_its_minimum() -> None:
    cars = [request("calm", 20, standing=Standing.OVERSTAYING), request("pressed", 90)]
    assert amperes(cars, board(20)) == {"pressed": 16, "calm": 0}
    assert amperes(cars, board(22)) == {"pressed": 16, "calm": 6}


def test_what_the_most_urgent_cannot_take_is_shared_as_ever() -> None:
    cars = [request("a", 90, most_ma=6_000), request("b", 20), request("c", 20)]
    assert amperes(cars, board(30)) == {"a": 6, "b": 16, "c": 8}


def test_who_is_in_its_slot_keeps_its_minimum_whoever_is_more_urgent() -> None:
    cars = [request("calm", 20, standing=Standing.SERVING), request("pressed", 90)]
    assert amperes(cars, board(20)) == {"pressed": 14, "calm": 6}


def test_who_is_due_gets_its_minimum_however_little_urgent() -> None:
    cars = [request("due", 1, standing=Standing.DUE), request("pressed", 90, standing=Standing.OVERSTAYING)]
    assert amperes(cars, board(20)) == {"pressed": 14, "due": 6}


def test_while_somebody_due_does_not_fit_nothing_is_set_aside_for_newcomers() -> None:
    cars = [
        request("inside", 1, standing=Standing.SERVING, most_ma=6_000),
        request("due", 1, standing=Standing.DUE, least_ma=10_000),
        request("new", 90),
    ]
    assert amperes(cars, board(15)) == {"inside": 6, "due": 0, "new": 0}
    assert amperes([*cars[:1], *cars[2:]], board(15)) == {"inside": 6, "new": 9}


def test_who_is_due_but_would_not_even_fit_alone_holds_nobody_up() -> None:
    cars = [
        request("due", 1, standing=Standing.DUE, least_ma=14_000),
        request("calm", 20, standing=Standing.OVERSTAYING, least_ma=8_000),
        request("new", 90),
    ]
    assert amperes(cars, board(12)) == {"due": 0, "calm": 0, "new": 12}


def test_an_idle_car_has_nothing_set_aside_however_urgent() -> None:
    cars = [request("idle", 90, standing=Standing.IDLE), request("calm", 20, standing=Standing.OVERSTAYING)]
    assert amperes(cars, board(20)) == {"calm": 16, "idle": 0}
    assert amperes(cars, board(26)) == {"calm": 16, "idle": 10}
    both = [*cars[:1], request("idle too", 90, standing=Standing.IDLE)]
    assert amperes(both, board(20)) == {"idle": 10, "idle too": 10}


def test_the_satisfied_charge_on_where_there_is_room() -> None:
    cars = [request("done", SATISFIED, standing=Standing.OVERSTAYING), request("pressed", 50)]
    assert amperes(cars, board(20)) == {"pressed": 16, "done": 0}
    assert amperes(cars, board(26)) == {"pressed": 16, "done": 10}
    both = [*cars[:1], request("done too", SATISFIED, standing=Standing.OVERSTAYING)]
    assert amperes(both, board(20)) == {"done": 10, "done too": 10}


def test_an_evse_on_probation_holds_its_minimum_and_no_more() -> None:
    cars = [request("back", 90, probation=True), request("calm", 20, standing=Standing.OVERSTAYING)]
    found = shared(cars, board(20))
    assert found["back"].probation
    assert found["calm"].current_ma == 16_000, "it is on loan meanwhile"
    assert amperes(cars, board(10)) == {"back": 0, "calm": 0}


def test_a_session_without_deadline_on_probation_holds_its_place_at_the_cost_of_equals() -> None:
    cars = [
        request("plain", standing=Standing.OVERSTAYING),
        request("back", probation=True),
        request("late", 20, standing=Standing.OVERSTAYING),
    ]
    found = shared(cars, board(20))
    assert found["back"].probation
    assert found["late"].current_ma >= 6_000


def test_a_higher_priority_comes_before_any_urgency() -> None:
    cars = [request("urgent", 90), request("first", priority=1)]
    assert amperes(cars, board(20)) == {"first": 14, "urgent": 6}, "as if nobody had a deadline"
    assert amperes(cars, board(10)) == {"first": 10, "urgent": 0}


def late(site: Site, seed: int) -> Site:
    """The same site; most sessions have a deadline, some are idle or on probation."""
    dice = random.Random(seed)
    levels = (NO_DEADLINE, SATISFIED, 1, 20, 20, 55, 90)
    return Site(
        tuple(
            replace(
                one,
                urgency=dice.choice(levels),
                standing=Standing.IDLE if dice.random() < 0.05 else one.standing,
                probation=one.standing is Standing.WAITING and dice.random() < 0.1,
            )
            for one in site.requests
        ),
        site.room_ma,
    )


@pytest.mark.parametrize("first", range(0, 1500, 250))
def test_what_is_set_aside_fits_together_and_is_given(first: int) -> None:
    for seed in range(first, first + 250):
        site = late(random_instance(seed), seed)
        before = {one.id: one for one in site.requests}
        ordered = set_aside(in_order(site.requests), site.room_ma)
        shares = shared(site.requests, site.room_ma)
        assert {one.id for one in ordered} == set(before)
        load = [0] * len(site.room_ma)
        for one in ordered:
            was, share = before[one.id], shares[one.id]
            assert was.least_ma <= one.least_ma
            assert (one.least_ma - was.least_ma) % was.step_ma == 0
            if one.least_ma > was.least_ma:
                assert one.least_ma <= one.most_ma
                assert share.current_ma >= one.least_ma
            for link in one.links:
                load[link] += share.current_ma
        assert all(used <= max(0, room) for used, room in zip(load, site.room_ma, strict=True))


@pytest.mark.parametrize("first", range(0, 1500, 250))
def test_who_has_no_deadline_gets_no_less_than_if_nobody_had_one(first: int) -> None:
    for seed in range(first, first + 250):
        site = late(random_instance(seed), seed)
        requests = [replace(one, probation=False) for one in site.requests]
        equal = share_out([replace(one, urgency=NO_DEADLINE) for one in requests], site.room_ma)
        found = shared(requests, site.room_ma)
        for one in requests:
            if one.urgency == NO_DEADLINE and one.standing is not Standing.IDLE:
                assert found[one.id].current_ma >= equal[one.id].current_ma, (seed, one)


@given(seed=st.integers(0, 5_000))
def test_no_link_idles_while_somebody_admitted_could_take_a_step(seed: int) -> None:
    site = late(random_instance(seed, same_steps=True), seed)
    for name, share in shared(site.requests, site.room_ma).items():
        one = next(request for request in site.requests if request.id == name)
        assert not share.admitted or share.current_ma == one.most_ma or share.tight
