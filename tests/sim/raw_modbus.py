"""Modbus masters of a few lines, written from the protocol's text alone: no code of the simulator is used."""

import os
import select
import socket
import struct
import time


def crc16(data: bytes) -> bytes:
    """Bit by bit, as in the serial line guide; checked against published frames in the tests."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            carry = register & 1
            register >>= 1
            if carry:
                register ^= 0xA001
    return struct.pack("<H", register)


def read_request(function: int, address: int, count: int) -> bytes:
    return struct.pack(">BHH", function, address, count)


def write_single(address: int, value: int) -> bytes:
    return struct.pack(">BHH", 6, address, value)


def write_many(address: int, *values: int) -> bytes:
    return struct.pack(f">BHHB{len(values)}H", 16, address, len(values), 2 * len(values), *values)


class Tcp:
    """One connection. `ask` returns the answer's PDU."""

    def __init__(self, port: int, unit: int, timeout_s: float = 3.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._unit = unit
        self._transaction = 0

    def __enter__(self) -> "Tcp":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, pdu: bytes) -> None:
        self._transaction += 1
        self._socket.sendall(struct.pack(">HHHB", self._transaction, 0, len(pdu) + 1, self._unit) + pdu)

    def receive(self) -> tuple[int, int, bytes]:
        """Transaction, protocol id, PDU."""
        transaction, protocol, length, _ = struct.unpack(">HHHB", self._exactly(7))
        return transaction, protocol, self._exactly(length - 1)

    def ask(self, pdu: bytes) -> bytes:
        self.send(pdu)
        transaction, protocol, answer = self.receive()
        assert (transaction, protocol) == (self._transaction, 0)
        return answer

    def registers(self, function: int, address: int, count: int) -> tuple[int, ...]:
        answer = self.ask(read_request(function, address, count))
        assert answer[0] == function, answer.hex()
        return struct.unpack(f">{count}H", answer[2:])

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(count - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data


class Rtu:
    """A serial line. `raw` returns whatever comes until the line is quiet."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def __enter__(self) -> "Rtu":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    @property
    def fd(self) -> int:
        return self._fd

    def raw(self, frame: bytes, *, wait_s: float = 1.0, quiet_s: float = 0.15) -> bytes:
        if frame:
            os.write(self._fd, frame)
        data = b""
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self._fd], [], [], left if not data else min(left, quiet_s))
            if not ready:
                break
            data += os.read(self._fd, 512)
        return data

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """The answer's PDU, checked; empty when nothing came."""
        frame = bytes([unit]) + pdu
        answer = self.raw(frame + crc16(frame))
        if not answer:
            return b""
        assert answer[-2:] == crc16(answer[:-2]), answer.hex()
        assert answer[0] == unit
        return answer[1:-2]
