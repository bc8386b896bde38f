"""Every decoder of foreign bytes as a function of one byte string: it returns, whatever the bytes.

An AssertionError says that something was believed that the bytes do not say; any other exception is a crash. The
same functions are run by hypothesis in the tests and by a coverage-guided fuzzer in `make fuzz`.
"""

import asyncio
import functools
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction

from drivers.api import DeviceError, EvState
from drivers.dc.demand import demand_of
from drivers.modbus import codec, pdu
from drivers.modbus.ascii import Search as TextSearch
from drivers.modbus.codec import Point
from drivers.modbus.frames import Search
from drivers.modbus.link import Answer
from drivers.modbus.reading import (
    UID_DIGITS,
    Image,
    Sample,
    evse_reading,
    evse_registers,
    meter_reading,
    meter_registers,
)
from drivers.modbus.tcp import Connection
from drivers.profile import DeviceProfile, builtin_folder, catalogue
from drivers.profile_schema import TARGETS as TARGETS_OF_SECC
from drivers.profile_schema import Supply, Table
from drivers.setups import MeterSetup
from tests.fuzz.can_decoders import can_error_frame, power_module_frame, slcan_text, socketcand_text
from tests.fuzz.pieces import loop, pieces
from tests.fuzz.rfid_decoders import (
    rfid_ascii,
    rfid_keyboard,
    rfid_pcsc,
    rfid_pn532,
    rfid_rdm6300,
    rfid_twn4,
    tag_register,
)

TABLES: tuple[Table, ...] = ("holding", "input", "coil", "discrete")
TYPES = ("u16", "s16", "u32", "s32", "u64", "s64", "float32", "float64", "bool", "string", "bytes")


def rtu_answer(data: bytes) -> None:
    """Bytes of a serial line, in pieces, while one request waits for its answer."""
    request, rest = _request(data)
    search = Search(request, echoes=bool(data[:1] < b"\x20"))
    for piece in pieces(rest):
        found = search.feed(piece)
        if found is not None:
            frame = bytes([request.unit]) + found
            assert frame + _checksum(frame) in rest
            _values(request, found)
            return


def tcp_answer(data: bytes) -> None:
    """Bytes of a connection, in pieces, while one request waits for its answer."""
    loop().run_until_complete(_tcp_answer(data))


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


def ascii_answer(data: bytes) -> None:
    """As `rtu_answer`, in Modbus ASCII."""
    request, rest = _request(data)
    search = TextSearch(request, echoes=bool(data[:1] < b"\x20"))
    for piece in pieces(rest):
        found = search.feed(piece)
        if found is not None:
            frame = bytes([request.unit]) + found
            assert b":" + bytes([*frame, -sum(frame) % 256]).hex().upper().encode() + b"\r\n" in rest
            _values(request, found)
            return


def device_reading(data: bytes) -> None:
    """What the registers of a charger, a meter or an SECC hold: a reading within what its profile believes."""
    profiles = [profile for profile in _profiles().values() if profile.kind != "reader"]
    profile = profiles[int.from_bytes(data[:2], "big") % len(profiles)]
    image, rest = {}, data[2:]
    names = (*meter_registers(profile, "fast"), *evse_registers(profile, "fast"))
    for name in dict.fromkeys(names):
        point = codec.point(profile, name)
        words, rest = rest[: 2 * point.width].ljust(2 * point.width, b"\0"), rest[2 * point.width :]
        image[name] = Sample(point, struct.unpack(f">{point.width}H", words), 0.0, 0)
    if profile.kind == "meter":
        meter_reading(profile, MeterSetup("M", 1, 1.0, False, 1.0), image)
        return
    reading = evse_reading(profile, image)
    assert reading.state is None or reading.state in EvState
    assert reading.tag is None or len(reading.tag) in UID_DIGITS
    if profile.supply is not None:
        _demand(profile, profile.supply, image)


def _demand(profile: DeviceProfile, supply: Supply, image: Image) -> None:
    """Targets that no register range allows are none."""
    demand = demand_of(supply, image)
    assert demand is not None
    for name, found in zip(TARGETS_OF_SECC, (demand.target_mv, demand.target_ma), strict=True):
        register = profile.registers[name]
        if found is not None and register.low is not None and register.high is not None:
            assert 1000 * register.low <= found <= 1000 * register.high


@functools.cache
def _profiles() -> Mapping[str, DeviceProfile]:
    return catalogue(builtin_folder())


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(rtu_answer, ascii_answer, tcp_answer, modbus_pdu, register_value, device_reading),
        *(rfid_ascii, rfid_rdm6300, rfid_keyboard, rfid_pn532, rfid_twn4, rfid_pcsc, tag_register),
        *(slcan_text, socketcand_text, can_error_frame, power_module_frame),
    )
}


def _request(data: bytes) -> tuple[pdu.Request, bytes]:
    """The first bytes choose what was asked."""
    head, rest = data[:4].ljust(4, b"\0"), data[4:]
    unit, address = 1 + head[1] % 3, head[3]
    if head[0] & 8:
        return pdu.write(unit, (5, 6, 16)[head[0] % 3], address=address, words=(head[2],)), rest
    table = TABLES[head[0] % 4]
    return pdu.read(unit, table, address=address, count=1 + head[2] % 125), rest


def _values(request: pdu.Request, answer: bytes) -> None:
    try:
        found = pdu.values(request, answer)
    except DeviceError:
        return
    assert len(found) == (request.count if request.is_read else 0)
    assert answer[0] == request.function


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


async def _tcp_answer(data: bytes) -> None:
    request, rest = _request(data)
    outcomes: list[Answer | DeviceError] = []
    connection = Connection("fuzz", lambda: None)
    connection.connection_made(_Wire())
    connection.begin(request, 1.0, outcomes.append)
    for piece in pieces(rest):
        if not connection.lost:
            connection.data_received(piece)
    connection.connection_lost(None)
    assert len(outcomes) == 1
    if isinstance(outcomes[0], Answer):
        assert len(outcomes[0].values) == (request.count if request.is_read else 0)
        assert struct.pack(">HH", 1, 0) in rest
