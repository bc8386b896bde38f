from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.blocks import Packing, packing, plan
from drivers.modbus.codec import Point
from drivers.profile_schema import Table
from drivers.setups import Endpoint, Line

WORD = Point("x", "holding", 0, 1, "u16", True, Fraction(1), None, None, (), None, True)


def at(address: int, width: int = 1, table: Table = "holding") -> Point:
    return replace(WORD, name=f"{table}-{address}", address=address, width=width, table=table)


def spans(*points: Point, longest: int = 32, hole: int = 4) -> list[tuple[str, int, int]]:
    return [(block.table, block.address, block.count) for block in plan(points, Packing(longest, hole, 125))]


def test_neighbours_are_read_together() -> None:
    assert spans(at(10), at(11, 2), at(13)) == [("holding", 10, 4)]


def test_a_small_hole_is_read_and_a_large_one_is_not() -> None:
    assert spans(at(10), at(15)) == [("holding", 10, 6)]
    assert spans(at(10), at(16)) == [("holding", 10, 1), ("holding", 16, 1)]


def test_a_device_without_holes_is_asked_only_for_what_its_profile_names(charger: Any) -> None:
    strict = Packing(32, 32, 32, frozenset({("holding", 10), ("holding", 11), ("holding", 12), ("holding", 14)}))
    blocks = plan([at(10), at(12), at(14)], strict)
    assert [(block.address, block.count) for block in blocks] == [(10, 3), (14, 1)]
    profile = charger()
    quirks = profile.modbus.model_copy(update={"holes": False})
    covered = packing(Endpoint("h", 502), replace(profile, modbus=quirks), outlet=2).covered
    assert covered is not None
    assert {("holding", 110), ("holding", 122), ("holding", 1000)} & covered == {
        ("holding", 110),
        ("holding", 1000),
    }


def test_r08_what_belongs_together_is_read_at_once_even_on_a_slow_line() -> None:
    slow = Packing(4, 2, 32)
    blocks = plan([at(0), at(6), at(12), at(13), at(20)], slow, ("holding-6", "holding-13"))
    assert [(block.address, block.count, len(block.points)) for block in blocks] == [
        (6, 8, 3),
        (0, 1, 1),
        (20, 1, 1),
    ]
    split = plan([at(6), at(13)], Packing(4, 2, 4), ("holding-6", "holding-13"))
    assert len(split) == 2


def test_what_lies_near_a_block_that_belongs_together_is_read_with_it() -> None:
    fits = Packing(20, 4, 32)
    blocks = plan([at(0), at(6), at(13), at(14, 2), at(30)], fits, ("holding-6", "holding-13"))
    assert [(block.address, block.count, len(block.points)) for block in blocks] == [
        (6, 10, 3),
        (0, 1, 1),
        (30, 1, 1),
    ]
    long = plan([at(6), at(13), at(14)], Packing(4, 2, 32), ("holding-6", "holding-13"))
    assert [(block.address, block.count) for block in long] == [(6, 8), (14, 1)]
    wider = plan([at(0), at(6), at(13), at(14, 2)], Packing(20, 5, 32), ("holding-6", "holding-13"))
    assert [(block.address, block.count) for block in wider] == [(0, 16)]
    strict = Packing(20, 5, 32, frozenset({("holding", address) for address in (0, 6, 13, 14, 15)}))
    assert [(block.address, block.count) for block in plan([at(6), at(14, 2)], strict, ("holding-6",))] == [
        (6, 1),
        (14, 2),
    ]


def test_tables_are_never_mixed() -> None:
    assert spans(at(10), at(11, table="input")) == [("holding", 10, 1), ("input", 11, 1)]


def test_a_hole_costs_more_on_a_slow_line_than_on_a_fast_one(charger: Any) -> None:
    quirks = charger().modbus.model_copy(update={"max_block": 125})
    profile = replace(charger(), modbus=quirks)
    slow = packing(Line("p", 9600, "N", 1), profile)
    fast = packing(Line("p", 115200, "N", 1), profile)
    assert slow.hole == 10
    assert 40 < fast.hole < 50
    assert slow.longest < 20 < fast.longest


@given(st.sets(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 20), st.integers(0, 20))
def test_every_point_is_in_exactly_one_block_within_the_limits(
    addresses: set[int], longest: int, hole: int
) -> None:
    points = [at(address) for address in addresses]
    blocks = plan(points, Packing(longest, hole, 125))
    assert sorted(p.address for b in blocks for p in b.points) == sorted(addresses)
    for block in blocks:
        assert block.count <= longest
        own = sorted(p.address for p in block.points)
        assert (own[0], own[-1] + 1) == (block.address, block.address + block.count)
        assert all(later - earlier - 1 <= hole for earlier, later in pairwise(own))
