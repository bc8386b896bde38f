"""Weighted limits: watts over three phases, groups, the difference between phases. Expectations by hand."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from controller.allocation.circuits import PHASE_NAMES, Rotation
from controller.allocation.image import Demand, EvseImage, Layout, Limit, ProcessImage, ReasonKind, Scope
from drivers.api import Health
from tests.allocation.builders import (
    amperes,
    charging,
    circuit,
    idle,
    image,
    layout,
    metered,
    point,
    run,
    setpoints,
)

TWO = layout([circuit("main", 63)], [point("A", max_ma=32_000), point("B", max_ma=32_000, phases=1)])


def fresh(site: Layout, limits: Sequence[Limit] = (), demands: dict[str, Demand] | None = None) -> ProcessImage:
    wanted = demands or {}
    evses = [
        replace(idle(one.id, 0.5), permit=True, demand=wanted.get(one.id, Demand(since_s=0.0)))
        for one in site.evses
    ]
    return image(1.0, evses, limits)


def in_watts(scope: Scope, target: str, power_w: int) -> Limit:
    return Limit("grid", scope, target, None, value_w=power_w)


def test_a_power_counts_three_phases_thrice() -> None:
    """9.2 kW are 40 A over all phases: 10 A each, three times for A, once for B."""
    plan = run(TWO, [fresh(TWO, [in_watts(Scope.CHARGING, "main", 9200)])])
    assert setpoints(plan) == {"A": 10_000, "B": 10_000}
    assert {one.reason.text() for one in plan.evses} == {"limit: grid"}


def test_the_contract_of_a_circuit_includes_the_building() -> None:
    site = layout([replace(circuit("main", 63, other_a=4), max_w=11_960)], list(TWO.evses))
    plan = run(site, [fresh(site)])
    assert setpoints(plan) == {"A": 10_000, "B": 10_000}
    assert plan.evses[0].reason.text() == "circuit: main, power"
    assert plan.circuits[0].limit_w == 11_960
    assert plan.circuits[0].limited_by == "contract"


def test_a_limit_in_watts_on_an_evse_uses_its_phases() -> None:
    plan = run(
        TWO, [fresh(TWO, [in_watts(Scope.EVSE, "A", 6900), Limit("x", Scope.EVSE, "B", None, value_w=3000)])]
    )
    assert setpoints(plan) == {"A": 10_000, "B": 13_000}
    assert [one.reason.where for one in plan.evses] == ["grid", "x"]


def test_below_the_minimum_in_watts_it_waits_for_the_limit() -> None:
    plan = run(TWO, [fresh(TWO, [in_watts(Scope.EVSE, "A", 4000)])])
    assert setpoints(plan)["A"] == 0
    assert plan.evses[0].reason.text() == "waiting: grid"


def test_a_group_is_capped_wherever_its_members_hang() -> None:
    site = layout(
        [circuit("main", 63), circuit("b", 32, "main")],
        [point("A", "b", max_ma=32_000), point("B", max_ma=32_000), point("C", max_ma=32_000)],
    )
    site = replace(site, groups={"CP1": frozenset({"A", "B"})})
    plan = run(site, [fresh(site, [Limit("csms", Scope.GROUP, "CP1", 20_000)])])
    assert setpoints(plan) == {"A": 10_000, "B": 10_000, "C": 32_000}
    assert plan.evses[0].reason.text() == "limit: csms"
    plan = run(site, [fresh(site, [Limit("csms", Scope.GROUP, "CP1", None, value_w=13_800)])])
    assert setpoints(plan) == {"A": 10_000, "B": 10_000, "C": 32_000}


def test_a_limit_on_an_unknown_group_is_told() -> None:
    assert run(TWO, [fresh(TWO, [Limit("csms", Scope.GROUP, "CP9", 0)])]).alarms == (
        "limit of csms: there is no group CP9",
    )


def test_an_unreachable_member_keeps_its_part_of_a_power() -> None:
    lost = charging("A", 0.5, 16, permit=False, demand=None)
    image_now = replace(fresh(TWO, [in_watts(Scope.CHARGING, "main", 14_950)]), evses=())
    gone = replace(lost, health=Health.LOST, lost_s=0.5)
    other = replace(idle("B", 0.5), permit=True, demand=Demand(since_s=0.0))
    plan = run(TWO, [replace(image_now, evses=(gone, other))])
    assert setpoints(plan)["B"] == 17_000, "65 A in all, 48 of them may flow at A"


UNBALANCED = replace(circuit("main", 100, meter="grid"), unbalance_ma=20_000)


def test_two_single_phase_cars_on_one_phase_share_the_unbalance() -> None:
    site = layout([UNBALANCED], [point("A", phases=1, max_ma=32_000), point("B", phases=1, max_ma=32_000)])
    plan = run(site, [fresh(site)])
    assert setpoints(plan) == {"A": 10_000, "B": 10_000}
    assert plan.evses[0].reason.text() == "circuit: main unbalance, L1"


def test_cars_on_all_three_phases_lift_each_other_to_their_maximum() -> None:
    rotations = (Rotation.L1L2L3, Rotation.L2L3L1, Rotation.L3L1L2)
    site = layout(
        [UNBALANCED], [point(f"E{n}", phases=1, rotation=one, max_ma=32_000) for n, one in enumerate(rotations)]
    )
    assert setpoints(run(site, [fresh(site)])) == {"E0": 32_000, "E1": 32_000, "E2": 32_000}


def test_three_phase_cars_change_no_difference() -> None:
    site = layout([UNBALANCED], [point("A", max_ma=32_000), point("B", phases=1, max_ma=32_000)])
    assert setpoints(run(site, [fresh(site)])) == {"A": 32_000, "B": 20_000}


def test_the_building_s_own_unbalance_counts() -> None:
    site = layout([UNBALANCED], [point("B", phases=1, max_ma=32_000)])
    seen = replace(fresh(site), meters={"grid": metered(0.9, amperes(10, 2, 2))})
    assert setpoints(run(site, [seen])) == {"B": 12_000}


def random_site(dice: random.Random) -> tuple[Layout, list[EvseImage], list[Limit]]:
    circuits = [
        replace(circuit("C0", dice.choice((40, 63, 100))), unbalance_ma=dice.choice((None, 16_000, 20_000)))
    ]
    for place in range(1, dice.randint(1, 4)):
        parent = dice.choice(circuits).id
        max_w = dice.choice((None, dice.randrange(4000, 40_000)))
        circuits.append(replace(circuit(f"C{place}", dice.choice((20, 32, 63)), parent, other_a=2), max_w=max_w))
    points = [
        point(
            f"E{n}",
            dice.choice(circuits).id,
            phases=dice.choice((1, 1, 2, 3)),
            rotation=dice.choice(list(Rotation)),
            max_ma=dice.choice((16_000, 32_000)),
            step_ma=dice.choice((1000, 100)),
        )
        for n in range(dice.randint(2, 12))
    ]
    names = [one.id for one in points]
    groups = {"G": frozenset(dice.sample(names, 2))}
    limits = [
        Limit("p", Scope.CIRCUIT, dice.choice(circuits).id, None, value_w=dice.randrange(0, 40_000)),
        Limit("d", Scope.CHARGING, dice.choice(circuits).id, None, value_w=dice.randrange(4000, 40_000)),
        Limit("g", Scope.GROUP, "G", dice.randrange(0, 40_000), value_w=dice.randrange(0, 20_000)),
        Limit("e", Scope.EVSE, dice.choice(names), None, value_w=dice.randrange(0, 20_000)),
    ]
    evses = [
        replace(idle(one.id, 0.5), permit=True, demand=Demand(since_s=0.0, weight=dice.choice((1, 2))))
        for one in points
    ]
    return replace(layout(circuits, points), groups=groups), evses, dice.sample(limits, dice.randint(0, 4))


@pytest.mark.parametrize("first", range(0, 600, 150))
def test_no_weighted_limit_is_ever_broken_and_no_step_is_wasted(first: int) -> None:
    for seed in range(first, first + 150):
        site, evses, limits = random_site(random.Random(seed))
        plan = run(site, [image(1.0, evses, limits)])
        assert not [text for text in plan.alarms if "guard" in text], seed
        current = setpoints(plan)
        assert _broken(site, limits, current) == [], seed
        for one in plan.evses:
            supply = next(point for point in site.evses if point.id == one.id)
            full = one.reason.kind in {ReasonKind.OWN_MAXIMUM, ReasonKind.WAITING}
            on_two = "unbalance" in one.reason.where and supply.phases == 2
            stepped = {**current, one.id: one.current_ma + supply.step_ma}
            assert full or on_two or one.current_ma == 0 or _broken(site, limits, stepped), (seed, one)


def _broken(site: Layout, limits: list[Limit], current: dict[str, int]) -> list[str]:
    """Everything added up once more, phase by phase, from the site alone."""
    parents = {one.id: one.parent for one in site.circuits}
    other = {one.id: 0 for one in site.circuits}
    loads = {(one.id, phase): 0 for one in site.circuits for phase in range(3)}
    few = dict(loads)
    power = {one.id: 0 for one in site.circuits}
    mine: dict[str, list[int]] = {}
    for one in site.circuits:
        node: str | None = one.id
        while node is not None:
            other[node] += one.max_other_ma.l1
            node = parents[node]
    for evse in site.evses:
        mine[evse.id] = [
            current[evse.id] if phase in evse.rotation.value[: evse.phases] else 0 for phase in range(3)
        ]
        node = evse.circuit
        while node is not None:
            for phase in range(3):
                loads[node, phase] += mine[evse.id][phase]
                few[node, phase] += mine[evse.id][phase] if evse.phases < 3 else 0
            power[node] += sum(mine[evse.id])
            node = parents[node]
    wrong = []
    for circuit_ in site.circuits:
        name = circuit_.id
        caps = [limit.value_w for limit in limits if limit.scope is Scope.CIRCUIT and limit.target == name]
        caps += [circuit_.max_w]
        for phase in range(3):
            if loads[name, phase] and loads[name, phase] + other[name] > circuit_.rating_ma[phase]:
                wrong.append(f"{name} {PHASE_NAMES[phase]}")
            lowest = min(few[name, at] for at in range(3))
            if circuit_.unbalance_ma is not None and few[name, phase] - lowest > circuit_.unbalance_ma:
                wrong.append(f"{name} unbalance {phase}")
        for cap in caps:
            if cap is not None and power[name] and (power[name] + 3 * other[name]) * 230 > cap * 1000:
                wrong.append(f"{name} W")
        for limit in limits:
            if (
                limit.scope is Scope.CHARGING
                and limit.target == name
                and power[name] * 230 > (limit.value_w or 0) * 1000
            ):
                wrong.append(f"{name} charging W")
    for limit in limits:
        members = site.groups.get(limit.target, frozenset({limit.target} & set(mine)))
        total = [sum(mine[name][phase] for name in members) for phase in range(3)]
        if limit.value_ma is not None and max(total, default=0) > limit.value_ma:
            wrong.append(f"{limit.target} A")
        if limit.scope in {Scope.GROUP, Scope.EVSE} and sum(total) * 230 > (limit.value_w or 0) * 1000:
            wrong.append(f"{limit.target} W")
    return wrong
