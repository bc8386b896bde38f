"""What a device profile may say of probes, and of values that lie unusually in their registers."""

from fractions import Fraction
from pathlib import Path

import pytest

from drivers.profile import ProfileError, load
from drivers.profile_kinds import check_any
from drivers.profile_probe import Expectation
from tests.drivers.test_profile import EXAMPLE, problems_of, swapped, written

PROBE = """
[[probe]]
register = "current_l1"
says = "in 0.1 A"
low = 6
high = 40

[[probe.otherwise]]
says = "one register further on, in 0.01 A"
address_shift = 1
registers.current_l1 = { scale = 0.01 }
registers.current_limit = { scale = 0.01 }
"""
ALONE = '\n[[probe]]\nregister = "status"\nsays = "x"\nlow = 1\neither = true\n'


def with_probe(old: str = "", new: str = "") -> str:
    assert old in PROBE
    return EXAMPLE + PROBE.replace(old, new, 1)


def test_another_reading_is_the_file_with_its_changes(tmp_path: Path) -> None:
    profile = load(written(tmp_path, with_probe()))
    assert profile.probe is not None
    first, other = (reading.profile for reading in profile.probe.readings)
    assert (first.registers["status"].address, other.registers["status"].address) == (5, 6)
    assert first.registers["current_l1"].scale == Fraction(1, 10)
    assert other.registers["current_l1"].scale == other.registers["current_limit"].scale == Fraction(1, 100)
    assert [first, other] == list(profile.readings)
    assert first.probe is None
    assert first.id == other.id == "example"


def test_probes_follow_each_other_under_each_reading(tmp_path: Path) -> None:
    second = '\n[[probe]]\nregister = "energy_import_total"\nsays = "counts"\nlow = 0\n'
    profile = load(written(tmp_path, with_probe() + second))
    assert profile.probe is not None
    for reading in profile.probe.readings:
        assert reading.profile.probe is not None
        assert reading.profile.probe.register == "energy_import_total"
    assert len(list(profile.readings)) == 2


def test_a_profile_without_probes_has_one_reading(tmp_path: Path) -> None:
    profile = load(written(tmp_path, EXAMPLE))
    assert list(profile.readings) == [profile]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (with_probe('register = "current_l1"', 'register = "volts"'), "probe.0.register: no register volts"),
        (with_probe("low = 6\nhigh = 40\n"), "probe.0.register: nothing is expected of it"),
        (with_probe("high = 40", "high = -1"), "probe.0.low: 6 is above high -1"),
        (with_probe("high = 40", 'high = 40\nbegins = "x"'), "probe.0.begins: current_l1 is no text"),
        (with_probe("high = 40", 'high = 40\none_of = ["x"]'), "probe.0.one_of: 'x' does not fit type u16"),
        (with_probe("high = 40", "high = 40\ncolour = 1"), "probe.0.colour: unknown key"),
        (
            with_probe("address_shift = 1", "address_shift = 1\ncolour = 1"),
            "probe.0.otherwise.0.colour: unknown key",
        ),
        (
            with_probe("address_shift = 1", "address_shift = -6"),
            "probe.current_l1.otherwise.0: registers.status.address",
        ),
        (with_probe("current_l1 = {", "volts = {"), "probe.0.otherwise.0.registers.volts: no such register"),
        (with_probe("{ scale = 0.01 }", '{ access = "rw" }'), "registers.current_l1.access: must be the same"),
        (
            with_probe("{ scale = 0.01 }", "{ scale = 0 }"),
            "probe.current_l1.otherwise.0: registers.current_l1.scale",
        ),
        (EXAMPLE + ALONE, "probe.0.either: there is no"),
        ("probe = 3\n" + EXAMPLE, "probe: must be an array of tables"),
    ],
)
def test_each_fault_of_a_probe_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems_of(tmp_path, text))


@pytest.mark.parametrize(
    ("keys", "value", "fits"),
    [
        ({"low": 80, "high": 300}, Fraction(80), True),
        ({"low": 80, "high": 300}, Fraction(301), False),
        ({"low": 80}, None, False),
        ({"one_of": [203, 213]}, Fraction(213), True),
        ({"one_of": [203, 213]}, Fraction(201), False),
        ({"one_of": ["EM24"]}, "EM24", True),
        ({"begins": ["P30", "P40"]}, "P40-XY", True),
        ({"begins": ""}, "whatever", True),
        ({"begins": ""}, None, False),
        ({"begins": "P40"}, "xP40", False),
        ({"at_least": "1.21"}, "v1.21~3", True),
        ({"at_least": "1.21"}, "1.9", False),
        ({"at_least": "1.2"}, "1.2.0", True),
        ({"at_least": "1.2", "below": "2"}, "1.10", True),
        ({"below": "2"}, "2.0", False),
        ({"below": "2"}, "unknown", False),
        ({"at_least": "2"}, "", False),
    ],
)
def test_what_a_probe_finds_fits_or_not(keys: dict[str, object], value: Fraction | str | None, fits: bool) -> None:
    assert Expectation.model_validate(keys).fits(value) is fits


def keepalive(register: str, value: int, interval_s: int) -> str:
    return f'pause = "zero"\n[keepalive]\nregister = "{register}"\nvalue = {value}\ninterval_s = {interval_s}\n'


LIMIT = 'address = 261\ntable = "holding"\ntype = "u16"\nunit = "A"\nscale = 0.1\n'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("address = 5,", "address = 5, mask = 0x1FFFF,", "registers.status.mask: 131071 does not fit type u16"),
        ("address = 5,", "address = 5, mask = 0,", "registers.status.mask"),
        (
            'type = "u32", unit = "Wh"',
            'type = "s32", mask = 1, unit = "Wh"',
            "energy_import_total.mask: is not for",
        ),
        ("address = 258,", "address = 258, mask = 1,", "standby_control.mask: is not for what is written"),
        ("address = 6,", 'address = 6, exponent = "tens",', "current_l1.exponent: no register tens"),
        (
            "address = 6,",
            'address = 6, exponent = "status",',
            "current_l1.exponent: is for whole numbers that a meter",
        ),
        ("scale = 0.1", 'scale = "1:10"', "registers.current_l1.scale: must be a number, or a fraction"),
        ("scale = 0.1", 'scale = "1/0"', "registers.current_l1.scale"),
        ('pause = "zero"\n', keepalive("beat", 1, 2), "keepalive.register: no register beat"),
        ('pause = "zero"\n', keepalive("status", 1, 2), "keepalive.register: status is not writable"),
        ('pause = "zero"\n', keepalive("enable", 70000, 2), "keepalive.value: 70000 is no raw"),
        ('pause = "zero"\n', keepalive("enable", 1, 0), "keepalive.interval_s"),
        (LIMIT, LIMIT + "low = 6\n", "setpoint.pause: 0 A is never written"),
        (
            'register = "status"',
            'register = "status"\nplug_register = "enable"',
            "state.plugged: it, or plugged_from",
        ),
    ],
)
def test_each_fault_of_a_value_that_lies_unusually_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (
        swapped(old, new).replace("volatile = true\nlatency_s = 1.0\n", "")
        if "keepalive" in new
        else swapped(old, new)
    )
    assert any(said in problem for problem in problems_of(tmp_path, text))


def test_a_fraction_is_exact(tmp_path: Path) -> None:
    text = swapped(LIMIT, LIMIT.replace("0.1", '"1/167"')).replace("step_a = 0.1", "step_a = 1")
    profile = load(written(tmp_path, text))
    assert profile.registers["current_limit"].scale == Fraction(1, 167)


def test_checking_a_file_lists_its_faults_and_none_where_it_may_be_used(tmp_path: Path) -> None:
    path = written(tmp_path, EXAMPLE)
    assert check_any(path) == ()
    path.write_text(swapped("min_a = 6\n", "min_a = -6\n").replace('2 = "A"', '2 = "G"'))
    assert len(check_any(path)) == 2
    with pytest.raises(ProfileError):
        load(path)
    (missing,) = check_any(tmp_path / "nowhere.toml")
    assert "nowhere.toml" in missing


OTHERWISE = "address_shift = 1\nregisters.current_l1 = { scale = 0.01 }\nregisters.current_limit = { scale = 0.01 }"


@pytest.mark.parametrize(
    ("low", "otherwise", "holds"),
    [
        (0, OTHERWISE, "0"),  # two places, and both may read 0
        (6, "registers.current_limit = { scale = 0.01 }", "60"),  # the same value either way
        (6, "registers.current_l1 = { scale = 0.05 }", "400"),  # ranges that overlap
        (6, "low = 30\nhigh = 50", "400"),
        (0, 'modbus = { word_order = "little" }', "0"),
        (6, "one_of = [7, 8]", "70"),
        (6, "usable = false", "60"),
    ],
)
def test_readings_that_can_both_fit_are_a_fault_unless_either_will_do(
    tmp_path: Path, low: int, otherwise: str, holds: str
) -> None:
    text = with_probe("low = 6", f"low = {low}").replace(OTHERWISE, otherwise)
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("probe.current_l1: both 'in 0.1 A' and 'one register further on, in 0.01 A' fit")
    assert f"where it holds {holds} on the wire" in problem
    assert "either = true" in problem
    assert check_any(written(tmp_path, text.replace("high = 40\n", "high = 40\neither = true\n", 1))) == ()


@pytest.mark.parametrize(
    "otherwise",
    [
        "registers.current_l1 = { scale = 0.01 }",
        "low = 41\nhigh = 50",
        "low = 40.01",
        "one_of = [5, 41]",
        OTHERWISE,
    ],
)
def test_readings_of_which_one_fits_at_most_are_none(tmp_path: Path, otherwise: str) -> None:
    assert check_any(written(tmp_path, with_probe(OTHERWISE, otherwise))) == ()


TEXT = 'name = {{ address = 90, table = "input", type = "string", count = 4, access = "r" }}\n'
NAMED = '\n[[probe]]\nregister = "name"\nsays = "one"\n{}\n[[probe.otherwise]]\nsays = "two"\n{}\n'


@pytest.mark.parametrize(
    ("one", "two", "holds"),
    [
        ('begins = "P3"', 'begins = ["P30", "P40"]', "'P30'"),
        ('begins = "P30"', 'begins = "P40"', None),
        ('at_least = "1.2"', 'at_least = "1"', "'1.2'"),
        ('at_least = "1.2"', 'below = "1.2"', None),
        ('one_of = ["EM24"]', 'begins = "EM"', "'EM24'"),
        ('one_of = ["EM24"]', 'one_of = ["EM25"]', None),
    ],
)
def test_texts_of_which_two_readings_say_the_same_are_a_fault(
    tmp_path: Path, one: str, two: str, holds: str | None
) -> None:
    text = swapped("[registers]\n", f"[registers]\n{TEXT.format()}") + NAMED.format(one, two)
    found = check_any(written(tmp_path, text))
    assert len(found) == (holds is not None)
    assert all(f"probe.name: both 'one' and 'two' fit where it holds {holds}" in fault for fault in found)
