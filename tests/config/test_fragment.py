"""What a scan found becomes tables of site.toml that the configuration takes."""

import tomllib
from decimal import Decimal

from controller.config.document import EvseTable, MeterTable, RtuTable, TcpTable
from controller.config.fragment import fragment
from drivers.modbus.survey_match import Confidence, Match
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.scan import Device
from drivers.setups import Endpoint, Line

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


def test_a_bus_that_site_toml_has_is_not_proposed_again_nor_an_id_that_is_taken() -> None:
    line, endpoint = Line("/dev/ttyS1", 9600, "N", 1), Endpoint("10.0.0.7", 502)
    found = [Device(line, 3, (match(METER),)), Device(endpoint, 1, (match(CHARGER),))]
    taken = {"meter-1", "tcp-1", "evse-1", "wire-2"}
    data = tomllib.loads("\n".join(fragment(found, buses={line: "wire-2"}, taken=taken)))
    assert [bus["id"] for bus in data["buses"]] == ["tcp-2"]
    assert [(one["id"], one["bus"]) for one in data["meters"]] == [("meter-2", "wire-2")]
    assert [(one["id"], one["bus"]) for one in data["evses"]] == [("evse-2", "tcp-2")]


def test_a_wire_of_another_framing_is_said_so() -> None:
    line = Line("/dev/ttyS1", 9600, "E", 1, data_bits=7, framing="ascii")
    (bus,) = tomllib.loads("\n".join(fragment([Device(line, 3, (match(METER),))])))["buses"]
    assert (bus["framing"], bus["data_bits"]) == ("ascii", 7)
