"""What a wire can sustain, against sums made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from drivers.modbus.planning import Device, forecast
from drivers.profile import DeviceProfile
from drivers.setups import Endpoint, Line

LINE = Line("p", 19200, "N", 1)


def meters(profile: DeviceProfile, count: int, period_s: float) -> list[Device]:
    return [Device(f"M{unit}", unit, profile, period_s) for unit in range(1, count + 1)]


def chargers(profile: DeviceProfile, count: int) -> list[Device]:
    return [Device(f"A{unit}", unit, profile, 1.0) for unit in range(1, count + 1)]


def quirks(profile: DeviceProfile, **changes: Any) -> DeviceProfile:
    return replace(profile, modbus=profile.modbus.model_copy(update=changes))


def test_the_load_is_the_sum_of_frames_turnaround_and_gaps(meter_profile: DeviceProfile) -> None:
    found = forecast(LINE, meters(meter_profile, 1, 1.0))
    fast_s = (13 + 2 * 22) * 10 / 19200 + 0.005 + 35 / 19200
    slow_s = (13 + 2 * 2) * 10 / 19200 + 0.005 + 35 / 19200
    assert found.load == pytest.approx(fast_s + slow_s / 10)
    assert found.refreshes[0].period_s == 1.0
    assert (found.problems, found.warnings, found.cut_s) == ((), (), 0.0)


def test_each_byte_is_two_characters_in_ascii(meter_profile: DeviceProfile, charger: Any) -> None:
    line = Line("p", 38400, "E", 1, 7, "ascii")
    fast_s = (28 + 4 * 22) * 10 / 38400 + 0.005 + 0.00175
    slow_s = (28 + 4 * 2) * 10 / 38400 + 0.005 + 0.00175
    assert forecast(line, meters(meter_profile, 1, 1.0)).load == pytest.approx(fast_s + slow_s / 10)
    write_s = 34 * 10 / 38400 + 0.005 + 0.00175
    ten, one = forecast(line, chargers(charger(), 10)).cut_s, forecast(line, chargers(charger(), 1)).cut_s
    assert ten - one == pytest.approx(9 * write_s)


def test_a_meter_that_cannot_be_read_as_often_as_configured_is_refused_with_a_way_out(
    meter_profile: DeviceProfile,
) -> None:
    found = forecast(Line("p", 9600, "N", 1), meters(meter_profile, 3, 0.1))
    assert len(found.problems) == 3
    assert "meter M2 (unit 2) is to be read each 0.1 s, but can only be read each 0.31 s" in found.problems[1]
    assert "set the wire and its devices to 38400 baud" in found.problems[1]
    assert "set its period to 0.5 s" in found.problems[1]
    assert forecast(Line("p", 38400, "N", 1), meters(meter_profile, 3, 0.1)).problems == ()
    assert forecast(Line("p", 9600, "N", 1), meters(meter_profile, 3, 0.5)).problems == ()


def test_a_meter_that_is_too_slow_even_alone_is_told_so(meter_profile: DeviceProfile) -> None:
    slow = quirks(meter_profile, spacing_ms=500)
    found = forecast(LINE, meters(slow, 1, 0.1))
    assert found.problems == (
        "meter M1 (unit 1) is to be read each 0.1 s, but can only be read each 0.54 s: "
        "not even alone on this wire; set its period to 1 s",
    )
    assert forecast(LINE, meters(slow, 1, 1.0)).problems == ()


def test_spacing_slows_its_own_unit_and_no_other(charger: Any) -> None:
    spaced = quirks(charger(), spacing_ms=900)
    devices = [Device("S", 1, spaced, 1.0), Device("S2", 1, spaced, 1.0, outlet=2), *chargers(charger(), 4)[1:]]
    slow, other = forecast(LINE, devices).refreshes[1:3]
    assert slow.period_s > 1.8
    assert other.period_s == 1.0


def test_many_chargers_on_a_slow_wire_are_read_more_seldom_and_in_the_end_refused(charger: Any) -> None:
    line = Line("p", 9600, "E", 1)
    twenty = forecast(line, chargers(charger(), 20))
    assert twenty.problems == ()
    assert twenty.warnings == (f"the wire is busy {twenty.load:.0%} of the time; 70% is comfortable",)
    assert twenty.refreshes[0].period_s == pytest.approx(twenty.load)
    crowd = forecast(line, chargers(charger(), 120))
    assert "charger A1 (unit 1) is to be read at least each 5 s" in crowd.problems[0]
    assert "reducing all its chargers would take" in crowd.problems[-1]


def test_a_cut_of_all_waits_for_one_block_and_then_for_all_writes_or_for_the_longest_pause(charger: Any) -> None:
    write_s = 16 * 10 / 19200 + 0.005 + 35 / 19200
    profile = charger()
    ten, one = forecast(LINE, chargers(profile, 10)).cut_s, forecast(LINE, chargers(profile, 1)).cut_s
    assert ten - one == pytest.approx(9 * write_s)
    spaced = forecast(LINE, chargers(quirks(profile, spacing_ms=300), 10)).cut_s
    assert spaced == pytest.approx(one + 0.3)


def test_over_tcp_only_turnaround_and_spacing_count(charger: Any) -> None:
    found = forecast(Endpoint("h", 502), chargers(charger(), 10))
    assert found.cut_s == pytest.approx(11 * 0.005)
    assert found.problems == ()


def test_a_wire_without_devices_is_no_problem() -> None:
    assert forecast(LINE, []).problems == ()
