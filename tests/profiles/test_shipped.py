"""The device profiles that are shipped: each loads, is complete for its kind, and says what is known of it."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from drivers.modbus.meter import has_signs
from drivers.profile import DeviceProfile, builtin_folder, catalogue, load
from drivers.profile_folder import read_file
from drivers.profile_kinds import load_any
from drivers.rules.registers import PROTECTIVE
from drivers.setups import Endpoint, Line
from drivers.setups import Wire as BusWire
from tests.profiles.known import CHARGERS, DIRECTIONLESS, METERS, SPACING_MS, Wire
from tests.profiles.vectors import VECTORS

FOLDERS = {"charger": "chargers", "meter": "meters", "reader": "readers", "secc": "seccs"}
SECCS = {"ampyard-secc"}
MODULES = sorted((builtin_folder() / "power-modules").glob("*.toml"))
FILES = sorted(set(builtin_folder().rglob("*.toml")) - set(MODULES))
READERS = {
    "rdm6300": (9600, 0.3),
    "ascii-line": (9600, 1.0),
    "pn532": (115_200, 0.5),
    "twn4": (9600, 0.5),
    "keyboard": (None, 1.0),
    "pcsc": (None, 1.0),
}
"""Baud rate (None: no line of its own) and repeat time."""
NO_METER = ("No meter", "No lifetime energy register")
CANNOT_LOCK = "cannot be locked"


@cache
def shipped(profile_id: str) -> DeviceProfile:
    return next(load(path) for path in FILES if path.stem == profile_id)


def wires(profile_id: str) -> set[Wire]:
    profile, found = shipped(profile_id), set[Wire]()
    if profile.tcp is not None:
        found.add(("tcp", profile.tcp.port, profile.tcp.unit))
    if profile.rtu is not None:
        rtu = profile.rtu
        found.add(("rtu", rtu.baud, rtu.parity, rtu.stop_bits, rtu.unit))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_loads_and_lies_in_the_folder_of_its_kind_and_names_its_sources(path: Path) -> None:
    profile = load(path)
    assert profile.id == path.stem
    assert path.parent.name == FOLDERS[profile.kind]
    assert profile.identity.sources
    assert profile.identity.notes


def test_every_shipped_device_is_known_here_and_every_one_on_modbus_has_vectors() -> None:
    assert set(catalogue(builtin_folder())) == {path.stem for path in FILES}
    assert {path.stem for path in FILES if path.parent.name == "chargers"} == set(CHARGERS)
    assert {path.stem for path in FILES if path.parent.name == "meters"} == set(METERS)
    assert {path.stem for path in FILES if path.parent.name == "readers"} == set(READERS)
    assert {path.stem for path in FILES if path.parent.name == "seccs"} == SECCS
    assert set(VECTORS) == set(CHARGERS) | set(METERS) | SECCS


def test_r9_an_secc_proves_its_life_is_released_and_says_when_modules_may_deliver() -> None:
    secc = shipped("ampyard-secc")
    assert secc.supply is not None
    assert secc.supply.stale_s == 1.0
    assert secc.supply.prepare_current_ma == 2000
    assert secc.supply.alive == "alive"
    assert secc.enable is not None
    assert (secc.enable.register_, secc.enable.on, secc.enable.off) == ("enable", 1, 0)
    assert secc.watchdog is not None
    assert secc.watchdog.method == "heartbeat"
    assert {name for name in secc.supply.registers if secc.registers[name].poll != "fast"} == set()
    assert not any(secc.registers[name].writable for name in secc.supply.registers)
    assert wires("ampyard-secc") == {("tcp", 502, 1), ("rtu", 19200, "E", 1, 1)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_power_module_lies_in_its_folder_and_beside_its_frames(path: Path) -> None:
    assert read_file(path).kind == "power_module"
    assert load_any(path).id == path.stem
    assert path.with_suffix(".dbc").is_file()


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_a_charger_is_as_its_sources_say(profile_id: str) -> None:
    profile, known = shipped(profile_id), CHARGERS[profile_id]
    assert profile.setpoint is not None
    assert wires(profile_id) == known.wires
    assert (float(profile.setpoint.min_a), float(profile.setpoint.max_a)) == known.amperes
    assert profile.setpoint.pause == known.pause
    assert (profile.watchdog.method if profile.watchdog else None) == known.watchdog
    assert profile.identity.fall_back == known.fall_back
    assert (profile.enable is not None) is known.lock


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r13_a_charger_has_a_lifetime_energy_register_or_says_that_it_has_no_meter(profile_id: str) -> None:
    profile = shipped(profile_id)
    assert ("energy_import_total" in profile.registers) is CHARGERS[profile_id].meter
    if not CHARGERS[profile_id].meter:
        assert any(note.startswith(NO_METER) for note in profile.identity.notes)


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r15_a_charger_that_cannot_be_locked_says_so(profile_id: str) -> None:
    profile = shipped(profile_id)
    says_so = any(CANNOT_LOCK in note for note in profile.identity.notes)
    assert says_so is not CHARGERS[profile_id].lock


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r1_a_watchdog_is_described_with_what_it_takes_to_verify_it(profile_id: str) -> None:
    profile = shipped(profile_id)
    if profile.watchdog is None:
        assert not {"comm_timeout", "failsafe_current", "heartbeat", "comm_remaining"} & set(profile.registers)
        return
    assert profile.watchdog.timeout_s
    proven = ["failsafe_current"] if profile.watchdog.fixed else ["failsafe_current", "comm_timeout"]
    for name in proven:
        assert profile.registers[name].writable or profile.watchdog.fixed
        readback = profile.registers.get(f"{name}_readback", profile.registers[name])
        assert readback.readable
        assert readback.poll != "never"


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r12_only_a_setpoint_that_a_source_calls_volatile_is_written_freely(profile_id: str) -> None:
    setpoint = shipped(profile_id).setpoint
    assert setpoint is not None
    assert setpoint.volatile is (profile_id in ("evse-wb-din", "go-e"))
    assert setpoint.power_up_a is None


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_what_is_no_current_is_never_written_as_one(profile_id: str) -> None:
    """0 A means "no limit" to one model, an automatic start to another: they are paused by their release."""
    profile = shipped(profile_id)
    limit = profile.registers["current_limit"]
    assert profile.setpoint is not None
    if profile_id == "mennekes-amtron-compact-2s":
        assert limit.low == profile.setpoint.min_a
    assert limit.high is None or limit.high >= profile.setpoint.max_a


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_r11_nothing_that_protects_is_writable(profile_id: str) -> None:
    profile = shipped(profile_id)
    for register in profile.registers.values():
        assert not (register.writable and PROTECTIVE & set(register.name.split("_")))
    assert not {name for name in ("command", "pp_limit", "config_bits") if _writable(profile_id, name)}


def _writable(profile_id: str, name: str) -> bool:
    register = shipped(profile_id).registers.get(name)
    return register is not None and register.writable


@pytest.mark.parametrize("profile_id", CHARGERS)
def test_what_a_charger_is_controlled_by_is_read_at_each_poll(profile_id: str) -> None:
    registers = shipped(profile_id).registers
    wanted = {
        "status",
        "plug",
        "current_l1",
        "current_l2",
        "current_l3",
        "active_power_total",
        "energy_import_total",
    }
    wanted |= {"current_limit_readback", "rfid_tag"}
    if registers["current_limit"].readable:
        wanted.add("current_limit")
    assert {name for name in wanted & set(registers) if registers[name].poll != "fast"} == set()


@pytest.mark.parametrize("profile_id", METERS)
def test_r8_a_meter_is_read_at_each_poll_and_its_powers_have_a_sign_or_it_says_so(profile_id: str) -> None:
    profile = shipped(profile_id)
    phases = [n for n in (1, 2, 3) if f"current_l{n}" in profile.registers]
    assert phases in ([1], [1, 2, 3])
    powers = {f"active_power_l{n}" for n in phases} & set(profile.registers)
    energies = {"energy_import_total", "energy_export_total"} & set(profile.registers)
    needed = {f"{what}_l{n}" for what in ("current", "voltage") for n in phases} | powers | energies
    for name in needed | {"active_power_total"} & set(profile.registers):
        assert profile.registers[name].poll == "fast"
        assert not profile.registers[name].writable
    for name in powers:
        assert profile.registers[name].type in ("s16", "s32", "float32", "t6")
    if "energy_import_total" not in energies:
        assert any("for billing" in note for note in profile.identity.notes)
    assert wires(profile_id) == METERS[profile_id]


@pytest.mark.parametrize("profile_id", METERS)
@pytest.mark.parametrize("wire", [Line("p", 9600, "N", 1), Line("p", 38400, "E", 1), Endpoint("h", 502)], ids=str)
def test_r8_current_and_power_of_each_phase_come_in_one_block_or_it_says_so(profile_id: str, wire: BusWire) -> None:
    profile = shipped(profile_id)
    assert has_signs(wire, profile) is (profile_id not in DIRECTIONLESS)
    says_so = any("shows no direction, not where power is exported" in note for note in profile.identity.notes)
    assert says_so is (profile_id in DIRECTIONLESS)
    registers = {name: one for name, one in profile.registers.items() if name not in ("current_n", "current_sum")}
    if profile_id in ("abb-b23-b24", "janitza-umg96", "janitza-b23"):
        assert not has_signs(wire, replace(profile, registers=registers)), "the gap is not needed any more"


def test_the_value_that_releases_the_plug_is_the_one_entry_of_the_unlock_register() -> None:
    unlock = {
        id_: shipped(id_).registers["unlock"].values for id_ in CHARGERS if "unlock" in shipped(id_).registers
    }
    assert {id_: list(values or ()) for id_, values in unlock.items()} == {"keba-p30": ["0"], "keba-p40": ["0"]}


def test_the_wire_is_used_as_the_sources_ask() -> None:
    assert (shipped("keba-p30").modbus.max_block, shipped("keba-p30").modbus.holes) == (2, False)
    all_of_them = {id_: shipped(id_).modbus.spacing_ms for id_ in VECTORS}
    assert {id_: pause_ms for id_, pause_ms in all_of_them.items() if pause_ms} == SPACING_MS
    assert shipped("phoenix-charx-sec").modbus.outlets == 12


@pytest.mark.parametrize("profile_id", ["heidelberg-energy-control", "amperfied-connect"])
def test_a_heidelberg_is_kept_awake(profile_id: str) -> None:
    assert shipped(profile_id).commission == {"standby_control": 4}


@pytest.mark.parametrize("profile_id", READERS)
def test_a_reader_has_the_settings_of_its_line_and_a_repeat_time(profile_id: str) -> None:
    reader, (baud, repeat_s) = shipped(profile_id), READERS[profile_id]
    line = reader.serial and (reader.serial.baud, reader.serial.parity, reader.serial.stop_bits)
    assert line == (None if baud is None else (baud, "N", 1))
    assert reader.repeat_s == repeat_s
