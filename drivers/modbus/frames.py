"""RTU frames: checksum, and the search for the one frame that answers a request. PURE."""

from drivers.modbus.pdu import EXCEPTION, Request, matches

LONGEST = 1024
"""Bytes kept while searching: several of the longest frames, so that noise cannot fill the memory."""


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus, as its two bytes on the wire."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0xA001 if index & 1 else 0)
    return index


TABLE = tuple(_table_entry(index) for index in range(256))


def frame(request: Request) -> bytes:
    body = bytes([request.unit]) + request.pdu
    return body + crc(body)


class Search:
    """Bytes in, the PDU of the matching answer out: unit, function, length, content and checksum must all fit.

    It resynchronises at every byte, so that noise or a broken frame before a good one does not hide it. A copy of
    the request at the start is dropped (an adapter that hears itself); for functions 5 and 6, whose answer equals
    the request, only where the line is known to echo.
    """

    def __init__(self, request: Request, *, echoes: bool) -> None:
        self._request = request
        self._buffer = bytearray()
        self._echo = frame(request) if echoes or request.function not in (5, 6) else b""
        self.echoed = False

    def feed(self, data: bytes) -> bytes | None:
        self._buffer += data
        if self._echo and not self.echoed:
            if self._buffer.startswith(self._echo):
                del self._buffer[: len(self._echo)]
                self.echoed = True
            elif self._echo.startswith(self._buffer):
                return None
        found = self._find()
        del self._buffer[:-LONGEST]
        return found

    def _find(self) -> bytes | None:
        request = self._request
        sizes = {request.function: request.answer_size + 3, request.function | EXCEPTION: 5}
        for start in range(len(self._buffer) - 4):
            size = sizes.get(self._buffer[start + 1])
            if self._buffer[start] != request.unit or size is None or start + size > len(self._buffer):
                continue
            candidate = bytes(self._buffer[start : start + size])
            if crc(candidate[:-2]) == candidate[-2:] and matches(request, candidate[1:-2]):
                return candidate[1:-2]
        return None
