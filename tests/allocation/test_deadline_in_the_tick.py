"""Deadline mode as the tick carries it out; the rule itself is tested in test_urgency."""

from dataclasses import replace

from controller.allocation.image import Deadline, Demand
from tests.allocation.builders import circuit, idle, image, layout, point, run, setpoints

SITE = layout([circuit("main", 22)], [point("A", max_ma=16_000), point("B", max_ma=16_000)])


RELAXED = Deadline(2000, 36_000.0)


def shared(one: Deadline | None, other: Deadline | None) -> dict[str, int]:
    evses = [
        replace(idle("A", 0.5), permit=True, demand=Demand(since_s=0.0, deadline=one)),
        replace(idle("B", 0.5), permit=True, demand=Demand(since_s=0.0, deadline=other)),
    ]
    return setpoints(run(SITE, [image(1.0, evses)]))


def test_of_two_with_a_deadline_the_one_that_is_pressed_for_time_is_served_first() -> None:
    assert shared(RELAXED, Deadline(20_000, 7200.0)) == {"A": 6000, "B": 16_000}


def test_a_deadline_takes_nothing_from_a_session_without_one() -> None:
    assert shared(None, Deadline(20_000, 7200.0)) == {"A": 11_000, "B": 11_000}


def test_who_has_had_the_energy_or_is_overdue_is_no_longer_pressed() -> None:
    assert shared(RELAXED, Deadline(0, 7200.0))["A"] == 16_000
    assert shared(RELAXED, Deadline(20_000, 0.5))["B"] == 11_000
