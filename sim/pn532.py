"""A PN532 at its high-speed UART, as a host at the other end of the line sees it.

Written from the frames of the user manual; it is strict where the chip is: deaf until woken, and without
SAMConfiguration no search.
"""

import time
from collections.abc import Callable

ACK = bytes([0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00])
ERROR = bytes([0x00, 0x00, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0x00])
FIRMWARE = bytes([0x32, 0x01, 0x06, 0x07])
ATQA = {4: b"\x00\x04", 7: b"\x00\x44", 10: b"\x00\x84"}
WITH_PROTOCOL = 0x20
"""The bit of SEL_RES that says: ISO 14443-4, and so an ATS follows."""
NO_SUCH_FRAME = 0


def answer_frame(data: bytes) -> bytes:
    """The frame in which the chip sends an answer."""
    body = b"\xd5" + data
    total = sum(body)
    return b"\x00\x00\xff" + bytes([len(body), 256 - len(body)]) + body + bytes([(256 - total % 256) % 256, 0])


class SimPn532:
    """`send` puts bytes on the line. The flags below are faults that a test switches on."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._heard = bytearray()
        self._awake = False
        self._configured = False
        self._searching = False
        self._last = b""
        self._card: bytes | None = None
        self.ats = b""
        """With it the card speaks ISO 14443-4."""
        self.deaf = False
        self.damage_next = 0
        """So many answers leave with a wrong checksum."""
        self.refuse_next = 0
        """So many commands are answered with the error frame."""
        self.busy_s = 0.0
        """After each command the whole process does nothing for so long, as on a busy machine."""
        self.searches = True
        """Without, it refuses each search."""
        self.commands: list[int] = []
        self.aborts = 0

    def power_cycle(self) -> None:
        self._awake = self._configured = self._searching = False
        self._heard.clear()

    def present(self, uid: bytes) -> None:
        self._card = uid
        if self._searching:
            self._found()

    def remove(self, card: bytes | None = None) -> None:
        """Take this card away, where it still lies there; None: any."""
        if card is None or card == self._card:
            self._card = None

    def receive(self, data: bytes) -> None:
        if self.deaf:
            return
        self._heard += data
        if not self._awake:
            wake = self._heard.find(b"\x55\x55")
            if wake < 0:
                del self._heard[:-1]
                return
            self._awake = True
            del self._heard[: wake + 2]
        while self._take():
            pass

    def _take(self) -> bool:
        """Handle what begins first; False: it is not complete, or nothing begins."""
        start = self._heard.find(b"\x00\xff")
        if start < 0 or len(self._heard) < start + 4:
            return False
        size, check = self._heard[start + 2], self._heard[start + 3]
        if (size, check) == (0x00, 0xFF):
            self._searching = False
            self.aborts += 1
            del self._heard[: start + 4]
        elif (size, check) == (0xFF, 0x00):
            self._resend()
            del self._heard[: start + 4]
        elif (size + check) % 256 or size == NO_SUCH_FRAME:
            del self._heard[: start + 1]
        else:
            return self._take_command(start + 4, size)
        return True

    def _take_command(self, begin: int, size: int) -> bool:
        if len(self._heard) < begin + size + 1:
            return False
        body = bytes(self._heard[begin : begin + size])
        check = self._heard[begin + size]
        del self._heard[: begin + size + 1]
        if body[0] == 0xD4 and size > 1 and (sum(body) + check) % 256 == 0:
            self._obey(body[1], body[2:])
            time.sleep(self.busy_s)
        return True

    def _obey(self, code: int, parameters: bytes) -> None:
        self._searching = False
        self.commands.append(code)
        self._send(ACK)
        if self.refuse_next:
            self.refuse_next -= 1
            self._send(ERROR)
        elif code == 0x02:
            self._answer(b"\x03" + FIRMWARE)
        elif code == 0x14 and parameters[:1] == b"\x01":
            self._configured = True
            self._answer(b"\x15")
        elif code == 0x4A and parameters == b"\x01\x00" and self._configured and self.searches:
            self._searching = True
            if self._card is not None:
                self._found()
        elif code == 0x52:
            self._answer(b"\x53\x00")
        else:
            self._send(ERROR)

    def _found(self) -> None:
        self._searching = False
        uid = self._card or b""
        sel_res = 0x08 | (WITH_PROTOCOL if self.ats else 0)
        self._answer(b"\x4b\x01\x01" + ATQA[len(uid)] + bytes([sel_res, len(uid)]) + uid + self.ats)

    def _answer(self, data: bytes) -> None:
        self._last = answer_frame(data)
        self._resend()

    def _resend(self) -> None:
        sent = bytearray(self._last)
        if self.damage_next:
            self.damage_next -= 1
            sent[-2] ^= 0x40
        self._send(bytes(sent))
