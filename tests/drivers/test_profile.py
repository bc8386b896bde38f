from pathlib import Path

import pytest

from drivers.api import EvState
from drivers.profile import ProfileError, builtin_folder, catalogue, load

EXAMPLE = """
schema = 1
id = "example"
vendor = "v"
model = "m"
kind = "charger"
driver = "modbus"
confidence = "high"
sources = ["made for the tests"]
fall_back = "unknown"

[rtu]
baud = 19200
parity = "E"
stop_bits = 1

[modbus]
spacing_ms = 100

[state]
register = "status"
values = { 2 = "A", 3 = "A", 4 = "B", 5 = "B", 7 = "C", 9 = "E", 10 = "F" }

[setpoint]
min_a = 6
max_a = 16
step_a = 0.1
pause = "zero"
volatile = true
latency_s = 1.0

[enable]
register = "enable"
on = 1
off = 0

[watchdog]
method = "any_request"
timeout_s = 15
timeout_min_s = 1
timeout_max_s = 60

[registers]
status = { address = 5, table = "input", type = "u16", access = "r", class = "fast" }
current_l1 = { address = 6, table = "input", type = "u16", unit = "A", scale = 0.1, low = 0, high = 40, access="r" }
energy_import_total = { address = 17, table = "input", type = "u32", unit = "Wh", access = "r", class = "fast" }
comm_timeout = { address = 257, table = "holding", type = "u16", unit = "s", access = "rw", write_fc = 16 }
standby_control = { address = 258, table = "holding", type = "u16", access = "rw", write_fc = 16 }
enable = { address = 259, table = "holding", type = "u16", access = "rw", write_fc = 16 }
[registers.current_limit]
address = 261
table = "holding"
type = "u16"
unit = "A"
scale = 0.1
access = "rw"
write_fc = 16

[commission]
standby_control = 4
"""
READER = """
schema = 1
id = "line-reader"
vendor = "v"
model = "m"
kind = "reader"
driver = "ascii-line"
confidence = "low"
sources = ["s"]
repeat_s = 0.5
serial = { baud = 9600, parity = "N", stop_bits = 1 }
ascii = { digits = "decimal", reverse_bytes = true }
"""


def problems_of(folder: Path, text: str, name: str = "example") -> tuple[str, ...]:
    path = written(folder, text, name)
    with pytest.raises(ProfileError) as caught:
        load(path)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    return tuple(problem.removeprefix(f"{path}: ") for problem in caught.value.problems)


def written(folder: Path, text: str, name: str = "example") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def swapped(old: str, new: str) -> str:
    assert old in EXAMPLE
    return EXAMPLE.replace(old, new, 1)


def test_the_example_loads_with_exact_numbers(tmp_path: Path) -> None:
    profile = load(written(tmp_path, EXAMPLE))
    assert (profile.id, profile.kind, profile.driver) == ("example", "charger", "modbus")
    assert profile.setpoint is not None
    assert (profile.setpoint.min_ma, profile.setpoint.max_ma, profile.setpoint.step_ma) == (6000, 16000, 100)
    assert profile.setpoint.power_up_ma is None
    assert profile.state is not None
    assert profile.state.letter("7") is EvState.C
    assert profile.state.letter("99") is None
    assert profile.address("status", 1) == 5
    assert profile.commission == {"standby_control": 4}
    assert not profile.holds_last


def test_the_built_in_profiles_load() -> None:
    assert "heidelberg-energy-control" in catalogue(builtin_folder())


def test_a_reader_carries_its_line_and_format(tmp_path: Path) -> None:
    path = tmp_path / "line-reader.toml"
    path.write_text(READER)
    profile = load(path)
    assert profile.serial is not None
    assert (profile.serial.baud, profile.serial.parity, profile.repeat_s) == (9600, "N", 0.5)
    assert profile.ascii is not None
    assert (profile.ascii.digits, profile.ascii.reverse_bytes) == ("decimal", True)


@pytest.mark.parametrize(
    ("said", "raise_interval_s"),
    [
        ("", 15.0),
        ("volatile = false\n", 15.0),
        ("volatile = true\n", 0.0),
        ("min_interval_s = 0\n", 0.0),
        ("min_interval_s = 60\n", 60.0),
        ("volatile = true\nmin_interval_s = 2\n", 2.0),
    ],
)
def test_r12_what_is_not_known_to_be_volatile_is_kept_in_eeprom(
    tmp_path: Path, said: str, raise_interval_s: float
) -> None:
    setpoint = load(written(tmp_path, swapped("volatile = true\nlatency_s = 1.0\n", said))).setpoint
    assert setpoint is not None
    assert setpoint.raise_interval_s == raise_interval_s
    assert setpoint.volatile is ("volatile = true" in said)
    assert setpoint.latency_s == 2.0


UNLOCK = (
    'unlock = { address = 300, table = "holding", type = "u16", access = "w", write_fc = 6, values = { 5 = "x" } }'
)


def test_the_one_entry_of_the_unlock_register_is_the_value_that_releases_the_plug(tmp_path: Path) -> None:
    assert load(written(tmp_path, EXAMPLE)).unlock_raw is None
    text = swapped("[registers]\n", f"[registers]\n{UNLOCK}\n")
    assert load(written(tmp_path, text)).unlock_raw == 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('5 = "x"', "", "registers.unlock.values: must have one entry"),
        ('5 = "x"', '5 = "x", 6 = "y"', "registers.unlock.values: must have one entry"),
        (', values = { 5 = "x" }', "", "registers.unlock.values: must have one entry"),
        ('access = "w", write_fc = 6', 'access = "r"', "registers.unlock.access: must be writable"),
        ('"u16"', '"bytes", count = 1', "registers.unlock.type: bytes is no whole number"),
    ],
)
def test_an_unlock_register_that_does_not_say_what_to_write_is_a_fault(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in UNLOCK
    text = swapped("[registers]\n", f"[registers]\n{UNLOCK.replace(old, new)}\n")
    assert any(said in problem for problem in problems_of(tmp_path, text))


READ_ONLY = 'failsafe_current = { address = 262, table = "holding", type = "u16", unit = "A", access = "r" }'
FAULTS = [
    ("schema = 1", "schema = 2", "schema: "),
    ("schema = 1", "schema = 1\ncolour = 3", "colour: unknown key"),
    ("min_a = 6", "min_a = 6\nminimum = 6", "setpoint.minimum: unknown key"),
    ("address = 6,", "address = 6, wide = 1,", "registers.current_l1.wide: unknown key"),
    ("address = 6,", "address = 5,", "registers.current_l1.address: current_l1 overlaps status"),
    ("address = 17,", "address = 5,", "overlaps"),
    ("address = 6,", "address = 65536,", "registers.current_l1.address: "),
    ('type = "u32", unit = "Wh"', 'type = "u32"', "registers.energy_import_total.unit: missing"),
    (
        '"Wh", access = "r", class = "fast"',
        '"Wh", access = "r", class = "slow"',
        "energy_import_total.class: must be fast",
    ),
    ('unit = "A", scale = 0.1', 'unit = "V", scale = 0.1', "registers.current_l1.unit: must be A, not V"),
    ("scale = 0.1", "scale = 0", "registers.current_l1.scale: "),
    ("scale = 0.1", "scale = -0.1", "registers.current_l1.scale: "),
    ("scale = 0.1", "scale = nan", "registers.current_l1.scale: "),
    ("scale = 0.1", "scale = inf", "registers.current_l1.scale: "),
    ("scale = 0.1, low", 'scale = "0.1", low', "registers.current_l1.scale: must be a number"),
    ('2 = "A"', '2 = "G"', "state.values.2: "),
    ('2 = "A"', 'x = "A"', "state.values.x: is no raw value of status"),
    ('2 = "A"', '2 = "plug"', "state.plug_register: missing"),
    ('register = "status"', 'register = "stat"', "state.register: no register stat"),
    (
        'access = "rw", write_fc = 16 }',
        'access = "rw" }',
        "comm_timeout.write_fc: missing, the register is writable: 6 or 16; where no source says which",
    ),
    (
        "[registers]\n",
        '[registers]\nbudget = { address = 17, table = "holding", type = "u32", unit = "Wh", access = "rw" }\n',
        "budget.write_fc: missing, the register is writable: 16 for 2 registers",
    ),
    (
        "[registers]\n",
        '[registers]\nlamp = { address = 1, table = "coil", type = "bool", access = "rw" }\n',
        "lamp.write_fc: missing, the register is writable: 5 for a coil",
    ),
    ('pause = "zero"', "pause = true", 'setpoint.pause: must be "zero"'),
    ('kind = "charger"', 'kind = "charge"', "'secc' or 'power_module', not 'charge'; did you mean `charger`?"),
    ('confidence = "high"', 'confidence = "very"', "confidence: must be 'high', 'medium' or 'low', not 'very'"),
    (
        "[registers]\n",
        f"[registers]\n{READ_ONLY}\n",
        "registers.failsafe_current.access: must be writable where the timeout is",
    ),
    ("[rtu]", "rtu = 3\n[tcp]", "rtu: must be a table"),
    ('type = "u32", unit', 'type = "u32", write_fc = 16, unit', "energy_import_total.write_fc: "),
    ("standby_control = { a", "rcd_clear = { a", "registers.rcd_clear.access: a protective function"),
    ("registers.current_limit]", "registers.current_top]", "registers.current_limit: missing"),
    ("low = 0, high = 40", "low = 50, high = 40", "registers.current_l1.low: 50 is above high 40"),
    ("min_a = 6\n", "min_a = 60\n", "setpoint.min_a: 60 is above max_a 16"),
    ("step_a = 0.1", "step_a = 0.15", "setpoint.step_a: 0.15 is not on the register's grid"),
    ("step_a = 0.1", "step_a = 0", "setpoint.step_a: "),
    ('pause = "zero"', 'pause = "stop"', 'setpoint.pause: must be "zero" (write 0), "disable"'),
    ('pause = "zero"', "pause = 7", "setpoint.pause: 7 must lie between 0 and min_a"),
    ("max_a = 16", "max_a = 7000", "setpoint.max_a: 7000 does not fit type u16"),
    ('register = "enable"', 'register = "status"', "enable.register: status is not writable"),
    ("off = 0", "off = 1", "enable.off: equals enable.on"),
    ('"any_request"', '"heartbeat"', "needs a writable register heartbeat"),
    ("timeout_min_s = 1", "timeout_min_s = 100", "watchdog.timeout_min_s: 100.0 is above timeout_max_s"),
    ("standby_control = 4", "standby_control = 70000", "commission.standby_control: 70000 does not fit type u16"),
    ("standby_control = 4", "status = 4", "commission.status: must be readable and writable"),
    ("standby_control = 4", "nothing = 4", "commission.nothing: no register nothing"),
    ("spacing_ms = 100", "outlets = 2", "modbus.outlet_offset: missing"),
    ("spacing_ms = 100", "outlets = 2\noutlet_offset = 1", "overlaps"),
    ('driver = "modbus"', 'driver = "rdm6300"', "driver: rdm6300 does not fit kind charger"),
    ("[state]", "[serial]\nbaud = 9600\nparity = 'N'\nstop_bits = 1\n[state]", "serial: is not for kind charger"),
    ('access = "r", class = "fast" }', 'access = "r" }', "registers.status.class: must be fast"),
    ("baud = 19200", 'baud = "fast"', "rtu.baud: "),
    ("baud = 19200", "baud = 19200\ndata_bits = 7", "rtu.data_bits: must be 8"),
    ("baud = 19200", 'baud = 19200\nframing = "text"', "rtu.framing: "),
    ('access="r" }', 'access="r", class = "slow" }', "registers.current_l1.class: must be fast"),
    ('access = "r", class = "fast" }', 'access = "r", class = "slow" }', "registers.status.class: must be fast"),
    (
        'enable = { address = 259, table = "holding",',
        'enable = { address = 259, class = "slow", table = "holding",',
        "registers.enable.class: must be fast",
    ),
    (
        "[registers]\n",
        '[registers]\nrfid_tag = { address = 90, table = "input", type = "s32", access = "r" }\n',
        "registers.rfid_tag.type: s32 holds no UID",
    ),
    ("[commission]", "[tag]\nreverse_bytes = true\n[commission]", "tag: there is no register rfid_tag"),
    (
        "spacing_ms = 100\n",
        'outlets = 2\noutlet_offset = 900\nglobal_registers = ["rfid_tag"]\n',
        "rfid_tag of several outlets would be a tap at each of them",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), FAULTS, ids=[said for _, _, said in FAULTS])
def test_each_fault_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert any(said in problem for problem in problems_of(tmp_path, swapped(old, new)))


def test_all_faults_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    text = (
        swapped("min_a = 6\n", "min_a = -6\n").replace('2 = "A"', '2 = "G"').replace("address = 6,", "address = 5,")
    )
    text = text.replace('confidence = "high"', 'confidence = "total"')
    keys = {problem.split(": ")[0] for problem in problems_of(tmp_path, text)}
    assert {"setpoint.min_a", "state.values.2", "registers.current_l1.address", "confidence"} <= keys


def test_a_broken_section_is_not_reported_as_missing_too(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, swapped("min_a = 6\n", "min_a = -6\n"))
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[registers]\n", "[register]\n", "register: unknown section; did you mean [registers]?"),
        ("[setpoint]", "[set_point]", "set_point: unknown section; did you mean [setpoint]?"),
        ("[rtu]", "[rtus]", "rtus: unknown section; did you mean [rtu]?"),
        ('vendor = "v"', 'vendr = "v"', "vendr: unknown key; did you mean `vendor`?"),
        ("min_a = 6", "min = 6", "setpoint.min: unknown key; did you mean `min_a`?"),
        ("address = 6,", "adress = 6,", "registers.current_l1.adress: unknown key; did you mean `address`?"),
        ('register = "status"', 'registr = "status"', "state.registr: unknown key; did you mean `register`?"),
        ('vendor = "v"\n', "", "vendor: missing"),
    ],
)
def test_a_slip_in_a_name_is_one_fault_and_says_what_was_meant(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = swapped(old, new).replace(
        "[registers.current_limit]", f"[{'register' if 'register]' in new else 'registers'}.current_limit]"
    )
    assert problems_of(tmp_path, text) == (said,)


def test_what_resembles_no_section_is_told_without_a_guess(tmp_path: Path) -> None:
    text = EXAMPLE + "\n[weather]\nsun = 1\n"
    assert problems_of(tmp_path, text) == ("weather: unknown section",)


def test_a_misspelt_section_hides_none_of_its_own_faults(tmp_path: Path) -> None:
    text = swapped("[setpoint]", "[setpoints]").replace("min_a = 6\n", "min_a = -6\n")
    assert [problem.split(":")[0] for problem in problems_of(tmp_path, text)] == ["setpoints", "setpoint.min_a"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('vendor = "v"', 'vendor = "v', 'vendor = "v  <- a text that begins with " does not end with "'),
        ('vendor = "v"', "vendor = 'v", "vendor = 'v  <- a text that begins with ' does not end"),
        ('vendor = "v"', "vendor", "vendor  <- a line is KEY = VALUE, or a [section]"),
        ('vendor = "v"', 'vendor = """v', 'vendor = """v  <- a text that begins with "'),
        ("min_a = 6", "min_a = six", "min_a = six"),
        ("min_a = 6", "min_a = { a = 1", "min_a = { a = 1"),
    ],
)
def test_a_line_that_is_no_toml_is_shown_with_what_is_wrong_in_it(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    (problem,) = problems_of(tmp_path, swapped(old, new))
    assert problem.startswith("file: ")
    assert said in problem


@pytest.mark.parametrize("text", ["schema = ", "\x00", "registers = 3", "", "[registers]\nstatus = 3"])
def test_what_is_no_profile_at_all_is_an_error_too(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, text)


def test_the_name_of_the_file_is_the_id(tmp_path: Path) -> None:
    assert any("must be the name of the file" in p for p in problems_of(tmp_path, EXAMPLE, name="other"))


def test_a_reader_needs_a_line_and_nothing_of_modbus(tmp_path: Path) -> None:
    text = READER.replace("serial =", "rtu =") + "[registers]\n"
    problems = problems_of(tmp_path, text, name="line-reader")
    assert {p.split(": ")[0] for p in problems} >= {"serial", "rtu", "registers"}


def test_a_catalogue_lists_the_faults_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x")
    (tmp_path / "b.toml").write_text("y")
    with pytest.raises(ProfileError) as caught:
        catalogue(builtin_folder(), tmp_path, tmp_path / "missing")
    text = str(caught.value)
    assert all(name in text for name in ("a.toml", "b.toml", "missing: is not a folder"))


def test_a_later_folder_replaces_a_profile_of_an_earlier_one(tmp_path: Path) -> None:
    own = tmp_path / "example.toml"
    own.write_text(swapped("max_a = 16", "max_a = 12"))
    profile = catalogue(own.parent)["example"]
    assert profile.setpoint is not None
    assert profile.setpoint.max_ma == 12000
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / own.name).write_text(EXAMPLE)
    with pytest.raises(ProfileError, match="is also in"):
        catalogue(tmp_path)
