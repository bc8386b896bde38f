"""DC outlets in site.toml (R9): what feeds them, what they may take, what is impossible, and the proof."""

from fractions import Fraction
from pathlib import Path

import pytest

from controller.config.problems import ConfigError
from controller.config.proof import load, notes, proof
from controller.config.read import read
from drivers.can.frame import CanLine, Slcan, SocketCan, Socketcand
from drivers.profile import builtin_folder
from drivers.setups import DcSetup
from tests.config.conftest import Desk, Edit

DC = Path(__file__).with_name("dc.toml")
CAN = 'interface = "socketcan"\nchannel = "can0"\nbitrate = 125000'
OWN_STACK = """
[[power_modules]]
id = "stack-2"
profile = "infypower-v1.13"
bus = "can0"
addresses = [2]
evse = "DC2"
"""


@pytest.fixture
def dc(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.text = DC.read_text(encoding="utf-8")
    return desk


def sums_a(desk: Desk, *edits: Edit) -> dict[str, float]:
    """Of L1 at the grid connection, by case."""
    return {row.case: row.sum_ma / 1000 for row in proof(read(desk.write(*edits))) if row.phase == "L1"}


def test_r9_an_outlet_takes_what_its_stacks_cable_and_supply_can_carry_whichever_is_least(dc: Desk) -> None:
    """50 kW / 0.94 / 690 V = 77.1 A. DC2 could have 60 + 30 kW, its cable 80, which would be 126 A of input."""
    config = read(dc.write())
    dc1, dc2 = (evse.setup for evse in config.plant.evses)
    assert isinstance(dc1, DcSetup)
    assert isinstance(dc2, DcSetup)
    assert (dc1.max_power_w, dc1.max_ma, dc1.efficiency) == (50_000, 77_100, Fraction(94, 100))
    assert (dc2.max_power_w, dc2.max_ma, dc2.efficiency) == (80_000, 100_000, Fraction(92, 100))
    assert [(point.max_ma, point.dc_permille) for point in config.plant.layout.evses] == [
        (77_100, 940),
        (100_000, 920),
    ]


def test_r9_without_the_shared_stack_the_modules_bound_the_outlet(dc: Desk) -> None:
    """One module of 30 kW: 30 / 0.92 / 690 V = 47.3 A."""
    edit = ('[[power_modules.switches]]\nevse = "DC2"\nbus = "lan"\nunit = 9\ncoil = 1\nfeedback = 1\n', "")
    dc2 = read(dc.write(edit)).plant.layout.evses[1]
    assert dc2.max_ma == 47_300


def test_r9_a_dc_outlet_has_no_6_a_rule_and_fine_steps(dc: Desk) -> None:
    point = read(dc.write()).plant.layout.evses[0]
    assert (point.min_ma, point.step_ma) == (1000, 100)
    wanted = read(dc.write(("max_power_kw = 50", "max_power_kw = 50\nmin_current_a = 2.5"))).plant.layout.evses[0]
    assert wanted.min_ma == 2500


def test_r36_outlets_that_share_a_stack_are_one_cluster_and_others_are_their_own(dc: Desk) -> None:
    (one,) = read(dc.write()).plant.clusters
    assert one.buses == {"lan", "can0"}
    assert {outlet.setup.id for outlet in one.outlets} == {"DC1", "DC2"}
    text = DC.read_text(encoding="utf-8")
    switches = text[text.index("[[power_modules.switches]]") : text.index('[[power_modules]]\nid = "stack-2"')]
    assert len(read(dc.write((switches, ""))).plant.clusters) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CAN, SocketCan("can0", 125_000)),
        ('interface = "slcan"\nport = "/dev/ttyACM0"\nbitrate = 125000', Slcan("/dev/ttyACM0", 125_000)),
        (
            'interface = "socketcand"\nhost = "10.0.0.9"\nport = 29536\nchannel = "can0"\nbitrate = 125000',
            Socketcand("10.0.0.9", 29536, "can0", 125_000),
        ),
    ],
)
def test_a_can_bus_is_reached_in_three_ways(dc: Desk, text: str, line: CanLine) -> None:
    buses = {bus.id: bus.wire for bus in read(dc.write((CAN, text))).plant.buses}
    assert buses["can0"] == line


def test_an_own_model_of_power_modules_lies_beside_site_toml(dc: Desk) -> None:
    folder = dc.folder / "profiles"
    folder.mkdir()
    shipped = builtin_folder() / "power-modules"
    text = (shipped / "infypower-v1.13.toml").read_text(encoding="utf-8")
    text = text.replace('id = "infypower-v1.13"', 'id = "small"').replace("power_w = 30_000", "power_w = 20_000")
    (folder / "small.toml").write_text(text, encoding="utf-8")
    (folder / "infypower-v1.13.dbc").write_bytes((shipped / "infypower-v1.13.dbc").read_bytes())
    edit = (OWN_STACK, OWN_STACK.replace('"infypower-v1.13"', '"small"'))
    dc2 = read(dc.write(edit)).plant.evses[1].setup
    assert isinstance(dc2, DcSetup)
    assert dc2.max_power_w == 80_000
    (folder / "small.toml").write_text(text.replace("poll_s = 1.0", "poll_s = 0"), encoding="utf-8")
    assert [one for one in dc.problems(edit) if "small.toml" in one and "poll_s" in one]


CASES: dict[str, tuple[list[Edit], list[str]]] = {
    "a stack on no bus": (
        [(OWN_STACK, OWN_STACK.replace('"can0"', '"can1"'))],
        ["power_modules[stack-2].bus: there is no bus 'can1'"],
    ),
    "a stack on a Modbus wire": (
        [(OWN_STACK, OWN_STACK.replace('"can0"', '"lan"'))],
        ["power_modules[stack-2].bus: 'lan' is no CAN bus"],
    ),
    "an unknown model": (
        [(OWN_STACK, OWN_STACK.replace('"infypower-v1.13"', '"infy"'))],
        ["power_modules[stack-2].profile: there is no power module 'infy'; there are huawei-r100040gx, "],
    ),
    "an address twice on a bus": (
        [(OWN_STACK, OWN_STACK.replace("[2]", "[1]"))],
        ["power_modules: address 1 of infypower modules is used 2 times on bus can0"],
    ),
    "another bit rate": (
        [(CAN, CAN.replace("125000", "250000"))],
        [
            "power_modules[stack-1]: infypower-v1.13 needs 125000 bit/s, bus can0 has 250000",
            "power_modules[stack-2]: ",
        ],
    ),
    "a can bus that nobody uses": (
        [
            (
                '[[power_modules]]\nid = "stack-1"',
                '[[buses]]\nid = "can1"\nkind = "can"\n'
                'interface = "socketcan"\nchannel = "can1"\nbitrate = 125000\n\n[[power_modules]]\nid = "stack-1"',
            )
        ],
        ["buses[can1]: a CAN bus without [[power_modules]] serves nobody"],
    ),
    "a can bus without its channel": (
        [(CAN, 'interface = "socketcan"\nbitrate = 125000')],
        ["buses[can0].channel: is missing; interface socketcan needs it"],
    ),
    "a key of another interface": (
        [(CAN, CAN + '\nhost = "10.0.0.9"')],
        ["buses[can0].host: belongs to socketcand, not to socketcan; remove it"],
    ),
    "a number for a serial port": (
        [(CAN, 'interface = "slcan"\nport = 29536\nbitrate = 125000')],
        ["buses[can0].port: must be the adapter's serial port"],
    ),
    "a bit rate that no adapter has": (
        [(CAN, 'interface = "slcan"\nport = "/dev/ttyACM0"\nbitrate = 130000')],
        ["buses[can0].bitrate: no adapter has 130000"],
    ),
    "an efficiency of nothing": (
        [("efficiency = 0.94", "efficiency = 0.2")],
        ["evses[DC1].efficiency: "],
    ),
    "an efficiency above one": ([("efficiency = 0.94", "efficiency = 94")], ["evses[DC1].efficiency: "]),
    "no power": ([("max_power_kw = 50\n", "")], ["evses[DC1].max_power_kw: is missing"]),
    "an secc on the can bus": (
        [
            (
                'id = "DC1"\nprofile = "ampyard-secc"\nbus = "lan"',
                'id = "DC1"\nprofile = "ampyard-secc"\nbus = "can0"',
            )
        ],
        ["evses[DC1].bus: 'can0' is a CAN bus, and 'ampyard-secc' is on a Modbus one"],
    ),
    "two phases": (
        [("max_power_kw = 50", "max_power_kw = 50\nphases = 2")],
        ["evses[DC1]: 2 phases; a DC outlet takes one or three"],
    ),
    "a fail-safe current": (
        [("max_power_kw = 50", "max_power_kw = 50\nfailsafe_current_a = 6")],
        ["evses[DC1].failsafe_current_a: must be 0"],
    ),
    "a contactor on the can bus": (
        [('bus = "lan"\nunit = 9\ncoil = 0', 'bus = "can0"\nunit = 9\ncoil = 0')],
        ["power_modules[stack-1].switches[DC1].bus: 'can0' is a CAN bus"],
    ),
    "a contactor in the SECC": (
        [("unit = 9\ncoil = 0", "unit = 1\ncoil = 0")],
        ["power_modules[stack-1].switches[DC1].unit: unit 1 on 'lan' is another device"],
    ),
    "a name twice": (
        [('id = "stack-2"', 'id = "DC2"')],
        ["DC2: two buses, EVSEs, stacks of power modules, meters or readers have this id"],
    ),
    "no common voltage": (
        [(OWN_STACK, OWN_STACK.replace('"infypower-v1.13"', '"low"'))],
        ["evses[DC2].profile: stack-1 and stack-2 have no common voltage"],
    ),
    "an outlet that nothing feeds": (
        [('id = "DC1"\nprofile', 'id = "DC3"\nprofile')],
        [
            "evses[DC3]: no power modules can be connected to it",
            "power_modules[stack-1]: there is no DC outlet DC1",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_problem_names_its_key_and_says_what_to_do(dc: Desk, case: str) -> None:
    edits, expected = CASES[case]
    _write_low_voltage_model(dc.folder / "profiles")
    found = dc.problems(*edits)
    assert found
    for line in expected:
        assert any(problem.startswith(line) for problem in found), found


def test_a_fault_of_shape_in_a_stack_does_not_accuse_the_outlet_that_it_feeds(dc: Desk) -> None:
    assert dc.problems((OWN_STACK, OWN_STACK.replace("[2]", '"two"'))) == [
        "power_modules[stack-2].addresses: must be a list, or a list of tables: [[...]]"
    ]


def _write_low_voltage_model(folder: Path) -> None:
    """Of another range than the shipped one."""
    folder.mkdir()
    shipped = builtin_folder() / "power-modules"
    text = (shipped / "infypower-v1.13.toml").read_text(encoding="utf-8")
    text = text.replace('id = "infypower-v1.13"', 'id = "low"').replace(
        "voltage_max_mv = 1_000_000", "voltage_max_mv = 45_000"
    )
    (folder / "low.toml").write_text(
        text.replace("voltage_min_mv = 50_000", "voltage_min_mv = 20_000"), encoding="utf-8"
    )
    (folder / "infypower-v1.13.dbc").write_bytes((shipped / "infypower-v1.13.dbc").read_bytes())


@pytest.mark.parametrize("key", ["max_power_kw = 11", "efficiency = 0.9"])
def test_what_belongs_to_dc_outlets_is_refused_elsewhere(desk: Desk, key: str) -> None:
    found = desk.problems(('profile = "keba-p30"', f'profile = "keba-p30"\n{key}'))
    assert found == [
        f"evses[A3].{key.split()[0]}: belongs to DC outlets, whose profile describes an secc; remove it"
    ]


def test_a_register_cannot_be_on_a_can_bus(dc: Desk) -> None:
    text = '[[inputs]]\nid = "relay"\nregister = { bus = "can0", address = 1 }\n\n[[buses]]\nid = "lan"'
    assert dc.problems(('[[buses]]\nid = "lan"', text)) == [
        "inputs[relay].register.bus: 'can0' is a CAN bus, and registers are on a Modbus one"
    ]


def test_r9_an_secc_on_a_wire_that_is_too_slow_for_it_is_refused(dc: Desk) -> None:
    lan = 'id = "lan"\nkind = "modbus-tcp"\nhost = "192.168.20.9"'
    rtu = 'id = "lan"\nkind = "modbus-rtu"\nport = "/dev/ttyUSB0"\nbaud = {}'
    slow = [one for one in dc.problems((lan, rtu.format(1200))) if "SECC" in one]
    assert [one.split(" (")[0] for one in slow] == ["buses[lan]: SECC DC1", "buses[lan]: SECC DC2"]
    assert all("is not believed after 1 s: give it a faster wire" in one for one in slow), slow
    assert dc.problems((lan, rtu.format(19200))) == []


# the proof


def test_r2_modules_that_switch_off_by_themselves_add_nothing_whatever_is_lost(dc: Desk) -> None:
    assert sums_a(dc) == {
        "controller dead": 30,
        "bus can0 dead": 30,
        "bus lan dead": 30,
        "power just returned": 30,
    }
    assert load(dc.file).plant.clusters


def test_r2_modules_of_which_nobody_knows_that_they_switch_off_count_for_ever(dc: Desk) -> None:
    """Both outlets can have the stack: 77.1 A and 100 A, until power returns, when no contactor is closed."""
    folder = dc.folder / "profiles"
    folder.mkdir()
    shipped = builtin_folder() / "power-modules"
    text = (shipped / "infypower-v1.13.toml").read_text(encoding="utf-8").replace("switches_off_s = 15.0", "")
    (folder / "infypower-v1.13.toml").write_text(text, encoding="utf-8")
    (folder / "infypower-v1.13.dbc").write_bytes((shipped / "infypower-v1.13.dbc").read_bytes())
    sums = sums_a(dc)
    assert {case: round(most, 1) for case, most in sums.items()} == {
        "controller dead": 207.1,
        "bus can0 dead": 207.1,
        "bus lan dead": 207.1,
        "power just returned": 30,
    }
    assert sum("switches off by itself" in note for note in notes(read(dc.file))) == 2
    with pytest.raises(ConfigError) as caught:
        load(dc.write(("rating_a = 250", "rating_a = 200")))
    assert len(caught.value.problems) == 9
    assert all("DC1 77.1 A (no watchdog), DC2 100 A (no watchdog)" in text for text in caught.value.problems)


def test_r9_check_names_the_hardware_interlock_once_as_a_prerequisite(dc: Desk) -> None:
    (found,) = [note for note in notes(read(dc.write())) if "interlock" in note]
    assert found.startswith(
        "DC1, DC2: required of the installer (R9): each SECC must be able to cut its power modules"
    )


def test_r9_a_site_without_dc_outlets_is_told_nothing_of_interlocks(desk: Desk) -> None:
    assert not [note for note in notes(read(desk.write())) if "interlock" in note]
