"""Key presses of a reader that plays a keyboard -> the text that it types. PURE.

Codes are those of the kernel (linux/input-event-codes.h); a layout does not matter to them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SYN, KEY = 0, 1
"""Kinds of events."""
SYN_DROPPED = 3
DOWN = 1
ENTER, KEYPAD_ENTER = 28, 96


@dataclass(frozen=True, slots=True)
class Event:
    """One event of an input device."""

    type: int
    code: int
    value: int


def _row(first: int, characters: str) -> dict[int, bytes]:
    return {first + place: character.encode() for place, character in enumerate(characters)}


_CHARACTERS: Mapping[int, bytes] = {
    **_row(2, "1234567890-"),
    **_row(16, "QWERTYUIOP"),
    **_row(30, "ASDFGHJKL"),
    **_row(44, "ZXCVBNM"),
    **_row(71, "789-456"),
    **_row(79, "1230"),
    39: b":",
    57: b" ",
    ENTER: b"\r",
    KEYPAD_ENTER: b"\r",
}
_MODIFIERS = frozenset({29, 42, 54, 56, 58, 69, 97, 100})
"""Ctrl, Shift, Alt, Caps Lock and Num Lock: they type nothing, and a UID has no upper and lower case."""
_SPOILT = b"?"
"""In place of any other key, or of keys that were lost: no UID has it, so that its line is none."""


def text_of(events: Iterable[Event]) -> bytes:
    """What they type; each key counts when it goes down, not while it is held."""
    return b"".join(_typed(event) for event in events)


def _typed(event: Event) -> bytes:
    if event.type == SYN and event.code == SYN_DROPPED:
        return _SPOILT
    if event.type != KEY or event.value != DOWN or event.code in _MODIFIERS:
        return b""
    return _CHARACTERS.get(event.code, _SPOILT)
