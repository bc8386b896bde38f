"""What belongs together, and what is refused before anything is built."""

from dataclasses import replace
from fractions import Fraction

import pytest

from drivers.dc.plan import ClusterPlan, OutletPlan, StackPlan, clusters, problems
from drivers.profile import builtin_folder, load
from drivers.setups import StackSetup, SwitchSetup
from tests.drivers.dc.rig import INFY, UU, model, outlet_plan, stack_plan

OF = model(UU)
OUTLETS = [outlet_plan(place) for place in (1, 2, 3)]
BITRATES = {"can0": 125_000}


def fixed(number: int, addresses: tuple[int, ...], home: int) -> StackPlan:
    return stack_plan(number, addresses, home, of=OF)


SOUND = [fixed(1, (1, 2), 1), fixed(2, (3,), 2), fixed(3, (4,), 3)]


def test_a_sound_site_has_no_problems_and_a_cluster_for_each_outlet() -> None:
    assert problems(OUTLETS, SOUND, BITRATES) == ()
    found = clusters(OUTLETS, SOUND)
    assert [one.id for one in found] == ["dc:DC1", "dc:DC2", "dc:DC3"]
    assert [[stack.id for stack in one.stacks] for one in found] == [["stack-1"], ["stack-2"], ["stack-3"]]
    assert found[0].buses == {"lan", "can0"}


def test_r36_outlets_that_share_a_stack_are_one_cluster_and_others_are_not_touched() -> None:
    stacks = [stack_plan(1, (1,), 1, of=OF, reach=(1, 3)), fixed(2, (3,), 2), fixed(3, (4,), 3)]
    found = clusters(OUTLETS, stacks)
    assert [[outlet.id for outlet in one.outlets] for one in found] == [["DC1", "DC3"], ["DC2"]]
    assert [[stack.id for stack in one.stacks] for one in found] == [["stack-1", "stack-3"], ["stack-2"]]
    again = clusters(reversed(OUTLETS), [*stacks[1:], stacks[0]])
    assert again == found, "the order in the file is no change"


def test_stacks_that_chain_outlets_make_one_cluster() -> None:
    stacks = [stack_plan(1, (1,), 2, of=OF, reach=(2, 3)), stack_plan(2, (2,), 1, of=OF, reach=(1, 2))]
    assert [len(one.outlets) for one in clusters(OUTLETS, stacks)] == [3]


def test_equal_plans_are_equal_though_all_files_were_read_again() -> None:
    again = OutletPlan(outlet_plan(1).setup, load(builtin_folder() / "seccs" / "ampyard-secc.toml"))
    first = ClusterPlan((outlet_plan(1),), (fixed(1, (1,), 1),))
    second = ClusterPlan((again,), (stack_plan(1, (1,), 1, of=model(UU)),))
    assert first == second


def switched(*switches: SwitchSetup) -> StackPlan:
    return StackPlan(StackSetup("stack-1", "can0", (1,), "DC1", switches), OF)


def test_a_model_that_needs_another_bit_rate_is_refused() -> None:
    stack = stack_plan(1, (0,), 1, of=model(INFY))
    assert problems(OUTLETS[:1], [stack], {"can0": 250_000}) == (
        "stack-1: infypower-v1.13 needs 125000 bit/s, bus can0 has 250000",
    )


CHARGER = load(builtin_folder() / "chargers" / "go-e.toml")
HALF = SwitchSetup("DC1", "lan", 99, 1, 1)


@pytest.mark.parametrize(
    ("outlets", "stacks", "text"),
    [
        ([OutletPlan(OUTLETS[0].setup, CHARGER)], SOUND[:1], "DC1: device profile go-e describes no SECC"),
        (OUTLETS[:2], SOUND[:1], "DC2: no power modules can be connected to it"),
        (OUTLETS[:1], SOUND[:2], "stack-2: there is no DC outlet DC2"),
        (OUTLETS[:1], [fixed(1, (), 1)], "stack-1: give the addresses"),
        (OUTLETS[:1], [fixed(1, (0, 1), 1)], "stack-1: uugreenpower-ur1000x0 has addresses 1 to 127, not [0]"),
        (OUTLETS[:1], [fixed(1, tuple(range(1, 18)), 1)], "at most 16 modules"),
        (OUTLETS[:1], [fixed(1, (1, 1), 1)], "address 1 of uugreen modules is used 2 times on bus can0"),
        (OUTLETS[:2], [fixed(1, (1,), 1), fixed(2, (1,), 2)], "address 1 of uugreen modules is used 2 times"),
        (OUTLETS[:1], [fixed(1, tuple(range(1, 10)), 1), fixed(2, tuple(range(10, 19)), 1)], "18 modules of"),
        (OUTLETS[:2], [switched(replace(HALF, evse="DC2"))], "stack-1: its switches lack the one to DC1"),
        (OUTLETS[:1], [switched(HALF, replace(HALF, coil=2, feedback=2))], "stack-1: two switches to DC1"),
        (OUTLETS[:2], [switched(HALF, SwitchSetup("DC2", "lan", 99, 1, 2))], "coil 1 of unit 99 on bus lan"),
        (OUTLETS[:2], [switched(HALF, SwitchSetup("DC2", "lan", 99, 2, 1))], "feedback 1 of unit 99 on bus lan"),
    ],
)
def test_a_mistake_is_named(outlets: list[OutletPlan], stacks: list[StackPlan], text: str) -> None:
    found = problems(outlets, stacks, BITRATES)
    assert any(text in one for one in found), found


def test_impossible_numbers_and_a_missing_bus_are_named() -> None:
    setup = OUTLETS[0].setup
    bad = OutletPlan(replace(setup, phases=2, efficiency=Fraction(3, 2)), OUTLETS[0].profile)
    found = problems([bad], SOUND[:1], {})
    assert "DC1: 2 phases; a DC outlet takes one or three" in found
    assert "DC1: an efficiency of 1.5 is not possible" in found
    assert "stack-1: there is no CAN bus can0" in found
