"""Lines of text from a reader -> UIDs. PURE.

A line ends with CR, LF or ETX and may begin with STX; what lies before an STX is noise. There is no checksum, so
that only the digits and the length tell a UID from a broken line.
"""

import re

from drivers.rfid.tokens import UID_BYTES, uid_of

_END = re.compile(rb"[\r\n\x03]")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_DECIMAL = re.compile(rb"[0-9]{6,25}")
"""Ten bytes have 25 digits; fewer than six digits are line noise rather than a card."""
_SEPARATORS = b" :-"
_LONGEST = 48


def split(buffer: bytes, *, decimal: bool = False, reverse_bytes: bool = False) -> tuple[tuple[str, ...], bytes]:
    """UIDs of the whole lines in `buffer`, and the rest to put before the bytes that come next.

    Any bytes are fine: a line that is no UID gives nothing. The rest is short, however long a line is.

    Args:
        buffer: the rest of the call before, and what came since.
        decimal: the line is a decimal number; it fills the fewest bytes that a UID can have.
        reverse_bytes: the reader sends the last byte of the UID first.
    """
    *lines, rest = _END.split(buffer)
    found = (_uid(line.rpartition(b"\x02")[2], decimal, reverse_bytes) for line in lines)
    # A rest that is cut here stays too long for a UID: a long line can never end up as a short one.
    return tuple(uid for uid in found if uid is not None), rest[-(_LONGEST + 2) :]


def _uid(line: bytes, decimal: bool, reverse_bytes: bool) -> str | None:
    if len(line) > _LONGEST:
        return None
    data = _number(line.strip()) if decimal else _digits(line.translate(None, _SEPARATORS))
    return uid_of(data[::-1] if reverse_bytes else data)


def _digits(text: bytes) -> bytes:
    return bytes.fromhex(text.decode("ascii")) if _HEX.fullmatch(text) else b""


def _number(text: bytes) -> bytes:
    number = int(text) if _DECIMAL.fullmatch(text) else 0
    fitting = (length for length in UID_BYTES if number < 1 << 8 * length)
    length = next(fitting, 0)
    return number.to_bytes(length, "big") if length else b""
