"""What a charger's own reader shows in its tag register -> taps. PURE."""

import math

from drivers.rfid.tokens import is_random

GONE_S = 0.3
"""The register must say "no card" in two readings this far apart: one alone may be how the charger refreshes it."""
SAME_PHONE_S = 5.0
"""A phone may show another random UID each time that it is asked: what follows this soon is still the first one."""


class TagRegister:
    """A card is one tap when the register begins to show it, however long it stays there.

    What it shows when the charger is found was presented to somebody else, or to nobody: that is no tap.
    """

    def __init__(self) -> None:
        self.doubt()

    def doubt(self) -> None:
        """Nobody has seen what was presented meanwhile."""
        self._known = False
        self._card: str | None = None
        self._gone_s: float | None = None
        self._changed_s = -math.inf

    def presents(self, shown: str | None, t_s: float) -> bool:
        """Take note of a reading: the UID, "" for no card, None for what cannot be told. Whether it is a tap."""
        if shown is None:
            return False
        if not self._known:
            self._known, self._card = True, shown or None
            return False
        if not shown:
            self._goes(t_s)
            return False
        self._gone_s = None
        before, self._card = self._card, shown
        if before == shown:
            return False
        changed_s, self._changed_s = self._changed_s, t_s
        return not (before is not None and _one_phone(before, shown) and t_s - changed_s < SAME_PHONE_S)

    def _goes(self, t_s: float) -> None:
        if self._gone_s is None:
            self._gone_s = t_s
        elif t_s - self._gone_s >= GONE_S:
            self._card = None


def _one_phone(before: str, after: str) -> bool:
    return is_random(before) and is_random(after)
