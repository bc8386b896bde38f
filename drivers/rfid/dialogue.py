"""What the models of serial readers have in common: a dialogue over an open port."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.api import Feedback
from drivers.rfid.port import Port


@dataclass(frozen=True, slots=True)
class Ears:
    """Who wants to know. Both return at once."""

    ready: Callable[[str], None]
    """The reader works; the text says how one knows."""
    heard: Callable[[str], None]
    """A card lies on the reader: told again and again while it does."""


class Dialogue(Protocol):
    async def converse(self, port: Port, ears: Ears) -> None:
        """Until the reader or the port fails.

        Raises:
            DeviceError: the port is gone, or the reader does not answer.
        """

    async def show(self, feedback: Feedback) -> None:
        """Light or sound, where the reader has one; otherwise nothing.

        Raises:
            DeviceError: the reader is not there, or refuses.
        """
