"""Which cards lie on a reader, so that one that is held there is one tap. PURE."""

from drivers.rfid.tokens import is_random

_ANY_RANDOM = "random"


class Presence:
    """A card counts as gone once it was not seen for `repeat_s`."""

    def __init__(self, repeat_s: float) -> None:
        self._repeat_s = repeat_s
        self._seen: dict[str, float] = {}

    def arrives(self, uid: str, now_s: float) -> bool:
        """Take note of a card; whether it was not there before.

        A phone may show another random UID each time it is asked: while one lies there, the others are the same.
        """
        self._seen = {card: at_s for card, at_s in self._seen.items() if now_s - at_s < self._repeat_s}
        card = _ANY_RANDOM if is_random(uid) else uid
        held = card in self._seen
        self._seen[card] = now_s
        return not held
