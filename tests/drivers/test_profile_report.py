import pytest

from drivers.profile import builtin_folder, load
from drivers.profile_report import lines

FILES = {path.stem: path for path in builtin_folder().rglob("*.toml")}


def test_what_an_installer_should_know_of_a_charger_is_said() -> None:
    assert lines(load(FILES["mennekes-amtron-compact-2s"])) == (
        "mennekes-amtron-compact-2s: Mennekes AMTRON Compact 2.0s, charger, confidence high",
        "serial, 57600 baud, 8N2",
        "setpoint 6 to 32 A in steps of 0.1 A, kept in EEPROM, raised once in 15 s at most; paused by its release",
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
        ("kathrein-kwb", "Modbus TCP, port 502, unit 0"),
        ("innogy-ebox", "firmware register table version 6 or newer"),
    ],
)
def test_a_line_is_said_where_it_holds(profile_id: str, said: str) -> None:
    assert said in lines(load(FILES[profile_id]))


@pytest.mark.parametrize("profile_id", FILES)
def test_every_shipped_profile_can_be_told(profile_id: str) -> None:
    told = lines(load(FILES[profile_id]))
    assert told[0].startswith(profile_id)
    assert all(line == line.strip() for line in told)
