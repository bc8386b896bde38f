"""What a scan found becomes tables of site.toml that the configuration takes."""

import tomllib
from decimal import Decimal

import pytest
import typer

from controller.commissioning.fragment import fragment
from controller.commissioning.scan import hosts, numbers
from controller.config.document import EvseTable, MeterTable, RtuTable, TcpTable
from drivers.api import Endpoint, Line
from drivers.modbus.survey_match import Confidence, Match
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.scan import Device

METER = load(builtin_folder() / "meters" / "eastron-sdm630-v2.toml")
TWIN = load(builtin_folder() / "meters" / "eastron-sdm54.toml")
CHARGER = load(builtin_folder() / "chargers" / "phoenix-charx-sec.toml")


def match(profile: DeviceProfile, confidence: Confidence = Confidence.LIKELY) -> Match:
    return Match(profile, confidence, 1.0, 5.0, ())


def test_the_fragment_is_what_site_toml_takes() -> None:
    line, endpoint = Line('/dev/serial/by-id/usb-"x"', 19200, "E", 1), Endpoint("10.0.0.7", 502)
    found = [
        Device(line, 3, (match(METER), match(TWIN))),
        Device(line, 4, (match(METER, Confidence.IDENTIFIED),)),
        Device(line, 9),
        Device(endpoint, 1, (match(CHARGER),)),
    ]
    text = "\n".join(fragment(found))
    data = tomllib.loads(text)
    rtu, tcp = data["buses"]
    assert RtuTable.model_validate(rtu).baud == 19200
    assert TcpTable.model_validate(tcp).host == "10.0.0.7"
    meters = [MeterTable.model_validate(table) for table in data["meters"]]
    assert [(one.id, one.unit, one.bus) for one in meters] == [("meter-1", 3, "rtu-1"), ("meter-2", 4, "rtu-1")]
    evse = EvseTable.model_validate(data["evses"][0])
    assert (evse.profile, evse.bus, evse.max_current_a) == ("phoenix-charx-sec", "tcp-1", Decimal(16))
    assert "likely, check the type plate; fits as well: eastron-sdm54" in text
    assert text.count("check the type plate") == 2, "not where the device says who it is"


@pytest.mark.parametrize(
    ("text", "first", "count"),
    [
        ("192.168.1.0/28", Endpoint("192.168.1.1", 502), 14),
        ("192.168.1.0/30:1502", Endpoint("192.168.1.1", 1502), 2),
        ("fd00::/126", Endpoint("fd00::1", 502), 3),
        ("10.0.0.5", Endpoint("10.0.0.5", 502), 1),
        ("charger.local:1502", Endpoint("charger.local", 1502), 1),
    ],
)
def test_a_range_is_its_hosts(text: str, first: Endpoint, count: int) -> None:
    found = hosts(text)
    assert len(found) == count
    assert found[0].port == first.port
    assert found[0].host.rstrip("0123456789") == first.host.rstrip("0123456789")


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0/99", "x/24", "10.0.0.0/24:0", "10.0.0.1:99999", "/24"])
def test_a_range_that_is_none_or_too_large_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        hosts(text)


def test_units_are_numbers_and_ranges() -> None:
    assert numbers("1-3,255,2") == [1, 2, 3, 255]
    for wrong in ("", "3-1", "256", "-1", "a", "1,,2"):
        with pytest.raises(typer.BadParameter):
            numbers(wrong)
