"""The seam between the owner of a bus and whatever carries its frames."""

from typing import Protocol

from drivers.can.frame import Frame
from drivers.can.trouble import Trouble

REST_S = 0.004
"""After a read a link waits so long before the next: waking up costs more than the frames of that time do."""


class Ear(Protocol):
    """Whom a link tells. Called in the event loop."""

    def heard(self, frame: Frame) -> None: ...

    def troubled(self, trouble: Trouble) -> None: ...

    def garbled(self, text: str) -> None:
        """Something came that is no frame; the link goes on."""

    def lost(self, text: str) -> None:
        """The link is of no use any more; nothing comes after this."""


class Link(Protocol):
    """An open way to a bus. No method blocks."""

    def send(self, frame: Frame) -> bool:
        """False: it cannot take a frame now.

        Raises:
            OSError: the link is gone.
        """

    def close(self) -> None:
        """May be called twice."""
