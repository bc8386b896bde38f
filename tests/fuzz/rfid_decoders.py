"""Decoders of card readers: a UID of a length that cards have, in the bytes that came, or nothing."""

import functools
import struct
from collections.abc import Callable

from drivers.modbus.reading import UID_DIGITS, uid
from drivers.rfid import ascii_line, pcsc_session, pn532_frames, rdm6300, twn4_frames
from drivers.rfid.keys import Event, text_of
from drivers.rfid.tokens import UID_BYTES
from tests.fuzz.pieces import pieces

HEX = frozenset("0123456789ABCDEF")
ISO_BYTES = (4, 7, 10)

Split = Callable[[bytes], tuple[tuple[str, ...], bytes]]


def rfid_ascii(data: bytes) -> None:
    if data:
        split = functools.partial(ascii_line.split, decimal=bool(data[0] & 1), reverse_bytes=bool(data[0] & 2))
        _uids(split, data[1:])


def rfid_rdm6300(data: bytes) -> None:
    _uids(rdm6300.split, data)


def rfid_keyboard(data: bytes) -> None:
    """Events of an input device: kind, key, down or up."""
    size = len(data) // 3
    events = [Event(kind % 3, code, value % 3) for kind, code, value in struct.iter_unpack("BBB", data[: 3 * size])]
    _uids(ascii_line.split, text_of(events))


def rfid_pn532(data: bytes) -> None:
    buffer = b""
    for piece in pieces(data):
        frames, buffer = pn532_frames.split(buffer + piece)
        for frame in frames:
            if frame.answers(pn532_frames.LISTED):
                _check(pn532_frames.uid_in(frame.data), frame.data, ISO_BYTES)
                _check(pn532_frames.uid_in(frame.data, reverse_bytes=True), frame.data, ISO_BYTES)
                assert frame.data in data


def rfid_twn4(data: bytes) -> None:
    buffer = b""
    for piece in pieces(data):
        answers, buffer = twn4_frames.split(buffer + piece)
        for answer in answers:
            assert answer.hex().encode() in data.lower()
            _check(twn4_frames.uid_in(answer), answer, (*UID_BYTES, 8))


def rfid_pcsc(data: bytes) -> None:
    """A card's answer to GET DATA."""
    found = pcsc_session.uid_in(data, reverse_bytes=False)
    _check(found, data, UID_BYTES)
    assert found is None or data.endswith(b"\x90\x00")


def tag_register(data: bytes) -> None:
    """Text in the tag register of a charger."""
    found = uid(data.decode("latin-1"))
    assert found is None or (len(found) in UID_DIGITS and HEX.issuperset(found) and found.strip("0"))


def _check(found: str | None, source: bytes, lengths: tuple[int, ...]) -> None:
    if found is None:
        return
    raw = bytes.fromhex(found)
    assert len(raw) in lengths
    assert HEX.issuperset(found)
    assert raw in source or raw[::-1] in source


def _uids(split: Split, data: bytes) -> None:
    buffer = b""
    for piece in pieces(data):
        found, buffer = split(buffer + piece)
        for one in found:
            assert len(one) // 2 in UID_BYTES
            assert HEX.issuperset(one)
