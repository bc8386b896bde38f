"""Slaves that answer late, twist, cut, repeat and echo, and that know the one right answer to each request.

A slave works on one request after another, as real ones do: a late answer comes before that to any newer request.
Damage is what a checksum is sure to find (up to three bits, a burst of up to sixteen, missing bytes). Every request
gets words of its own, so that an answer to an older, equal request counts as wrong.
"""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

UNITS = (1, 2, 3, 17)
EXCEPTIONS = (1, 2, 3, 4, 5, 6)
Identity = tuple[int, bytes]
"""Unit and the first five bytes of a request's PDU: all that its answer can be told by, and the address."""


def checksum(data: bytes) -> bytes:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def sealed(body: bytes) -> bytes:
    return body + checksum(body)


def opened(wire: bytes) -> bytes:
    return wire[:-2]


def text_sealed(body: bytes) -> bytes:
    """Modbus ASCII."""
    return b":" + bytes([*body, -sum(body) % 256]).hex().upper().encode() + b"\r\n"


def text_opened(wire: bytes) -> bytes:
    return bytes.fromhex(wire[1:-2].decode())[:-1]


@dataclass
class Truth:
    """By identity the PDU that answers the newest such request; None where none is right."""

    answers: dict[Identity, bytes | None] = field(default_factory=dict)
    requests: int = 0

    def right(self, unit: int, pdu: bytes, values: tuple[int, ...]) -> bool:
        """Whether these values may be believed as the answer to the newest request of this kind."""
        answer = self.answers.get((unit, pdu[:5]))
        if answer is None or answer[0] & 0x80:
            return False
        if answer[0] in (3, 4):
            return values == struct.unpack(f">{answer[1] // 2}H", answer[2:])
        return values == ()


class Slaves:
    """The units' side: which PDU answers, and when each of them is free again."""

    def __init__(self, rng: Random, *, fault_rate: float) -> None:
        self.rng = rng
        self.truth = Truth()
        self._fault_rate = fault_rate
        self._busy_until_s: dict[int, float] = {}

    def faulty(self, rate: float) -> bool:
        return self.rng.random() < rate * self._fault_rate

    def hear(self, unit: int, pdu: bytes) -> tuple[bytes, float] | None:
        """PDU and moment of the answer, or None for silence."""
        self.truth.requests += 1
        identity = (unit, pdu[:5])
        self.truth.answers[identity] = None
        now_s = asyncio.get_running_loop().time()
        free_s = max(now_s, self._busy_until_s.get(unit, 0.0))
        busy = free_s > now_s
        if unit not in UNITS or self.faulty(0.08) or (busy and self.rng.random() < 0.5):
            return None
        late_s = self.rng.uniform(0.02, 1.5) if self.faulty(0.12) else 0.0
        answer = self._answer(pdu)
        self.truth.answers[identity] = answer
        at_s = free_s + self.rng.uniform(0.001, 0.008) + late_s
        self._busy_until_s[unit] = at_s
        return answer, at_s

    def speaks(self, unit: int, until_s: float) -> None:
        """Its answer takes time: nothing else comes from it before."""
        self._busy_until_s[unit] = max(until_s, self._busy_until_s.get(unit, 0.0))

    def _answer(self, pdu: bytes) -> bytes:
        function, _, count = struct.unpack(">BHH", pdu[:5])
        if self.faulty(0.04):
            return bytes([function | 0x80, self.rng.choice(EXCEPTIONS)])
        if function in (3, 4):
            return bytes([function, 2 * count]) + self.rng.randbytes(2 * count)
        return pdu[:5]


class Noise:
    """What a line makes of a good frame."""

    def __init__(self, slaves: Slaves, *, text: bool) -> None:
        self._slaves, self._rng, self._text = slaves, slaves.rng, text
        self._sealed = text_sealed if text else sealed

    def of(self, good: bytes, request: bytes) -> bytes:
        if self._slaves.faulty(0.1):
            return self._damaged(good)
        if self._slaves.faulty(0.1):
            asked = text_opened(request) if self._text else request
            return self._foreign(asked) + (good if self._rng.random() < 0.5 else b"")
        if self._slaves.faulty(0.06):
            return good + self._rng.choice((good, self._rng.randbytes(5), good[:4]))
        if self._slaves.faulty(0.06):
            return self._rng.choice((good[:3], self._rng.randbytes(3), request[:2], b"\0")) + good
        return good

    def of_echo(self, request: bytes) -> bytes:
        """An adapter hears itself once."""
        if self._slaves.faulty(0.03):
            return self._damaged(request)
        return self._rng.randbytes(2) + request if self._slaves.faulty(0.03) else request

    def _damaged(self, good: bytes) -> bytes:
        rng = self._rng
        kind = rng.randrange(4)
        if kind == 0:
            return good[: rng.randrange(len(good))]
        if kind == 1:
            place = rng.randrange(len(good))
            return good[:place] + good[place + 1 :]
        if self._text:
            return self._retyped(good)
        number = int.from_bytes(good, "big")
        bits = 8 * len(good)
        if kind == 2:
            for bit in rng.sample(range(bits), rng.randint(1, 3)):
                number ^= 1 << bit
        else:
            number ^= rng.randint(1, 0xFFFF) << rng.randrange(bits - 16)
        return number.to_bytes(len(good), "big")

    def _retyped(self, good: bytes) -> bytes:
        """One byte of the frame is another: an LRC finds no more than that for sure."""
        rng = self._rng
        place = 1 + 2 * rng.randrange((len(good) - 3) // 2)
        digits = rng.choice(
            (b"%02X" % rng.randrange(256), rng.randbytes(2), b":0", b"\r\n", good[place:][:1] + b"x")
        )
        return good[:place] + digits + good[place + 2 :]

    def _foreign(self, request: bytes) -> bytes:
        """The answer of a unit that is not ours, or another master's question to this unit with its answer."""
        unit, function, _, count = struct.unpack(">BBHH", request[:6])
        if function not in (3, 4) or self._rng.random() < 0.3:
            function, count = self._rng.choice((3, 4)), self._rng.randint(1, 4)
        answer = bytes([function, 2 * count]) + self._rng.randbytes(2 * count)
        if self._rng.random() < 0.5:
            return self._sealed(bytes([unit + 100]) + answer)
        question = struct.pack(">BBHH", unit, function, self._rng.randrange(60000), count)
        return self._sealed(question) + self._sealed(bytes([unit]) + answer)


class MemoryPort:
    """The serial port of a line without any hardware."""

    def __init__(self, slaves: Slaves, *, char_s: float, echoes: bool, text: bool = False) -> None:
        self._slaves, self._noise = slaves, Noise(slaves, text=text)
        self._sealed, self._opened = (text_sealed, text_opened) if text else (sealed, opened)
        self._char_s, self._echoes = char_s, echoes
        self._arrived = b""
        self._line_free_s = 0.0
        self._told: Callable[[], None] | None = None

    def watch(self, readable: Callable[[], None]) -> None:
        self._told = readable

    def read(self) -> bytes:
        data, self._arrived = self._arrived, b""
        return data

    def write(self, data: bytes) -> int:
        ends_s = asyncio.get_running_loop().time() + len(data) * self._char_s
        if self._echoes:
            self._deliver(self._noise.of_echo(data), ends_s)
        asked = self._opened(data)
        heard = self._slaves.hear(asked[0], asked[1:])
        if heard is not None:
            answer, at_s = heard
            wire = self._noise.of(self._sealed(asked[:1] + answer), data)
            begin_s = max(at_s, ends_s) + self._char_s
            self._slaves.speaks(asked[0], begin_s + (len(wire) + 1) * self._char_s)
            self._deliver(wire, begin_s)
        return len(data)

    def close(self) -> None:
        self._told = None

    def _deliver(self, data: bytes, at_s: float) -> None:
        asyncio.get_running_loop().call_at(at_s, self._speak, data)

    def _speak(self, data: bytes) -> None:
        """One after the other: collisions would only be more damage. In pieces there is no silence within."""
        loop, rng = asyncio.get_running_loop(), self._slaves.rng
        at_s = max(loop.time(), self._line_free_s)
        self._line_free_s = at_s + len(data) * self._char_s
        split = rng.random() < 0.3
        while data:
            size = rng.randint(1, 3) if split else len(data)
            part, data = data[:size], data[size:]
            loop.call_at(at_s, self._arrive, part)
            at_s += size * self._char_s

    def _arrive(self, part: bytes) -> None:
        if self._told is not None:
            self._arrived += part
            self._told()


class MemoryTransport(asyncio.Transport):
    """A connection to a gateway that mixes up everything but the transaction ids of its good answers."""

    def __init__(self, slaves: Slaves, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._slaves, self._protocol = slaves, protocol
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        frame = bytes(data)
        transaction, _, _, unit = struct.unpack(">HHHB", frame[:7])
        heard = self._slaves.hear(unit, frame[7:])
        if heard is None:
            return
        answer, at_s = heard
        stream = self._twisted(transaction, unit, answer)
        loop, rng = asyncio.get_running_loop(), self._slaves.rng
        while stream:
            size = len(stream) if rng.random() < 0.8 else rng.randint(1, len(stream))
            loop.call_at(at_s, self._arrive, stream[:size])
            stream, at_s = stream[size:], at_s + 1e-7
        if self._slaves.faulty(0.01):
            loop.call_at(at_s, self._hang_up)

    def abort(self) -> None:
        self._open = False

    def _twisted(self, transaction: int, unit: int, answer: bytes) -> bytes:
        rng, faulty = self._slaves.rng, self._slaves.faulty
        good = _wrapped(transaction, unit, answer)
        wrong = bytes([answer[0], len(answer) - 2]) + rng.randbytes(len(answer) - 2)
        if faulty(0.05):
            return _wrapped((transaction - rng.randint(100, 30000)) & 0xFFFF, unit, wrong) + good
        if faulty(0.05):
            return _wrapped(transaction, unit ^ 0x40, wrong) + good
        if faulty(0.05):
            return good + good
        if faulty(0.04):
            return _wrapped(transaction, unit, answer + b"\0\0")
        if faulty(0.02):
            return rng.randbytes(3) + b"\xff\xff" + good
        return good

    def _arrive(self, part: bytes) -> None:
        if self._open:
            self._protocol.data_received(part)

    def _hang_up(self) -> None:
        if self._open:
            self._open = False
            self._protocol.connection_lost(None)


def _wrapped(transaction: int, unit: int, answer: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer
