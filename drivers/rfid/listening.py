"""Readers that only send: what comes from the line becomes UIDs."""

from collections.abc import Callable

from drivers.api import Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.port import QUIET_S, Port

LOOK_S = 0.1
STALE_LOOKS = 10
"""A frame takes some 20 ms: a rest older than these lost its end and must not become the head of another."""
QUICK_LOOKS = 100
"""After so many in vain, fewer looks do."""
IDLE_S = 1.0
SPOILT = b"?"
"""Before the tail of a line whose head nobody read: no UID has it. A frame with a start of its own is not hurt."""

Split = Callable[[bytes], tuple[tuple[str, ...], bytes]]


class Listening:
    """A `Dialogue` in which only the reader speaks. Between two bytes of a line is less than `quiet_s`."""

    def __init__(self, split: Split, *, quiet_s: float = QUIET_S) -> None:
        self._split = split
        self._quiet_s = quiet_s

    async def converse(self, port: Port, ears: Ears) -> None:
        rest = b"" if await port.drain(self._quiet_s) else SPOILT
        ears.ready(f"{port.name} is open")
        in_vain = 0
        while True:
            data = await port.read(LOOK_S if in_vain < QUICK_LOOKS else IDLE_S)
            if not data:
                in_vain += 1
                rest = rest if in_vain < STALE_LOOKS else b""
                ears.nothing()
                continue
            in_vain = 0
            uids, rest = self._split(rest + data)
            for uid in uids:
                ears.heard(uid)

    async def show(self, feedback: Feedback) -> None:
        """These readers have neither light nor sound to command."""
