"""R37: limits are a list, the lowest wins and is named, and removing the one that a reason names helps."""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from controller.allocation.circuits import Circuit, Rotation
from controller.allocation.image import Demand, EvseImage, EvsePlan, Layout, Limit, Plan, ReasonKind, Scope
from tests.allocation.builders import WATCHED, charging, circuit, idle, image, layout, point, run, setpoints

ONE = layout([circuit("main", 63)], [point("A", max_ma=32_000), point("B", max_ma=32_000)])


def fresh(site: Layout, limits: Iterable[Limit] = (), waiting: Iterable[str] | None = None) -> Plan:
    """The plan for a site where every car has just plugged in."""
    evses = [replace(idle(one.id, 0.5), permit=True, demand=Demand(since_s=0.0)) for one in site.evses]
    return run(site, [image(1.0, evses, limits)])


@pytest.mark.parametrize(
    ("limits", "expected", "where"),
    [
        ([], 31_000, "main, L1"),
        ([Limit("grid", Scope.CIRCUIT, "main", 40_000, None)], 20_000, "grid"),
        ([Limit("grid", Scope.CIRCUIT, "main", 40_000, 1.0)], 31_000, "main, L1"),
        ([Limit("grid", Scope.CIRCUIT, "main", 40_000, 1.1)], 20_000, "grid"),
        ([Limit("x", Scope.CIRCUIT, "main", 40_000), Limit("y", Scope.CIRCUIT, "main", 24_000)], 12_000, "y"),
        ([Limit("csms", Scope.EVSE, "B", 10_500)], 10_000, "csms"),
        ([Limit("dso", Scope.CHARGING, "main", 22_000)], 11_000, "dso"),
        ([Limit("grid", Scope.CIRCUIT, "main", 90_000)], 31_000, "main, L1"),
    ],
)
def test_r37_the_lowest_limit_in_force_wins_and_is_named(limits: list[Limit], expected: int, where: str) -> None:
    plan = fresh(ONE, limits)
    assert setpoints(plan)["B"] == expected
    assert plan.evses[1].reason.where == where


def test_r11_dimming_of_the_charging_leaves_the_building_alone() -> None:
    site = layout([circuit("main", 63, other_a=40)], [point("A", max_ma=32_000)])
    assert setpoints(fresh(site, [Limit("dso", Scope.CHARGING, "main", 18_000)])) == {"A": 18_000}
    assert setpoints(fresh(site, [Limit("dso", Scope.CIRCUIT, "main", 48_000)])) == {"A": 8000}


def test_r37_two_equal_limits_are_both_named() -> None:
    plan = fresh(ONE, [Limit(name, Scope.CIRCUIT, "main", 40_000) for name in ("x", "y")])
    assert plan.evses[1].reason.where == "x; y"


def test_r7_a_limit_below_the_minimum_pauses_and_says_so() -> None:
    plan = fresh(ONE, [Limit("csms", Scope.EVSE, "A", 5000)])
    assert setpoints(plan)["A"] == 0
    assert plan.evses[0].reason.text() == "waiting: csms"


def test_a_limit_on_an_unknown_target_raises_an_alarm_and_limits_nothing() -> None:
    plan = fresh(ONE, [Limit("csms", Scope.EVSE, "Z", 0)])
    assert plan.alarms == ("limit of csms: there is no evse Z",)


def random_site(dice: random.Random) -> tuple[Layout, list[EvseImage], list[Limit]]:
    circuits: list[Circuit] = []
    for place in range(dice.randint(1, 5)):
        parent = dice.choice(circuits).id if circuits else None
        circuits.append(circuit(f"C{place}", dice.choice((20, 32, 63, 100)), parent, other_a=dice.choice((0, 3))))
    points = [
        point(
            f"E{n}",
            dice.choice(circuits).id,
            phases=dice.choice((1, 3)),
            rotation=dice.choice(list(Rotation)),
            max_ma=dice.choice((16_000, 32_000)),
            step_ma=dice.choice((1000, 100)),
        )
        for n in range(dice.randint(1, 9))
    ]
    limits = [Limit(f"S{n}", Scope.CIRCUIT, dice.choice(circuits).id, dice.randrange(0, 60_000)) for n in range(3)]
    limits += [Limit(f"T{n}", Scope.EVSE, dice.choice(points).id, dice.randrange(0, 20_000)) for n in range(2)]
    limits.append(Limit("dso", Scope.CHARGING, dice.choice(circuits).id, dice.randrange(0, 60_000)))
    evses = []
    for one in points:
        demand = Demand(
            since_s=float(dice.randrange(9)), weight=dice.choice((1, 2)), priority=dice.choice((0, 0, 1))
        )
        evses.append(replace(idle(one.id, 0.5), permit=True, demand=demand, fall_back=WATCHED))
    return layout(circuits, points), evses, limits


def named(limits: list[Limit], plan: EvsePlan) -> Limit | None:
    by_source = {one.source: one for one in limits}
    return by_source.get(plan.reason.where)


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_r37_without_the_one_limit_that_a_reason_names_the_evse_gets_more(first: int) -> None:
    checked = 0
    for seed in range(first, first + 100):
        site, evses, limits = random_site(random.Random(seed))
        plan = run(site, [image(1.0, evses, limits)])
        for place, one in enumerate(plan.evses):
            limit = named(limits, one)
            if limit is None:
                continue
            checked += 1
            rest = [other for other in limits if other != limit]
            higher = run(site, [image(1.0, evses, rest)]).evses[place]
            assert higher.current_ma > one.current_ma, (seed, one)
    assert checked > 50


@pytest.mark.parametrize("first", range(0, 200, 100))
def test_r37_most_evses_that_a_limit_holds_name_a_single_one(first: int) -> None:
    single = joint = 0
    for seed in range(first, first + 100):
        site, evses, limits = random_site(random.Random(seed))
        for one in run(site, [image(1.0, evses, limits)]).evses:
            if one.reason.kind is ReasonKind.LIMIT:
                single += named(limits, one) is not None
                joint += named(limits, one) is None
    assert single > 2 * joint


def test_a_charging_evse_keeps_its_current_when_a_limit_elsewhere_changes() -> None:
    site = layout(
        [circuit("main", 100), circuit("a", 32, "main"), circuit("b", 32, "main")],
        [point("A", "a"), point("B", "b")],
    )
    evses = [charging("A", 0.5, 16), charging("B", 0.5, 16)]
    plan = run(site, [image(1.0, evses, [Limit("x", Scope.CIRCUIT, "b", 8000)])])
    assert setpoints(plan) == {"A": 16_000, "B": 8000}
