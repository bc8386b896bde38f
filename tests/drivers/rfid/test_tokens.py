"""UIDs as they are kept everywhere: upper-case hex, of a length that cards have."""

import pytest

from drivers.rfid.tokens import is_random, uid_of


@pytest.mark.parametrize("length", [4, 5, 7, 10])
def test_a_uid_has_four_five_seven_or_ten_bytes(length: int) -> None:
    assert uid_of(bytes(range(0xA1, 0xA1 + length))) == bytes(range(0xA1, 0xA1 + length)).hex().upper()


@pytest.mark.parametrize("length", [0, 1, 3, 6, 8, 9, 11, 16])
def test_other_lengths_are_no_uid(length: int) -> None:
    assert uid_of(b"\x11" * (length - 1) + b"\x12" if length else b"") is None


@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
def test_zeros_or_ones_only_are_no_uid(fill: bytes) -> None:
    assert uid_of(fill * 4) is None
    assert uid_of(fill * 7) is None


@pytest.mark.parametrize(
    ("uid", "random"),
    [
        ("08A1B2C3", True),
        ("18A1B2C3", False),
        ("0801020304", False),
        ("08010203040506", False),
        ("04A1B2C3", False),
        ("", False),
    ],
)
def test_r21_a_four_byte_uid_that_begins_with_08_is_random(uid: str, random: bool) -> None:
    assert is_random(uid) is random
