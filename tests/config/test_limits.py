"""Limits and inputs of site.toml: read as they say, and every contradiction is named with its key."""

from fractions import Fraction

import pytest

from controller.allocation.image import Scope
from controller.config.proof import notes
from controller.config.read import read
from controller.mqtt.slice import MqttSlice
from controller.runtime.limit_slices import InputSlice, LimitSlice, Source, Unit
from controller.runtime.slices import SensorSlice
from drivers.setups import FileSetup, LineSetup, RegisterSetup
from tests.config.conftest import Desk

ZONE = ("[web]", 'time_zone = "Europe/Berlin"\n\n[web]')


def tail(desk: Desk, text: str) -> Desk:
    """Write it before the CSMS, where tables of the root stand."""
    head, mark, rest = desk.text.partition("[csms]")
    desk.text = f"{head}{text}\n{mark}{rest}"
    return desk


REST = """
[[limits]]
id = "landlord"
source = "rest"
circuit = "main"
unit = "a"
max = 100
expires_s = 300
when_lost = 63
"""
INPUT = """
[[inputs]]
id = "relay"
path = "/sys/class/gpio/gpio17/value"

[[limits]]
id = "dimming"
source = "input"
input = "relay"
charging_of = "main"
value = "en14a"
"""
MODBUS = """
[[limits]]
id = "plc"
source = "modbus"
evse = "A1"
unit = "kw"
expires_s = 10
when_lost = "hold"
register = { bus = "keba-1", unit = 7, address = 100, type = "float32", word_order = "little", scale = 0.1 }
"""
CALENDAR = """
[[limits]]
id = "night"
source = "calendar"
circuit = "board-a"
unit = "a"
windows = [
    { days = ["mo", "fr"], from = "22:00", to = "06:00", value = 32 },
    { from = "11:00", to = "24:00", value = 20.5 },
]
"""
LEVEL = """
[[inputs]]
id = "lid"
active = "low"
register = { bus = "keba-1", address = 5, bit = 3 }
"""
BROKER = """
[mqtt]
host = "broker.local"
"""


def test_a_limit_by_rest_is_read_as_it_says(desk: Desk) -> None:
    limits = read(tail(desk, REST).write()).limits
    assert limits.limits == (
        LimitSlice(
            id="landlord",
            source=Source.REST,
            scope=Scope.CIRCUIT,
            target="main",
            unit=Unit.A,
            lowest=0,
            highest=100_000,
            when_lost=63_000,
            expires_s=300,
        ),
    )


def test_dimming_counts_the_devices_of_more_than_4200_watts_and_is_logged(desk: Desk) -> None:
    """A1 to A3 take three phases; B1 takes 16 A on one, which is too little to be counted."""
    config = read(tail(desk, INPUT).write())
    (dimming,) = config.limits.limits
    assert (dimming.scope, dimming.unit, dimming.value, dimming.log) == (Scope.CHARGING, Unit.KW, 10_500, True)
    assert config.limits.inputs == (InputSlice("relay", active=1),)
    assert SensorSlice(FileSetup("relay", "/sys/class/gpio/gpio17/value"), None) in config.plant.sensors


def test_a_register_is_read_from_its_bus(desk: Desk) -> None:
    config = read(tail(desk, MODBUS).write())
    setup = RegisterSetup("plc", 7, "holding", 100, "float32", Fraction(100), False, None, 1.0)
    assert config.plant.sensors == (SensorSlice(setup, "keba-1"),)
    assert config.limits.limits[0].when_lost == "hold"


def test_a_calendar_needs_a_time_zone(desk: Desk) -> None:
    tail(desk, CALENDAR)
    assert any(problem.startswith("site.time_zone: is missing") for problem in desk.problems())
    (night,) = read(desk.write(ZONE)).limits.limits
    assert [(span.window.days, span.window.from_min, span.window.to_min, span.value) for span in night.spans] == [
        (frozenset({0, 4}), 1320, 360, 32_000),
        (frozenset(range(7)), 660, 1440, 20_500),
    ]


def test_windows_may_overlap_and_gpio_lines_have_a_bias(desk: Desk) -> None:
    line = '[[inputs]]\nid = "fire"\nchip = "/dev/gpiochip0"\nline = 17\nbias = "pull-up"\nstop_all = true\n'
    config = read(tail(desk, line).write())
    assert config.plant.sensors == (SensorSlice(LineSetup("fire", "/dev/gpiochip0", 17, "pull-up", 20), None),)
    assert config.limits.inputs == (InputSlice("fire", 1, stop_all=True),)


def test_a_bit_of_a_register_is_an_input(desk: Desk) -> None:
    config = read(tail(desk, LEVEL).write())
    setup = RegisterSetup("lid", 1, "holding", 5, "u16", Fraction(1), True, 3, 1.0)
    assert config.plant.sensors == (SensorSlice(setup, "keba-1"),)
    assert config.limits.inputs == (InputSlice("lid", active=0),)


@pytest.mark.parametrize(
    ("text", "edit", "problem"),
    [
        (
            REST,
            ('circuit = "main"\nunit', 'circuit = "attic"\nunit'),
            "limits[landlord].circuit: there is no circuit",
        ),
        (REST, ('circuit = "main"\nunit', 'evse = "Z9"\nunit'), "limits[landlord].evse: there is no EVSE 'Z9'"),
        (REST, ('circuit = "main"\nunit', "unit"), "limits[landlord].circuit: name exactly one"),
        (REST, ("when_lost = 63\n", ""), "limits[landlord].when_lost: is missing"),
        (REST, ("when_lost = 63", 'when_lost = "perhaps"'), 'limits[landlord].when_lost: must be "release"'),
        (REST, ('unit = "a"\nmax', "max"), "limits[landlord].unit: is missing"),
        (REST, ("max = 100", "max = 10\nmin = 11"), "limits[landlord].min: is above max"),
        (REST, ("max = 100", "max = nan"), "limits[landlord].max"),
        (REST, ('id = "landlord"', 'id = "main"'), "limits[main].id: is used elsewhere"),
        (REST, ('id = "landlord"', 'id = "rating"'), "limits[rating].id: is used elsewhere"),
        (REST, ('source = "rest"', 'source = "fax"'), "limits[landlord].source"),
        (REST, ("max = 100", 'max = 100\ninput = "x"'), "limits[landlord].input: belongs to source input"),
        (INPUT, ('input = "relay"', 'input = "relais"'), "limits[dimming].input: there is no input 'relais'"),
        (INPUT, ('value = "en14a"', 'value = "en14a"\nwhen_lost = 5'), "limits[dimming].when_lost: an input that"),
        (INPUT, ('value = "en14a"', 'value = "en14a"\nunit = "a"'), "limits[dimming].unit: en14a is a power"),
        (INPUT, ('charging_of = "main"', 'circuit = "main"'), "limits[dimming].charging_of: en14a dims charging"),
        (INPUT, ("path =", 'chip = "/dev/gpiochip0"\npath ='), "inputs[relay].path: name exactly one"),
        (
            INPUT,
            ('path = "/sys/class/gpio/gpio17/value"', 'chip = "/dev/gpiochip0"'),
            "inputs[relay].line: is missing",
        ),
        (MODBUS, ('bus = "keba-1", unit', 'bus = "kebab", unit'), "limits[plc].register.bus: there is no bus"),
        (MODBUS, ('type = "float32"', 'type = "bool"'), "limits[plc].register.type"),
        (MODBUS, ("address = 100", "address = 65535"), "limits[plc].register.address: the value goes beyond"),
        (MODBUS, ('type = "float32"', 'type = "u16", bit = 2'), "limits[plc].register.bit: unknown key"),
        (LEVEL, ("bit = 3", "bit = 16"), "inputs[lid].register.bit: a register of 16 bits"),
        (LEVEL, ("bit = 3", 'table = "coil", bit = 3'), "inputs[lid].register.bit: a coil has none"),
        (LEVEL, ("address = 5", "address = 65536"), "inputs[lid].register.address"),
        (LEVEL, ('bus = "keba-1"', 'bus = "keba-9"'), "inputs[lid].register.bus: there is no bus 'keba-9'"),
        (MODBUS, ("expires_s = 10\n", ""), "limits[plc].expires_s: is missing; source modbus needs it"),
        (MODBUS, ("expires_s = 10", "expires_s = 1"), "limits[plc].expires_s: is less than two of"),
        (MODBUS, ('bus = "keba-1", unit = 7', 'bus = "rs485-1", unit = 0'), "limits[plc].register.unit: must be"),
        (CALENDAR, ('from = "11:00", to = "24:00"', 'from = "11:00", to = "11:00"'), "limits[night].windows[2].to"),
        (CALENDAR, ('from = "11:00"', 'from = "25:00"'), "limits[night].windows[2].from"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(
    desk: Desk, text: str, edit: tuple[str, str], problem: str
) -> None:
    assert edit[0] in text
    tail(desk, text.replace(*edit))
    found = desk.problems(ZONE)
    assert [one for one in found if one.startswith(problem)], found


def test_an_unknown_time_zone_is_refused(desk: Desk) -> None:
    found = desk.problems(("[web]", 'time_zone = "Europe/Atlantis"\n\n[web]'))
    assert any("site.time_zone: 'Europe/Atlantis' is no time zone" in problem for problem in found)


def test_a_rule_by_an_input_that_is_not_there_is_refused(desk: Desk) -> None:
    rule = '[[rules]]\nid = "r"\nmode = "priority"\nwhen = { input = "boost" }\n'
    assert "rules[r].when.input: there is no input 'boost'" in tail(desk, rule).problems()


def test_each_limit_has_its_own_id(desk: Desk) -> None:
    assert "limits[landlord].id: is used elsewhere; each needs its own" in tail(desk, REST + REST).problems()


def test_limits_by_mqtt_need_a_broker(desk: Desk) -> None:
    tail(desk, REST.replace('"rest"', '"mqtt"'))
    assert "limits[landlord].source: mqtt needs a broker: add [mqtt] with its host" in desk.problems()
    tail(desk, BROKER)
    assert desk.problems() == []


def test_a_broker_is_read_as_it_says(desk: Desk) -> None:
    config = read(tail(desk, BROKER).write())
    assert config.mqtt == MqttSlice("broker.local", 1883, "car-park-7")


def test_r35_the_password_of_the_broker_comes_from_a_file_of_its_owner(desk: Desk) -> None:
    secret = desk.folder / "mqtt.password"
    secret.write_text("open sesame\n")
    secret.chmod(0o644)
    broker = 'host = "broker.local"\nuser = "site"\npassword_file = "mqtt.password"\ntls = true\n'
    tail(desk, f"[mqtt]\n{broker}")
    assert any(problem.startswith("mqtt.password_file: others may read") for problem in desk.problems())
    secret.chmod(0o600)
    mqtt = read(desk.write()).mqtt
    assert mqtt is not None
    assert (mqtt.port, mqtt.password, mqtt.tls) == (8883, "open sesame", True)
    assert "sesame" not in repr(mqtt)


@pytest.mark.parametrize(
    ("broker", "problem"),
    [
        ('host = "b"\nca_file = "nowhere.pem"', "mqtt.ca_file: there is no file"),
        ('host = "b"\npassword_file = "csms.password"', "mqtt.user: is missing"),
        ('host = "b"\nport = 0', "mqtt.port"),
        ("tls = true", "mqtt.host: is missing"),
    ],
)
def test_a_broker_that_cannot_be_reached_like_that_is_refused(desk: Desk, broker: str, problem: str) -> None:
    found = tail(desk, f"[mqtt]\n{broker}\n").problems()
    assert any(one.startswith(problem) for one in found), found


def test_r35_a_broker_without_tls_is_noted(desk: Desk) -> None:
    assert any(note.startswith("mqtt: without tls") for note in notes(read(tail(desk, BROKER).write())))
