"""Every decoder of foreign bytes as a function of one byte string: it returns, whatever the bytes.

An AssertionError says that something was believed that the bytes do not say; any other exception is a crash. The
same functions are run by hypothesis in the tests and by a coverage-guided fuzzer in `make fuzz`.
"""

import asyncio
import functools
import struct
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from drivers.api import DeviceError
from drivers.modbus import codec, pdu
from drivers.modbus.codec import Point
from drivers.modbus.frames import Search
from drivers.modbus.link import Answer
from drivers.modbus.tcp import Connection
from drivers.profile_schema import Table
from drivers.rfid import ascii_line, rdm6300
from drivers.rfid.tokens import UID_BYTES

TABLES: tuple[Table, ...] = ("holding", "input", "coil", "discrete")
TYPES = ("u16", "s16", "u32", "s32", "u64", "s64", "float32", "float64", "bool", "string", "bytes")
HEX = frozenset("0123456789ABCDEF")


def rtu_answer(data: bytes) -> None:
    """Bytes of a serial line, in pieces, while one request waits for its answer."""
    request, rest = _request(data)
    search = Search(request, echoes=bool(data[:1] < b"\x20"))
    for piece in _pieces(rest):
        found = search.feed(piece)
        if found is not None:
            frame = bytes([request.unit]) + found
            assert frame + _checksum(frame) in rest
            _values(request, found)
            return


def tcp_answer(data: bytes) -> None:
    """Bytes of a connection, in pieces, while one request waits for its answer."""
    _loop().run_until_complete(_tcp_answer(data))


def modbus_pdu(data: bytes) -> None:
    request, rest = _request(data)
    _values(request, rest)


def register_value(data: bytes) -> None:
    """Words of a register of any type: a value inside its range, or None."""
    if len(data) < 2:
        return
    form = TYPES[data[0] % len(TYPES)]
    words = struct.unpack(f">{len(data[2:]) // 2}H", data[2 : 2 + 2 * (len(data[2:]) // 2)])
    point = Point(
        name="x",
        table="holding",
        address=0,
        width=len(words),
        type=form,
        high_word_first=bool(data[1] & 1),
        scale=Fraction(1, 10),
        low=Fraction(-1000),
        high=Fraction(1000),
        sentinels=(0xFFFF,),
        write_fc=None,
        readable=True,
    )
    if len(words) != WIDTHS.get(form, max(1, len(words))):
        return
    found = codec.value(point, words)
    assert found is None or isinstance(found, str) or -1000 <= found <= 1000


WIDTHS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "u64": 4, "s64": 4, "float32": 2, "float64": 4, "bool": 1}


def rfid_ascii(data: bytes) -> None:
    if data:
        split = functools.partial(ascii_line.split, decimal=bool(data[0] & 1), reverse_bytes=bool(data[0] & 2))
        _uids(split, data[1:])


def rfid_rdm6300(data: bytes) -> None:
    _uids(rdm6300.split, data)


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (rtu_answer, tcp_answer, modbus_pdu, register_value, rfid_ascii, rfid_rdm6300)
}


def _request(data: bytes) -> tuple[pdu.Request, bytes]:
    """The first bytes choose what was asked."""
    head, rest = data[:4].ljust(4, b"\0"), data[4:]
    unit, address = 1 + head[1] % 3, head[3]
    if head[0] & 8:
        return pdu.write(unit, (5, 6, 16)[head[0] % 3], address=address, words=(head[2],)), rest
    table = TABLES[head[0] % 4]
    return pdu.read(unit, table, address=address, count=1 + head[2] % 125), rest


def _pieces(data: bytes) -> Iterator[bytes]:
    """Cut where the bytes themselves say."""
    while data:
        size = 1 + data[0] % 64
        yield data[:size]
        data = data[size:]


def _values(request: pdu.Request, answer: bytes) -> None:
    try:
        found = pdu.values(request, answer)
    except DeviceError:
        return
    assert len(found) == (request.count if request.is_read else 0)
    assert answer[0] == request.function


def _uids(split: Callable[[bytes], tuple[tuple[str, ...], bytes]], data: bytes) -> None:
    buffer = b""
    for piece in _pieces(data):
        found, buffer = split(buffer + piece)
        for uid in found:
            assert len(uid) // 2 in UID_BYTES
            assert HEX.issuperset(uid)


def _checksum(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


class _Wire(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Into the void."""

    def abort(self) -> None:
        """Nothing is open."""


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _tcp_answer(data: bytes) -> None:
    request, rest = _request(data)
    outcomes: list[Answer | DeviceError] = []
    connection = Connection("fuzz", lambda: None)
    connection.connection_made(_Wire())
    connection.begin(request, 1.0, outcomes.append)
    for piece in _pieces(rest):
        if not connection.lost:
            connection.data_received(piece)
    connection.connection_lost(None)
    assert len(outcomes) == 1
    if isinstance(outcomes[0], Answer):
        assert len(outcomes[0].values) == (request.count if request.is_read else 0)
        assert struct.pack(">HH", 1, 0) in rest
