"""A stand-in for pyscard's module `smartcard.scard` with a pcscd behind it, at the boundary of that library.

The constants are those of pcsclite; functions return what pyscard returns: a code, and lists of numbers.
"""

import threading
import time
from types import ModuleType, SimpleNamespace
from typing import Any

CONSTANTS = {
    "SCARD_S_SUCCESS": 0,
    "SCARD_E_TIMEOUT": 0x8010000A - (1 << 32),
    "SCARD_E_UNKNOWN_READER": 0x80100009 - (1 << 32),
    "SCARD_E_SHARING_VIOLATION": 0x8010000B - (1 << 32),
    "SCARD_E_NO_SMARTCARD": 0x8010000C - (1 << 32),
    "SCARD_E_PROTO_MISMATCH": 0x8010000F - (1 << 32),
    "SCARD_E_NOT_TRANSACTED": 0x80100016 - (1 << 32),
    "SCARD_E_NO_SERVICE": 0x8010001D - (1 << 32),
    "SCARD_E_NO_READERS_AVAILABLE": 0x8010002E - (1 << 32),
    "SCARD_W_UNSUPPORTED_CARD": 0x80100065 - (1 << 32),
    "SCARD_W_UNRESPONSIVE_CARD": 0x80100066 - (1 << 32),
    "SCARD_W_UNPOWERED_CARD": 0x80100067 - (1 << 32),
    "SCARD_W_RESET_CARD": 0x80100068 - (1 << 32),
    "SCARD_W_REMOVED_CARD": 0x80100069 - (1 << 32),
    "SCARD_SCOPE_SYSTEM": 2,
    "SCARD_SHARE_SHARED": 2,
    "SCARD_SHARE_DIRECT": 3,
    "SCARD_PROTOCOL_T0": 1,
    "SCARD_PROTOCOL_T1": 2,
    "SCARD_LEAVE_CARD": 0,
    "SCARD_STATE_UNAWARE": 0,
    "SCARD_STATE_UNKNOWN": 0x4,
    "SCARD_STATE_UNAVAILABLE": 0x8,
    "SCARD_STATE_EMPTY": 0x10,
    "SCARD_STATE_PRESENT": 0x20,
    "SCARD_STATE_MUTE": 0x200,
}
C: Any = SimpleNamespace(**CONSTANTS)


class Pcscd:
    """What is plugged, what lies on it, and what was asked of it."""

    def __init__(self) -> None:
        self.runs = True
        self.readers: list[str] = ["ACS ACR122U PICC Interface 00 00"]
        self.card: bytes | None = None
        self.status = b"\x90\x00"
        self.mute = False
        self.removed_while_asked = False
        self.escape = False
        self.contexts = 0
        self.opened = 0
        self.asked: list[bytes] = []
        self.escaped: list[bytes] = []
        self.answers = threading.Event()
        self.answers.set()
        """Cleared: no call for the state of a reader returns."""
        self.blinks_s = 0.0
        """How long the reader takes to show something."""
        self.lists_after_s = 0.0
        """How long the service takes to name its readers."""

    def module(self) -> ModuleType:
        made = ModuleType("smartcard.scard")
        made.__dict__.update(
            CONSTANTS,
            SCardEstablishContext=self.establish,
            SCardReleaseContext=self.release,
            SCardListReaders=self.list_readers,
            SCardGetStatusChange=self.status_change,
            SCardConnect=self.connect,
            SCardTransmit=self.transmit,
            SCardControl=self.control,
            SCardDisconnect=self.disconnect,
            SCardGetErrorMessage=lambda code: f"error {code & 0xFFFFFFFF:08X}",
            SCARD_CTL_CODE=lambda code: 0x42000000 + code,
        )
        return made

    def establish(self, scope: int) -> tuple[int, int]:
        if not self.runs:
            return C.SCARD_E_NO_SERVICE, 0
        self.contexts += 1
        self.opened += 1
        return 0, 77

    def release(self, context: int) -> int:
        self.contexts -= 1
        return 0

    def list_readers(self, context: int, groups: list[str]) -> tuple[int, list[str]]:
        time.sleep(self.lists_after_s)
        if not self.runs:
            return C.SCARD_E_NO_SERVICE, []
        return (0, list(self.readers)) if self.readers else (C.SCARD_E_NO_READERS_AVAILABLE, [])

    def status_change(self, context: int, wait_ms: int, states: list[tuple[str, int]]) -> tuple[int, list[Any]]:
        self.answers.wait(20)
        [(name, _)] = states
        if not self.runs:
            return C.SCARD_E_NO_SERVICE, []
        if name not in self.readers:
            return 0, [(name, C.SCARD_STATE_UNKNOWN | 2, [])]
        there = C.SCARD_STATE_PRESENT if self.card is not None else C.SCARD_STATE_EMPTY
        return 0, [(name, there | (C.SCARD_STATE_MUTE if self.mute else 0) | 0x30002, [])]

    def connect(self, context: int, name: str, share: int, protocols: int) -> tuple[int, int, int]:
        if name not in self.readers:
            return C.SCARD_E_UNKNOWN_READER, 0, 0
        if share == C.SCARD_SHARE_SHARED and self.card is None:
            return C.SCARD_E_NO_SMARTCARD, 0, 0
        return 0, 9, C.SCARD_PROTOCOL_T1

    def transmit(self, card: int, protocol: int, order: list[int]) -> tuple[int, list[int]]:
        assert all(0 <= byte <= 255 for byte in order)
        if self.removed_while_asked or self.card is None:
            return C.SCARD_W_REMOVED_CARD, []
        self.asked.append(bytes(order))
        if order == [0xFF, 0xCA, 0, 0, 0]:
            return 0, [*self.card, *self.status]
        time.sleep(self.blinks_s)
        return 0, [0x90, 0x01]

    def control(self, card: int, code: int, order: list[int]) -> tuple[int, list[int]]:
        assert code == 0x42000001
        if not self.escape:
            return C.SCARD_E_NOT_TRANSACTED, []
        self.escaped.append(bytes(order))
        return 0, [0x90, 0x01]

    def disconnect(self, card: int, disposition: int) -> int:
        assert disposition == C.SCARD_LEAVE_CARD
        return 0
