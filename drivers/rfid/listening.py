"""Readers that only send: what comes from the line becomes UIDs."""

from collections.abc import Callable

from drivers.api import Feedback
from drivers.rfid.dialogue import Ears
from drivers.rfid.port import Port

STALE_S = 1.0
"""A frame takes some 20 ms: a rest older than this lost its end and must not become the head of another."""

Split = Callable[[bytes], tuple[tuple[str, ...], bytes]]


class Listening:
    """A `Dialogue` in which only the reader speaks."""

    def __init__(self, split: Split) -> None:
        self._split = split

    async def converse(self, port: Port, ears: Ears) -> None:
        ears.ready(f"{port.name} is open")
        rest = b""
        while True:
            data = await port.read(STALE_S)
            uids, rest = self._split(rest + data) if data else ((), b"")
            for uid in uids:
                ears.heard(uid)

    async def show(self, feedback: Feedback) -> None:
        """These readers have neither light nor sound to command."""
