"""UIDs of ID tokens: upper-case hex without separators. PURE."""

from collections.abc import Collection

UID_BYTES = (4, 5, 7, 10)
"""Lengths a UID can have: ISO 14443 single, double and triple size, and EM4100 with its version byte."""


def uid_of(data: bytes, lengths: Collection[int] = UID_BYTES) -> str | None:
    """Spell a UID; None for a length that no card has, and for zeros or ones only (no card, or a broken line)."""
    if len(data) not in lengths or set(data) in ({0x00}, {0xFF}):
        return None
    return data.hex().upper()


def turned(data: bytes, *, reverse_bytes: bool) -> bytes:
    """The bytes that a reader received in the order in which the site keeps them.

    A random UID keeps its own order: turned, nobody would know it for one (R21).
    """
    return data[::-1] if reverse_bytes and not is_random(data.hex()) else data


def is_random(uid: str) -> bool:
    """Whether a card makes up this UID anew at each tap, so that it identifies nobody (R21).

    ISO 14443 marks a 4-byte UID that is random by its first byte 08. A longer one that begins so is fixed.
    """
    return len(uid) == 8 and uid.startswith("08")


def card_of(uid: str) -> str:
    """What tells one card from another: a phone may show another random UID each time that it is asked."""
    return "random" if is_random(uid) else uid
