"""Frames of a PN532 at its high-speed UART, both ways, and the UID in an answer. PURE.

00 00 FF, length, its complement, D4 (to the chip) or D5 (from it), data, a byte that makes the sum zero, 00.
"""

import enum
from dataclasses import dataclass

from drivers.rfid.tokens import turned, uid_of

ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
WAKE_UP = b"\x55\x55" + bytes(14)

_START = b"\x00\xff"
_TO_CHIP, _FROM_CHIP, _SYNTAX_ERROR = 0xD4, 0xD5, 0x7F
_HEAD = 4
LONGEST = 128
"""The longest answer in use has 17 bytes and an ATS of at most 64; a longer length is noise."""

LISTED = 0x4B
_FIXED = 7
"""Bytes of that answer before the UID: code, number of cards, which, SENS_RES (2), SEL_RES, length."""
_UID_BYTES = (4, 7, 10)
_CASCADE = 0x88
"""In a UID of four bytes this first byte says that more follow: half of a UID is none."""


class Kind(enum.Enum):
    ACK = "ack"
    NACK = "nack"
    ERROR = "error"
    """The chip does not understand the command."""
    DAMAGED = "damaged"
    """It began like a frame; the checksum says otherwise. The chip repeats it after a NACK."""
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    data: bytes = b""
    """Of an answer: code and what follows."""

    def answers(self, code: int) -> bool:
        return self.kind is Kind.ANSWER and self.data[0] == code


def request(command: bytes) -> bytes:
    """The frame of a command to the chip."""
    size = len(command) + 1
    check = -(_TO_CHIP + sum(command)) & 0xFF
    return bytes((0x00, 0x00, 0xFF, size, -size & 0xFF, _TO_CHIP)) + command + bytes((check, 0x00))


def split(buffer: bytes) -> tuple[tuple[Frame, ...], bytes]:
    """Frames in `buffer`, and the rest to put before the bytes that come next.

    Any bytes are fine: after what is no frame it goes on at the next start, also at one inside.
    The rest is never longer than a frame.
    """
    frames: list[Frame] = []
    at = buffer.find(_START)
    while at >= 0:
        end = _end(buffer, at)
        if end > len(buffer):
            return tuple(frames), buffer[at:]
        frame, at = _frame(buffer[at:end], at)
        if frame is not None:
            frames.append(frame)
        at = buffer.find(_START, at)
    return tuple(frames), b"\x00" if buffer.endswith(b"\x00") else b""


def _end(buffer: bytes, at: int) -> int:
    """Where the frame that begins there would end; after its head where the head is wrong or not yet there."""
    head = buffer[at + 2 : at + _HEAD]
    is_long = len(head) == 2 and sum(head) & 0xFF == 0 and 0 < head[0] <= LONGEST
    return at + _HEAD + (head[0] + 1 if is_long else 0)


def _frame(data: bytes, at: int) -> tuple[Frame | None, int]:
    """What begins there, and where to look for the next start."""
    if data[2:] == ACK[3:5]:
        return Frame(Kind.ACK), at + _HEAD
    if data[2:] == NACK[3:5]:
        return Frame(Kind.NACK), at + _HEAD
    if len(data) == _HEAD:
        return None, at + 1
    body = data[_HEAD:]
    if sum(body) & 0xFF:
        return Frame(Kind.DAMAGED), at + 1
    if body[0] == _SYNTAX_ERROR:
        return Frame(Kind.ERROR), at + len(data)
    is_answer = body[0] == _FROM_CHIP and len(body) > 2
    return (Frame(Kind.ANSWER, body[1:-1]) if is_answer else None), at + len(data)


def uid_in(answer: bytes, *, reverse_bytes: bool = False) -> str | None:
    """The UID of the one card in an answer to InListPassiveTarget at 106 kbit/s, type A; None where it has none."""
    if len(answer) < _FIXED or answer[:3] != bytes((LISTED, 1, 1)):
        return None
    size = answer[_FIXED - 1]
    uid, ats = answer[_FIXED : _FIXED + size], answer[_FIXED + size :]
    is_whole = len(uid) == size and (not ats or ats[0] == len(ats))
    if not is_whole or (size == _UID_BYTES[0] and uid[0] == _CASCADE):
        return None
    return uid_of(turned(uid, reverse_bytes=reverse_bytes), _UID_BYTES)
