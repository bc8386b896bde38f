"""Every shipped charger with a tag register: what it shows becomes the UID of a card."""

import pytest

from drivers.modbus import codec
from drivers.modbus.reading import Sample, evse_registers, shown_tag
from drivers.profile import DeviceProfile, builtin_folder, catalogue

PROFILES = [
    profile
    for profile in catalogue(builtin_folder()).values()
    if profile.kind == "charger" and "rfid_tag" in profile.registers
]
SHORT, LONG = "04A1B2C3", "04A1B2C3D4E5F6"


def test_they_are_those_that_the_facts_name() -> None:
    assert len(PROFILES) >= 13


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
@pytest.mark.parametrize("uid", [SHORT, LONG])
def test_a_card_in_the_tag_register_is_read_at_each_poll(profile: DeviceProfile, uid: str) -> None:
    assert "rfid_tag" in evse_registers(profile, "fast")
    register = profile.registers["rfid_tag"]
    data = uid.encode() if register.type == "string" else bytes.fromhex(uid)
    shown = SHORT if len(data) > 2 * register.width else uid  # a register of four bytes holds no more
    assert shown_of(profile, data) == shown


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.id)
def test_an_empty_tag_register_is_no_card(profile: DeviceProfile) -> None:
    assert shown_of(profile, b"") == ""


def shown_of(profile: DeviceProfile, data: bytes) -> str | None:
    point = codec.point(profile, "rfid_tag")
    whole = data[: 2 * point.width].ljust(2 * point.width, b"\0")
    words = tuple(int.from_bytes(whole[place : place + 2], "big") for place in range(0, len(whole), 2))
    return shown_tag(profile, {"rfid_tag": Sample(point, words, 0.0, 0)})
