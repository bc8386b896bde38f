"""Who gets which stack: examples, and what must hold for any site."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivers.dc.matrix import Choice, Need, deal

OUTLETS = ("A", "B", "C")


def stack(
    name: str, home: str, at: str | None = None, *, gives_w: int = 30_000, reach: str = "ABC", movable: bool = True,
    modules: int = 1, together: int = 9,
) -> Choice:  # fmt: skip
    return Choice(
        name, home, at or home, dict.fromkeys(reach, gives_w), modules=modules, together=together, movable=movable
    )


def needs(**watts: int) -> list[Need]:
    return [Need(outlet, watts.get(outlet, 0)) for outlet in OUTLETS]


def test_without_need_every_stack_is_at_home() -> None:
    assert deal(needs(), [stack("1", "A", at="B"), stack("2", "B")]) == {"1": "A", "2": "B"}


def test_an_idle_stack_is_lent_to_who_is_short() -> None:
    assert deal(needs(A=50_000), [stack("1", "A"), stack("2", "B")]) == {"1": "A", "2": "A"}


def test_nobody_gets_more_than_it_needs() -> None:
    stacks = [stack("1", "A"), stack("2", "B"), stack("3", "C")]
    assert deal(needs(A=50_000), stacks) == {"1": "A", "2": "A", "3": "C"}
    assert deal(needs(A=20_000), stacks) == {"1": "A", "2": "B", "3": "C"}


def test_r9_the_owner_has_its_stack_back_when_it_needs_it() -> None:
    stacks = [stack("1", "A"), stack("2", "B", at="A")]
    assert deal(needs(A=90_000, B=10_000), stacks) == {"1": "A", "2": "B"}
    assert deal(needs(A=90_000, B=1), stacks)["2"] == "B", "a session that begins needs one at least"


def test_what_an_owner_does_not_need_of_several_is_lent() -> None:
    stacks = [stack("1", "A"), stack("2", "B"), stack("3", "B")]
    assert deal(needs(A=90_000, B=30_000), stacks) == {"1": "A", "2": "B", "3": "A"}


def test_an_owner_keeps_the_one_that_is_there_and_lends_the_other() -> None:
    stacks = [stack("2", "B", at="A"), stack("3", "B")]
    assert deal(needs(A=90_000, B=30_000), stacks) == {"2": "A", "3": "B"}


def test_who_has_a_lent_stack_keeps_it_before_it_is_moved_to_another() -> None:
    stacks = [stack("3", "C", at="B")]
    assert deal(needs(A=90_000, B=30_000), stacks) == {"3": "B"}


def test_of_two_that_are_short_the_one_that_lacks_more_comes_first() -> None:
    assert deal(needs(A=20_000, B=50_000), [stack("3", "C")]) == {"3": "B"}


def test_no_more_modules_than_may_work_together() -> None:
    stacks = [stack("1", "A", modules=3, together=4), stack("2", "B", modules=3, together=4)]
    assert deal(needs(A=90_000), stacks) == {"1": "A", "2": "B"}


def test_a_stack_goes_only_where_it_has_a_contactor_and_is_of_use() -> None:
    assert deal(needs(A=90_000), [stack("2", "B", reach="BC")]) == {"2": "B"}
    assert deal(needs(A=90_000), [stack("2", "B", gives_w=0)]) == {"2": "B"}


def test_one_that_cannot_be_moved_counts_where_it_is() -> None:
    fixed = stack("1", "A", movable=False, reach="A")
    assert deal(needs(A=30_000), [fixed, stack("2", "B")]) == {"1": "A", "2": "B"}


CHOICES = st.lists(
    st.builds(
        Choice,
        stack=st.sampled_from([f"s{n}" for n in range(8)]),
        home=st.sampled_from(OUTLETS),
        at=st.sampled_from([*OUTLETS, None]),
        gives_w=st.dictionaries(st.sampled_from(OUTLETS), st.sampled_from([0, 10_000, 30_000]), min_size=1),
        modules=st.integers(1, 3),
        model=st.just("m"),
        together=st.just(5),
        movable=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda choice: choice.stack,
)
NEEDS = st.fixed_dictionaries({outlet: st.sampled_from([0, 1, 25_000, 60_000, 200_000]) for outlet in OUTLETS})


@given(CHOICES, NEEDS)
def test_whatever_the_site_every_stack_has_one_place_and_no_owner_goes_short_for_another(
    choices: list[Choice], wants_w: dict[str, int]
) -> None:
    dealt = deal([Need(outlet, watts) for outlet, watts in wants_w.items()], choices)
    assert set(dealt) == {choice.stack for choice in choices}
    for choice in choices:
        place = dealt[choice.stack]
        if not choice.movable:
            assert place == (choice.at or choice.home)
        elif place != choice.home:
            assert choice.gives_w.get(place, 0) > 0
            assert wants_w[place] > 0
            has_w = sum(one.gives_w.get(choice.home, 0) for one in choices if dealt[one.stack] == choice.home)
            own = choice.gives_w.get(choice.home, 0) > 0 and _room(choices, dealt, choice)
            assert has_w >= wants_w[choice.home] or not own, "lent though its owner is short"


def _room(choices: list[Choice], dealt: object, choice: Choice) -> bool:
    """Whether the owner could take it beside those that it has."""
    assert isinstance(dealt, dict)
    there = sum(one.modules for one in choices if dealt[one.stack] == choice.home)
    return there + choice.modules <= choice.together


@given(CHOICES, NEEDS)
def test_stacks_come_to_rest_while_nothing_else_changes(choices: list[Choice], wants_w: dict[str, int]) -> None:
    """An idle stack that came home may free another one for somebody who is short; nothing wanders for ever."""
    wanted = [Need(outlet, watts) for outlet, watts in wants_w.items()]
    dealt = deal(wanted, choices)
    for _ in range(1 + len(choices)):
        before, there = dealt, [replace(one, at=dealt[one.stack]) for one in choices]
        dealt = deal(wanted, there)
        if dealt == before:
            break
    assert dealt == before
