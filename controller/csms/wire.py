"""Spellings that both versions share."""

from datetime import UTC, datetime

from controller.charging.tokens import TokenStatus


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_of(text: object) -> datetime | None:
    """Aware UTC; without an offset it counts as UTC. None: no time."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def token_status(text: object) -> TokenStatus | None:
    try:
        return TokenStatus(text)
    except ValueError:
        return None


def text_of(value: object, longest: int) -> str | None:
    """A non-empty string of at most `longest` characters, else None."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def integer_of(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def decimal(thousandths: int) -> float:
    """Amperes of milliamperes, as a JSON number."""
    return thousandths / 1000
