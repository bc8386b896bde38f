"""The example is read as it says, and every class of problem names its key and says what to do."""

import pytest

from controller.allocation.circuits import Rotation
from controller.charging.records import Route
from controller.charging.tokens import BilledBy, SiteAccount
from controller.config.problems import ConfigError
from controller.config.read import read
from drivers.api import Phases
from drivers.profile import builtin_folder
from drivers.setups import Endpoint, EvseSetup, Line
from tests.config.conftest import Desk, Edit


def test_the_example_is_read_as_it_says(desk: Desk) -> None:
    config = read(desk.write())
    assert (config.id, config.state_dir) == ("car-park-7", desk.folder / "state")
    main, board_a, _ = config.plant.layout.circuits
    assert (main.rating_ma, main.max_other_ma) == (
        Phases(160_000, 160_000, 160_000),
        Phases(60_000, 60_000, 55_000),
    )
    assert (board_a.parent, board_a.usable_permille, board_a.meter) == ("main", 950, None)
    assert config.accounts == (SiteAccount("04A1B2C3D4E5F6", "Caretaker", "SITE-1", BilledBy.FREE, 8000),)
    assert config.csms is not None
    assert config.csms.password == "correct-horse-battery"
    assert "correct-horse" not in repr(config.csms)


def test_defaults_come_from_the_device_profile(desk: Desk) -> None:
    plant = read(desk.write()).plant
    wires = {bus.id: bus.wire for bus in plant.buses}
    assert wires["rs485-1"] == Line("/dev/serial/by-id/usb-FTDI-1", 19200, "E", 1)
    assert wires["rs485-2"] == Line("/dev/serial/by-id/usb-FTDI-2", 9600, "N", 1)
    assert wires["keba-1"] == Endpoint("192.168.20.11", 502)
    setups = {evse.id: evse.setup for evse in plant.evses if isinstance(evse.setup, EvseSetup)}
    assert setups["A3"].unit == 255
    assert (setups["A3"].watchdog_timeout_s, setups["A3"].min_ma) == (30, 6000)
    assert setups["B1"].failsafe_ma == 6000
    assert setups["B1"].power_up_ma is None


def test_the_framing_of_a_wire_is_stated_or_comes_from_its_devices(desk: Desk) -> None:
    text = 'port = "/dev/serial/by-id/usb-FTDI-{0}"'
    first, second = text.format(1), text.format(2)
    file = desk.write(
        (first, f'{first}\nframing = "ascii"'), (second, f'{second}\nframing = "ascii"\ndata_bits = 8')
    )
    wires = {bus.id: bus.wire for bus in read(file).plant.buses}
    assert wires["rs485-1"] == Line("/dev/serial/by-id/usb-FTDI-1", 19200, "E", 1, 7, "ascii")
    assert wires["rs485-2"] == Line("/dev/serial/by-id/usb-FTDI-2", 9600, "N", 1, 8, "ascii")
    [problem] = desk.problems((first, f"{first}\ndata_bits = 7"))
    assert problem.startswith("buses[rs485-1].data_bits: must be 8")


def test_each_evse_knows_its_wiring_its_payer_and_its_station(desk: Desk) -> None:
    evses = {evse.id: evse for evse in read(desk.write()).plant.evses}
    assert evses["A2"].point.rotation is Rotation.L2L3L1
    assert (evses["B1"].point.phases, evses["B1"].point.rotation.value[:1]) == (1, (1,))
    assert evses["A1"].point.raise_interval_s == 15.0, "a setpoint kept in EEPROM (R12)"
    assert [evse.billed_by for evse in evses.values()] == [BilledBy.CSMS] * 3 + [BilledBy.SITE]
    assert {evse.route for evse in evses.values()} == {Route("operator", "CP-7")}


def test_without_a_csms_the_site_runs_alone(desk: Desk) -> None:
    desk.cut_csms()
    config = read(desk.write())
    assert config.csms is None
    assert {evse.route for evse in config.plant.evses} == {None}


ROOT = 'id = "main"\nrating_a = 160                     # or [160, 160, 160]'
A1 = 'id = "A1"\nprofile = "heidelberg-energy-control"\nbus = "rs485-1"\nunit = 1'
A2 = 'id = "A2"\nprofile = "heidelberg-energy-control"\nbus = "rs485-1"\nunit = 2'
A3 = 'id = "A3"\nprofile = "keba-p30"\nbus = "keba-1"'
B1_METER = 'max_current_a = 16\nmeter = "m-b1"'
SUPPLY = 'supply = "three-phase-star"  '
STATION = 'identity = "CP-7"'

CASES: dict[str, tuple[list[Edit], list[str]]] = {
    # shape
    "unknown key": (
        [("cycle_s = 1.0", "cycle_s = 1.0\ncycle = 1")],
        ["site.cycle: unknown key; did you mean `cycle_s`?"],
    ),
    "unknown table": ([("[web]", "[wep]")], ["wep: unknown key; did you mean `web`?"]),
    "a key misspelt that must be there is told once": (
        [("max_current_a = 16\nmeter", "max_curent_a = 16\nmeter")],
        ["evses[B1].max_curent_a: unknown key; did you mean `max_current_a`?"],
    ),
    "a key misspelt inside a list in a list": (
        [('identity = "CP-7"', 'identety = "CP-7"')],
        ["csms.stations[1].identety: unknown key; did you mean `identity`?"],
    ),
    "a key misspelt in a bus of one kind": (
        [('host = "192.168.20.11"', 'hosst = "192.168.20.11"')],
        ["buses[keba-1].hosst: unknown key; did you mean `host`?"],
    ),
    "a key of another kind of bus": (
        [('host = "192.168.20.11"', 'host = "192.168.20.11"\nbitrate = 125000')],
        ["buses[keba-1].bitrate: unknown key; remove it"],
    ),
    "the beginning of a device profile's name": (
        [('profile = "keba-p30"', 'profile = "keba"')],
        ["evses[A3].profile: there is no device profile 'keba'; did you mean `keba-p30`?"],
    ),
    "a reader's name for a charger's": (
        [('profile = "keba-p30"', 'profile = "rdm630"')],
        ["evses[A3].profile: there is no device profile 'rdm630'; `ampyard profiles list` shows all"],
    ),
    "power modules for a charger": (
        [('profile = "keba-p30"', 'profile = "infypower-v1.13"')],
        ["evses[A3].profile: there is no device profile 'infypower-v1.13': these are power modules, which belong"],
    ),
    "a time zone without quotes": (
        [("cycle_s = 1.0", "cycle_s = 1.0\ntime_zone = 1")],
        ["site.time_zone: must be a name in quotes, such as"],
    ),
    "nobody for a reader": (
        [('evses = ["A1", "A2"]', "evses = []")],
        ["readers[door].evses: must have at least one entry"],
    ),
    "a page without a port": (
        [('"127.0.0.1:8080"', '"127.0.0.1"')],
        ["web.listen: must be an address and a port, such as 127.0.0.1:8080, not '127.0.0.1'"],
    ),
    "missing key": ([('name = "Car park 7"\n', "")], ["site.name: is missing"]),
    "a table that should be a list": (
        [("[[readers]]", "[readers]")],
        ["readers: must be a list, or a list of tables"],
    ),
    "a value that should be a table": (
        [('[web]\nlisten = "127.0.0.1:8080"', ""), ("[site]", 'web = "yes"\n[site]')],
        ["web: must be a table"],
    ),
    "a bus without a kind": (
        [('kind = "modbus-tcp"\n', "")],
        ["buses[keba-1]: its kind is missing or unknown; it must be modbus-rtu, modbus-tcp or can"],
    ),
    "a bus of another kind": (
        [('kind = "modbus-tcp"', 'kind = "profibus"')],
        ["buses[keba-1]: its kind is missing or unknown; it must be modbus-rtu, modbus-tcp or can"],
    ),
    "a number as a word": (
        [("ct_ratio = 1", 'ct_ratio = "1"')],
        ["meters[grid].ct_ratio: must be a number, without quotes"],
    ),
    "an ampere as a word": (
        [(B1_METER, 'max_current_a = "16"\nmeter = "m-b1"')],
        ["evses[B1].max_current_a: must be a number of amperes, without quotes"],
    ),
    "an ampere as a switch": (
        [("rating_a = 40", "rating_a = true")],
        ["circuits[board-a].rating_a: must be a number of amperes, without quotes"],
    ),
    "an ampere that is infinite": (
        [("rating_a = 40", "rating_a = inf")],
        ["circuits[board-a].rating_a: must be a finite number"],
    ),
    "an ampere that is no number": (
        [("rating_a = 40", "rating_a = [40, nan, 40]")],
        ["circuits[board-a].rating_a[2]: must be a finite number"],
    ),
    "two phases of three": (
        [("rating_a = 40", "rating_a = [40, 40]")],
        ["circuits[board-a].rating_a[3]: is missing"],
    ),
    "a negative ampere": (
        [("rating_a = 40", "rating_a = -1")],
        ["circuits[board-a].rating_a: must be at least 0, not -1"],
    ),
    "a switch as a word": (
        [("reversed = false", 'reversed = "no"')],
        ["meters[grid].reversed: must be true or false, "],
    ),
    "a switch as a number": (
        [("oldest_first = false", "oldest_first = 0")],
        ["readers[door].oldest_first: must be true or false, not 0"],
    ),
    "a unit as a switch": (
        [(A1, A1.replace("unit = 1", "unit = true"))],
        ["evses[A1].unit: must be a whole number, not true"],
    ),
    "a date for a name": ([('name = "Car park 7"', "name = 2026-11-23")], ["site.name: must be a text in quotes"]),
    "a nested list": (
        [("rating_a = 40", "rating_a = [[40]]")],
        [f"circuits[board-a].rating_a[{n}]: " for n in (1, 2, 3)],
    ),
    "four phases": (
        [("phases = 1\n", "phases = 4\n")],
        ["evses[B1].phases: must be at most 3, not"],
    ),
    "an id with a space": (
        [('id = "door"', 'id = "the door"')],
        ["readers[the door].id: must be of letters, digits, _ . and -"],
    ),
    "a card number that is none": (
        [('uid = "04A1B2C3D4E5F6"', 'uid = "card 7"')],
        ["tokens[card 7].uid: must be 4 to 10 bytes in hexadecimal"],
    ),
    "who bills": (
        [('billed_by = "site"', 'billed_by = "me"')],
        ["evses[B1].billed_by: must be 'csms', 'site' or 'free', not '"],
    ),
    "a cycle that is too slow": (
        [("cycle_s = 1.0", "cycle_s = 30")],
        ["site.cycle_s: must be at most 2"],
    ),
    "a port above the last": ([('"127.0.0.1:8080"', '"127.0.0.1:70000"')], ["web.listen: the port is above 65535"]),
    # circuits
    "two roots": (
        [('parent = "main"\nrating_a = 40', "rating_a = 40")],
        ["circuits: exactly one has no parent, the grid connection; found main, board-a"],
    ),
    "a missing parent": (
        [('parent = "main"\nrating_a = 40', 'parent = "mian"\nrating_a = 40')],
        ["circuits[board-a].parent: there is no circuit 'mian'"],
    ),
    "a circle": (
        [('parent = "main"\nrating_a = 40', 'parent = "board-a"\nrating_a = 40')],
        ["circuits[board-a].parent: leads in a circle"],
    ),
    "a rating of nothing": (
        [("rating_a = 40", "rating_a = [40, 0, 40]")],
        ["circuits[board-a].rating_a: must be above 0 on each phase"],
    ),
    "a circuit twice": (
        [('id = "board-b"', 'id = "board-a"')],
        ["circuits[board-a].id: is used twice", "evses[B1].circuit: there is no circuit 'board-b'"],
    ),
    "a circuit's meter": (
        [('meter = "grid"', 'meter = "gird"')],
        ["circuits[main].meter: there is no meter 'gird'"],
    ),
    "a meter with two jobs": (
        [('meter = "grid"', 'meter = "m-b1"')],
        ["meters[m-b1]: measures one circuit or one EVSE, not several"],
    ),
    # devices
    "an id twice": (
        [('id = "door"', 'id = "A1"')],
        ["A1: two buses, EVSEs, stacks of power modules, meters or readers have this id; each needs its own"],
    ),
    "an unknown device profile": (
        [('profile = "keba-p30"', 'profile = "keba-p31"')],
        ["evses[A3].profile: there is no device profile 'keba-p31'; did you mean `keba-p30`? `ampyard"],
    ),
    "a meter for a charger": (
        [('profile = "keba-p30"', 'profile = "eastron-sdm630-v2"')],
        ["evses[A3].profile: 'eastron-sdm630-v2' describes a meter, not a charger"],
    ),
    "a missing bus": (
        [(A3, A3.replace("keba-1", "keba-2"))],
        ["evses[A3].bus: there is no bus 'keba-2'"],
    ),
    "a serial model on the network": (
        [(A1, A1.replace("rs485-1", "keba-1"))],
        ["evses[A1].bus: 'heidelberg-energy-control' has no modbus-tcp; behind a gateway of serial devices"],
    ),
    "a missing circuit": (
        [('circuit = "board-b"', 'circuit = "board-c"')],
        ["evses[B1].circuit: there is no circuit 'board-c'"],
    ),
    "r13 an outlet twice": (
        [(A2, A2.replace("unit = 2", "unit = 1"))],
        ["evses[A2].unit: unit 1, outlet 1 on 'rs485-1' is 'A1' already; each needs its own"],
    ),
    "r13 two models at one unit": (
        [
            (
                A2,
                A2.replace("heidelberg-energy-control", "evse-wb-din").replace(
                    "unit = 2", "unit = 1\nmeter = 'grid'"
                ),
            )
        ],
        [
            "evses[A2].unit: unit 1 on 'rs485-1' is another model already; each device needs its own",
            "meters[grid]: measures one circuit or one EVSE, not several",
        ],
    ),
    "r13 a meter at a charger's unit": (
        [("unit = 3", "unit = 2")],
        ["meters[m-b1].unit: unit 2 on 'rs485-2' is taken; each device needs its own"],
    ),
    "the broadcast address": (
        [(A1, A1.replace("unit = 1", "unit = 0"))],
        ["evses[A1].unit: must be from 1 to 247 on a serial wire"],
    ),
    "an outlet that the model has not": (
        [(A1, A1 + "\noutlet = 2")],
        ["evses[A1].outlet: 'heidelberg-energy-control' has 1"],
    ),
    "r13 mixed settings on one wire": (
        [(A1, A1.replace("rs485-1", "rs485-2").replace("unit = 1", "unit = 9"))],
        ["buses[rs485-2]: its devices differ in baud, parity, stop bits or framing by default: set them alike"],
    ),
    "one port for two buses": (
        [("usb-FTDI-2", "usb-FTDI-1")],
        ["buses: /dev/serial/by-id/usb-FTDI-1 is used twice; one wire is one bus"],
    ),
    "one port for a bus and a reader": (
        [("usb-reader", "usb-FTDI-1")],
        ["buses: /dev/serial/by-id/usb-FTDI-1 is used twice; one wire is one bus"],
    ),
    "more than the model takes": (
        [("max_current_a = 16\nfailsafe_current_a = 0", "max_current_a = 64\nfailsafe_current_a = 0")],
        ["evses[A3].max_current_a: keba-p30 takes at most 63 A"],
    ),
    "less than the model takes": (
        [(B1_METER, "min_current_a = 5\n" + B1_METER)],
        ["evses[B1].min_current_a: evse-wb-din takes at least 6 A"],
    ),
    "a maximum below the minimum": (
        [(B1_METER, "min_current_a = 17\n" + B1_METER)],
        ["evses[B1].max_current_a: is below the minimum current"],
    ),
    "nothing between minimum and maximum": (
        [(B1_METER, 'max_current_a = 6.9\nmin_current_a = 6.5\nmeter = "m-b1"')],
        ["evses[B1].max_current_a: no setpoint in steps of 1 A lies between minimum and maximum"],
    ),
    "a fail-safe current between nothing and the minimum": (
        [("failsafe_current_a = 0", "failsafe_current_a = 3")],
        ["evses[A3].failsafe_current_a: must be 0 or between minimum and maximum current"],
    ),
    "a fail-safe current above the maximum": (
        [("failsafe_current_a = 0", "failsafe_current_a = 20")],
        ["evses[A3].failsafe_current_a: must be 0 or between minimum and maximum current"],
    ),
    "r1 a watchdog that is not there": (
        [(B1_METER, "watchdog_timeout_s = 15\n" + B1_METER)],
        ["evses[B1].watchdog_timeout_s: evse-wb-din has no watchdog; remove the key"],
    ),
    "r13 billing without a register": (
        [(B1_METER, "max_current_a = 16")],
        ["evses[B1].meter: is missing: 'evse-wb-din' has no lifetime energy register of its own"],
    ),
    "a missing billing meter": (
        [(B1_METER, B1_METER.replace("m-b1", "m-b2"))],
        ["evses[B1].meter: there is no meter 'm-b2'"],
    ),
    "a rotation that is none": (
        [('rotation = "L2L3L1"', 'rotation = "L2L2L1"')],
        ["evses[A2].rotation: 'L2L2L1' is not one of L1L2L3"],
    ),
    "a reader for nobody": (
        [('evses = ["A1", "A2"]  ', 'evses = ["A1", "A9"]  ')],
        ["readers[door].evses: there is no EVSE 'A9'"],
    ),
    "a reader that lists an EVSE twice": (
        [('evses = ["A1", "A2"]  ', 'evses = ["A1", "A1"]  ')],
        ["readers[door].evses: lists 'A1' twice"],
    ),
    # tokens
    "r21 a random card number": (
        [('uid = "04A1B2C3D4E5F6"', 'uid = "08:A1:B2:C3"')],
        ["tokens[08A1B2C3].uid: is random, another one at each tap"],
    ),
    "a card twice": (
        [("[csms]\n", '[[tokens]]\nuid = "04 a1 b2 c3 d4 e5 f6"\n\n[csms]\n')],
        ["tokens[04A1B2C3D4E5F6].uid: is used twice"],
    ),
    # CSMS
    "r35 an unencrypted address": (
        [("wss://csms", "ws://csms")],
        ["csms.url: ws:// is not encrypted; only with lab = true"],
    ),
    "r35 no password": (
        [('password_file = "csms.password"', "")],
        ["csms.password_file: missing; only with lab = true"],
    ),
    "r35 a password in the address": (
        [("wss://csms", "wss://CP-7:secret@csms")],
        ["csms.url: must not hold a password; name a password_file"],
    ),
    "r35 a password in the file": (
        [('password_file = "csms.password"', 'password = "secret"')],
        ["csms.password: unknown key", "csms.password_file: missing; only with lab = true"],
    ),
    "an address that is none": (
        [("wss://csms.example.com/ocpp", "wss://[csms/ocpp")],
        ["csms.url: 'wss://[csms/ocpp' is no address"],
    ),
    "an address with a query": (
        [("wss://csms.example.com/ocpp", "wss://csms.example.com/ocpp?id=")],
        ["csms.url: 'wss://csms.example.com/ocpp?id=' must end with a path, to which the identity is appended"],
    ),
    "a password file that is not there": (
        [('"csms.password"', '"csms.pasword"')],
        ["csms.password_file: cannot be read"],
    ),
    "a password file with an impossible name": (
        [('"csms.password"', r'"csms\u0000password"')],
        ["csms.password_file: cannot be read"],
    ),
    "a CA that is not there": (
        [("[[csms.stations]]", 'ca_file = "ca.pem"\n[[csms.stations]]')],
        ["csms.ca_file: there is no file"],
    ),
    "a station for an unknown EVSE": (
        [('"A3", "B1"]', '"A3", "B9"]')],
        ["csms.stations: there is no EVSE 'B9'"],
    ),
    "r31 an EVSE in two places": (
        [('"A3", "B1"]', '"A3", "B1", "A1"]')],
        ["csms.stations: EVSE 'A1' is in several places"],
    ),
    "r19 nobody bills": (
        [('"A3", "B1"]', '"B1"]')],
        ["evses[A3].billed_by: csms, but no [[csms.stations]] lists it; list it, or say billed_by = site or free"],
    ),
    "a variable that is unknown": (
        [('"AuthCtrlr.LocalPreAuthorize" = true', '"AuthCtrlr.LocalPre" = true')],
        ["csms.initial[AuthCtrlr.LocalPre]: no such variable"],
    ),
    "a variable of the wrong type": (
        [('"AuthCtrlr.LocalPreAuthorize" = true', '"AuthCtrlr.LocalPreAuthorize" = [1]')],
        ["csms.initial[AuthCtrlr.LocalPreAuthorize]: "],
    ),
    "two variables": (
        [("[csms.initial] ", '[csms.initial]\n"No.Such" = 1\n"AuthCtrlr.LocalAuthorizeOffline" = "perhaps"\n#')],
        ["csms.initial[No.Such]: no such variable", "csms.initial[AuthCtrlr.LocalAuthorizeOffline]: "],
    ),
    "r35 a secret among the variables": (
        [("[csms.initial] ", '[csms.initial]\n"SecurityCtrlr.BasicAuthPassword" = "correct-horse-battery"\n#')],
        ["csms.initial[SecurityCtrlr.BasicAuthPassword]: "],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_problem_names_its_key_and_says_what_to_do(desk: Desk, case: str) -> None:
    edits, expected = CASES[case]
    found = desk.problems(*edits)
    assert len(found) == len(expected), found
    for line in expected:
        assert any(problem.startswith(line) for problem in found), found


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (('version = "2.0.1"', "version = 2.0"), "csms.version: must be '1.6' or '2.0.1', not 2.0"),
        (('billed_by = "csms" ', 'billed_by = "nobody" '), "site.billed_by: must be 'csms', 'site' or 'free', not"),
        (("rating_a = 160 ", 'rating_a = "160" '), "circuits[main].rating_a: must be a number of amperes"),
    ],
)
def test_what_follows_from_one_fault_is_not_told_as_others(desk: Desk, edit: Edit, problem: str) -> None:
    """Rules that lean on what could not be read say nothing."""
    with_rule = '[[rules]]\nid = "sun"\nmode = "surplus"\nwhen = { groups = ["staff"] }\n\n[[tokens]]'
    [found] = desk.problems(edit, ("[[tokens]]", with_rule))
    assert found.startswith(problem)


def test_every_problem_is_listed_at_once(desk: Desk) -> None:
    """One of each class: shape, circuits, devices, tokens, CSMS; none is hidden by another."""
    found = desk.problems(
        ("cycle_s = 1.0", "cycle_s = 1.0\nspeed = 9"),
        ("oldest_first = false", 'oldest_first = "no"'),
        ("rating_a = 40", "rating_a = [40, 0, 40]"),
        ('profile = "keba-p30"', 'profile = "keba-p31"'),
        (B1_METER, "max_current_a = 16"),
        ("wss://csms", "ws://csms"),
        ('uid = "04A1B2C3D4E5F6"', 'uid = "08A1B2C3"'),
    )
    paths = sorted(problem.partition(":")[0] for problem in found)
    assert paths == [
        "circuits[board-a].rating_a",
        "csms.url",
        "evses[A3].profile",
        "evses[B1].meter",
        "readers[door].oldest_first",
        "site.speed",
        "tokens[08A1B2C3].uid",
    ]


def test_what_only_follows_from_another_problem_is_not_listed(desk: Desk) -> None:
    """EVSE, circuit and meter are faulty in shape; that others name them is no fault of theirs."""
    found = desk.problems(
        (A1, A1.replace("unit = 1", 'unit = "one"')),
        ("rating_a = 50", 'rating_a = "fifty"'),
        ("ct_ratio = 1", "ct_ratio = 0"),
    )
    assert sorted(problem.partition(":")[0] for problem in found) == [
        "circuits[board-b].rating_a",
        "evses[A1].unit",
        "meters[grid].ct_ratio",
    ]


def test_a_faulty_csms_table_is_the_only_problem_it_causes(desk: Desk) -> None:
    assert [problem.partition(":")[0] for problem in desk.problems(('version = "2.0.1"', 'version = "3"'))] == [
        "csms.version"
    ]


@pytest.mark.parametrize("supply", ["IT", "three-phase-delta", "split-phase", "tt"])
def test_r10_other_networks_are_refused_with_a_clear_text(desk: Desk, supply: str) -> None:
    (problem,) = desk.problems((SUPPLY, f'supply = "{supply}"  '))
    assert problem.startswith(f"site.supply: '{supply}' is not supported: only three-phase-star (230/400 V)")
    assert "IT, delta and split-phase networks need another controller" in problem


def test_r10_on_a_single_phase_supply_every_evse_is_on_l1(desk: Desk) -> None:
    found = desk.problems((SUPPLY, 'supply = "single-phase"  '))
    assert found == [
        f"evses[{name}].phases: must be 1, on L1: the supply is single-phase" for name in ("A1", "A2", "A3", "B1")
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_r35_a_password_file_that_others_may_read_is_refused(desk: Desk, mode: int) -> None:
    desk.password.chmod(mode)
    (problem,) = desk.problems()
    assert problem == f"csms.password_file: others may read {desk.password} (mode {mode:o}): chmod 600"


def test_r35_an_empty_or_binary_password_file_is_refused(desk: Desk) -> None:
    desk.password.write_text("\n")
    assert desk.problems() == [f"csms.password_file: {desk.password} is empty"]
    desk.password.write_bytes(b"\xff\xfe")
    assert desk.problems()[0].startswith("csms.password_file: cannot be read")


def test_r35_in_the_lab_neither_encryption_nor_password_is_asked_for(desk: Desk) -> None:
    edits = [("wss://csms", "ws://csms"), ('password_file = "csms.password"', "lab = true")]
    assert desk.problems(*edits) == []


def test_two_spellings_of_one_variable_must_agree(desk: Desk) -> None:
    line = '"OCPPCommCtrlr.HeartbeatInterval" = 300'
    assert desk.problems((line, line + '\n"HeartbeatInterval" = 300')) == []
    (problem,) = desk.problems((line, line + '\n"HeartbeatInterval" = 301'))
    assert "given twice" in problem


def test_what_hangs_on_a_missing_circuit_is_not_called_a_circle(desk: Desk) -> None:
    found = desk.problems(
        ('parent = "main"\nrating_a = 40', 'parent = "attic"\nrating_a = 40'),
        ('parent = "main"\nrating_a = 50', 'parent = "board-a"\nrating_a = 50'),
    )
    assert found == ["circuits[board-a].parent: there is no circuit 'attic'"]


def test_a_file_that_is_not_there_or_not_toml_is_one_problem(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read(desk.folder / "nowhere.toml")
    for text in ("id = ", "x = " + "9" * 5000, "x = " + "[" * 100_000):
        desk.file.write_text(text)
        with pytest.raises(ConfigError, match="is not TOML"):
            read(desk.file)
    desk.file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(desk.file)


def test_a_site_keeps_device_profiles_of_its_own_beside_its_configuration(desk: Desk) -> None:
    path = desk.write()
    shipped = builtin_folder() / "chargers" / "keba-p30.toml"
    own = path.parent / "profiles"
    own.mkdir()
    text = shipped.read_text(encoding="utf-8").replace("KeContact P20/P30", "Of our own: P30")
    (own / "keba-p30.toml").write_text(text, encoding="utf-8")
    models = {evse.profile.identity.model for evse in read(path).plant.evses}
    assert any(model.startswith("Of our own") for model in models)
    (own / "broken.toml").write_text("schema = 2", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read(path)


def test_an_unknown_profile_does_not_hide_an_unknown_bus(desk: Desk) -> None:
    problems = desk.problems((A3, A3.replace("keba-p30", "kebab-p30").replace("keba-1", "keba-9")))
    assert [problem for problem in problems if "evses[A3].profile" in problem]
    assert [problem for problem in problems if "evses[A3].bus: there is no bus 'keba-9'" in problem]


def test_r31_a_station_of_several_evses_is_a_group_that_its_csms_can_limit(desk: Desk) -> None:
    config = read(desk.write())
    assert config.csms is not None
    several = {one.identity: frozenset(one.evses) for one in config.csms.stations if len(one.evses) > 1}
    assert config.plant.layout.groups == several
    desk.cut_csms()
    assert read(desk.write()).plant.layout.groups == {}
