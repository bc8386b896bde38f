import math
import struct
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus import codec
from drivers.modbus.codec import EncodeError, Point

TENTH_A = Point("current_limit", "holding", 0, 1, "u16", True, Fraction(100), None, None, (), 6, True)
WIDTHS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "u64": 4, "s64": 4, "float32": 2, "float64": 4}


def of_type(name: str, *, scale: Fraction = Fraction(1), high_word_first: bool = True) -> Point:
    return replace(TENTH_A, type=name, width=WIDTHS[name], scale=scale, high_word_first=high_word_first)


@pytest.mark.parametrize(
    ("point", "words", "value"),
    [
        (TENTH_A, (132,), 13200),
        (of_type("s16"), (0xFFFF,), -1),
        (of_type("u32"), (1, 2), 65538),
        (of_type("u32", high_word_first=False), (1, 2), 131073),
        (of_type("s32"), (0xFFFF, 0xFFFE), -2),
        (of_type("u64"), (0, 0, 1, 0), 65536),
        (of_type("u64", high_word_first=False), (0, 1, 0, 0), 65536),
        (of_type("float32", scale=Fraction(1000)), (0x4366, 0x3333), 230200),  # 230.2 V
        (of_type("float32", high_word_first=False), (0x3333, 0x4366), 230),
        (of_type("float64"), (0x4059, 0x4000, 0, 0), 101),
        (of_type("u32", scale=Fraction(1, 10)), (0, 15), 2),  # 1.5 Wh rounds half up
    ],
)
def test_words_become_engineering_integers(point: Point, words: tuple[int, ...], value: int) -> None:
    assert codec.value(point, words) == value


@pytest.mark.parametrize("words", [(0x7FC0, 0), (0x7F80, 0), (0xFF80, 0)])
def test_nan_and_infinity_are_no_value(words: tuple[int, ...]) -> None:
    assert codec.value(of_type("float32"), words) is None


def test_a_sentinel_is_no_value() -> None:
    assert codec.value(replace(TENTH_A, sentinels=(0xFFFF,)), (0xFFFF,)) is None


def test_a_value_outside_its_believable_range_is_no_value() -> None:
    point = replace(TENTH_A, low=Fraction(0), high=Fraction(40000))
    assert codec.value(point, (400,)) == 40000
    assert codec.value(point, (401,)) is None


def test_texts_are_stripped_and_end_at_the_first_zero() -> None:
    point = replace(TENTH_A, type="string", width=3)
    assert codec.value(point, (0x4231, 0x2000, 0x4141)) == "B1"
    assert codec.value(point, (0xFFFF, 0xFFFF, 0xFFFF)) is None


def test_bytes_are_upper_case_hex() -> None:
    assert codec.value(replace(TENTH_A, type="bytes", width=2), (0x04A1, 0xB2FF)) == "04A1B2FF"


def test_a_wrong_number_of_words_is_an_error_and_no_value() -> None:
    with pytest.raises(ValueError, match="2 words instead of 1"):
        codec.value(TENTH_A, (1, 2))


@pytest.mark.parametrize("value", [13250, -100, 6553600])
def test_what_the_register_cannot_say_is_refused(value: int) -> None:
    with pytest.raises(EncodeError):
        codec.encode(TENTH_A, value)


def test_flooring_to_the_grid_never_rounds_up() -> None:
    assert codec.floor_to_grid(TENTH_A, 13299) == 13200
    assert codec.floor_to_grid(replace(TENTH_A, scale=Fraction(1000)), 15999) == 15000


@given(st.sampled_from(["u16", "s16", "u32", "s32", "u64", "s64"]), st.booleans(), st.data())
def test_integers_survive_the_way_there_and_back(name: str, big: bool, data: st.DataObject) -> None:
    bits, signed = WIDTHS[name] * 16, name[0] == "s"
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    number = data.draw(st.integers(low, high))
    point = of_type(name, scale=Fraction(100), high_word_first=big)
    words = codec.encode(point, number * 100)
    packed = b"".join(struct.pack(">H", word) for word in (words if big else reversed(words)))
    assert int.from_bytes(packed, "big", signed=signed) == number
    assert codec.value(point, words) == number * 100


@given(st.integers(-(1 << 70), 1 << 70), st.sampled_from(["u16", "s16", "u32", "s32"]))
def test_an_encoded_value_is_exact_or_refused(value: int, name: str) -> None:
    point = of_type(name, scale=Fraction(100))
    try:
        words = codec.encode(point, value)
    except EncodeError:
        return
    assert codec.value(point, words) == value


@given(st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=2))
def test_any_two_words_are_a_finite_number_or_no_value(words: list[int]) -> None:
    found = codec.value(of_type("float32", scale=Fraction(1000)), words)
    exact = struct.unpack(">f", struct.pack(">2H", *words))[0]
    assert (found is None) == (not math.isfinite(exact))
    if isinstance(found, int):
        assert abs(found - Fraction(exact) * 1000) <= Fraction(1, 2)


def test_a_mask_picks_its_bits_and_moves_them_down() -> None:
    high = replace(TENTH_A, scale=Fraction(1), mask=0xFF00)
    assert codec.value(high, (0x4332,)) == 0x43
    assert codec.value(replace(high, mask=0x00FF), (0x4332,)) == 0x32
    wide = replace(high, type="u32", width=2, mask=0x7F00)
    assert codec.raw(wide, (0xFFFF, 0x84FF)) == 4
    assert codec.raw(replace(wide, high_word_first=False), (0x84FF, 0xFFFF)) == 4


def test_equal_copies_are_one_value_and_different_ones_none() -> None:
    point = replace(of_type("float32", scale=Fraction(1000)), width=6, repeat=3)
    words = (0x4150, 0) * 3
    assert codec.encode(point, 13_000) == words
    assert codec.value(point, words) == 13_000
    assert codec.value(point, (0x4150, 0, 0x4150, 0, 0x4160, 0)) is None
    assert codec.encode_raw(replace(point, type="u16", width=2, repeat=2), 7) == (7, 7)


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("t5", (0xFD00, 0x3E7E), 15.998),
        ("t5", (0x0280, 0x0000), 838_860_800.0),
        ("t6", (0xFDFF, 0xCB44), -13.5),
        ("t6", (0x0000, 0x0005), 5.0),
        ("t6", (0xFF80, 0x0000), -838_860.8),
        ("t5", (0x8000, 0x0001), 1e-128),
    ],
)
def test_a_decimal_float_is_a_mantissa_times_a_power_of_ten(
    name: str, words: tuple[int, int], value: float
) -> None:
    point = replace(TENTH_A, type=name, width=2, scale=Fraction(1000))
    assert codec.raw(point, words) == pytest.approx(value, rel=1e-12)
    with pytest.raises(EncodeError):
        codec.encode(point, 1000)


def test_a_power_of_ten_from_elsewhere_multiplies() -> None:
    point = of_type("s16", scale=Fraction(1000))
    assert codec.value(point, (1050,), -2) == 10_500
    assert codec.value(point, (0xFFFE,), 1) == -20_000


@pytest.mark.parametrize("value", [5_900, -100, 32_100])
def test_what_is_outside_the_believable_range_is_never_written(value: int) -> None:
    point = replace(TENTH_A, low=Fraction(6000), high=Fraction(32_000))
    assert codec.encode(point, 6_000) == (60,)
    with pytest.raises(EncodeError):
        codec.encode(point, value)


def test_a_fraction_of_a_count_is_exact() -> None:
    point = replace(TENTH_A, scale=Fraction(1000, 167))
    assert codec.encode(point, 13_000) == (2171,)
    assert codec.value(point, (2171,)) == 13_000


@given(st.sampled_from(["t5", "t6"]), st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)))
def test_any_words_of_a_decimal_float_are_a_finite_number(name: str, words: tuple[int, int]) -> None:
    found = codec.raw(replace(TENTH_A, type=name, width=2), words)
    assert isinstance(found, float)
    assert math.isfinite(found)
