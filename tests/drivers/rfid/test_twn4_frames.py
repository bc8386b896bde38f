"""The Simple Protocol in text form: answers that hold a UID, and lines that hold nothing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid.twn4_frames import request, split, uid_in

noise = st.one_of(st.binary(max_size=120), st.text("\r\n 0123456789ABCDEF", max_size=120).map(str.encode))


def in_pieces(pieces: list[bytes]) -> list[bytes]:
    answers: list[bytes] = []
    rest = b""
    for piece in pieces:
        found, rest = split(rest + piece)
        answers += found
        assert len(rest) <= 98
    return answers


def test_a_command_is_hex_text_that_ends_with_cr() -> None:
    assert request(b"\x05\x00\x10") == b"050010\r"


@pytest.mark.parametrize(
    ("line", "uid"),
    [
        (b"000180200404A1B2C3", "04A1B2C3"),
        (b"000180380704A1B2C3D4E5F6", "04A1B2C3D4E5F6"),
        (b"00014028050100ABCDEF", "0100ABCDEF"),
        (b"0001824008E004010012345678", "E004010012345678"),
        (b"00018050 0A04112233445566778899".replace(b" ", b""), "04112233445566778899"),
        (b"000180200408A1B2C3", "08A1B2C3"),
        (b"0001491A0401234567", "01234567"),
    ],
)
def test_uids_of_every_kind_of_card_are_read(line: bytes, uid: str) -> None:
    (answer,) = split(line + b"\r")[0]
    assert uid_in(answer) == uid


@pytest.mark.parametrize(
    "line",
    [
        "0000",
        "00",
        "05",
        "000180200404A1B2",
        "000180200404A1B2C3D4",
        "000180380404A1B2C3",
        "010180200404A1B2C3",
        "000280200404A1B2C3",
        "000180200400000000",
        "0001801803A1B2C3",
        "0001800000",
    ],
)
def test_an_answer_without_a_whole_uid_gives_nothing(line: str) -> None:
    assert uid_in(bytes.fromhex(line)) is None


def test_r21_a_turned_uid_is_turned_but_a_random_one_stays_known_as_random() -> None:
    assert uid_in(bytes.fromhex("000180200404A1B2C3"), reverse_bytes=True) == "C3B2A104"
    assert uid_in(bytes.fromhex("000180200408A1B2C3"), reverse_bytes=True) == "08A1B2C3"


@pytest.mark.parametrize("line", [b"", b"TWN4 V4.20", b"000", b"0G", b"00" * 49])
def test_a_line_that_is_no_answer_is_passed_over(line: bytes) -> None:
    assert split(line + b"\r0000\r") == ((b"\x00\x00",), b"")


@given(noise, st.lists(st.integers(0, 120), max_size=5))
def test_pieces_and_the_whole_give_the_same(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(at, len(data)) for at in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert in_pieces(pieces) == in_pieces([data])


@given(noise)
def test_any_bytes_give_a_uid_or_nothing_and_the_next_line_is_read(before: bytes) -> None:
    answers = in_pieces([before, b"\r000180200404A1B2C3\r"])
    uids = [uid_in(answer) for answer in answers]
    assert all(uid is None or len(uid) in (8, 10, 14, 16, 20) for uid in uids)
    assert uids[-1] == "04A1B2C3"


@given(st.binary(max_size=30).map(lambda tail: b"\x00\x01" + tail))
def test_a_uid_has_as_many_bytes_as_the_answer_says(answer: bytes) -> None:
    uid = uid_in(answer)
    assert uid is None or len(uid) == 2 * answer[4] == 2 * len(answer[5:])
