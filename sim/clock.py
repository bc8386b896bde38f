"""Simulated time: how far the physics have come, and how fast they shall run."""

import asyncio
import time

POLL_S = 0.005
STANDSTILL = 1e-9
"""A scale at which time passes only by explicit steps."""


class SimClock:
    """Simulated seconds since the start, running `scale` times as fast as real ones."""

    def __init__(self) -> None:
        self._real_s = time.monotonic()
        self._sim_s = 0.0
        self._scale = 1.0
        self.slipped_s = 0.0
        """Simulated seconds given up because the machine did not keep pace."""

    @property
    def scale(self) -> float:
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self._anchor(self.now_s)
        self._scale = scale

    @property
    def now_s(self) -> float:
        return self._sim_s + (time.monotonic() - self._real_s) * self._scale

    def slip(self, to_s: float) -> None:
        """Turn back to `to_s`: what the process could not simulate has not happened."""
        self.slipped_s += max(0.0, self.now_s - to_s)
        self._anchor(to_s)

    async def sleep(self, seconds: float) -> None:
        """Wait for simulated seconds, also while the scale changes."""
        until_s = self.now_s + seconds
        left_s = seconds
        while left_s > 0:
            await asyncio.sleep(min(max(left_s / self._scale, POLL_S), 0.1))
            left_s = until_s - self.now_s

    def _anchor(self, sim_s: float) -> None:
        self._sim_s = sim_s
        self._real_s = time.monotonic()


def monotonic_s() -> float:
    """Real monotonic seconds, for wires and event stamps."""
    return time.monotonic()
