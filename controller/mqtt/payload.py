"""What stands in a message: a limit as somebody says it, and as it is told."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from controller.charging.view import LimitView

LONGEST = 1024
"""Bytes that are looked at; a limit needs thirty."""


class PayloadError(Exception):
    """The message says no limit; nothing of it was taken."""


@dataclass(frozen=True, slots=True)
class Said:
    """`value` None: the limit is withdrawn."""

    value: float | None
    expires_s: float | None = None


def decode(payload: bytes) -> Said:
    """A bare number, or {"value": 16, "expires_s": 60}; an empty message or null withdraws.

    Raises:
        PayloadError: it is neither.
    """
    if len(payload) > LONGEST:
        raise PayloadError(f"longer than {LONGEST} bytes")
    if not payload.strip():
        return Said(None)
    try:
        found = json.loads(payload, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # ValueError: also what is not UTF-8
        raise PayloadError(f"not JSON: {error}") from error
    if isinstance(found, dict):
        return _of_object(found)
    return Said(_number("the message", found))


def _of_object(found: dict[str, Any]) -> Said:
    if unknown := sorted(found.keys() - {"value", "expires_s"}):
        raise PayloadError(f"unknown key {unknown[0]!r}; there are value and expires_s")
    if "value" not in found:
        raise PayloadError("value is missing")
    return Said(_number("value", found["value"]), _number("expires_s", found.get("expires_s")))


def _number(name: str, found: object) -> float | None:
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise PayloadError(f"{name} must be a number or null")
    try:
        return float(found)
    except OverflowError as error:
        raise PayloadError(f"{name} is too large") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def encode(limit: LimitView) -> bytes:
    """What changes only when something happens: ages and times to come are left out."""
    told = {
        "value": _in_unit(limit),
        "unit": limit.unit,
        "state": limit.state.value,
        "source": limit.source,
        "scope": limit.scope,
        "target": limit.target,
        "binds": list(limit.binds),
        "when_lost": limit.when_lost,
        "refused": limit.refused,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _in_unit(limit: LimitView) -> float | None:
    inner = limit.value_ma if limit.unit == "a" else limit.value_w
    return inner if inner is None or limit.unit == "w" else inner / 1000
