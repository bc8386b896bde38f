import pytest

from sim.device_profile import SerialLine
from sim.serial_line import LineTiming

CHAR_S = 10 / 9600


@pytest.fixture
def timing() -> LineTiming:
    return LineTiming(SerialLine(9600, "N", 1))


def test_a_frame_that_begins_within_three_and_a_half_characters_is_not_heard(timing: LineTiming) -> None:
    assert timing.begins(5.0)
    end_s = timing.takes(5.0, 8)
    assert end_s == pytest.approx(5.0 + 8 * CHAR_S)
    assert not timing.begins(end_s + 3.4 * CHAR_S)
    assert timing.begins(end_s + 3.6 * CHAR_S)
    assert timing.violations == 1


def test_the_silence_counts_from_the_last_byte_of_the_answer(timing: LineTiming) -> None:
    timing.takes(5.0, 8)
    timing.ended(6.0)
    assert not timing.begins(6.0 + 3 * CHAR_S)
    assert timing.begins(6.0 + 4 * CHAR_S)


def test_a_character_has_a_parity_bit_where_there_is_parity() -> None:
    assert LineTiming(SerialLine(9600, "E", 1)).char_s == pytest.approx(11 / 9600)


def test_above_19200_baud_the_silence_is_fixed() -> None:
    assert LineTiming(SerialLine(19200, "N", 1)).gap_s == pytest.approx(35 / 19200)
    assert LineTiming(SerialLine(115200, "N", 1)).gap_s == 0.00175
