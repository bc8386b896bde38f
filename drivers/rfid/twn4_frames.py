"""The Simple Protocol of Elatec TWN4 readers in its text form, both ways. PURE.

Bytes as upper-case hex digits, ended by CR. An answer begins with an error code, 0 where all is well.
"""

import re

from drivers.rfid.tokens import UID_BYTES, turned, uid_of

_END = b"\r"
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_LONGEST = 96
_FOUND = 5
"""Bytes before the UID: error code, found, kind of card, bits, bytes."""
_UID_BYTES = (*UID_BYTES, 8)
"""ISO 15693 and FeliCa have eight."""


def request(command: bytes) -> bytes:
    return command.hex().upper().encode() + _END


def split(buffer: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Answers in `buffer`, and the rest to put before the bytes that come next. Any bytes are fine."""
    *lines, rest = buffer.split(_END)
    answers = [line.strip() for line in lines if len(line) <= _LONGEST]
    # A rest that is cut here stays too long for an answer.
    return tuple(bytes.fromhex(a.decode()) for a in answers if _HEX.fullmatch(a)), rest[-(_LONGEST + 2) :]


def uid_in(answer: bytes, *, reverse_bytes: bool = False) -> str | None:
    """The UID in an answer to SearchTag; None where no card lies there, or the answer contradicts itself."""
    if len(answer) < _FOUND or answer[:2] != b"\x00\x01":
        return None
    bits, size, uid = answer[3], answer[4], answer[_FOUND:]
    if size != len(uid) or (bits + 7) // 8 != size:
        return None
    return uid_of(turned(uid, reverse_bytes=reverse_bytes), _UID_BYTES)
