"""Cards in the register of a charger's own reader."""

from dataclasses import replace

import pytest

from sim.device_profile import load_profile
from sim.tags import TagWindow


def test_a_card_is_shown_for_a_while_by_its_outlet_only() -> None:
    now = [10.0]
    profile = load_profile("ampyard-secc")
    register = profile.registers["rfid_tag"]
    tags = TagWindow(profile, lambda: now[0])
    tags.show(1, "04A1B2C3", 2.0)
    assert (tags.value(register, 1), tags.value(register, 2)) == ("04A1B2C3", "")
    now[0] = 12.0
    assert tags.value(register, 1) == ""


def test_a_reader_that_turns_its_bytes_shows_the_last_one_first() -> None:
    profile = replace(load_profile("ampyard-secc"), tag_reversed=True)
    register = profile.registers["rfid_tag"]
    tags = TagWindow(profile, lambda: 0.0)
    tags.show(1, "04A1B2C3", 2.0)
    assert tags.value(register, 1) == "C3B2A104"
    assert tags.value(replace(register, type="bytes"), 1) == b"\xc3\xb2\xa1\x04"


def test_a_model_without_a_reader_shows_no_card() -> None:
    with pytest.raises(ValueError, match="no card reader"):
        TagWindow(load_profile("evse-wb-din"), lambda: 0.0).show(1, "04A1B2C3", 1.0)
