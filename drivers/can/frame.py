"""What travels on a CAN bus, and how a bus is reached."""

from dataclasses import dataclass
from typing import NamedTuple

EXTENDED_MASK = 0x1FFFFFFF
STANDARD_MASK = 0x7FF
LONGEST = 8


class Frame(NamedTuple):
    """A data frame of classic CAN. Remote frames and CAN FD are not used by any device that we know."""

    id: int
    data: bytes
    extended: bool = True

    @property
    def possible(self) -> bool:
        """Whether a CAN controller could send it."""
        return 0 <= self.id <= (EXTENDED_MASK if self.extended else STANDARD_MASK) and len(self.data) <= LONGEST

    @property
    def most_bits(self) -> int:
        """Bits on the wire with the worst stuffing and the pause to the next frame."""
        stuffed = (54 if self.extended else 34) + 8 * len(self.data)
        return stuffed + (stuffed - 1) // 4 + 13


@dataclass(frozen=True, slots=True)
class IdFilter:
    """Extended identifiers that equal `id` in all bits of `mask`."""

    id: int
    mask: int

    def takes(self, can_id: int) -> bool:
        return (can_id ^ self.id) & self.mask == 0


@dataclass(frozen=True, slots=True)
class SocketCan:
    """An interface of the kernel (`can0`), whose bit rate and restart time the system sets. For production."""

    channel: str
    bitrate: int


@dataclass(frozen=True, slots=True)
class Slcan:
    """An adapter that speaks the Lawicel ASCII protocol at a serial port."""

    port: str
    bitrate: int
    baud: int = 115200


@dataclass(frozen=True, slots=True)
class Socketcand:
    """A CAN interface of another machine, served by socketcand over TCP."""

    host: str
    port: int
    channel: str
    bitrate: int


CanLine = SocketCan | Slcan | Socketcand
