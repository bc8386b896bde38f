"""Requests and the only answers that match them. PURE.

Framing differs between RTU and TCP; this part of a message does not.
"""

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.api import DeviceError, Fault
from drivers.profile_schema import Table

READ_FUNCTION: dict[Table, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
BIT_READS = (1, 2)
READS = (1, 2, 3, 4)
EXCEPTION = 0x80
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    5: "acknowledged, busy",
    6: "busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway: no path",
    11: "gateway: device does not answer",
}
GATEWAY = (10, 11)

Shape = tuple[int, int]
"""Function and size of the answer: two answers of one unit with the same shape cannot be told apart on RTU. (One
coil or eight are one byte.)"""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a unit. `pdu` is made of the rest, once: polling sends the same request again and again.

    `answer_size`: length of the normal answer's PDU.
    """

    unit: int
    function: int
    address: int
    count: int
    words: tuple[int, ...] = ()
    is_read: bool = field(init=False, compare=False)
    pdu: bytes = field(init=False, compare=False)
    answer_size: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_read", self.function in READS)
        object.__setattr__(self, "pdu", self._pdu())
        object.__setattr__(self, "answer_size", self._answer_size())

    @property
    def shape(self) -> Shape:
        return self.function, self.answer_size

    def _pdu(self) -> bytes:
        if self.is_read:
            return struct.pack(">BHH", self.function, self.address, self.count)
        if self.function == 5:
            return struct.pack(">BHH", 5, self.address, 0xFF00 if self.words[0] else 0)
        if self.function == 6:
            return struct.pack(">BHH", 6, self.address, self.words[0])
        head = struct.pack(">BHHB", 16, self.address, self.count, 2 * self.count)
        return head + struct.pack(f">{self.count}H", *self.words)

    def _answer_size(self) -> int:
        if not self.is_read:
            return 5
        return 2 + ((self.count + 7) // 8 if self.function in BIT_READS else 2 * self.count)


class ExceptionAnswerError(DeviceError):
    """The device refused; `code` is the exception code of its answer."""

    def __init__(self, unit: int, code: int) -> None:
        fault = Fault.TIMEOUT if code in GATEWAY else Fault.REFUSED
        super().__init__(fault, f"unit {unit}: exception {code}, {EXCEPTIONS[code]}")
        self.code = code


@functools.lru_cache(maxsize=4096)
def read(unit: int, table: Table, *, address: int, count: int) -> Request:
    """A read of up to 125 registers or bits.

    Raises:
        ValueError: unit, address or count cannot be sent.
    """
    if not (0 <= unit <= 255 and 1 <= count <= 125 and 0 <= address <= 0x10000 - count):
        raise ValueError(f"cannot read {count} of {table} {address} from unit {unit}")
    return Request(unit, READ_FUNCTION[table], address, count)


def write(unit: int, function: int, *, address: int, words: Sequence[int]) -> Request:
    """A write by function 5, 6 (one value) or 16 (up to 123).

    Raises:
        ValueError: the request cannot be sent.
    """
    most = {5: 1, 6: 1, 16: 123}.get(function, 0)
    good = 0 <= unit <= 255 and 1 <= len(words) <= most and 0 <= address <= 0x10000 - len(words)
    if not good or not all(0 <= word <= 0xFFFF for word in words):
        raise ValueError(f"cannot write {list(words)} to {address} of unit {unit} by function {function}")
    return Request(unit, function, address, len(words), tuple(words))


def matches(request: Request, pdu: bytes) -> bool:
    """Whether the PDU can only be an answer to this request (or an old one of the same shape)."""
    if len(pdu) == 2 and pdu[0] == request.function | EXCEPTION:
        return pdu[1] in EXCEPTIONS
    if len(pdu) != request.answer_size or pdu[0] != request.function:
        return False
    if request.is_read:
        return pdu[1] == request.answer_size - 2
    return pdu == request.pdu[:5]


def values(request: Request, pdu: bytes) -> tuple[int, ...]:
    """Registers or bits of a matching answer; nothing for a write.

    Raises:
        DeviceError: REFUSED for an exception, TIMEOUT where a gateway says that its device is silent, DATA for a
            PDU that does not match.
    """
    if not matches(request, pdu):
        raise DeviceError(Fault.DATA, f"unit {request.unit}: answer {pdu.hex()} does not fit the request")
    return content(request, pdu)


def content(request: Request, pdu: bytes) -> tuple[int, ...]:
    """As `values`, of a PDU that is known to match."""
    if pdu[0] & EXCEPTION:
        raise ExceptionAnswerError(request.unit, pdu[1])
    if not request.is_read:
        return ()
    if request.function in BIT_READS:
        return tuple(pdu[2 + i // 8] >> i % 8 & 1 for i in range(request.count))
    return struct.unpack(f">{request.count}H", pdu[2:])
