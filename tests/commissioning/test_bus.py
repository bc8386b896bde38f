"""What `ampyard bus` makes of two looks at the counters."""

import pytest

from controller.commissioning.bus import Look, parse, rates


def look(at_s: float, **bus: object) -> Look:
    unit = {"unit": 3, "transactions": 10, "errors": 2, "timeouts": 1, "busy_s": 4.0, "lost_s": 1.0, "lost": True}
    row = {"bus": "wire", "transactions": 100, "errors": 5, "timeouts": 3, "busy_s": 8.0, "devices": ["m1"]}
    return parse({"at_s": at_s, "buses": [row | bus | {"units": [unit | bus]}]})


def test_two_looks_make_rates_of_each_bus_and_unit() -> None:
    before, now = look(10.0), look(14.0, transactions=120, errors=7, timeouts=4, busy_s=9.0, lost_s=1.0)
    whole, unit = rates(before, now)
    assert (whole.bus, whole.unit, whole.told) == ("wire", "", "m1")
    assert (whole.per_s, whole.use, whole.errors, whole.timeouts) == (5.0, 0.25, 2, 1)
    assert (unit.unit, unit.told, unit.errors) == ("3", "LOST", 5)


def test_efficiency_is_the_share_of_busy_time_in_which_somebody_answered() -> None:
    before = look(10.0, busy_s=4.0, lost_s=1.0)
    _, unit = rates(before, look(14.0, busy_s=6.0, lost_s=1.5))
    assert unit.efficiency == 0.75
    _, idle = rates(before, look(14.0, busy_s=4.0, lost_s=1.0))
    assert idle.efficiency is None


def test_a_wire_that_was_opened_anew_counts_from_zero() -> None:
    whole, _ = rates(look(10.0), look(12.0, transactions=4, errors=0, timeouts=0, busy_s=1.0, lost_s=0.0))
    assert (whole.per_s, whole.use, whole.errors) == (2.0, 0.5, 0)


def test_a_service_that_started_anew_makes_no_negative_rates() -> None:
    whole, _ = rates(look(1000.0), look(2.0))
    assert whole.per_s >= 0
    assert 0 <= whole.use <= 1


@pytest.mark.parametrize("said", [None, [], {}, {"at_s": "now"}, {"at_s": True, "buses": []}])
def test_what_is_not_this_service_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="not this service"):
        parse(said)


def test_rows_of_another_version_do_not_matter() -> None:
    assert parse({"at_s": 1, "buses": [3, {"bus": "b", "units": "none"}]}).rows == {
        ("b", ""): {"bus": "b", "units": "none"}
    }
