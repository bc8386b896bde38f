"""Which cards lie on a reader, so that one that is held there is one tap. PURE."""

from drivers.rfid.tokens import card_of


class Presence:
    """A card is gone once a look without it came `repeat_s` after the last one with it.

    Time alone proves nothing: nobody looks while the reader shows light and sound, or the machine is busy.
    """

    def __init__(self, repeat_s: float) -> None:
        self._repeat_s = repeat_s
        self._seen: dict[str, float] = {}

    def arrives(self, uid: str, now_s: float) -> bool:
        """Take note of a card; whether it was not there before."""
        card = card_of(uid)
        held = card in self._seen
        self._seen[card] = now_s
        self.nothing_else(now_s)
        return not held

    def nothing_else(self, now_s: float) -> None:
        """Take note that no other card is seen."""
        self._seen = {card: at_s for card, at_s in self._seen.items() if now_s - at_s < self._repeat_s}
