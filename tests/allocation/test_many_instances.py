"""Every limit, minimum, maximum and step on 100,000 random sites; what else must hold on thousands.

What is popularly believed of fair sharing and false is asserted nowhere: that more room for one link, or a car that
leaves, costs nobody anything; that more room carries more power or admits more cars.
"""

import random
from dataclasses import replace

import pytest

from controller.allocation.admission import admit
from controller.allocation.filling import fill
from controller.allocation.request import Request, in_order
from controller.allocation.sharing import share_out
from tests.allocation.invariants import misrounded, profile, shut_out, unfair, wasteful, worse
from tests.bench.allocation_optimum import shape, small
from tests.bench.sites import Site, broken, site

INSTANCES = 100_000
CHUNK = 5000
THOUSANDS = [range(first, first + 500) for first in range(INSTANCES, INSTANCES + 4000, 500)]


@pytest.mark.parametrize("first", range(0, INSTANCES, CHUNK))
def test_no_limit_minimum_maximum_or_step_is_broken(first: int) -> None:
    for seed in range(first, first + CHUNK):
        one = site(seed, shape(seed) if seed % 200 == 0 else small(seed))
        shares = share_out(one.requests, one.room_ma)
        assert not broken(one, {name: share.current_ma for name, share in shares.items()}), seed


@pytest.mark.parametrize("seeds", THOUSANDS, ids=lambda seeds: f"from-{seeds.start}")
def test_shares_are_fair_and_waste_no_step_nor_place(seeds: range) -> None:
    for seed in seeds:
        one = site(seed, small(seed))
        shares = share_out(one.requests, one.room_ma)
        found = [*misrounded(one, shares), *wasteful(one, shares), *unfair(one, shares), *shut_out(one, shares)]
        assert not found, (seed, found)


@pytest.mark.parametrize("seeds", THOUSANDS, ids=lambda seeds: f"from-{seeds.start}")
def test_more_weight_or_a_higher_maximum_never_lowers_the_own_share(seeds: range) -> None:
    for seed in seeds:
        dice = random.Random(seed)
        one = site(seed, small(seed))
        before = share_out(one.requests, one.room_ma)
        chosen = dice.choice(one.requests)
        for better in (
            replace(chosen, weight=chosen.weight + dice.randint(1, 5)),
            replace(chosen, most_ma=chosen.most_ma + 1000 * dice.randint(1, 16)),
        ):
            after = share_out(_instead(one, better), one.room_ma)
            assert after[chosen.id].admitted == before[chosen.id].admitted, seed
            assert after[chosen.id].exact_ma >= before[chosen.id].exact_ma - 1e-3, seed


def _instead(one: Site, better: Request) -> list[Request]:
    return [better if request.id == better.id else request for request in one.requests]


@pytest.mark.parametrize("seeds", THOUSANDS, ids=lambda seeds: f"from-{seeds.start}")
def test_more_room_for_the_same_cars_never_makes_the_poorest_poorer(seeds: range) -> None:
    """Within one priority: a higher one would take the room from a lower."""
    for seed in seeds:
        dice = random.Random(seed)
        one = site(seed, replace(small(seed), priorities=1))
        admitted = admit(in_order(one.requests), one.room_ma).admitted
        link = dice.randrange(len(one.room_ma))
        room = [amount + (place == link) * dice.randint(1, 20_000) for place, amount in enumerate(one.room_ma)]
        before = profile(admitted, fill(admitted, one.room_ma).current_ma)
        assert not worse(profile(admitted, fill(admitted, room).current_ma), before), seed


@pytest.mark.parametrize("seeds", THOUSANDS, ids=lambda seeds: f"from-{seeds.start}")
def test_the_order_in_which_the_cars_are_listed_does_not_matter(seeds: range) -> None:
    for seed in seeds:
        one = site(seed, small(seed))
        shuffled = list(one.requests)
        random.Random(seed).shuffle(shuffled)
        assert share_out(shuffled, one.room_ma) == share_out(one.requests, one.room_ma), seed
