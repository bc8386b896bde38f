"""What the scheduler asks of a wire: one request, its one answer, or an error."""

from dataclasses import dataclass
from typing import Protocol

from drivers.modbus.pdu import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """Registers or bits of the answer (none for a write) and when its last byte came, monotonic."""

    values: tuple[int, ...]
    t_s: float


class Link(Protocol):
    """Not to be used by two tasks at once."""

    @property
    def is_open(self) -> bool: ...

    @property
    def ambiguous(self) -> bool:
        """Whether a late answer may look like the answer to a newer request (RTU has no transaction id)."""

    @property
    def fresh(self) -> bool:
        """Whether it is not known yet if this line echoes: the echo of a write by function 5 or 6 is its answer."""

    async def open(self) -> None:
        """Open port or connection.

        Raises:
            DeviceError: CLOSED, it cannot be opened.
        """

    def close(self) -> None:
        """Close at once; harmless when closed."""

    async def exchange(self, request: Request, timeout_s: float) -> Answer:
        """Send and wait for the matching answer, `timeout_s` counted from the end of the request.

        Raises:
            DeviceError: TIMEOUT, REFUSED, DATA or CLOSED.
        """
