"""Lights and buzzer of an ACR122U: one command for each kind of feedback (ACS, ACR122U API, section 6.2). PURE."""

from collections.abc import Mapping

from drivers.api import Feedback

MODEL = "ACR122"
RED, GREEN = 0b01, 0b10
UPDATE, INITIAL, BLINK = 2, 4, 6
"""Places of the bits that say which lights change at the end, begin lit, and blink."""
SILENT, BEEPS = 0, 1
"""Whether the buzzer sounds while the lights are lit."""


def _order(lights: int, *, lit: int, dark: int, times: int, sound: int) -> tuple[int, ...]:
    """Blink so often, lit and dark for so many tenths of a second; in the end red alone is on, as at rest."""
    control = RED | (RED | GREEN) << UPDATE | lights << INITIAL | lights << BLINK
    return (0xFF, 0x00, 0x40, control, 0x04, lit, dark, times, sound)


ORDERS: Mapping[Feedback, tuple[int, ...]] = {
    Feedback.ACCEPTED: _order(GREEN, lit=5, dark=1, times=1, sound=BEEPS),
    Feedback.REFUSED: _order(RED, lit=2, dark=2, times=3, sound=BEEPS),
    Feedback.WAITING: _order(RED | GREEN, lit=4, dark=2, times=2, sound=SILENT),
}


def order_for(reader: str, feedback: Feedback) -> tuple[int, ...] | None:
    """The command for a reader of this name; None where it is another model, whose lights are not known."""
    return ORDERS[feedback] if MODEL in reader.upper() else None
