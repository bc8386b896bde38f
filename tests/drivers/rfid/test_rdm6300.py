"""RDM6300 frames: the published vector, the ID-12LA form, and every kind of damage."""

import itertools
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid.rdm6300 import split

FRAME = b"\x020100ABCDEF88\x03"
"""01 xor 00 xor AB xor CD xor EF = 88."""
ID12 = b"\x020100ABCDEF88\r\n\x03"


def frame_of(data: bytes) -> bytes:
    return b"\x02" + data.hex().upper().encode() + b"%02X\x03" % reduce(xor, data)


def in_pieces(pieces: list[bytes]) -> list[str]:
    uids: list[str] = []
    rest = b""
    for piece in pieces:
        found, rest = split(rest + piece)
        uids += found
        assert len(rest) < 16
    return uids


card = st.binary(min_size=5, max_size=5).filter(lambda data: set(data) not in ({0}, {255}))
noise = st.one_of(
    st.binary(max_size=40),
    st.text("\x02\x03\r\n0123456789ABCDEF", max_size=40).map(str.encode),
)


@pytest.mark.parametrize("frame", [FRAME, ID12, FRAME.lower()])
def test_both_forms_of_the_frame_give_the_uid_with_its_version_byte(frame: bytes) -> None:
    assert split(frame) == (("0100ABCDEF",), b"")


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x020100ABCDEF89\x03",
        b"\x020100ABCDEE88\x03",
        b"\x020100ABCDE88\x03",
        b"\x020100ABCDEF88\r\x03",
        b"\x020100ABCDEG88\x03",
        b"\x02000000000000\x03",
        b"0100ABCDEF88\x03",
        b"\x03",
    ],
)
def test_a_damaged_frame_gives_nothing_and_the_next_one_is_read(damaged: bytes) -> None:
    assert split(damaged)[0] == ()
    assert in_pieces([damaged, FRAME]) == ["0100ABCDEF"]


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_frame_that_breaks_off_does_not_spoil_the_next(cut: int) -> None:
    assert in_pieces([FRAME[:cut], FRAME]) == ["0100ABCDEF"]
    assert in_pieces([FRAME[cut:], FRAME]) == ["0100ABCDEF"]


@given(card, st.lists(st.integers(0, 16), max_size=4), st.booleans())
def test_a_frame_is_read_however_it_is_cut_into_pieces(data: bytes, cuts: list[int], long: bool) -> None:
    frame = frame_of(data)
    if long:
        frame = frame[:-1] + b"\r\n\x03"
    edges = [0, *sorted(min(cut, len(frame)) for cut in cuts), len(frame)]
    pieces = [frame[start:end] for start, end in itertools.pairwise(edges)]
    assert in_pieces(pieces) == [data.hex().upper()]


@given(noise, card)
def test_it_finds_its_way_back_after_any_bytes(before: bytes, data: bytes) -> None:
    # The first frame may complete what the noise began; the second cannot be lost.
    assert in_pieces([before, frame_of(data), frame_of(data)])[-1] == data.hex().upper()


@given(noise, st.lists(st.integers(0, 40), max_size=5))
def test_pieces_and_the_whole_give_the_same(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert in_pieces(pieces) == in_pieces([data])


@given(card, st.integers(0, 13), st.integers(0, 255))
def test_one_wrong_byte_never_makes_another_uid(data: bytes, at: int, value: int) -> None:
    frame = bytearray(frame_of(data))
    frame[at] = value
    assert set(in_pieces([bytes(frame)])) <= {data.hex().upper()}
