"""What the scheduler asks of a wire: one request, its one answer, or an error."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from drivers.api import DeviceError
from drivers.modbus.pdu import Request


class Answer(NamedTuple):
    """Registers or bits of the answer (none for a write) and when its last byte came, monotonic, or earlier.

    `turnaround_s`: from the end of the request to the first byte of the answer.
    """

    values: tuple[int, ...]
    t_s: float
    turnaround_s: float = 0.0


Done = Callable[[Answer | DeviceError], None]
"""Called once for each request that was begun and not withdrawn; errors are TIMEOUT, REFUSED, DATA or CLOSED."""


class Link(Protocol):
    """Callbacks instead of coroutines: between an answer and the next request lies no turn of the event loop."""

    @property
    def most(self) -> int:
        """Requests that may be under way at once."""

    @property
    def is_open(self) -> bool: ...

    @property
    def ambiguous(self) -> bool:
        """Whether a late answer may look like the answer to a newer request (RTU has no transaction id)."""

    @property
    def fresh(self) -> bool:
        """Whether it is not known yet if this line echoes: the echo of a write by function 5 or 6 is its answer."""

    async def open(self, lost: Callable[[], None]) -> None:
        """Open port or connection; `lost` is called when it closes without having been asked to.

        Raises:
            DeviceError: CLOSED, it cannot be opened.
        """

    def close(self) -> None:
        """Close at once, what is under way fails; harmless when closed."""

    def begin(self, request: Request, timeout_s: float, done: Done) -> None:
        """Send as soon as the wire is free; `done` is not called before this returns.

        `timeout_s` counts from the end of the request to the first byte of an answer, and again from there to its
        end.
        """

    def withdraw(self) -> bool:
        """Take back the one request that waits for the wire; False if it was sent."""

    def line_s(self, request: Request) -> float:
        """Time on the wire of the request, its answer and the silence after it, without the device's turnaround."""
