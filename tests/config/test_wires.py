"""A wire that cannot carry the polling of its devices is refused, with what to change."""

from tests.config.conftest import Desk


def test_a_meter_that_shall_be_read_more_often_than_its_wire_allows_is_refused(desk: Desk) -> None:
    assert desk.problems(("period_s = 1.0", "period_s = 0.3")) == [
        "buses[rs485-2]: meter grid (unit 1) is to be read each 0.3 s, but can only be read each 0.54 s: "
        "not even alone on this wire; set its period to 1 s"
    ]


def test_one_greedy_device_shows_whom_it_starves(desk: Desk) -> None:
    found = desk.problems(("period_s = 1.0", "period_s = 0.02"))
    assert [text.split(" (")[0] for text in found] == [
        "buses[rs485-2]: charger B1",
        "buses[rs485-2]: meter grid",
        "buses[rs485-2]: meter m-b1",
    ]
