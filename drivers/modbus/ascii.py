"""Modbus ASCII: frames as text between ':' and CR LF, and the search for the one that answers. PURE.

Each byte is two hexadecimal digits, the checksum is one byte (LRC). A ':' begins a frame whatever came before it
(MODBUS over serial line V1.02, section 2.5.2): noise costs one frame, and the next one is found without silence.
"""

import functools
import re

from drivers.modbus.framing import Framing
from drivers.modbus.pdu import READS, Request, matches

LONGEST = 2048
"""Characters kept while searching: several of the longest frames, so that noise cannot fill the memory."""
PAUSE_S = 1.0
"""Longest pause between two characters of a frame (section 2.5.2.1)."""
AROUND = 7
"""Characters of a frame around its PDU: colon, unit, LRC, CR and LF."""
QUESTION = 5
"""Bytes of the PDU of every request but a write of several registers."""

_FRAME = re.compile(rb":(?:[0-9A-F]{2}){4,255}")
"""Lower-case digits are none: the checksum is weak, so that all else is taken strictly."""


def lrc(data: bytes) -> int:
    """Two's complement of the sum of the bytes; 0 for bytes with their checksum behind them."""
    return -sum(data) & 0xFF


@functools.lru_cache(maxsize=4096)
def frame(request: Request) -> bytes:
    """The request on the wire. Polling asks the same again and again."""
    body = bytes([request.unit]) + request.pdu
    return b":" + (body + bytes([lrc(body)])).hex().upper().encode("ascii") + b"\r\n"


def answer_chars(request: Request) -> int:
    return 2 * request.answer_size + AROUND


def ends_with_question(heard: bytes) -> bool:
    """Whether a read request is the last of it; answers of the same length say how many bytes follow."""
    body = _body(heard[max(0, heard.rfind(b":")) : -2]) if heard.endswith(b"\r\n") else b""
    return len(body) == QUESTION + 1 and body[1] in READS and body[2] != QUESTION - 2


class Search:
    """Whole frames are taken one by one: unit, function, length, content and LRC must all fit.

    A copy of the request is dropped (an adapter that hears itself). For functions 5 and 6, whose answer equals the
    request, it is dropped only where the line is known to echo, and must be there.
    """

    def __init__(self, request: Request, *, echoes: bool) -> None:
        self._request = request
        self._own = bytes([request.unit]) + request.pdu
        self._echo_is_answer = request.function in (5, 6) and not echoes
        self._must_echo = request.function in (5, 6) and echoes
        self._buffer = b""
        self._first = True
        """Nothing came before the frame that comes now."""
        self._asked_by_another = False
        self.echoed = False
        self.plain = True

    def feed(self, data: bytes) -> bytes | None:
        self.plain = False
        *lines, rest = (self._buffer + data).split(b"\r\n")
        self._buffer = rest[-LONGEST:]
        for line in lines:
            start = max(0, line.rfind(b":"))
            found = self._answer(_body(line[start:]))
            if found is not None:
                self.plain = self._first and start == 0
                return found
            self._first = False
        return None

    def _answer(self, body: bytes) -> bytes | None:
        """The PDU if this frame is the answer; otherwise what it says of the line is kept in mind."""
        if body == self._own and not self.echoed and not self._echo_is_answer:
            self.echoed = True
            return None
        request, pdu = self._request, body[1:]
        if body[:1] != self._own[:1] or (self._must_echo and not self.echoed):
            return None
        if matches(request, pdu):
            return None if self._asked_by_another else pdu
        if len(pdu) == QUESTION and pdu[0] == request.function and body != self._own:
            self._asked_by_another = True  # what answers it looks like an answer to us
        return None


def _body(text: bytes) -> bytes:
    """Unit and PDU of a frame; nothing for what is none."""
    if _FRAME.fullmatch(text) is None:
        return b""
    data = bytes.fromhex(text[1:].decode("ascii"))
    return b"" if lrc(data) else data[:-1]


def _search(request: Request, echoes: bool) -> Search:
    return Search(request, echoes=echoes)


ASCII = Framing(frame, _search, answer_chars, ends_with_question, PAUSE_S)
