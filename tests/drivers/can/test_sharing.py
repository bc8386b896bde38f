"""A current shared among modules."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.can.sharing import Member, shares


def members(*pairs: tuple[int, int]) -> list[Member]:
    return [Member(place, bound_ma, most_ma) for place, (bound_ma, most_ma) in enumerate(pairs)]


def test_all_get_the_same_as_far_as_they_can() -> None:
    assert shares(100, members((0, 50), (0, 50), (0, 10))) == {0: 45, 1: 45, 2: 10}


def test_a_silent_module_takes_its_bound_from_the_others() -> None:
    assert shares(100, members((40, 0), (0, 50), (0, 50))) == {1: 30, 2: 30}
    assert shares(100, members((120, 0), (0, 50))) == {1: 0}


def test_a_raise_waits_for_the_cut_that_makes_room_for_it() -> None:
    assert shares(100, members((100, 100), (0, 100))) == {0: 50, 1: 0}
    assert shares(100, members((50, 100), (0, 100))) == {0: 50, 1: 50}


def test_nobody_is_asked_where_nobody_can() -> None:
    assert shares(100, members((0, 0))) == {}
    assert shares(0, members((0, 50))) == {0: 0}


many = st.lists(
    st.tuples(st.integers(0, 200_000), st.one_of(st.just(0), st.integers(1, 133_000))), min_size=0, max_size=12
).map(lambda pairs: members(*pairs))


@given(total_ma=st.integers(0, 800_000), group=many)
def test_at_no_moment_can_more_flow_than_the_total_or_than_already_did(total_ma: int, group: list[Member]) -> None:
    orders = shares(total_ma, group)
    after_ma = sum(max(member.bound_ma, orders.get(member.address, 0)) for member in group)
    assert after_ma <= max(total_ma, sum(member.bound_ma for member in group))
    for member in group:
        assert 0 <= orders.get(member.address, 0) <= member.most_ma


@given(total_ma=st.integers(0, 800_000), group=many)
def test_confirmed_orders_come_to_rest_at_no_more_than_the_total(total_ma: int, group: list[Member]) -> None:
    for _ in range(4):
        orders = shares(total_ma, group)
        group = [Member(each.address, orders.get(each.address, each.bound_ma), each.most_ma) for each in group]
    held_ma = sum(each.bound_ma for each in group if not each.most_ma)
    usable = [each for each in group if each.most_ma]
    flowing_ma = sum(each.bound_ma for each in usable)
    assert flowing_ma <= max(0, total_ma - held_ma)
    possible_ma = min(max(0, total_ma - held_ma), sum(each.most_ma for each in usable))
    assert flowing_ma >= possible_ma - len(usable)
