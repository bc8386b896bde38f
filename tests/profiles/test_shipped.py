"""The device profiles that are shipped: each loads, is complete for its kind, and says what is known of it."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from drivers.api import Endpoint, Line, Wire
from drivers.modbus.meter import has_signs
from drivers.profile import DeviceProfile, builtin_folder, catalogue, load
from drivers.rules.registers import PROTECTIVE
from tests.profiles.vectors import VECTORS

FOLDERS = {"charger": "chargers", "meter": "meters", "reader": "readers"}
FILES = sorted(builtin_folder().rglob("*.toml"))
READERS = {"rdm6300": 0.3, "ascii-line": 1.0}


@dataclass(frozen=True)
class Known:
    """What the sources say of a charger, repeated by hand."""

    wire: tuple[object, ...]
    amperes: tuple[float, float]
    pause: str
    watchdog: str | None
    fall_back: str
    lock: bool
    meter: bool


KNOWN = {
    "keba-p30": Known(("tcp", 502, 255), (6, 63), "disable", "rewrite", "unknown", lock=True, meter=True),
    "phoenix-charx-sec": Known(("tcp", 502, 1), (6, 80), "zero", None, "unknown", lock=True, meter=True),
    "heidelberg-energy-control": Known(
        ("rtu", 19200, "E", 1, 1), (6, 16), "zero", "any_request", "unknown", lock=False, meter=True
    ),
    "evse-wb-din": Known(("rtu", 9600, "N", 1, 1), (6, 80), "zero", None, "hold_last", lock=False, meter=False),
    "webasto-next": Known(("tcp", 502, 255), (6, 32), "zero", "heartbeat", "unknown", lock=False, meter=True),
    "amperfied-connect": Known(
        ("tcp", 502, 255), (6, 16), "zero", "any_request", "unknown", lock=False, meter=True
    ),
}
METER_WIRES = {
    "eastron-sdm630-v2": {("rtu", 9600, "N", 1, 1)},
    "eastron-sdm72d-m-v2": {("rtu", 9600, "N", 1, 1)},
    "carlo-gavazzi-em340": {("rtu", 9600, "N", 1, 1), ("tcp", 502, 1)},
    "abb-b23-b24": {("rtu", 9600, "E", 1, 1), ("tcp", 502, 1)},
    "janitza-umg96": {("rtu", 9600, "N", 1, 1), ("tcp", 502, 1)},
}


@cache
def shipped(profile_id: str) -> DeviceProfile:
    return next(load(path) for path in FILES if path.stem == profile_id)


def wires(profile_id: str) -> set[tuple[object, ...]]:
    profile, found = shipped(profile_id), set[tuple[object, ...]]()
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
    assert {path.stem for path in FILES if path.parent.name == "chargers"} == set(KNOWN)
    assert {path.stem for path in FILES if path.parent.name == "meters"} == set(METER_WIRES)
    assert {path.stem for path in FILES if path.parent.name == "readers"} == set(READERS)
    assert set(VECTORS) == set(KNOWN) | set(METER_WIRES)


@pytest.mark.parametrize("profile_id", KNOWN)
def test_a_charger_is_as_its_sources_say(profile_id: str) -> None:
    profile, known = shipped(profile_id), KNOWN[profile_id]
    assert profile.setpoint is not None
    assert wires(profile_id) == {known.wire}
    assert (float(profile.setpoint.min_a), float(profile.setpoint.max_a)) == known.amperes
    assert profile.setpoint.pause == known.pause
    assert (profile.watchdog.method if profile.watchdog else None) == known.watchdog
    assert profile.identity.fall_back == known.fall_back
    assert (profile.enable is not None) is known.lock


@pytest.mark.parametrize("profile_id", KNOWN)
def test_r13_a_charger_has_a_lifetime_energy_register_or_says_that_it_has_no_meter(profile_id: str) -> None:
    profile = shipped(profile_id)
    assert ("energy_import_total" in profile.registers) is KNOWN[profile_id].meter
    if not KNOWN[profile_id].meter:
        assert any("No meter" in note for note in profile.identity.notes)


@pytest.mark.parametrize("profile_id", KNOWN)
def test_r1_a_watchdog_is_described_with_what_it_takes_to_verify_it(profile_id: str) -> None:
    profile = shipped(profile_id)
    if profile.watchdog is None:
        assert not {"comm_timeout", "failsafe_current", "heartbeat"} & set(profile.registers)
        return
    assert profile.watchdog.timeout_s
    for name in ("comm_timeout", "failsafe_current"):
        assert profile.registers[name].writable
        readback = profile.registers.get(f"{name}_readback", profile.registers[name])
        assert readback.readable
        assert readback.poll != "never"


@pytest.mark.parametrize("profile_id", KNOWN)
def test_r12_only_a_setpoint_that_a_source_calls_volatile_is_written_freely(profile_id: str) -> None:
    setpoint = shipped(profile_id).setpoint
    assert setpoint is not None
    assert setpoint.volatile is (profile_id == "evse-wb-din")
    assert setpoint.power_up_a is None


@pytest.mark.parametrize("profile_id", KNOWN)
def test_r11_nothing_that_protects_is_writable(profile_id: str) -> None:
    profile = shipped(profile_id)
    for register in profile.registers.values():
        assert not (register.writable and PROTECTIVE & set(register.name.split("_")))
    assert not {name for name in ("command", "pp_limit", "config_bits") if _writable(profile_id, name)}


def _writable(profile_id: str, name: str) -> bool:
    register = shipped(profile_id).registers.get(name)
    return register is not None and register.writable


@pytest.mark.parametrize("profile_id", KNOWN)
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


@pytest.mark.parametrize("profile_id", METER_WIRES)
def test_r8_a_meter_has_current_and_signed_power_of_each_phase_and_energy_both_ways(profile_id: str) -> None:
    profile = shipped(profile_id)
    needed = {f"{what}_l{n}" for what in ("current", "voltage", "active_power") for n in (1, 2, 3)}
    needed |= {"active_power_total", "energy_import_total", "energy_export_total"}
    assert needed <= set(profile.registers)
    for name in needed:
        assert profile.registers[name].poll == "fast"
        assert not profile.registers[name].writable
    for name in ("active_power_l1", "active_power_l2", "active_power_l3", "active_power_total"):
        assert profile.registers[name].type in ("s32", "float32")
    assert wires(profile_id) == METER_WIRES[profile_id]


@pytest.mark.parametrize("profile_id", METER_WIRES)
@pytest.mark.parametrize("wire", [Line("p", 9600, "N", 1), Line("p", 38400, "E", 1), Endpoint("h", 502)], ids=str)
def test_r8_current_and_power_of_each_phase_come_in_one_block(profile_id: str, wire: Wire) -> None:
    profile = shipped(profile_id)
    assert has_signs(wire, profile)
    registers = {name: one for name, one in profile.registers.items() if name not in ("current_n", "current_sum")}
    if profile_id in ("abb-b23-b24", "janitza-umg96"):
        assert not has_signs(wire, replace(profile, registers=registers)), "the gap is not needed any more"


def test_the_value_that_releases_the_plug_is_the_one_entry_of_the_unlock_register() -> None:
    unlock = {id_: shipped(id_).registers["unlock"].values for id_ in KNOWN if "unlock" in shipped(id_).registers}
    assert [(id_, list(values or ())) for id_, values in unlock.items()] == [("keba-p30", ["0"])]


def test_the_wire_is_used_as_the_sources_ask() -> None:
    assert (shipped("keba-p30").modbus.max_block, shipped("keba-p30").modbus.holes) == (2, False)
    all_of_them = {id_: shipped(id_).modbus.spacing_ms for id_ in VECTORS}
    pauses_ms = {id_: pause_ms for id_, pause_ms in all_of_them.items() if pause_ms}
    assert pauses_ms == {
        "heidelberg-energy-control": 100,
        "evse-wb-din": 200,
        "eastron-sdm630-v2": 100,
        "eastron-sdm72d-m-v2": 100,
    }
    assert shipped("phoenix-charx-sec").modbus.outlets == 12


@pytest.mark.parametrize("profile_id", ["heidelberg-energy-control", "amperfied-connect"])
def test_a_heidelberg_is_kept_awake(profile_id: str) -> None:
    assert shipped(profile_id).commission == {"standby_control": 4}


@pytest.mark.parametrize("profile_id", READERS)
def test_a_reader_has_the_settings_of_its_line_and_a_repeat_time(profile_id: str) -> None:
    reader = shipped(profile_id)
    assert reader.serial is not None
    assert (reader.serial.baud, reader.serial.parity, reader.serial.stop_bits) == (9600, "N", 1)
    assert reader.repeat_s == READERS[profile_id]
