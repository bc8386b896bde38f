"""What the models of readers have in common: they tell what they see, and may show something."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.api import Feedback
from drivers.rfid.port import Port


@dataclass(frozen=True, slots=True)
class Ears:
    """Who wants to know. All return at once."""

    ready: Callable[[str], None]
    """The reader works; the text says how one knows. May be told again and again."""
    heard: Callable[[str], None]
    """A card lies on the reader: told again and again while it does."""
    nothing: Callable[[], None]
    """A look found no card: told again and again. Where nobody looked, it is not told."""


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
