import dataclasses
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from drivers.api import EvState, MeterReading, Phases
from drivers.modbus import codec
from drivers.modbus.reading import Sample, evse_reading, meter_reading, meter_registers, shown_tag, uid
from drivers.profile import DeviceProfile, builtin_folder, load
from drivers.setups import MeterSetup


def image(profile: Any, **raw: int) -> dict[str, Sample]:
    """Samples of raw numbers, one second apart, all of block 0."""
    found = {}
    for t, (name, value) in enumerate(raw.items()):
        point = codec.point(profile, name)
        words = [value >> 16 * i & 0xFFFF for i in reversed(range(point.width))]
        found[name] = Sample(point, tuple(words), 100.0 + t, 0)
    return found


def test_a_charger_reading_says_what_the_registers_say(charger: Any) -> None:
    profile = charger()
    reading = evse_reading(
        profile,
        image(
            profile,
            status=3,
            current_l1=161,
            current_l2=160,
            current_l3=0,
            energy_import_total=1234,
            rfid_tag=0x04A1B2C3 << 32,
            current_limit=160,
            enable=1,
        ),
    )
    assert reading.t_s == 100.0
    assert (reading.state, reading.plugged) == (EvState.C, True)
    assert reading.current_ma == Phases(16100, 16000, 0)
    assert (reading.energy_wh, reading.offered_ma, reading.enabled) == (12340, 16000, True)
    assert reading.tag == "04A1B2C3"


@pytest.mark.parametrize(("raw", "state"), [(9, None), (77, None), (4, EvState.F)])
def test_an_unknown_or_starting_state_is_none(charger: Any, raw: int, state: EvState | None) -> None:
    reading = evse_reading(charger(), image(charger(), status=raw))
    assert (reading.state, reading.plugged) == (state, None)


def test_what_is_missing_or_unbelievable_makes_its_field_none(charger: Any) -> None:
    profile = charger()
    reading = evse_reading(profile, image(profile, status=2, current_l1=801, current_l2=1, current_l3=1))
    assert reading.current_ma is None
    assert reading.energy_wh is None
    assert reading.enabled is None
    assert evse_reading(profile, image(profile, status=2, enable=7)).enabled is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("04a1b2c3", "04A1B2C3"),
        ("04:A1:B2:C3:D4:E5:F6", "04A1B2C3D4E5F6"),
        ("04A1B2C300000000", "04A1B2C3"),
        ("04A1B2C3D4E5F60000000000", "04A1B2C3D4E5F6"),
        ("0000000000000000", None),
        ("FFFFFFFF", None),
        ("04A1B2C3D4E5F6A7B8C9", "04A1B2C3D4E5F6A7B8C9"),
        ("04A1B2C3D4", None),
        ("4A1B2C3", None),
        ("", None),
        ("no card", None),
    ],
)
def test_uids_are_upper_case_hex_without_filling(text: str, found: str | None) -> None:
    assert uid(text) == found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("04A1B2C300000000", "04A1B2C3"),
        ("04A1B20000000000", "04A1B200"),
        ("04A1B2C3D4E5F600", "04A1B2C3D4E5F6"),
        ("04A1B2C3D4E50000", "04A1B2C3D4E500"),
        ("04A1B2C3D4000000", "04A1B2C3D40000"),
        ("04A1B2C3D4E5F6A7", None),
        ("0000000000000000", None),
        ("FFFFFFFFFFFFFFFF", None),
    ],
)
def test_zeros_that_fill_a_tag_of_bytes_are_cut_to_the_length_of_a_uid(
    charger: Any, raw: str, found: str | None
) -> None:
    profile = charger()
    assert evse_reading(profile, image(profile, status=1, rfid_tag=int(raw, 16))).tag == found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("04A1B2C3", "04A1B2C3"),
        ("04a1b2c3d4e5f6", "04A1B2C3D4E5F6"),
        ("", ""),
        ("00000000", ""),
        ("nobody", ""),
        ("free", None),
        ("04A1B2C3D4", None),
        ("\x01\x02", None),
    ],
)
def test_a_tag_register_of_text_shows_a_card_or_none_or_what_cannot_be_told(
    text_charger: Any, text: str, shown: str | None
) -> None:
    profile = text_charger("none = ['NOBODY']")
    assert shown_tag(profile, text_image(profile, text)) == shown
    assert evse_reading(profile, text_image(profile, text)).tag == (shown or None)


def test_a_tag_that_was_not_read_is_not_no_card(charger: Any) -> None:
    profile = charger()
    assert shown_tag(profile, image(profile, status=1)) is None


def test_r21_the_profile_says_in_which_order_the_bytes_lie(text_charger: Any) -> None:
    profile = text_charger("reverse_bytes = true")
    assert shown_tag(profile, text_image(profile, "C3B2A108")) == "08A1B2C3"
    assert shown_tag(profile, text_image(profile, "00000000")) == ""


@pytest.fixture
def text_charger(charger: Any) -> Any:
    """A charger whose tag register holds text."""

    def build(rules: str) -> Any:
        plain = charger(more=f"[tag]\n{rules}\n")
        tag = plain.registers["rfid_tag"].model_copy(update={"type": "string", "count": 10})
        return dataclasses.replace(plain, registers={**plain.registers, "rfid_tag": tag})

    return build


def text_image(profile: Any, text: str) -> dict[str, Sample]:
    words = struct.unpack(">10H", text.encode().ljust(20, b"\0"))
    status = image(profile, status=1)
    return {**status, "rfid_tag": Sample(codec.point(profile, "rfid_tag"), words, 5.0, 0)}


def sample(profile: Any, name: str, value: int, *, block: int = 0) -> Sample:
    point = codec.point(profile, name)
    return Sample(point, codec.encode(point, value), 5.0, block)


def meter(
    profile: Any, setup: MeterSetup, powers: Mapping[str, int], *, split: bool = False
) -> MeterReading | None:
    found = {f"current_l{n}": sample(profile, f"current_l{n}", n * 1000) for n in (1, 2, 3)}
    for name, watts in powers.items():
        found[name] = sample(profile, name, watts, block=int(split))
    found["active_power_total"] = sample(profile, "active_power_total", sum(powers.values()))
    found["energy_import_total"] = sample(profile, "energy_import_total", 7000)
    found["energy_export_total"] = sample(profile, "energy_export_total", 1000)
    return meter_reading(profile, setup, found)


POWERS = {"active_power_l1": 230, "active_power_l2": -460, "active_power_l3": 690}


def test_r08_a_current_takes_the_sign_of_its_phases_power(meter_profile: Any, new_meter: Any) -> None:
    reading = meter(meter_profile, new_meter(), POWERS)
    assert reading is not None
    assert reading.current_ma == Phases(1000, -2000, 3000)
    assert (reading.signed, reading.power_w, reading.energy_import_wh) == (True, 460, 7000)


def test_r08_ratio_and_direction_are_applied(meter_profile: Any, new_meter: Any) -> None:
    reading = meter(meter_profile, new_meter(ct_ratio=40, reversed=True), POWERS)
    assert reading is not None
    assert reading.current_ma == Phases(-40000, 80000, -120000)
    assert (reading.power_w, reading.energy_import_wh) == (-18400, 40000)


def test_r08_power_of_another_block_gives_no_sign(meter_profile: Any, new_meter: Any) -> None:
    reading = meter(meter_profile, new_meter(), POWERS, split=True)
    assert reading is not None
    assert reading.current_ma == Phases(1000, 2000, 3000)
    assert not reading.signed


def test_a_meter_reading_without_a_believable_current_or_sign_is_none(meter_profile: Any, new_meter: Any) -> None:
    partly = {name: watts for name, watts in POWERS.items() if name != "active_power_l2"}
    assert meter(meter_profile, new_meter(), partly) is None
    assert meter_reading(meter_profile, new_meter(), {}) is None


def shipped(profile_id: str) -> DeviceProfile:
    return next(load(next(builtin_folder().rglob(f"{profile_id}.toml"))).readings)


SUNSPEC = {"current_l1": 1600, "current_l2": 0xFD8F, "current_l3": 0, "current_tens": 0xFFFE} | {
    "active_power_l1": 368,
    "active_power_l2": 0xFFF1,
    "active_power_l3": 0,
    "active_power_total": 353,
    "power_tens": 1,
    "energy_import_total": 98765,
    "energy_tens": 2,
}


def test_a_power_of_ten_in_another_register_counts(new_meter: Any) -> None:
    profile = shipped("sunspec-203")
    reading = meter_reading(profile, new_meter(), image(profile, **SUNSPEC))
    assert reading is not None
    assert reading.current_ma == Phases(16_000, -6_250, 0)
    assert (reading.power_w, reading.energy_import_wh, reading.signed) == (3_530, 9_876_500, True)


@pytest.mark.parametrize("missing", [{}, {"current_tens": 0x8000}, {"current_tens": 11}])
def test_without_a_believable_power_of_ten_there_is_no_value(new_meter: Any, missing: dict[str, int]) -> None:
    profile = shipped("sunspec-203")
    known = {name: raw for name, raw in SUNSPEC.items() if name != "current_tens"}
    assert meter_reading(profile, new_meter(), image(profile, **known | missing)) is None
    assert "current_tens" in meter_registers(profile, "fast")


@pytest.mark.parametrize(("export", "power_w"), [(0, 1000), (25_000, -1500)])
def test_a_power_that_is_told_as_import_and_export_apart_is_their_difference(
    new_meter: Any, export: int, power_w: int
) -> None:
    profile = shipped("dzg-dvh4013")
    raws = {"current_l1": 1000, "current_l2": 0, "current_l3": 0, "active_power_total": 10_000}
    reading = meter_reading(profile, new_meter(), image(profile, **raws, active_power_export_total=export))
    assert reading is not None
    assert (reading.power_w, reading.signed) == (power_w, False)
    assert meter_reading(profile, new_meter(), image(profile, **raws)) is None


@pytest.mark.parametrize(("plug", "plugged"), [(0x0100, False), (0x0101, True), (0x0111, True)])
def test_a_plug_register_may_count_from_a_value_on(plug: int, plugged: bool) -> None:
    profile = shipped("abb-terra-ac")
    reading = evse_reading(profile, image(profile, status=0x0500, plug=plug))
    assert (reading.plugged, reading.state) == (plugged, EvState.B if plugged else EvState.A)
