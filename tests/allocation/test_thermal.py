"""A breaker's patience: the curve, what is spent, and who is locked before it ends."""

import math
from dataclasses import replace

import pytest

from controller.allocation.control import tick
from controller.allocation.image import Demand, Plan, ReasonKind
from controller.allocation.memory import Memory
from controller.allocation.thermal import COOLS_IN_S, trip_s, wear
from drivers.api import Phases
from tests.allocation.builders import amperes, charging, circuit, image, layout, metered, point, three

SITE = layout([circuit("main", 40, meter="grid")], [point("A", max_ma=16_000), point("B", max_ma=16_000)])


def test_the_curve_is_never_above_the_norm_s_shortest_times() -> None:
    assert trip_s(1.0) == math.inf
    assert trip_s(1.049) == math.inf
    assert trip_s(2.55) == pytest.approx(1.0)
    assert trip_s(1.13) < 3600
    assert 60 < trip_s(1.45) < 3600
    assert trip_s(4.0) < 0.1
    ratios = [1.05 + n / 100 for n in range(300)]
    times = [trip_s(ratio) for ratio in ratios]
    assert times == sorted(times, reverse=True)


def test_an_overload_spends_and_rest_cools() -> None:
    spent = wear({}, SITE, [amperes(80, 40, 0)], 1.0)
    assert list(spent) == ["main"]
    assert spent["main"] == pytest.approx((1 / trip_s(2.0), 0.0, 0.0))
    rested = wear({"main": (0.5, 0.0, 0.1)}, SITE, [three(30)], COOLS_IN_S / 4)
    assert rested["main"] == pytest.approx((0.25, 0.0, 0.0))
    assert wear({"main": (0.5, 0.5, 0.5)}, SITE, [None], COOLS_IN_S) == {}
    assert wear({"main": (0.9, 0.0, 0.0)}, SITE, [three(200)], 10.0)["main"][0] == 1.0


def test_what_is_spent_stays_with_its_circuit_when_the_site_is_changed() -> None:
    main = circuit("main", 40, meter="grid")
    site = layout([main, circuit("new", 32, parent="main"), circuit("board", 20, parent="main")], SITE.evses)
    worn = {"board": (0.5, 0.0, 0.0), "gone": (0.9, 0.9, 0.9)}
    assert wear(worn, site, [three(0), three(0), three(0)], 0.0) == {"board": (0.5, 0.0, 0.0)}


def at(now_s: float, total_a: Phases, memory: Memory, **drawn_a: float) -> tuple[Memory, Plan]:
    evses = [
        charging(name, now_s - 0.2, 16, three(amount), demand=Demand(since_s=0.0, priority=1 if name == "B" else 0))
        for name, amount in drawn_a.items()
    ]
    return tick(SITE, memory, image(now_s, evses, grid=metered(now_s - 0.3, total_a)))


def test_a_small_overload_is_left_to_the_pilot() -> None:
    memory, _ = at(1.0, three(38), Memory(), A=16, B=16)
    _, plan = at(2.0, three(50), memory, A=16, B=16)
    assert all(one.enabled for one in plan.evses)


def test_a_heavy_overload_locks_the_lowest_class_at_once_and_as_many_as_it_takes() -> None:
    memory, _ = at(1.0, three(38), Memory(), A=16, B=16)
    memory, plan = at(2.0, three(90), memory, A=16, B=16)
    first = {one.id: (one.enabled, one.reason.kind) for one in plan.evses}
    assert first["A"] == (False, ReasonKind.THERMAL)
    assert first["B"] == (False, ReasonKind.THERMAL), "50 A are too much, both draw 32"
    assert plan.evses[0].reason.where == "main, L1"
    assert "A: locked for a minute, the breaker at main, L1 was about to trip" in plan.alarms
    memory, _ = at(1.0, three(38), Memory(), A=16, B=16)
    _, plan = at(2.0, three(84), replace(memory, worn={"main": (0.3, 0.3, 0.3)}), A=16, B=4)
    assert [one.enabled for one in plan.evses] == [False, False]


def test_what_is_locked_already_is_not_locked_for_twice() -> None:
    site = layout([circuit("main", 40, meter="grid")], [point(name, max_ma=32_000) for name in ("A", "B", "C")])
    evses = [charging(name, 0.8, 32, three(32)) for name in "ABC"]
    memory, _ = tick(site, Memory(), image(1.0, evses, grid=metered(0.7, three(39))))
    memory, plan = tick(site, memory, image(2.0, evses, grid=metered(1.7, three(97))))
    locked = {one.id for one in plan.evses if not one.enabled}
    assert len(locked) == 2, "57 A too much: two of 32 A"
    _, plan = tick(site, memory, image(2.5, evses, grid=metered(2.2, three(97))))
    assert {one.id for one in plan.evses if not one.enabled} == locked, "the readings are still from before"


def test_a_locked_evse_comes_back_after_a_minute_and_its_proven_room() -> None:
    memory, _ = at(1.0, three(38), Memory(), A=16, B=16)
    memory, _ = at(2.0, three(90), memory, A=16, B=16)
    evses = [charging(name, 0.0, 0, three(0)) for name in "AB"]
    enabled: list[float] = []
    for second in range(3, 200):
        now = [replace(one, reading=charging(one.id, second - 0.2, 0, three(0)).reading) for one in evses]
        memory, plan = tick(SITE, memory, image(float(second), now, grid=metered(second - 0.3, three(5))))
        enabled += [second] if plan.evses[0].enabled else []
        evses = [
            replace(one, confirmed_ma=p.current_ma, commanded_ma=p.current_ma)
            for one, p in zip(evses, plan.evses, strict=True)
        ]
    assert 61 <= enabled[0] <= 64
    assert not any("about to trip" in alarm for alarm in plan.alarms)
    assert plan.evses[0].current_ma > 0
