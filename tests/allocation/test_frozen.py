"""A meter that answers with the same values whatever happens is no meter."""

from dataclasses import replace

from controller.allocation.control import tick
from controller.allocation.frozen import SURE_AFTER_S, is_frozen, observe
from controller.allocation.image import Plan
from controller.allocation.memory import Memory, Metered
from drivers.api import MeterReading, Phases
from tests.allocation.builders import charging, circuit, image, layout, metered, point, three


def watch(values: list[tuple[MeterReading, float]]) -> Metered:
    """Readings with what our EVs drew for certain at that moment."""
    known: Metered | None = None
    for reading, ours_a in values:
        known = observe(known, reading, least_ma=three(ours_a), most_ma=three(ours_a))
    assert known is not None
    return known


def same(t_s: float) -> MeterReading:
    return replace(metered(t_s, three(20)), energy_import_wh=1000)


def test_the_same_values_while_our_evs_stand_still_are_a_steady_load() -> None:
    assert not is_frozen(watch([(same(float(n)), 10.0) for n in range(100)]))


def test_the_same_values_while_our_evs_moved_are_no_measurement() -> None:
    moved = [(same(float(n)), 10.0 if n < 5 else 13.0) for n in range(20)]
    assert is_frozen(watch(moved))
    assert not is_frozen(watch(moved[: 5 + int(SURE_AFTER_S)])), "not before it has lasted"


def test_a_difference_of_an_ampere_is_within_doubt() -> None:
    assert not is_frozen(watch([(same(float(n)), 10.0 if n < 5 else 11.5) for n in range(50)]))


def test_a_current_or_power_that_moves_shows_that_it_lives_and_what_it_said_before_is_dropped() -> None:
    stuck = [(same(float(n)), 10.0 if n < 5 else 16.0) for n in range(20)]
    moved = (replace(same(20.0), power_w=4711), 16.0)
    assert is_frozen(watch([*stuck, moved])), "its currents may have been read before"
    lives = watch([*stuck, moved, (replace(same(21.0), power_w=4711), 16.0)])
    assert not is_frozen(lives)
    assert [sample.t_s for sample in lives.samples] == [21.0]


def test_a_reading_of_which_a_part_was_read_while_it_was_frozen_is_not_believed() -> None:
    """With what the EV drew since, the building would seem larger than it can be."""
    site = layout([circuit("main", 32, other_a=20, meter="grid")], [point("A")])
    memory, set_a, plans = Memory(), 16.0, list[Plan]()
    for second in range(1, 30):
        drawn_a = 16.0 if second < 5 else 12.0 if second < 15 else 6.0
        said = metered(second - 0.3, three(30 if second < 20 else 20))
        if second == 20:
            said = replace(said, current_ma=three(30))
        now = charging("A", second - 0.2, set_a, three(drawn_a))
        memory, plan = tick(site, memory, image(float(second), [now], grid=said))
        plans.append(plan)
        set_a = plan.evses[0].current_ma / 1000
    assert plans[18].alarms, "frozen"
    assert not plans[-1].alarms
    assert min(plan.evses[0].current_ma for plan in plans) == 12_000


def test_energy_and_voltage_that_move_do_not() -> None:
    counted = [
        (
            replace(same(float(n)), energy_import_wh=1000 + n, voltage_mv=Phases(230_000 + n, 0, 0)),
            10.0 if n < 5 else 16.0,
        )
        for n in range(20)
    ]
    assert is_frozen(watch(counted))


def test_once_frozen_it_stays_so_until_a_value_moves() -> None:
    back = [(same(float(n)), 16.0 if 5 <= n < 20 else 10.0) for n in range(40)]
    assert is_frozen(watch(back))


def test_a_meter_whose_ct_hangs_loose_counts_as_lost_and_is_named() -> None:
    site = layout([circuit("main", 32, other_a=20, meter="grid")], [point("A")])
    memory, set_a, plans = Memory(), 6.0, list[Plan]()
    for second in range(1, 40):
        loose = MeterReading(second - 0.3, Phases(0, 0, 0), 0, signed=True)
        now = charging("A", second - 0.2, set_a, three(set_a))
        memory, plan = tick(site, memory, image(float(second), [now], grid=loose))
        plans.append(plan)
        set_a = plan.evses[0].current_ma / 1000
    assert plans[-1].alarms == ("main: meter grid does not follow our EVs, its largest building load counts",)
    assert plans[-1].evses[0].current_ma == 12_000, "32 A less the largest load of the building"
