"""Modbus application layer of a slave: a request's bytes to the answer's bytes."""

import struct
from collections.abc import Sequence
from typing import Protocol

from sim.registers import ILLEGAL_FUNCTION, ILLEGAL_VALUE, RefusedError

TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
MOST_WORDS = 125


class Slave(Protocol):
    """What answers under one unit id."""

    @property
    def unit(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the scenario that this unit stands for."""

    @property
    def spacing_s(self) -> float:
        """Pause that it needs between two requests."""

    @property
    def answers(self) -> bool: ...

    def heard(self) -> None: ...

    def read(self, table: str, address: int, count: int) -> list[int]: ...

    def write(self, function: int, address: int, words: Sequence[int]) -> None: ...


def answer(slave: Slave, request: bytes) -> bytes:
    """The answer to one request, an exception where the slave refuses it."""
    slave.heard()
    try:
        return _serve(slave, request)
    except RefusedError as refusal:
        return exception(request, refusal.code)


def exception(request: bytes, code: int) -> bytes:
    return bytes([request[0] | 0x80, code])


def _serve(slave: Slave, request: bytes) -> bytes:
    function = request[0]
    if len(request) < 5:
        raise RefusedError(ILLEGAL_VALUE)
    if function in TABLES:
        return _read(slave, request)
    if function in (5, 6):
        return _write_one(slave, request)
    if function in (15, 16):
        return _write_many(slave, request)
    raise RefusedError(ILLEGAL_FUNCTION)


def _read(slave: Slave, request: bytes) -> bytes:
    function, address, count = struct.unpack(">BHH", request[:5])
    if not 1 <= count <= (MOST_WORDS if function > 2 else 2000):
        raise RefusedError(ILLEGAL_VALUE)
    values = slave.read(TABLES[function], address, count)
    if function > 2:
        data = struct.pack(f">{count}H", *values)
    else:
        bits = sum(bit << place for place, bit in enumerate(values))
        data = bits.to_bytes((count + 7) // 8, "little")
    return bytes([function, len(data)]) + data


def _write_one(slave: Slave, request: bytes) -> bytes:
    function, address, value = struct.unpack(">BHH", request[:5])
    if function == 6:
        slave.write(6, address, [value])
    elif value in (0, 0xFF00):
        slave.write(5, address, [1 if value else 0])
    else:
        raise RefusedError(ILLEGAL_VALUE)
    return request


def _write_many(slave: Slave, request: bytes) -> bytes:
    function, address, count = struct.unpack(">BHH", request[:5])
    data = request[6:]
    size = 2 * count if function == 16 else (count + 7) // 8
    if not 1 <= count <= 123 or len(data) != size or request[5] != size:
        raise RefusedError(ILLEGAL_VALUE)
    if function == 16:
        slave.write(16, address, struct.unpack(f">{count}H", data))
    else:
        bits = int.from_bytes(data, "little")
        slave.write(15, address, [bits >> place & 1 for place in range(count)])
    return request[:5]


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first as on the wire."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def rtu_length(buffer: Sequence[int]) -> int | None:
    """Bytes of the RTU request that begins there; None while that cannot be told."""
    if len(buffer) < 2:
        return None
    if buffer[1] in (15, 16):
        return 9 + buffer[6] if len(buffer) > 6 else None
    return 8
