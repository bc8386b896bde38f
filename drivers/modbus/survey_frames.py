"""What came over a serial line after a question, or without one: whose it is. PURE."""

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from drivers.modbus.frames import frame, remainder
from drivers.modbus.pdu import EXCEPTION, Request, matches

FUNCTIONS = frozenset({1, 2, 3, 4, 5, 6, 15, 16, 23})
LAST_UNIT = 247
QUESTION = 8
"""Length of a read request, and of the answer to a write."""
SHORTEST = 5
NOISE = 2
"""Bytes that a transceiver may make of its own while it switches."""


class Heard(enum.Enum):
    SILENCE = "silence"
    ANSWER = "answer"
    CROWDED = "crowded"
    """The answer, and more: another device answered too, or noise."""
    GARBLED = "garbled"
    """Bytes without a frame in them: two answers at once, another speed, or noise."""
    FOREIGN = "foreign"
    """Whole frames of somebody who was not asked: there is another master."""
    LATE = "late"
    """An answer of a unit that was asked before."""


@dataclass(frozen=True, slots=True)
class Reply:
    kind: Heard
    units: tuple[int, ...] = ()
    """Of all whole frames."""


def judge(data: bytes, request: Request | None, asked: Collection[int] = ()) -> Reply:
    """What bytes are that came after a request, or without one; units in `asked` may still answer an older one."""
    own = b"" if request is None else frame(request)
    if own and data.startswith(own):
        data = data[len(own) :]  # an adapter that hears itself
    found = tuple(frames(data))
    units = tuple(one[0] for one in found)
    rest = len(data) - sum(len(one) for one in found)
    answers = [one for one in found if request is not None and _answers(one, request)]
    if answers:
        return Reply(Heard.CROWDED if len(found) > 1 or rest > NOISE else Heard.ANSWER, units)
    return Reply(_unasked(found, rest, asked), units)


def frames(data: bytes) -> Iterator[bytes]:
    """Every whole Modbus frame, request or answer, wherever it begins."""
    start = 0
    while start <= len(data) - SHORTEST:
        length = _length(data[start:])
        if length:
            yield data[start : start + length]
        start += length or 1


def _unasked(found: tuple[bytes, ...], rest: int, asked: Collection[int]) -> Heard:
    if any(one[0] not in asked or _is_question(one) for one in found):
        return Heard.FOREIGN
    if found:
        return Heard.LATE
    return Heard.GARBLED if rest > NOISE else Heard.SILENCE


def _answers(one: bytes, request: Request) -> bool:
    return one[0] == request.unit and matches(request, one[1:-2])


def _is_question(one: bytes) -> bool:
    """A frame of the length of a read request whose third byte is no count of what follows."""
    return len(one) == QUESTION and one[1] in (1, 2, 3, 4) and one[2] != len(one) - SHORTEST


def _length(data: bytes) -> int:
    """Of the frame at the start of the bytes; 0: none begins there."""
    if data[0] > LAST_UNIT or data[1] & ~EXCEPTION not in FUNCTIONS:
        return 0
    lengths = {SHORTEST, QUESTION, SHORTEST + data[2]} if not data[1] & EXCEPTION else {SHORTEST}
    if len(data) > 6:
        lengths.add(9 + data[6])
    return next((one for one in sorted(lengths) if one <= len(data) and remainder(data[:one]) == 0), 0)
