"""The card that a charger's own reader shows in a register."""

from collections.abc import Callable

from sim.device_profile import DeviceProfile, Register
from sim.registers import Value

TAG_S = 3.0
"""How long a charger shows the card that was held to it, where the tap does not say."""


class TagWindow:
    """Cards by outlet, each shown until its time is over."""

    def __init__(self, profile: DeviceProfile, now: Callable[[], float]) -> None:
        self._profile = profile
        self._now = now
        self._tags: dict[int, tuple[str, float]] = {}

    def show(self, outlet: int, uid: str, hold_s: float) -> None:
        """Raises ValueError where the model has no reader."""
        if "rfid_tag" not in self._profile.registers:
            raise ValueError(f"{self._profile.id} has no card reader")
        self._tags[outlet] = (uid, self._now() + hold_s)

    def clear(self) -> None:
        self._tags.clear()

    def value(self, register: Register, outlet: int) -> Value:
        uid, until_s = self._tags.get(outlet, ("", 0.0))
        shown = uid if self._now() < until_s else self._profile.tag_none
        if shown == uid and self._profile.tag_reversed and _is_hex(uid):
            shown = bytes.fromhex(uid)[::-1].hex().upper()
        if register.type == "string":
            return shown
        return bytes.fromhex(shown) if _is_hex(shown) else b""


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(digit in "0123456789abcdefABCDEF" for digit in text)
