"""The other readings of the shipped device profiles: what their probes choose, and what is read then (R16)."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from drivers.modbus import codec
from drivers.profile import DeviceProfile, builtin_folder, catalogue
from tests.profiles.test_vectors import faults
from tests.profiles.words import HOLDING, Read, Write, read, words

PROFILES = catalogue(builtin_folder())

Vectors = tuple[Read | Write, ...]

# What a device of the other kind puts on the wire, by hand: each differs from the first reading of the file.
OTHERS: dict[tuple[str, str], Vectors] = {
    ("mennekes-amtron-compact-2s", "low word first"): (
        read("voltage_l1", (HOLDING, 1286), "0000 4366", 230_000),
        read("current_l2", (HOLDING, 1282), "0000 40C8", 6_250),
        read("energy_import_total", (HOLDING, 4096), "5000 449A", 1_234_500),
        Write("current_limit", 770, 16, words("0000 4150"), 13_000),
    ),
    ("keba-p40", "firmware before 1.2.1, energy in Wh"): (
        read("firmware_version", (HOLDING, 1018), "0000 2775", 10_101),
        read("energy_import_total", (HOLDING, 1036), "0012 D680", 1_234_560),
        read("current_l1", (HOLDING, 1008), "0000 3E7E", 15_998),
    ),
    ("phoenix-ev-cc-ac1-m3-eth", "extended Wallbe firmware, setpoint in 0.1 A"): (
        read("current_limit", (HOLDING, 528), "0082", 13_000),
        Write("current_limit", 528, 6, words("0082"), 13_000),
        # 12 345 678 901 Wh, low word first
        read("energy_import_total", (HOLDING, 2980), "1C35 DFDC 0002 0000", 12_345_678_901),
    ),
    ("sungrow-ac", "setpoint in 0.01 A"): (
        read("current_limit", (HOLDING, 21202), "0514", 13_000),
        Write("current_limit", 21202, 6, words("0514"), 13_000),
    ),
    ("bernecker-mpm3pm", "function 3 (holding registers)"): (
        read("voltage_l1", (HOLDING, 8), "0000 08FC", 230_000),
        read("active_power_l1", (HOLDING, 20), "FFFE 3EC8", -1_150),
        read("energy_import_total", (HOLDING, 2), "0012 D687", 12_345_670),
    ),
    ("orno-we-525-526", "function 3 (WS100)"): (
        read("voltage_l1", (HOLDING, 256), "0003 8270", 230_000),
        read("current_l1", (HOLDING, 258), "FFFF EC78", -5_000),
    ),
    ("sunspec-203", "common model of 65 registers, meter model at 40069"): (
        read("model_id", (HOLDING, 40069), "00CB", 203),
        read("current_l1", (HOLDING, 40072), "0640", 16_000, tens=-2),
        read("energy_import_total", (HOLDING, 40115), "05E3 0A78", 98_765_432, tens=0),
    ),
    ("sunspec-201", "common model of 65 registers, meter model at 40069"): (
        read("model_id", (HOLDING, 40069), "00C9", 201),
        read("active_power_l1", (HOLDING, 40088), "FEC9", -3_110, tens=1),
    ),
    ("sunspec-211", "common model of 65 registers, meter model at 40069"): (
        read("model_id", (HOLDING, 40069), "00D3", 211),
        read("active_power_l1", (HOLDING, 40099), "C542 1000", -3_105),
    ),
    ("sunspec-213", "common model of 65 registers, meter model at 40069"): (
        read("model_id", (HOLDING, 40069), "00D5", 213),
        read("voltage_l1", (HOLDING, 40081), "4366 0000", 230_000),
    ),
}
# Words of the probed register, by what the probe must make of them; None: refused. Addresses and tables as above.
SHOWN: dict[str, dict[str, str | None]] = {
    "abb-terra-ac": {
        "0106 0500": "firmware 1.6.5 or newer",
        "0200 0000": "firmware 1.6.5 or newer",
        "0106 04FF": None,
    },
    "alfen-ng9xx": {"4366 0000": "high word first, numbers as sent (manual v2.3)", "0000 4366": None},
    "mennekes-amtron-compact-2s": {
        "4366 0000": "high word first",
        "0000 4366": "low word first",
        "0000 0000": None,
        "7FC0 0000": None,
    },
    "phoenix-ev-cc-ac1-m3-eth": {
        "0010": "standard firmware, setpoint in A",
        "003B": "standard firmware, setpoint in A",
        "003C": "extended Wallbe firmware, setpoint in 0.1 A",
        "00A0": "extended Wallbe firmware, setpoint in 0.1 A",
        "FFFF": None,
    },
    "evse-wb-din": {"0000": "currents in 1 A", "FF7F": "currents in 1 A", "0080": None, "0093": None},
    "sungrow-ac": {
        "0140": "setpoint in 0.1 A",
        "003C": "setpoint in 0.1 A",
        "0C80": "setpoint in 0.01 A",
        "0000": None,
    },
    "keba-p30": {"0004 A189": "not a P40, whose product code has seven digits", "0041 EB68": None},
    "keba-p40": {"0041 EB68": "P40", "0004 A189": None},
    "victron-evcs": {"C023": "EV charging station", "C027": "EV charging station", "C028": None},
    "carlo-gavazzi-em24-e1": {"0670": "EM24 with Ethernet", "066F": None},
    "innogy-ebox": {"0006": "register table version 6 or newer", "0005": None},
    "bender-cc612-cc613": {"4142" + " 0000" * 9: "the newer register set"},
    "chint-dtsu666": {"450F C000": "voltage in 0.1 V", "4366 0000": None},
    "carlo-gavazzi-em24-rtu": {"01F4": "EM24 with RS-485", "0000": None},
    "schneider-pm5xxx": {"4366 0000": "voltages at 3027", "0000 4366": None},
    "orno-we-516-517": {"4366 0000": "voltages at 14", "0000 4366": None},
    "phoenix-eem": {"0000 4366": "low word first", "4366 0000": None},
    "sunspec-201": {"5375 6E53": "SunSpec marker at 40000", "0000 0000": None},
    "sunspec-211": {"5375 6E53": "SunSpec marker at 40000", "0000 0000": None},
    "sunspec-203": {"5375 6E53": "SunSpec marker at 40000", "6E53 5375": None},
    "sunspec-213": {"5375 6E53": "SunSpec marker at 40000", "6E53 5375": None},
    "bauer-bsm-ws36a": {"5375 6E53": "SunSpec marker at 40000", "6E53 5375": None},
    "bernecker-mpm3pm": {"0000 08FC": "function 4 (input registers)", "08FC 0000": None},
    "orno-we-525-526": {"0003 8270": "function 4 (OR-WE-525, OR-WE-526)", "8270 0003": None},
}


def others(profile: DeviceProfile) -> Iterator[tuple[str, DeviceProfile]]:
    """Every usable reading but the first of each probe."""
    while profile.probe is not None:
        for reading in profile.probe.readings[1:]:
            if reading.usable:
                yield reading.says, reading.profile
        profile = profile.probe.readings[0].profile


def test_every_other_reading_has_vectors_and_every_probe_is_tried() -> None:
    found = {(id_, says) for id_, profile in PROFILES.items() for says, _ in others(profile)}
    assert found == set(OTHERS)
    assert {id_ for id_, profile in PROFILES.items() if profile.probe is not None} == set(SHOWN)


@pytest.mark.parametrize(("profile_id", "says"), OTHERS, ids=lambda text: text)
def test_r16_another_reading_reads_and_writes_as_worked_out_by_hand(profile_id: str, says: str) -> None:
    vectors, other = OTHERS[profile_id, says], dict(others(PROFILES[profile_id]))[says]
    assert [fault for vector in vectors for fault in faults(other, vector)] == []
    first = next(PROFILES[profile_id].readings)
    assert [fault for vector in vectors for fault in faults(first, vector)], "both readings are the same"


@pytest.mark.parametrize(
    ("profile_id", "text"), [(id_, text) for id_, shown in SHOWN.items() for text in shown], ids=str
)
def test_r16_a_probe_takes_what_fits_one_reading_and_nothing_else(profile_id: str, text: str) -> None:
    probe = PROFILES[profile_id].probe
    assert probe is not None
    fitting = []
    for reading in probe.readings:
        raw = codec.raw(codec.point(reading.profile, probe.register), words(text))
        scale = reading.profile.registers[probe.register].scale
        value = Fraction(raw) * scale if isinstance(raw, int | float) else raw
        if reading.expected.fits(value):
            fitting.append(reading)
    expected = SHOWN[profile_id][text]
    if expected is None:
        assert not any(reading.usable for reading in fitting)
    else:
        assert fitting[0].says == expected
        assert len(fitting) == 1 or probe.either


def test_the_map_of_the_2025_guide_is_told_by_name_but_not_used() -> None:
    profile = PROFILES["alfen-ng9xx"]
    assert profile.probe is not None
    other = profile.probe.readings[1]
    assert not other.usable
    assert other.profile.registers["voltage_l1"].address == 305
    assert list(profile.readings) == [profile.probe.readings[0].profile]


def test_the_second_probe_of_the_p40_is_asked_under_the_first() -> None:
    profile = PROFILES["keba-p40"]
    assert profile.probe is not None
    second = profile.probe.readings[0].profile.probe
    assert second is not None
    assert second.register == "firmware_version"
    for version, fits in ((10_200, [False, True]), (10_201, [True, False])):
        assert [reading.expected.fits(Fraction(version)) for reading in second.readings] == fits
