"""Frames of RDM6300 and ID-12LA readers -> UIDs. PURE.

STX, ten hex digits (version byte and 32-bit id), two hex digits that are the XOR of those five bytes, ETX.
The ID-12LA has CR LF before the ETX.
"""

import re
from functools import reduce
from operator import xor

from drivers.rfid.tokens import uid_of

_STX, _ETX = b"\x02", b"\x03"
_FRAME = re.compile(rb"\x02([0-9A-Fa-f]{10})([0-9A-Fa-f]{2})(?:\r\n)?\x03")
_LONGEST = 16


def split(buffer: bytes) -> tuple[tuple[str, ...], bytes]:
    """UIDs of the whole frames in `buffer`, and the rest to put before the bytes that come next.

    Any bytes are fine: after a frame that is cut, has a wrong checksum or holds anything else it goes on at the
    next STX, also at one inside the broken frame. The rest is shorter than a frame.
    """
    uids: list[str] = []
    start = buffer.find(_STX)
    while start >= 0:
        frame = _FRAME.match(buffer, start)
        if frame is None and _may_grow(buffer[start : start + _LONGEST]):
            return tuple(uids), buffer[start:]
        uid = _checked(frame) if frame else None
        if uid is not None:
            uids.append(uid)
        start = buffer.find(_STX, frame.end() if frame else start + 1)
    return tuple(uids), b""


def _may_grow(begun: bytes) -> bool:
    """Whether more bytes could still make a frame of this one."""
    return len(begun) < _LONGEST and _ETX not in begun


def _checked(frame: re.Match[bytes]) -> str | None:
    data = bytes.fromhex(frame[1].decode("ascii"))
    return uid_of(data) if reduce(xor, data) == int(frame[2], 16) else None
