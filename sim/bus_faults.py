"""What can go wrong between master and slave, switched on by the control API."""

import random
from dataclasses import dataclass

from sim.clock import SimClock

KINDS = ("silent", "crc", "exception", "garbage", "slow", "late", "echo", "split")

SLOW_S = (0.3, 0.9)
"""Still an answer to its own request, if the master is patient."""

LATE_S = (1.2, 2.5)
"""Comes when the master has given up and asks for something else."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    device: str | None
    """Id on the scenario or unit number as text; None: all on the bus."""
    rate: float
    until_s: float | None


class Faults:
    """Faults of one bus; setting a kind for a device again replaces it."""

    def __init__(self, clock: SimClock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._active: dict[tuple[str, str | None], Fault] = {}

    def set(self, fault: Fault) -> None:
        if fault.rate <= 0:
            self._active.pop((fault.kind, fault.device), None)
        else:
            self._active[fault.kind, fault.device] = fault

    def clear(self) -> None:
        self._active.clear()

    def drawn(self, names: tuple[str, ...]) -> frozenset[str]:
        """Kinds that hit this one exchange with the device of these names."""
        now_s = self._clock.now_s
        live = {key: f for key, f in self._active.items() if f.until_s is None or now_s < f.until_s}
        self._active = live
        return frozenset(
            fault.kind
            for fault in live.values()
            if (fault.device is None or fault.device in names) and self._rng.random() < fault.rate
        )

    @property
    def active(self) -> list[Fault]:
        return list(self._active.values())
