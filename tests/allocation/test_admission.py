"""Who charges when not all can: slots, claims, idle cars; and the bound on waiting, in simulated hours."""

import itertools
import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from controller.allocation.admission import admit
from controller.allocation.circuits import Rotation
from controller.allocation.control import tick
from controller.allocation.image import Demand, Layout
from controller.allocation.memory import Memory
from controller.allocation.request import Request, Standing, in_order
from tests.allocation.builders import charging, circuit, image, layout, obeyed, point, three


def asks(name: str, *links: int, standing: Standing = Standing.WAITING, **more: Any) -> Request:
    return Request(name, 6000, 32_000, 1000, links or (0,), standing=standing, phases=len(links) or 1, **more)


def admitted(requests: list[Request], room_ma: list[int]) -> set[str]:
    return {request.id for request in admit(in_order(requests), room_ma).admitted}


def test_who_serves_its_slot_stays_and_who_overstays_makes_way_for_who_is_due() -> None:
    serving, overstaying = asks("A", standing=Standing.SERVING), asks("B", standing=Standing.OVERSTAYING)
    due, new = asks("C", standing=Standing.DUE), asks("D")
    assert admitted([serving, overstaying, new], [12_000]) == {"A", "B"}
    assert admitted([serving, overstaying, due, new], [12_000]) == {"A", "C"}


def test_who_has_charged_longest_beyond_its_slot_goes_first() -> None:
    long, short = (
        asks("A", standing=Standing.OVERSTAYING, since_s=-10.0),
        asks("B", standing=Standing.OVERSTAYING, since_s=-90.0),
    )
    assert admitted([long, short, asks("C", standing=Standing.DUE)], [12_000]) == {"B", "C"}


def test_an_idle_ev_makes_way_for_a_newcomer_but_stays_while_there_is_room() -> None:
    idle = asks("A", standing=Standing.IDLE)
    assert admitted([idle, asks("B")], [6000]) == {"B"}
    assert admitted([idle, asks("B")], [12_000]) == {"A", "B"}


def test_three_light_ones_come_before_one_heavy_newcomer_but_not_before_one_that_is_due() -> None:
    heavy = asks("H", 0, 1, 2)
    light = [asks(name, link, since_s=5.0) for name, link in (("A", 0), ("B", 1), ("C", 2))]
    assert admitted([heavy, *light], [6000] * 3) == {"A", "B", "C"}
    assert admitted([replace(heavy, standing=Standing.DUE), *light], [6000] * 3) == {"H"}


def test_one_that_is_due_and_does_not_fit_yet_keeps_newcomers_out_but_nobody_that_charges() -> None:
    due = asks("H", 0, 1, standing=Standing.DUE)
    serving, overstaying = asks("S", 0, standing=Standing.SERVING), asks("O", 1, standing=Standing.OVERSTAYING)
    newcomers = [asks("N", 1), asks("M", 2)]
    assert admitted([due, serving, overstaying, *newcomers], [6000, 12_000, 6000]) == {"S", "O", "M"}
    without = admitted([serving, overstaying, *newcomers], [6000, 12_000, 6000])
    assert without == {"S", "O", "N", "M"}


def test_one_that_would_not_even_fit_alone_keeps_nobody_out() -> None:
    due = asks("H", 0, 1, standing=Standing.DUE)
    assert admitted([due, asks("N", 1)], [5000, 6000]) == {"N"}


def test_a_claim_of_a_higher_priority_does_not_bind_a_lower_one_for_ever() -> None:
    """Classes are strict: the lower one takes what the higher cannot use now."""
    due = asks("H", 0, 1, standing=Standing.DUE, priority=1)
    serving = asks("S", 0, standing=Standing.SERVING, priority=1)
    assert admitted([due, serving, asks("N", 1)], [6000, 6000]) == {"S", "N"}


def exchange(priority: int = 0, shared: int = 3) -> list[Request]:
    """N is let in first, and keeps out A and B; A loads the shared link as well."""
    return [
        asks("N", 4, 5, since_s=1.0, priority=priority),
        asks("A", 4, shared, since_s=2.0, priority=priority),
        asks("B", 5, 6, since_s=3.0, priority=priority),
    ]


ROOM_MA = [6000, 11_000, 20_000, 20_000, 6000, 6000, 20_000]


def test_two_newcomers_take_the_place_of_one() -> None:
    assert admitted(exchange(), ROOM_MA) == {"A", "B"}


@pytest.mark.parametrize("lower", [False, True], ids=["alone", "with-a-lower-priority-behind"])
def test_no_swap_takes_what_somebody_claims(lower: bool) -> None:
    """H waits for link 0 and will need link 1, of which A would leave too little."""
    claiming = [
        asks("H", 0, 1, standing=Standing.DUE, priority=2),
        asks("S", 0, standing=Standing.SERVING, priority=2),
    ]
    behind = [asks("L", 2, priority=1)] if lower else []
    names = admitted([*claiming, *exchange(priority=2, shared=1), *behind], ROOM_MA)
    assert names == {"S", "N"} | {one.id for one in behind}


def test_a_claim_forbids_no_swap_elsewhere_nor_one_of_a_higher_priority() -> None:
    claiming = [asks("H", 0, 1, standing=Standing.DUE), asks("S", 0, standing=Standing.SERVING)]
    assert admitted([*claiming, *exchange()], ROOM_MA) == {"S", "A", "B"}
    assert admitted([*claiming, *exchange(priority=1, shared=1)], ROOM_MA) == {"S", "A", "B"}


def test_blocked_names_the_links_that_are_too_full_or_claimed() -> None:
    due = asks("H", 0, 1, standing=Standing.DUE)
    serving, new = asks("S", 0, standing=Standing.SERVING), asks("N", 1)
    blocked = admit(in_order([due, serving, new]), [6000, 6000]).blocked
    assert blocked == {"H": (0,), "N": (1,)}


@dataclass
class Night:
    """Many EVs, little room, hours of ticks: when each of them charged."""

    site: Layout
    every_s: float = 30.0
    on_s: dict[str, list[float]] = field(default_factory=dict)
    starts: int = 0

    def run(self, hours: float, priorities: dict[str, int]) -> None:
        memory, now_s = Memory(), 0.0
        images = {
            one.id: charging(
                one.id, 0.0, 0, demand=Demand(since_s=0.0, priority=priorities.get(one.id, 0)), confirmed_ma=0
            )
            for one in self.site.evses
        }
        before: set[str] = set()
        while now_s < hours * 3600:
            now_s += self.every_s
            memory, plan = tick(self.site, memory, image(now_s, images.values()))
            now = {one.id for one in plan.evses if one.current_ma}
            self.starts += len(now - before)
            before = now
            for name in now:
                self.on_s.setdefault(name, []).append(now_s)
            images = {name: obeyed(one, plan, now_s + 1) for name, one in images.items()}

    def longest_wait_s(self, name: str, hours: float) -> float:
        moments = [0.0, *self.on_s.get(name, []), hours * 3600]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


@pytest.mark.parametrize("seed", range(6))
def test_within_a_class_nobody_who_fits_alone_waits_longer_than_the_bound(seed: int) -> None:
    dice = random.Random(seed)
    boards = [circuit("main", dice.choice((14, 20, 26))), circuit("b1", 13, "main"), circuit("b2", 20, "main")]
    points = [
        point(
            f"E{n}",
            dice.choice(("b1", "b2", "main")),
            phases=dice.choice((1, 3, 3)),
            rotation=dice.choice(list(Rotation)),
            min_ma=dice.choice((6000, 6000, 8000)),
        )
        for n in range(dice.randint(5, 9))
    ]
    site = replace(layout(boards, points), slot_s=900.0)
    hours = 6.0
    night = Night(site)
    night.run(hours, {})
    at_once = min(int(one.rating_ma.l1 // 8000) for one in boards)
    bound_s = (math.ceil(len(points) / at_once) + 1) * site.slot_s
    for one in points:
        assert night.longest_wait_s(one.id, hours) <= bound_s, one.id
    assert night.starts <= len(points) * (hours * 3600 / site.slot_s), "no contactor switches more than once a slot"


def test_a_lower_class_may_starve_and_a_higher_one_does_not_wait() -> None:
    site = layout([circuit("main", 7)], [point("A"), point("B"), point("C")])
    night = Night(site)
    night.run(3.0, {"A": 1})
    assert night.longest_wait_s("A", 3.0) <= 60
    assert "B" not in night.on_s


def test_a_full_car_lets_the_next_one_charge_at_once() -> None:
    site = layout([circuit("main", 9)], [point("A"), point("B")])
    memory, images = Memory(), {name: charging(name, 0.0, 0, confirmed_ma=0) for name in "AB"}
    images["B"] = replace(images["B"], demand=Demand(since_s=5.0))
    waited_s = None
    for second in range(1, 400):
        memory, plan = tick(site, memory, image(float(second), images.values()))
        now = {one.id: one.current_ma for one in plan.evses}
        if now["B"] and waited_s is None:
            waited_s = second
        images = {
            name: obeyed(one, plan, second + 0.5, drawn=three(0) if name == "A" else None)
            for name, one in images.items()
        }
    assert waited_s is not None
    assert waited_s < 200, "A has taken nothing for a minute or two, its slot is a quarter of an hour"
