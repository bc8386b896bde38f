"""What the site's controller wrote to an SECC, and when it counts."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Order:
    due_s: float
    what: str
    value: float


class Orders:
    """Locked and with nothing allowed until something else is written. Times are simulated seconds."""

    def __init__(self, latency_s: float, rng: random.Random) -> None:
        self.latency_s = latency_s
        self.enabled = False
        """The release as it counts."""
        self.written_enabled = False
        self.limit_w = 0.0
        self.limit_v = 0.0
        self.limit_a = 0.0
        self.delivered_v = 0.0
        self.delivered_a = 0.0
        self.timeout_s = 0.0
        self.fed_s = 0.0
        self.expired = False
        self._rng = rng
        self._coming: list[_Order] = []

    def release(self, enabled: bool, now_s: float) -> None:
        self.written_enabled = enabled
        if enabled:
            self.expired = False
        self._order("enabled", float(enabled), now_s)

    def limit(self, what: str, value: float, now_s: float) -> None:
        """`what` is limit_w, limit_v or limit_a."""
        self._order(what, value, now_s)

    def offered_a(self, volts: float) -> float:
        """What may be drawn at that voltage."""
        return min(self.limit_a, self.limit_w / max(volts, 1.0)) if self.enabled else 0.0

    def feed(self, now_s: float) -> None:
        self.fed_s = now_s

    def _order(self, what: str, value: float, now_s: float) -> None:
        due_s = now_s + self.latency_s * self._rng.uniform(0.5, 1.0)
        if self._coming:
            due_s = max(due_s, self._coming[-1].due_s)
        self._coming.append(_Order(due_s, what, value))

    def step(self, now_s: float, *, watched: bool) -> bool:
        """Let what is due count; True at the moment at which the controller has been silent for too long."""
        while self._coming and self._coming[0].due_s <= now_s:
            self._count(self._coming.pop(0))
        silent = self.timeout_s > 0 and now_s - self.fed_s > self.timeout_s
        if not watched or not silent or self.expired:
            return False
        self.expired = True
        self.enabled = self.written_enabled = False
        self._coming.clear()
        return True

    def _count(self, order: _Order) -> None:
        match order.what:
            case "enabled":
                self.enabled = bool(order.value)
            case "limit_w":
                self.limit_w = order.value
            case "limit_v":
                self.limit_v = order.value
            case "limit_a":
                self.limit_a = order.value
