"""What differs between the two ways to put a request on a serial line, RTU and ASCII."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.modbus.pdu import Request


class Finder(Protocol):
    """Bytes in, the PDU of the one answer that matches a request out."""

    echoed: bool
    """The request itself was heard: the line echoes."""
    plain: bool
    """Whether nothing came, or nothing before the answer: then the line does not echo."""

    def feed(self, data: bytes) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Framing:
    """`search` looks for the answer; it is told whether the line is known to echo."""

    frame: Callable[[Request], bytes]
    search: Callable[[Request, bool], Finder]
    answer_chars: Callable[[Request], int]
    """Characters of the whole normal answer."""
    asks: Callable[[bytes], bool]
    """Whether the end of what was heard is a read request, of another master then, whose answer has yet to come."""
    pause_s: float
    """Longest pause that an answer may make between two of its characters; 0: it comes in one go."""
