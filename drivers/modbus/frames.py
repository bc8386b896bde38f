"""RTU frames: checksum, and the search for the one frame that answers a request. PURE."""

import functools
import struct
from array import array
from collections.abc import Sequence

from drivers.modbus.pdu import READS, Request, matches

LONGEST = 1024
"""Bytes kept while searching: several of the longest frames, so that noise cannot fill the memory."""

QUESTION = 8
"""Length of every request but a write of several registers."""


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus, as its two bytes on the wire."""
    return remainder(data).to_bytes(2, "little")


def remainder(data: bytes) -> int:
    """The checksum as a number; 0 for a whole frame with its checksum behind it.

    Two bytes at a time: the register has sixteen bits, so that one look into a table of all its values does.
    """
    steps = _steps()
    value = 0xFFFF
    for pair in struct.unpack_from(f"<{len(data) // 2}H", data):
        value = steps[value ^ pair]
    if len(data) % 2:
        value = value >> 8 ^ steps[(value ^ data[-1]) << 8 & 0xFF00]
    return value


@functools.cache
def _steps() -> Sequence[int]:
    """What sixteen steps of the shift register make of each of its values."""
    steps = array("H", [0])
    for bit in range(16):
        value = 1 << bit
        for _ in range(16):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        steps.extend([value ^ other for other in steps])  # the step is linear
    return steps


@functools.lru_cache(maxsize=4096)
def frame(request: Request) -> bytes:
    """The request on the wire. Polling asks the same again and again."""
    body = bytes([request.unit]) + request.pdu
    return body + crc(body)


def ends_with_question(heard: bytes) -> bool:
    """Whether a read request is the last of it; answers of the same length say how many bytes follow."""
    one = heard[-QUESTION:]
    return len(one) == QUESTION and one[1] in READS and one[2] != QUESTION - 5 and not remainder(one)


class Search:
    """Bytes in, the PDU of the matching answer out: unit, function, length, content and checksum must all fit.

    It resynchronises at every byte, so that noise or a broken frame before a good one does not hide it. A copy of
    the request is dropped (an adapter that hears itself). For functions 5 and 6, whose answer equals the request,
    it is dropped only where the line is known to echo, and must be there.
    """

    def __init__(self, request: Request, *, echoes: bool) -> None:
        self._request = request
        self._size = request.answer_size + 3
        self._buffer = b""
        self._must_echo = echoes and request.function in (5, 6)
        self._echo = frame(request) if echoes or request.function not in (5, 6) else b""
        self.echoed = False
        self.plain = True
        """Whether nothing came, or nothing before the answer: then the line does not echo."""

    def feed(self, data: bytes) -> bytes | None:
        self.plain = False
        buffer = self._buffer = self._buffer + data if self._buffer else data
        if self._echo and not self.echoed:
            place = buffer.find(self._echo)
            if place >= 0:
                buffer = self._buffer = buffer[place + len(self._echo) :]
                self.echoed = True
            elif self._must_echo or self._echo.startswith(buffer):
                self._buffer = buffer[-LONGEST:]
                return None
        found = self._find(buffer)
        self._buffer = buffer[-LONGEST:]
        return found

    def _find(self, buffer: bytes) -> bytes | None:
        request = self._request
        unit, function = request.unit, request.function
        start = buffer.find(unit)
        while 0 <= start <= len(buffer) - 5:
            second = buffer[start + 1]
            if second & 0x7F == function:
                end = start + (self._size if second == function else 5)
                candidate = buffer[start:end]
                if end <= len(buffer) and not remainder(candidate) and matches(request, candidate[1:-2]):
                    self.plain = start == 0 and not self.echoed
                    return None if start and self._asked_by_another(buffer[:start]) else candidate[1:-2]
            start = buffer.find(unit, start + 1)
        return None

    def _asked_by_another(self, before: bytes) -> bool:
        """Whether another master's question to this unit came before: then the answer is to that."""
        head = bytes((self._request.unit, self._request.function))
        start = before.find(head)
        while start >= 0:
            question = before[start : start + QUESTION]
            if len(question) == QUESTION and not remainder(question) and question != frame(self._request):
                return True
            start = before.find(head, start + 1)
        return False
