from pathlib import Path

import pytest

from drivers.profile import builtin_folder, load
from drivers.profile_kinds import load_any
from drivers.profile_report import lines

FILES = {path.stem: path for path in builtin_folder().rglob("*.toml")}


def test_what_an_installer_should_know_of_a_charger_is_said() -> None:
    assert lines(load(FILES["mennekes-amtron-compact-2s"])) == (
        "mennekes-amtron-compact-2s: Mennekes AMTRON Compact 2.0s, charger, confidence high",
        "serial, 57600 baud, 8N2",
        "setpoint 6 to 32 A in steps of 0.1 A, not known where it is kept: counts as EEPROM, raised once in "
        "15 s at most; paused by its release",
        "locked by its release",
        "without contact: falls back, once that is verified (watchdog fed by heartbeat, 10 s)",
        "lifetime energy: yes",
        "probe of voltage_l1: high word first, or low word first",
    )


@pytest.mark.parametrize(
    ("profile_id", "said"),
    [
        ("evse-wb-din", "without contact: holds its last setpoint"),
        ("abb-terra-ac", "without contact: unknown, its maximum is counted"),
        ("abb-terra-ac", "cannot be locked, only held at 0 A"),
        ("go-e", "setpoint 6 to 32 A in steps of 1 A, kept in RAM; paused by its release"),
        ("phoenix-eem", "lifetime energy: no"),
        ("victron-evcs", "probe of product_id: EV charging station"),
        (
            "evse-wb-din",
            "probe of current_unit: currents in 1 A, or currents in 0.01 A: clear bit 7 of register 2005 (refused)",
        ),
        ("kathrein-kwb", "Modbus TCP, port 502, unit 0"),
        (
            "keba-p30",
            "locked by its release, which cannot be read back: whether it is locked is never verified",
        ),
        (
            "acrel-adw300",
            "shows no direction of its currents over Modbus TCP and the serial line: not where power is exported "
            "(currents and powers of the phases do not come in one block)",
        ),
        (
            "sigenergy-evac",
            "please compare: charge_command at holding 42000 (and 1 more): in a list that counts 40001, 40002 ... "
            "it is sent as 1999; where the list says what is sent, it is right",
        ),
        ("innogy-ebox", "firmware register table version 6 or newer"),
    ],
)
def test_a_line_is_said_where_it_holds(profile_id: str, said: str) -> None:
    assert said in lines(load(FILES[profile_id]))


def test_eeprom_is_a_fact_only_where_the_file_says_so(tmp_path: Path) -> None:
    said = FILES["evse-wb-din"].read_text()
    own = tmp_path / "evse-wb-din.toml"
    own.write_text(said.replace("volatile = true", "volatile = false"))
    assert "kept in EEPROM, raised once in 15 s at most" in lines(load(own))[2]
    own.write_text(said.replace("volatile = true", ""))
    assert "not known where it is kept: counts as EEPROM" in lines(load(own))[2]


def test_a_slip_of_the_old_notation_is_asked_about_and_not_where_a_probe_finds_it_out(tmp_path: Path) -> None:
    own = tmp_path / "keba-p40.toml"
    own.write_text(FILES["keba-p40"].read_text().replace("address = 1000,", "address = 40001,", 1))
    (asked,) = [line for line in lines(load(own)) if line.startswith("please compare")]
    assert asked.startswith("please compare: status at holding 40001: ")
    assert "it is sent as 0;" in asked
    for profile_id in ("sunspec-203", "bauer-bsm-ws36a", "hager-ecr380d", "eastron-sdm120"):
        assert not any("please compare" in line for line in lines(load(FILES[profile_id])))


def test_a_watchdog_that_nothing_can_prove_is_told(tmp_path: Path) -> None:
    own = tmp_path / "webasto-next.toml"
    own.write_text(FILES["webasto-next"].read_text().replace("failsafe_current = {", "safe_current = {"))
    assert any("without failsafe_current never verifies" in line for line in lines(load(own)))


@pytest.mark.parametrize("profile_id", FILES)
def test_every_shipped_profile_can_be_told(profile_id: str) -> None:
    told = lines(load_any(FILES[profile_id]))
    assert told[0].startswith(profile_id)
    assert all(line == line.strip() for line in told)


def test_what_an_installer_should_know_of_an_secc_is_said() -> None:
    assert lines(load(FILES["ampyard-secc"]))[1:] == (
        "Modbus TCP, port 502, unit 1",
        "serial, 19200 baud, 8E1",
        "modules off when its counter or its answers stop for 1 s; at most 2 A before charging",
        "is told: limit_power, limit_voltage, limit_current, delivered_voltage, delivered_current",
        "lifetime energy: yes",
    )


def test_what_an_installer_should_know_of_power_modules_is_said() -> None:
    assert lines(load_any(FILES["infypower-v1.13"])) == (
        "infypower-v1.13: InfyPower REG, LRG and CEG AC-DC modules, CAN protocol V1.13, power_module, "
        "confidence high",
        "CAN, 125000 bit/s",
        "addresses 0 to 59, at most 4 work together",
        "each 50 to 1000 V, 100 A, 30000 W; what a module tells of itself may be less",
        "without contact: off after 15 s",
    )
    assert "without contact: unknown, a silent module counts as live for ever" in lines(
        load_any(FILES["scu-dpm1000"])
    )
