"""Amperes and watts: what a profile means as a limit, and what a CSMS is told of it."""

from dataclasses import replace

import pytest

from controller.allocation.circuits import Circuit, Rotation, SupplyPoint
from controller.allocation.image import Layout, Limit, Scope
from controller.charging.charging_profiles import OCPP2, OCPP16, Purpose, RateUnit, Terms
from controller.charging.composite import Ceiling
from controller.charging.profile_book import Installed
from controller.charging.rates import Cap, Grid, Rate, Reckoning, Supply
from drivers.api import Phases
from tests.charging.profiles import default, now, spans, station

AMPERE, WATT = RateUnit.AMPERE, RateUnit.WATT
SIXTEEN = Limit("grid operator", Scope.CHARGING, "main", 16_000)


def ceiling(unit: RateUnit, limit: float, phases: int | None = None) -> Ceiling:
    return Ceiling(Purpose.TX_DEFAULT, unit, round(limit * 1000), phases)


@pytest.mark.parametrize(
    ("said", "wired", "terms", "cap"),
    [
        (ceiling(AMPERE, 16.1, 3), 3, OCPP2, Cap(16_100, None)),
        (ceiling(AMPERE, 16.1, 3), 1, OCPP16, Cap(16_100, None)),
        (ceiling(WATT, 6900, 3), 3, OCPP2, Cap(10_000, 6900)),
        (ceiling(WATT, 6900), 1, OCPP2, Cap(10_000, 6900)),
        (ceiling(WATT, 6900, 1), 1, OCPP2, Cap(30_000, 6900)),
        (ceiling(WATT, 6900, 3), 1, OCPP16, Cap(None, 6900)),
        (ceiling(WATT, 0), 3, OCPP2, Cap(0, 0)),
    ],
    ids=["A", "A per phase", "K01.FR.50", "K01.FR.49 three by default", "one phase", "errata 3.34", "pause"],
)
def test_k01_fr_50_what_a_limit_is_on_each_phase(said: Ceiling, wired: int, terms: Terms, cap: Cap) -> None:
    assert Cap.of([said], Supply(230_000, wired, terms.spread_over)) == cap


def test_the_lowest_of_several_counts_in_each_unit() -> None:
    several = [ceiling(AMPERE, 10), ceiling(WATT, 4140), ceiling(AMPERE, 7), ceiling(WATT, 9000)]
    assert Cap.of(several, Supply(230_000, 3, 3)) == Cap(6_000, 4140)


def point(evse: str, circuit: str = "main", phases: int = 3, rotation: Rotation = Rotation.L1L2L3) -> SupplyPoint:
    return SupplyPoint(evse, circuit, rotation, phases, 6000, 32_000, 1000, 0.2)


def layout(*points: SupplyPoint, main_a: int = 200, board_a: int = 100) -> Layout:
    main = Circuit("main", None, Phases(*[main_a * 1000] * 3), 1000, Phases(0, 0, 0))
    board = Circuit("board", "main", Phases(*[board_a * 1000] * 3), 1000, Phases(0, 0, 0))
    return Layout((main, board), points, 230_000, {})


def told(
    installed: list[Installed], where: Layout, unit: RateUnit, *limits: Limit, terms: Terms = OCPP2
) -> tuple[Rate, ...]:
    """Of the whole station for 100 s."""
    reckoning = Reckoning(Grid.of(where, limits), terms.spread_over, unit)
    return reckoning.of_station({one.id: spans(installed, now(), 100, one.id) for one in where.evses})


def of_one(
    installed: list[Installed], where: Layout, unit: RateUnit, *limits: Limit, terms: Terms = OCPP2
) -> tuple[Rate, ...]:
    return Reckoning(Grid.of(where, limits), terms.spread_over, unit).of_evse(spans(installed, now(), 100), "A1")


def test_k08_fr_04_without_a_profile_the_site_itself_is_the_limit() -> None:
    assert of_one([], layout(point("A1")), AMPERE) == (Rate(0, 32_000, 3),)
    assert of_one([], layout(point("A1", "board"), board_a=20), AMPERE) == (Rate(0, 20_000, 3),)
    assert of_one([], layout(point("A1", "board"), main_a=10), WATT) == (Rate(0, 6_900_000, 3),)


def test_k08_fr_04_external_limits_are_merged_with_the_profiles() -> None:
    usual, where = default(1, (0, 20), (50, 10)), layout(point("A1", "board"))
    assert of_one([usual], where, AMPERE, SIXTEEN) == (Rate(0, 16_000, 3), Rate(50, 10_000, 3))
    power = Limit("operator", Scope.EVSE, "A1", None, value_w=4140)
    assert of_one([usual], where, AMPERE, power) == (Rate(0, 6_000, 3),)


def test_k08_watts_come_back_as_they_were_set() -> None:
    """6 kW is 8.695… A on each of three phases; no rounding may show."""
    assert of_one([default(1, (0, 6000), unit=WATT)], layout(point("A1")), WATT) == (Rate(0, 6_000_000, 3),)
    assert of_one([default(1, (0, 6000), unit=WATT)], layout(point("A1")), AMPERE) == (Rate(0, 8_600, 3),)


def test_k08_fr_04_the_lowest_across_units() -> None:
    both = [default(1, (0, 10)), station(2, (0, 3450), (50, 13_800), unit=WATT)]
    assert of_one(both, layout(point("A1")), AMPERE) == (Rate(0, 5_000, 3), Rate(50, 10_000, 3))


def test_1_6_errata_3_34_a_power_limit_is_for_the_phases_there_are() -> None:
    one = default(1, (0, 3680, 3), unit=WATT)
    single = layout(point("A1", phases=1))
    assert of_one([one], single, AMPERE, terms=OCPP16) == (Rate(0, 16_000, 1),)
    assert of_one([one], single, AMPERE, terms=OCPP2) == (Rate(0, 5_300, 1),)


def test_k08_fr_03_the_station_takes_what_its_evses_take_together() -> None:
    """TC_K_22: six amperes at each of two."""
    two = layout(point("A1"), point("A2"))
    assert told([default(1, (0, 6), valid_to=60)], two, AMPERE) == (Rate(0, 12_000, 3), Rate(60, 64_000, 3))
    assert told([default(1, (0, 6))], two, WATT) == (Rate(0, 8_280_000, 3),)


def test_k08_fr_03_but_not_more_than_its_own_limit_and_the_circuits_allow() -> None:
    two = layout(point("A1"), point("A2", "board"), board_a=10)
    assert told([], two, AMPERE) == (Rate(0, 42_000, 3),)
    assert told([station(1, (0, 25))], two, AMPERE) == (Rate(0, 25_000, 3),)
    assert told([station(1, (0, 6900), unit=WATT)], two, WATT) == (Rate(0, 6_900_000, 3),)
    assert told([], two, AMPERE, SIXTEEN) == (Rate(0, 16_000, 3),)


def test_single_phase_cars_on_different_phases_do_not_add_up_on_one() -> None:
    spread = layout(point("A1", phases=1), point("A2", phases=1, rotation=Rotation.L2L3L1))
    assert told([default(1, (0, 6))], spread, AMPERE) == (Rate(0, 6_000, 2),)
    assert told([default(1, (0, 6))], spread, WATT) == (Rate(0, 2_760_000, 2),)
    together = replace(spread, evses=(point("A1", phases=1), point("A2", phases=1)))
    assert told([default(1, (0, 6))], together, AMPERE) == (Rate(0, 12_000, 1),)


def test_what_changes_within_a_second_is_told_once() -> None:
    fine = [default(1, (0, 6), start=0.2, level=1, duration_s=1), default(2, (0, 9), level=0)]
    assert of_one(fine, layout(point("A1")), AMPERE) == (Rate(0, 6_000, 3), Rate(1, 9_000, 3))


def test_an_unknown_evse_has_no_schedule() -> None:
    assert Reckoning(Grid.of(layout(point("A1")), ()), 3, AMPERE).of_evse(spans([], now(), 9), "A9") == ()
