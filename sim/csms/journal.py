"""Everything that went over the wire, in order."""

import asyncio
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Direction = Literal["in", "out"]
Kind = Literal["call", "result", "error", "unparsable"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a frame says; `action` of an answer is that of its call, None when no call fits."""

    kind: Kind
    id: str | None
    action: str | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One frame; `in` is from the station. `lost`: decided here, but never handed to the network."""

    n: int
    time_utc: str
    mono_s: float
    identity: str
    connection: int
    direction: Direction
    type: Kind
    id: str | None
    action: str | None
    payload: dict[str, Any]
    lost: bool = False


def now_utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Numbers start at 1 and have no gaps."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._remarks: list[tuple[int, str]] = []
        self._grown = asyncio.Event()

    def write(self, line: tuple[str, int, Direction], content: Content, *, lost: bool = False) -> Message:
        """Append a frame of the line (identity, connection number, direction)."""
        identity, connection, direction = line
        message = Message(
            n=len(self._messages) + 1,
            time_utc=now_utc(),
            mono_s=time.monotonic(),
            identity=identity,
            connection=connection,
            direction=direction,
            type=content.kind,
            id=content.id,
            action=content.action,
            payload=content.payload,
            lost=lost,
        )
        self._messages.append(message)
        self._grown.set()
        return message

    def remark(self, n: int, text: str) -> None:
        """Note a violation that the order of the messages alone would not show."""
        self._remarks.append((n, text))

    @property
    def messages(self) -> list[Message]:
        return self._messages

    @property
    def remarks(self) -> list[tuple[int, str]]:
        return self._remarks

    def since(self, n: int) -> list[dict[str, Any]]:
        """Messages with a number above n, as plain data."""
        return [asdict(message) for message in self._messages[max(n, 0) :]]

    async def wait(self, since: int, timeout_s: float) -> list[dict[str, Any]]:
        """As `since`, but waits for the first such message; empty when none came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._messages) <= since:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            return []
        return self.since(since)
