"""Readers that send a line of text: forms of the line, lengths, and lines that are none."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rfid.ascii_line import split


def in_pieces(pieces: list[bytes], **form: Any) -> list[str]:
    uids: list[str] = []
    rest = b""
    for piece in pieces:
        found, rest = split(rest + piece, **form)
        uids += found
        assert len(rest) <= 50
    return uids


noise = st.one_of(st.binary(max_size=120), st.text("\x02\x03\r\n 04A1b:-", max_size=120).map(str.encode))


@pytest.mark.parametrize(
    "line",
    [
        b"04A1B2C3\r\n",
        b"04a1b2c3\n",
        b"04A1B2C3\r",
        b"\x0204A1B2C3\x03",
        b"\x0204A1B2C3\r\n\x03",
        b" 04A1B2C3 \n",
        b"04:A1:B2:C3\n",
        b"04 A1 B2 C3\n",
        b"noise\x0204A1B2C3\r",
    ],
)
def test_all_common_forms_of_a_line_are_read(line: bytes) -> None:
    assert split(line) == (("04A1B2C3",), b"")


@pytest.mark.parametrize("length", [4, 5, 7, 10])
def test_every_length_of_a_uid_is_read(length: int) -> None:
    uid = "0123456789ABCDEF0123"[: 2 * length]
    assert split(uid.encode() + b"\r\n") == ((uid,), b"")


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"04A1B2\n",
        b"04A1B2C3D4E5\n",
        b"04A1B2C\n",
        b"04A1B2CG\n",
        b"00000000\n",
        b"READY\r\n",
        b"FFFFFFFF\n",
    ],
)
def test_a_line_that_is_no_uid_gives_nothing(line: bytes) -> None:
    assert split(line) == ((), b"")


def test_an_unfinished_line_waits_for_its_end() -> None:
    assert split(b"04A1B2C3") == ((), b"04A1B2C3")
    assert in_pieces([b"04A1", b"B2C3", b"\r", b"\n"]) == ["04A1B2C3"]


def test_the_bytes_are_turned_where_the_reader_sends_the_last_first() -> None:
    assert split(b"C3B2A104\r\n", reverse_bytes=True)[0] == ("04A1B2C3",)
    assert split(b"665544332211 04\r\n", reverse_bytes=True)[0] == ("04112233445566",)


@pytest.mark.parametrize(
    ("line", "uid"),
    [
        (b"0011259375\r\n", "00ABCDEF"),
        (b"77709251\r\n", "04A1BFC3"),
        (b"4306226671\r\n", "0100ABCDEF"),
        (b"1302123111085380\r\n", "04A046297D7544"),
    ],
)
def test_a_decimal_number_fills_the_fewest_bytes_of_a_uid(line: bytes, uid: str) -> None:
    assert int(line) == int(uid, 16)
    assert split(line, decimal=True)[0] == (uid,)


def test_a_decimal_number_can_be_reversed() -> None:
    assert split(b"3283263748\r\n", decimal=True, reverse_bytes=True)[0] == (
        (3283263748).to_bytes(4, "little").hex().upper(),
    )


@pytest.mark.parametrize(
    "line", [b"7\n", b"12345\n", b"04A1B2C3\n", b"1" * 26 + b"\n", b"9" * 25 + b"\n", b"-123456\n"]
)
def test_a_line_that_is_no_card_number_gives_nothing(line: bytes) -> None:
    assert split(line, decimal=True)[0] == ()


def test_the_tail_of_an_endless_line_is_no_uid() -> None:
    assert in_pieces([b"A1" * 100, b"04A1B2C3", b"\n"]) == []
    assert in_pieces([b"04A1B2C3D4E5F6" + b" " * 60, b"\n"]) == []


@given(noise, st.lists(st.integers(0, 120), max_size=5), st.booleans())
def test_pieces_and_the_whole_give_the_same(data: bytes, cuts: list[int], decimal: bool) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    assert in_pieces(pieces, decimal=decimal) == in_pieces([data], decimal=decimal)


@given(noise, st.sampled_from([4, 5, 7, 10]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
def test_any_bytes_give_a_uid_or_nothing_and_the_next_line_is_read(before: bytes, uid: bytes) -> None:
    uids = in_pieces([before, b"\r" + uid.hex().encode() + b"\r\n"])
    assert all(len(text) in (8, 10, 14, 20) and text == text.upper() for text in uids)
    if set(uid) not in ({0}, {255}):
        assert uids[-1] == uid.hex().upper()
